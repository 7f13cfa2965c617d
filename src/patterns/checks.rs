//! Is it one? What a format asks of a match beyond its shape.
//!
//! Each check is given the match with its separators, all of it in ASCII, and decides for the whole.

use core::net::{Ipv4Addr, Ipv6Addr};

use iban::Iban;

use crate::patterns::digits::{
    compact, crc32, digits, luhn, mod_11_10, remainder, verhoeff, weighted,
};
use crate::patterns::entropy;

/// A payment card: a known issuer's range and length, and Luhn's formula.
pub(super) fn card(text: &str) -> bool {
    let digits = digits(text);
    let prefix = |length: usize| digits.iter().take(length).fold(0, |all, digit| all * 10 + digit);
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    let lengths = match (two, three, four) {
        (40..=49, _, _) => [13, 16, 19].as_slice(),
        (51..=55, _, _) | (_, _, 2221..=2720 | 2200..=2204) => &[16],
        (34 | 37, _, _) => &[15],
        (36 | 38 | 39, _, _) | (_, 300..=305, _) => &[14, 16],
        (65 | 62, _, _) | (_, 644..=649, _) | (_, _, 6011 | 3528..=3589) => &[16, 17, 18, 19],
        (_, _, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => &[13, 15, 16, 18, 19],
        _ => &[],
    };
    lengths.contains(&digits.len()) && is_varied(&digits) && luhn(&digits)
}

/// An IBAN: its country's length and structure, and the remainder modulo 97.
pub(super) fn iban(text: &str) -> bool {
    compact(text).parse::<Iban>().is_ok()
}

/// A telephone number with its country's calling code.
pub(super) fn international_phone(text: &str) -> bool {
    let digits = digits(text.trim_start_matches("00"));
    if !(8..=15).contains(&digits.len()) || !is_varied(&digits) {
        return false;
    }
    let prefix = |length: usize| digits.iter().take(length).fold(0, |all, digit| all * 10 + digit);
    let (one, two, three) = (prefix(1), prefix(2), prefix(3));
    matches!(one, 1 | 7)
        || matches!(two, 20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66)
        || matches!(two, 81 | 82 | 84 | 86 | 90..=95 | 98)
        || matches!(three, 211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299)
        || matches!(three, 350..=359 | 370..=383 | 385..=387 | 389 | 420 | 421 | 423 | 500..=509)
        || matches!(three, 590..=599 | 670 | 672..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856)
        || matches!(three, 870 | 880 | 886 | 960..=968 | 970..=977 | 992..=996 | 998)
}

/// A telephone number in any national form: as many digits as one has.
pub(super) fn national_phone(text: &str) -> bool {
    let digits = digits(text);
    (7..=12).contains(&digits.len()) && is_varied(&digits)
}

/// A Social Security number of the US: no area 000, 666 or 9xx, no group 00, no serial 0000.
pub(super) fn us_ssn(text: &str) -> bool {
    let compact = compact(text);
    let (Some(area), Some(group), Some(serial)) =
        (compact.get(..3), compact.get(3..5), compact.get(5..))
    else {
        return false;
    };
    let never_issued = ["078051120", "219099999", "123456789"].contains(&compact.as_str());
    let area_exists = !matches!(area, "000" | "666") && !area.starts_with('9');
    area_exists && group != "00" && serial != "0000" && !never_issued && is_varied(&digits(text))
}

/// A taxpayer number of the US: 9xx with a group that is given out.
pub(super) fn us_itin(text: &str) -> bool {
    let compact = compact(text);
    let group = compact.get(3..5).and_then(|group| group.parse::<u32>().ok());
    compact.starts_with('9')
        && matches!(group, Some(50..=65 | 70..=88 | 90..=92 | 94..=99))
        && compact.len() == 9
}

/// A National Insurance number of the UK: not one of the prefixes that are never given out.
pub(super) fn uk_nino(text: &str) -> bool {
    let compact = compact(text);
    let never = ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"];
    !never.iter().any(|prefix| compact.starts_with(prefix))
}

/// An NHS number of the UK: modulo 11 with the weights ten to two.
pub(super) fn uk_nhs(text: &str) -> bool {
    let digits = digits(text);
    let Some((check, rest)) = digits.split_last() else { return false };
    let expected = 11 - weighted(rest, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digits.len() == 10 && is_varied(&digits) && expected % 11 == *check && expected != 10
}

/// A German tax number: of the first ten digits exactly one is there twice or three times, and
/// MOD 11,10 holds.
pub(super) fn de_tax_id(text: &str) -> bool {
    let digits = digits(text);
    let (Some(first), 11) = (digits.get(..10), digits.len()) else { return false };
    let count = |digit: u32| first.iter().filter(|other| **other == digit).count();
    let repeated: Vec<usize> = (0..10).map(count).filter(|count| *count > 1).collect();
    matches!(repeated.as_slice(), [2 | 3]) && first.first() != Some(&0) && mod_11_10(&digits)
}

/// A German identity card with its check digit: weights seven, three, one.
pub(super) fn de_id_card(text: &str) -> bool {
    let compact = compact(text);
    let values: Option<Vec<u32>> = compact.chars().map(|c| c.to_digit(36)).collect();
    let Some((check, serial)) = values.as_deref().and_then(<[u32]>::split_last) else {
        return false;
    };
    let sum = weighted(serial, &[7, 3, 1, 7, 3, 1, 7, 3, 1]);
    serial.len() == 9 && sum % 10 == *check && is_mixed(&compact)
}

/// Letters and digits both.
pub(super) fn is_mixed(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// A French social security number: its key is 97 less the remainder; Corsica's letters stand for 19
/// and 18.
pub(super) fn fr_nir(text: &str) -> bool {
    let plain = compact(text).replace("2A", "19").replace("2B", "18");
    let digits = digits(&plain);
    let (Some(number), Some(key)) = (digits.get(..13), digits.get(13..15)) else { return false };
    digits.len() == 15 && 97 - remainder(number, 97) == remainder(key, 100)
}

/// A Spanish identity number: the letter is the remainder modulo 23; X, Y, Z of foreigners stand for 0,
/// 1, 2.
pub(super) fn es_dni(text: &str) -> bool {
    const LETTERS: &str = "TRWAGMYFPDXBNJZSQVHLCKE";
    let compact = compact(text);
    let Some((number, letter)) = compact.split_at_checked(8) else { return false };
    let number = number.replace('X', "0").replace('Y', "1").replace('Z', "2");
    let Ok(number) = number.parse::<usize>() else { return false };
    LETTERS.get(number % 23..=number % 23) == Some(letter) && number > 0
}

/// An Italian fiscal code: its last letter sums the others, odd places by a table of their own.
pub(super) fn it_fiscal_code(text: &str) -> bool {
    /// What A to Z, and 0 to 9, count in odd places.
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let compact = compact(text);
    let value = |c: char| c.to_digit(10).or_else(|| Some(c.to_digit(36)? - 10));
    let values: Option<Vec<u32>> = compact.chars().map(value).collect();
    let Some((check, rest)) = values.as_deref().and_then(<[u32]>::split_last) else {
        return false;
    };
    let counted = rest.iter().zip(1..).map(|(value, place)| {
        let odd = usize::try_from(*value).ok().and_then(|at| ODD.get(at)).copied();
        if place % 2 == 1 { odd.unwrap_or(0) } else { *value }
    });
    rest.len() == 15 && counted.sum::<u32>() % 26 == *check
}

/// An Aadhaar number of India: twelve digits, Verhoeff's check, no palindrome.
pub(super) fn in_aadhaar(text: &str) -> bool {
    let digits = digits(text);
    let backwards = digits.iter().rev();
    digits.len() == 12 && !digits.iter().eq(backwards) && verhoeff(&digits)
}

/// An IPv4 address that is some machine's: no loopback, mask or network.
pub(super) fn ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok_and(|address| {
        let [first, _, _, last] = address.octets();
        !(address.is_loopback() || first == 0 || first >= 240 || last == 0)
    })
}

/// An IPv6 address that is some machine's, with enough groups not to be a path in a program.
pub(super) fn ipv6(text: &str) -> bool {
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let numbered = text.contains(|c: char| c.is_ascii_digit());
    groups >= 3 && numbered && text.parse::<Ipv6Addr>().is_ok()
}

/// A hardware address that is not all the same.
pub(super) fn mac(text: &str) -> bool {
    let compact = compact(text);
    let first = compact.chars().next();
    matches!(compact.len(), 12 | 16) && compact.chars().any(|c| Some(c) != first)
}

/// A mailbox: no dots at the ends or in a row, and no name of a file.
pub(super) fn email(text: &str) -> bool {
    const FILES: [&str; 8] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css"];
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let ending = domain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_dotted = local.starts_with('.') || local.ends_with('.') || text.contains("..");
    // How a repository is addressed.
    let is_remote =
        local == "git" && ["github.com", "gitlab.com", "bitbucket.org"].contains(&domain);
    !is_dotted && !is_remote && !FILES.contains(&ending.as_str())
}

/// A day that was or will be in the lifetime of somebody who lives.
pub(super) fn birth_date(text: &str) -> bool {
    let numbers: Vec<u32> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let year = |year: u32| (1900..=2035).contains(&year);
    let day = |day: u32| (1..=31).contains(&day);
    match *numbers.as_slice() {
        [a, b, c] if year(a) => (1..=12).contains(&b) && day(c),
        [a, b, c] => day(a) && day(b) && (a <= 12 || b <= 12) && year(c),
        [a, b] => day(a) && year(b),
        _ => false,
    }
}

/// A token of GitHub's or npm's: behind the prefix thirty characters, and their CRC-32 in six digits of
/// base 62.
pub(super) fn checked_token(text: &str) -> bool {
    let Some((_, secret)) = text.split_once('_') else { return false };
    let (Some(random), Some(check)) = (secret.get(..30), secret.get(30..36)) else { return false };
    let value = |c: u8| match c {
        b'0'..=b'9' => u64::from(c - b'0'),
        b'A'..=b'Z' => u64::from(c - b'A') + 10,
        _ => u64::from(c.saturating_sub(b'a')) + 36,
    };
    let check = check.bytes().fold(0, |sum, c| sum * 62 + value(c));
    secret.len() == 36 && u64::from(crc32(random.as_bytes())) == check
}

/// Characters as only chance deals them.
pub(super) fn random(text: &str) -> bool {
    entropy::is_random(text) && !is_placeholder(text)
}

/// A password somebody has, and not a word of a sentence, a call, or the place where one goes.
pub(super) fn password(text: &str) -> bool {
    let unlike_words = text.contains(|c: char| c.is_ascii_digit() || "!@#$%^&*+=~".contains(c));
    unlike_words && !text.contains("()") && secret_in_url(text)
}

/// A password that stands where one goes; there it may be any word.
pub(super) fn secret_in_url(text: &str) -> bool {
    !is_placeholder(text) && is_varied(&text.chars().map(u32::from).collect::<Vec<_>>())
}

/// Words that stand where a secret would.
fn is_placeholder(text: &str) -> bool {
    const WORDS: [&str; 20] = [
        "example",
        "placeholder",
        "your",
        "changeme",
        "change_me",
        "xxxx",
        "****",
        "redacted",
        "insert",
        "replace",
        "dummy",
        "process.env",
        "os.environ",
        "getenv",
        "secret_key",
        "null",
        "undefined",
        "none",
        "required",
        "[",
    ];
    let lower = text.to_ascii_lowercase();
    lower.starts_with(['$', '<', '{', '%']) || WORDS.iter().any(|word| lower.contains(word))
}

/// Not the same digit over and over.
fn is_varied(digits: &[u32]) -> bool {
    digits.iter().any(|digit| Some(digit) != digits.first())
}
