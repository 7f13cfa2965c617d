//! The bytes of an embedding, in base64.

/// Whether `text` is base64 of a list of 32-bit numbers (little-endian) such as a model computes:
/// finite, and neither huge nor minute. Letters in ASCII make no such numbers, so no text passes for
/// one. OpenAI's clients ask for this encoding by default.
pub(crate) fn are_floats(text: &str) -> bool {
    let Some(bytes) = decoded(text) else { return false };
    let (floats, left) = bytes.as_chunks::<4>();
    left.is_empty() && !floats.is_empty() && floats.iter().all(|bytes| is_plausible(*bytes))
}

fn is_plausible(bytes: [u8; 4]) -> bool {
    const LEAST: f32 = 1e-12;
    const MOST: f32 = 1e6;
    let size = f32::from_le_bytes(bytes).abs();
    size == 0.0 || (LEAST..=MOST).contains(&size)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut width) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        bits = (bits << 6) | u32::from(value_of(digit)?);
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push(u8::try_from((bits >> width) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::are_floats;

    #[test]
    fn only_numbers_pass_for_numbers() {
        let check = |text: &str, expected: bool| assert_eq!(are_floats(text), expected, "{text}");
        check("AACAPwAAAMDNzMw9", true); // 1.0, -2.0, 0.1
        check("AAAAAA==", true); // 0.0
        check("AACAfwAAgD8=", false); // infinity, 1.0
        check("dGhlIGNhbmFyeSBzaW5ncy4u", false); // "the canary sings.."
        check("VEhFIENBTkFSWSBTSU5HUyE=", false); // "THE CANARY SINGS!"
        for text in ["", "AACAPw", "AACAPw=", "AACAPwA=", "the canary", "AAAA", "AA-_AA=="] {
            check(text, false);
        }
    }
}
