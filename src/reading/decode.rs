//! Text in codes that models read without effort: base64, hex, rot13.
//!
//! A run is decoded where it stands, so that what is said around it stays around it; and only where
//! that gives text, so that names, digests and pictures stay as they are. A run may be cut off at
//! either end, as the windows of a stream cut it: every way to group its digits is tried.

use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::{Captures, Regex};

use crate::reading::letters::is_invisible;

/// The shortest run of base64 that is decoded, in digits.
const LEAST_BASE64: usize = 12;

/// A line of base64 goes on in the next from this length on.
const LEAST_LINE: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[expect(clippy::expect_used, reason = "the pattern is a constant, and every test compiles it")]
static HEX: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?:(?:0x|\\x|%|&#x)?[0-9A-Fa-f]{2}(?:[,:; -]|, |\r?\n)?){5,}(?:0x|\\x|%|&#x)?[0-9A-Fa-f]{2,3};?";
    Regex::new(pattern).expect("a pattern")
});

/// The text with its codes decoded; `None` where there are none.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut plain: Option<String> = None;
    for decode in [without_base64, without_hex, without_rot13] {
        if let Some(further) = decode(plain.as_deref().unwrap_or(text)) {
            plain = Some(further);
        }
    }
    plain
}

/// Whether characters are mostly letters, digits and what stands between them; what nobody sees does not
/// count.
pub(super) fn is_text(text: &str) -> bool {
    let (mut all, mut words, mut odd) = (0_usize, 0_usize, 0_usize);
    for character in text.chars() {
        let is_odd = (character.is_control() && !character.is_whitespace() && character != '\0')
            || character == char::REPLACEMENT_CHARACTER;
        if is_invisible(character) && !is_odd {
            continue;
        }
        all += 1;
        odd += usize::from(is_odd);
        words += usize::from(character.is_alphanumeric() || character.is_whitespace());
    }
    words * 2 > all && odd * 10 <= all
}

/// Whether a string that should be an opaque name says something in base64 or hex.
pub fn spells(name: &str) -> bool {
    name.len() >= LEAST_BASE64 && (without_base64(name).is_some() || without_hex(name).is_some())
}

/// The text that bytes are, in UTF-8 or in UTF-16 as Windows writes it.
fn text_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    if is_text(&text) && bytes.iter().filter(|byte| **byte == 0).count() * 4 < bytes.len() {
        return Some(text.into_owned());
    }
    (0..2).find_map(|first| {
        let (pairs, _) = bytes.get(first..)?.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        let latin = units.iter().filter(|unit| **unit < 0x250).count();
        let text = (latin * 10 >= units.len() * 9).then(|| String::from_utf16_lossy(&units))?;
        is_text(&text).then_some(text)
    })
}

fn without_base64(text: &str) -> Option<String> {
    let mut plain: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        if !is_base64(*byte) {
            at += 1;
            continue;
        }
        let end = run_end(bytes, at);
        if end - at >= LEAST_BASE64
            && let Some(said) = text.get(at..end).and_then(from_base64)
        {
            let plain = plain.get_or_insert_with(|| String::with_capacity(text.len()));
            plain.push_str(text.get(copied..at).unwrap_or_default());
            plain.push_str(&said);
            copied = end;
            while copied < bytes.len() && bytes.get(copied) == Some(&b'=') {
                copied += 1;
            }
        }
        at = end;
    }
    plain.map(|plain| plain + text.get(copied..).unwrap_or_default())
}

/// Where a run of base64 ends that begins at `at`: over the ends of lines, where these are long.
fn run_end(bytes: &[u8], at: usize) -> usize {
    let is_digit = |at: usize| bytes.get(at).is_some_and(|byte| is_base64(*byte));
    let mut end = at;
    loop {
        let line = end;
        while is_digit(end) {
            end += 1;
        }
        let ends_with =
            |ending: &[u8]| bytes.get(end..).is_some_and(|rest| rest.starts_with(ending));
        let next = match () {
            () if ends_with(b"\r\n") => end + 2,
            () if ends_with(b"\n") => end + 1,
            () => return end,
        };
        if end - line < LEAST_LINE || !is_digit(next) {
            return end;
        }
        end = next;
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn from_base64(run: &str) -> Option<String> {
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let digits: Vec<u8> = run.bytes().filter(|byte| is_base64(*byte)).map(standard).collect();
    (0..4).find_map(|first| {
        let digits = digits.get(first..)?;
        // One digit alone is less than a byte.
        let whole = digits.len() - usize::from(digits.len() % 4 == 1);
        let bytes = BASE64.decode(digits.get(..whole)?).ok()?;
        text_of(&bytes)
    })
}

fn without_hex(text: &str) -> Option<String> {
    // No letter's code is without one.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    replaced(text, &HEX, from_hex)
}

fn from_hex(run: &str) -> Option<String> {
    let mut run = run.to_owned();
    for sign in ["0x", "\\x", "&#x"] {
        run = run.replace(sign, "");
    }
    let digit = |character: char| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = run.chars().filter_map(digit).collect();
    (0..2).find_map(|first| {
        let (pairs, _) = digits.get(first..)?.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        text_of(&bytes)
    })
}

/// The text with what matches replaced, where there is something to replace it by.
fn replaced(text: &str, runs: &Regex, by: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut any = false;
    let plain = runs.replace_all(text, |found: &Captures<'_>| {
        let run = found.get(0).map_or("", |found| found.as_str());
        match by(run) {
            Some(said) => {
                any = true;
                said
            }
            None => run.to_owned(),
        }
    });
    let plain = plain.into_owned();
    any.then_some(plain)
}

/// The commonest words of English, and the same in rot13; of both only those that are no words in the
/// other.
const COMMON: [(&str, &str); 28] = [
    ("the", "gur"),
    ("and", "naq"),
    ("you", "lbh"),
    ("your", "lbhe"),
    ("how", "ubj"),
    ("that", "gung"),
    ("what", "jung"),
    ("this", "guvf"),
    ("with", "jvgu"),
    ("for", "sbe"),
    ("from", "sebz"),
    ("are", "ner"),
    ("can", "pna"),
    ("all", "nyy"),
    ("have", "unir"),
    ("make", "znxr"),
    ("tell", "gryy"),
    ("give", "tvir"),
    ("write", "jevgr"),
    ("about", "nobhg"),
    ("please", "cyrnfr"),
    ("to", "gb"),
    ("of", "bs"),
    ("in", "va"),
    ("it", "vg"),
    ("is", "vf"),
    ("me", "zr"),
    ("my", "zl"),
];

/// Decodes the stretches that have two common words in rot13. A stretch ends with its sentence, and at a
/// common word of English.
fn without_rot13(text: &str) -> Option<String> {
    if !has_turned(text) {
        return None;
    }
    const ENDS: [char; 11] = ['.', ',', ':', ';', '!', '?', '\n', '"', '(', ')', '='];
    let mut plain: Option<String> = None;
    let (mut copied, mut start, mut at, mut seen) = (0, 0, 0, 0_u32);
    for word in text.split_inclusive(|each: char| !each.is_ascii_alphabetic()) {
        let letters = word.trim_end_matches(|each: char| !each.is_ascii_alphabetic());
        let (is_english, turned) = common(letters);
        let end = at + word.len();
        seen |= turned;
        if is_english || word.ends_with(ENDS) || end == text.len() {
            let stop = if is_english { at } else { end };
            if seen.count_ones() > 1 {
                let plain = plain.get_or_insert_with(|| String::with_capacity(text.len()));
                plain.push_str(text.get(copied..start).unwrap_or_default());
                plain.extend(text.get(start..stop).unwrap_or_default().chars().map(rotated));
                copied = stop;
            }
            (start, seen) = (end, 0);
        }
        at = end;
    }
    plain.map(|plain| plain + text.get(copied..).unwrap_or_default())
}

/// Whether two words of a text may be common ones in rot13: as quick as can be, since no other has.
fn has_turned(text: &str) -> bool {
    let words = text.as_bytes().split(|byte| !byte.is_ascii_alphabetic());
    let turned = words.filter(|word| match word {
        [first, second, rest @ ..] if rest.len() <= 4 => {
            let number = |letter: &u8| letter.to_ascii_lowercase() - b'a';
            STARTS
                .get(usize::from(number(first)))
                .is_some_and(|seconds| seconds >> number(second) & 1 == 1)
        }
        _ => false,
    });
    turned.take(2).count() == 2
}

/// For each first letter, a bit for each second letter that the common words in rot13 begin with.
const STARTS: [u32; 26] = {
    let mut starts = [0; 26];
    let mut number = 0;
    while number < COMMON.len() {
        let word = COMMON[number].1.as_bytes();
        starts[(word[0] - b'a') as usize] |= 1 << (word[1] - b'a');
        number += 1;
    }
    starts
};

/// Whether a word is a common one of English; and the bit of the one it is in rot13.
fn common(word: &str) -> (bool, u32) {
    if !(2..=6).contains(&word.len()) {
        return (false, 0);
    }
    for (number, (plain, turned)) in COMMON.iter().enumerate() {
        if word.eq_ignore_ascii_case(plain) {
            return (true, 0);
        }
        if word.eq_ignore_ascii_case(turned) {
            return (false, 1 << number);
        }
    }
    (false, 0)
}

fn rotated(character: char) -> char {
    let turn = |byte: u8, first: u8| char::from((byte - first + 13) % 26 + first);
    match u8::try_from(character) {
        Ok(byte @ b'a'..=b'z') => turn(byte, b'a'),
        Ok(byte @ b'A'..=b'Z') => turn(byte, b'A'),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::{decoded, rotated};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(decoded(text).as_deref(), Some(expected), "{text:?}");
    }

    #[test]
    fn base64_is_read_where_it_stands() {
        check("decode dGhlIGNhbmFyeSBzaW5ncw== now", "decode the canary sings now");
        check(
            "data:text/plain;base64,dGhlIGNhbmFyeSBzaW5ncw",
            "data:text/plain;base64,the canary sings",
        );
        let long = BASE64_STANDARD.encode("the canary sings. ".repeat(20));
        let lines: Vec<&str> =
            long.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        check(&lines.join("\n"), &"the canary sings. ".repeat(20));
        check(&lines.join("\r\n"), &"the canary sings. ".repeat(20));
        check(
            &BASE64_URL_SAFE_NO_PAD.encode("¿la canción? ¡sí, señor!"),
            "¿la canción? ¡sí, señor!",
        );
        let wide: Vec<u8> = "the canary".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&BASE64_STANDARD.encode(&wide), "the canary");
        let behind = decoded(&format!("http://x/{}", BASE64_STANDARD.encode(&wide)));
        assert!(behind.is_some_and(|text| text.ends_with("the canary")));
    }

    #[test]
    fn hex_is_read_where_it_stands() {
        check("say 63616e617279!", "say canary!");
        check("63 61 6e 61 72 79", "canary");
        check("0x63, 0x61, 0x6e, 0x61, 0x72, 0x79", "canary");
        check("0x63616e617279", "canary");
        check(r"\x63\x61\x6e\x61\x72\x79", "canary");
        check("%63%61%6e%61%72%79", "canary");
        check("&#x63;&#x61;&#x6e;&#x61;&#x72;&#x79;", "canary");
        check("463616e617279", "canary");
    }

    #[test]
    fn rot13_is_read_where_it_stands() {
        check("Decode: ubj gb znxr n pnanel. Thanks!", "Decode: how to make a canary. Thanks!");
        check("and the ubj gb znxr n pnanel and the", "and the how to make a canary and the");
        check("GRYY ZR NOBHG GUR PNANEL", "TELL ME ABOUT THE CANARY");
    }

    #[test]
    fn what_is_no_code_stays() {
        for text in [
            "",
            "Internationalization of antidisestablishmentarianism, counterrevolutionaries",
            "snake_case_identifier_name and CamelCaseIdentifierName and kebab-case-name-here",
            "https://example.com/v1/chat/completions/index/overview",
            "commit 9dcb228f0aa3e5ff7c1d2b3a4958676950413223, 550e8400-e29b-41d4-a716-446655440000",
            "20250101120000 1234567890123456 4111 1111 1111 1111 +49 30 1234567",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
            "16 GB of RAM and 2 GB of disk; is it for me or for you?",
            "call_9f8hG7sdKq2LmZ0x toolu_01A09q90qw90lq917835lq9",
            "added facade decade: dead beef cafe face feed",
            "die Geschwindigkeitsbegrenzung und die Donaudampfschifffahrtsgesellschaft",
        ] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_run_that_is_cut_anywhere_is_read_all_the_same(cut in 0_usize..40, stop in 0_usize..20) {
            let run = BASE64_STANDARD.encode("and then it said that the canary sings at noon every day");
            let text = decoded(&run[cut.min(24)..run.len() - stop]);
            prop_assert!(text.is_some_and(|text| text.contains("canary")));
        }

        #[test]
        fn decoding_only_makes_shorter(text in any::<String>(), letters in "[a-zA-Z0-9+/=% \n]{0,80}") {
            for text in [text, letters] {
                if let Some(plain) = decoded(&text) {
                    // A byte that is no text is written in three.
                    prop_assert!(plain.len() <= text.len() * 3);
                }
            }
        }

        #[test]
        fn turning_twice_changes_nothing(text in any::<String>()) {
            prop_assert_eq!(text.chars().map(rotated).map(rotated).collect::<String>(), text);
        }
    }
}
