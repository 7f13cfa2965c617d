//! The second reading of text that is itself written in JSON's escapes.
//!
//! Arguments of tools, and what tools give back, are JSON inside a JSON string, and many writers
//! spell everything outside ASCII as `\uXXXX` there. A model reads that without effort; a guard is
//! shown the letters. Works on any stretch of text, so also on a window of a stream.

use std::iter::Peekable;
use std::str::Chars;

/// How many layers of escapes are taken off.
const LAYERS: usize = 3;

/// The text without its escapes; `None` where there is no `\uXXXX` in it.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut plain: Option<String> = None;
    for _ in 0..LAYERS {
        let layer = plain.as_deref().unwrap_or(text);
        if !has_escape(layer) {
            break;
        }
        plain = Some(without_layer(layer));
    }
    plain
}

fn has_escape(text: &str) -> bool {
    text.match_indices("\\u").any(|(at, _)| {
        let digits = text.as_bytes().get(at + 2..at + 6);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn without_layer(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let escaped = match rest.peek() {
            Some('u') => match unit(&rest) {
                Some(unit) => {
                    rest.nth(4);
                    whole(unit, &mut rest)
                }
                None => '\\',
            },
            Some('n' | 'r' | 't') => {
                rest.next();
                '\n'
            }
            Some('\\' | '"' | '/') => rest.next().unwrap_or('\\'),
            _ => '\\',
        };
        plain.push(escaped);
    }
    plain
}

/// The number behind a `u` and four digits.
fn unit(rest: &Peekable<Chars<'_>>) -> Option<u32> {
    let digits: String = rest.clone().skip(1).take(4).collect();
    let is_unit = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_unit.then(|| u32::from_str_radix(&digits, 16).ok())?
}

/// The character of a unit, joined with the second half of a pair where one follows.
fn whole(unit_: u32, rest: &mut Peekable<Chars<'_>>) -> char {
    if (0xd800..0xdc00).contains(&unit_) {
        let mut ahead = rest.clone();
        let low = (ahead.next() == Some('\\') && ahead.peek() == Some(&'u'))
            .then(|| unit(&ahead))
            .flatten()
            .filter(|low| (0xdc00..0xe000).contains(low));
        if let Some(low) = low {
            rest.nth(5);
            let pair = 0x10000 + ((unit_ - 0xd800) << 10) + (low - 0xdc00);
            return char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
    }
    char::from_u32(unit_).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    fn check(text: &str, plain: Option<&str>) {
        assert_eq!(unescaped(text).as_deref(), plain);
    }

    #[test]
    fn escapes_are_read_as_letters() {
        check("plain", None);
        check(r#"{"a":"b\n"}"#, None);
        check(r"\usepackage{x} C:\users", None);
        check(r"\u0062omb", Some("bomb"));
        check(r#"{"t":"\u0431\u043e\n\"x\" \q"}"#, Some("{\"t\":\"бо\n\"x\" \\q\"}"));
        check(r"\ud83d\ude00 \ud83d \ude00 \ud83d\u0041", Some("😀 \u{fffd} \u{fffd} \u{fffd}A"));
        check(r"\\u0062omb", Some("bomb"));
        check(r"\\\\u0062omb", Some("bomb"));
        check(r"cut off \u00", None);
        check(r"a \u0062 cut off \u00", Some(r"a b cut off \u00"));
        check("é\\u00e9é", Some("ééé"));
    }
}
