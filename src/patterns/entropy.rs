//! How random a text looks: the last resort for secrets that have no form of their own.

/// The least Shannon entropy, in bits a character, of something made by chance.
const LEAST_BITS: f64 = 3.3;

/// Whether characters look dealt by chance: spread evenly over several kinds. Words, paths, versions and
/// plain numbers do not.
pub(super) fn is_random(text: &str) -> bool {
    let kind = |holds: fn(&u8) -> bool| text.bytes().filter(holds).count();
    let digits = kind(u8::is_ascii_digit);
    let lower = kind(u8::is_ascii_lowercase);
    let upper = kind(u8::is_ascii_uppercase);
    let kinds = [digits, lower, upper].into_iter().filter(|count| *count > 0).count();
    kinds >= 2 && digits > 0 && digits < text.len() && bits(text) >= LEAST_BITS
}

/// Shannon entropy over the bytes of a text, in bits a byte.
pub(super) fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = text.len() as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all);
    shares.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::{bits, is_random};

    #[test]
    fn chance_is_told_from_writing() {
        assert!((bits("abcd") - 2.0).abs() < 1e-9);
        assert!(bits("").abs() < 1e-9);
        for secret in
            ["9fK2mQ7xPz4LrT8v", "f3a9c1d07be24586a0", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzz3KEY"]
        {
            assert!(is_random(secret), "{secret}");
        }
        for word in ["aaaaaaaa11111111", "internationalisation", "1234567890123456", "v1.2.3"] {
            assert!(!is_random(word), "{word}");
        }
    }
}
