//! Check digits: the arithmetic that tells a number of a kind from a number that looks like one.

/// The digits of a text, in order; whatever else stands there is left out.
pub(super) fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// The letters and digits of a text in upper case; separators are left out.
pub(super) fn compact(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Luhn's formula (ISO/IEC 7812): every second digit from the right doubled, sum divisible by ten.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let each = digits.iter().rev().enumerate();
    let sum: u32 = each.map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

/// Verhoeff's check, which works in the symmetries of a pentagon.
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    let sum = digits.iter().rev().zip(0..).fold(0, |sum, (digit, position)| {
        let moved = (0..position).fold(*digit, |digit, _| permuted(digit));
        turned(sum, moved)
    });
    sum == 0
}

/// One step of Verhoeff's permutation, which has the cycles (0 1 5 8 9 4 2 7) and (3 6).
fn permuted(digit: u32) -> u32 {
    match digit {
        0 => 1,
        1 => 5,
        2 => 7,
        3 => 6,
        4 => 2,
        5 => 8,
        6 => 3,
        7 => 0,
        8 => 9,
        _ => 4,
    }
}

/// The product of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 turn it and flip it over.
fn turned(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => 5 + (left + right - 5) % 5,
        (false, true) => 5 + (left - 5 + 5 - right) % 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

/// A sum of products with weights, the first digit with the first weight.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// ISO 7064 MOD 11,10: the check digit closes the chain at one.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let chain = rest.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    (chain + check) % 10 == 1
}

/// The remainder of a decimal number of any length.
pub(super) fn remainder(digits: &[u32], modulus: u32) -> u32 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + digit) % modulus)
}

/// The CRC-32 of IEEE 802.3, bit by bit: the texts are short.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{crc32, digits, luhn, mod_11_10, remainder, verhoeff};

    #[test]
    fn the_examples_of_the_specifications_hold() {
        for number in ["79927398713", "4111 1111 1111 1111", "0", "3782-822463-10005"] {
            assert!(luhn(&digits(number)), "{number}");
        }
        assert!(!luhn(&digits("79927398710")));
        // Verhoeff's own: 236 has the check digit 3, 12345 has 1.
        for number in ["2363", "123451", "2341 2341 2346"] {
            assert!(verhoeff(&digits(number)), "{number}");
        }
        assert!(!verhoeff(&digits("2364")));
        // ISO 7064's example for MOD 11,10 is 0794 with the check digit 5.
        assert!(mod_11_10(&digits("07945")));
        assert!(!mod_11_10(&digits("07946")));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(remainder(&digits("123456789012345678901234567890"), 97), 52);
    }

    #[test]
    fn one_wrong_digit_or_two_exchanged_never_pass_verhoeff() {
        let good = digits("234123412346");
        for at in 0..good.len() {
            for wrong in (0..10).filter(|digit| *digit != good[at]) {
                let mut bad = good.clone();
                bad[at] = wrong;
                assert!(!verhoeff(&bad), "{bad:?}");
            }
            let mut bad = good.clone();
            bad.swap(at, (at + 1) % good.len());
            assert!(bad == good || at + 1 == good.len() || !verhoeff(&bad), "{bad:?}");
        }
    }
}
