//! JSON texts of every kind a parser can be asked to read, made here: those that are JSON, those that are
//! not, and those that the standard leaves to the reader. Each is read as everybody reads it, or refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what it expects")]

use serde_json::Value;
use wardgate::wire::json::{Fault, parse};

/// A text in the places where a value can stand.
fn placed(value: &[u8]) -> Vec<Vec<u8>> {
    let around: [(&str, &str); 8] = [
        ("", ""),
        (" \t\r\n", "\n\r\t "),
        ("[", "]"),
        ("[ 1 , ", " ]"),
        ("[", ",null]"),
        (r#"{"a":"#, "}"),
        (r#"{ "a" : 1 , "b" : "#, " }"),
        (r#"{"a":{"b":["#, "]}}"),
    ];
    around
        .iter()
        .map(|(before, after)| [before.as_bytes(), value, after.as_bytes()].concat())
        .collect()
}

#[track_caller]
fn check_read(value: &[u8]) {
    for text in placed(value) {
        let theirs: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(parse(&text), Ok(theirs), "{}", String::from_utf8_lossy(&text));
        assert!(is_json(&text), "{}", String::from_utf8_lossy(&text));
    }
}

#[track_caller]
fn check_refused(value: &[u8]) {
    for text in placed(value) {
        assert!(parse(&text).is_err(), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn what_is_json_is_read() {
    let mut values: Vec<String> = [
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        r#"{"":""}"#,
        r#"{"a":[],"b":{}}"#,
        "[ ]",
        "{ }",
    ]
    .map(str::to_owned)
    .to_vec();
    for sign in ["", "-"] {
        for whole in ["0", "1", "10", "987654321", "18446744073709551615", "9007199254740993"] {
            for fraction in ["", ".0", ".5", ".000000000000000000001", ".125"] {
                for exponent in ["", "e0", "E1", "e+2", "E-2", "e-400"] {
                    values.push(format!("{sign}{whole}{fraction}{exponent}"));
                }
            }
        }
    }
    for escape in [
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u0000",
        "\\u00e9",
        "\\uABCD",
        "\\uabcd",
        "\\ud83d\\ude00",
        "\\uFFFF",
        "\\u2028",
    ] {
        values.push(format!("\"a{escape}b\""));
        values.push(format!("{{\"{escape}\":0}}"));
    }
    let spread = (0x20..0x500)
        .chain((0x500..0x1_1000).step_by(97))
        .chain([0xfffd, 0xfffe, 0xffff, 0x10_ffff]);
    for character in spread.filter_map(char::from_u32).filter(|each| !"\"\\".contains(*each)) {
        values.push(format!("\"{character}\""));
    }
    values.iter().for_each(|value| check_read(value.as_bytes()));
    check_read(
        "[".repeat(40)
            .as_bytes()
            .iter()
            .chain("]".repeat(40).as_bytes())
            .copied()
            .collect::<Vec<u8>>()
            .as_slice(),
    );
}

#[test]
fn what_is_not_json_is_refused() {
    #[rustfmt::skip]
    let numbers = [
        "+1", "01", "-01", "00", ".5", "-.5", "5.", "-5.", "1e", "1e+", "1E-", "e1", "1.e1", "1.5e", "--1", "-", "+", "0x1",
        "0b1", "0o7", "1_000", "1,000", "１", "1e1.5", "1 2", "- 1", "1e 5", "1 .5", "NaN", "-NaN", "nan", "Infinity", "-Infinity",
        "inf", "∞", "1f", "1n", "1L", "0.1.2", "1ee2", "1e++2",
    ];
    #[rustfmt::skip]
    let words = [
        "True", "FALSE", "nul", "nulll", "truefalse", "undefined", "None", "a", "'a'", "\u{201c}a\u{201d}", "`a`", "\"a", "a\"", "\"", "\"a\"b\"",
        "\"\\", "\"\\\"", "\"a\" \"b\"", "/*c*/1", "1//c", "#c", "1 #", "\u{a0}1", "\u{2003}1", "\u{feff}1", "\u{0b}1", "\u{0c}1", "\u{85}1",
    ];
    #[rustfmt::skip]
    let structures = [
        "[", "]", "[1", "1]", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1;2]", "[1:2]", "[\"a\":1]", "[1}", "{1]", "{", "}", "{\"a\"}", "{\"a\":}",
        "{:1}", "{a:1}", "{'a':1}", "{1:1}", "{null:1}", "{[]:1}", "{\"a\":1,}", "{,\"a\":1}", "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":1:2}",
        "{\"a\",1}", "{\"a\":1;}", "{\"a\":1}}", "[[1]", "[]]", "{}{}", "[][]", "{\"a\":1,,\"b\":2}", "(1)", "<1>", "{\"a\"=1}", "[...]", "{...a}", "[1,/**/2]",
    ];
    for text in numbers.iter().chain(&words).chain(&structures) {
        check_refused(text.as_bytes());
    }
    for byte in 0..0x20_u8 {
        check_refused(&[b'"', byte, b'"']);
        check_refused(&[b'"', b'\\', byte, b'"']);
        if !b"\t\n\r".contains(&byte) {
            check_refused(&[byte, b'1']);
        }
    }
    for byte in (0x20..0x7f_u8).filter(|byte| !b"\"\\/bfnrtu".contains(byte)) {
        check_refused(&[b'"', b'\\', byte, b'"']);
    }
    for digits in ["", "0", "00", "000", "g000", "00 0", "+000", "000g", "{0}", "00-1"] {
        check_refused(format!("\"\\u{digits}\"").as_bytes());
    }
    for nothing in [&b""[..], b" ", b"\n\t", b"\0"] {
        assert!(parse(nothing).is_err());
    }
}

#[test]
fn what_the_standard_leaves_open_is_refused_or_read_one_way() {
    // Halves of pairs, alone or in the wrong order.
    for halves in [
        "\\ud800",
        "\\udbff",
        "\\udc00",
        "\\udfff",
        "\\ud800\\ud800",
        "\\udc00\\ud800",
        "\\ud800a",
        "\\ud800\\n",
        "\\ud800\\u0041",
        "\\uD834\\uDD",
    ] {
        check_refused(format!("\"{halves}\"").as_bytes());
        check_refused(format!("{{\"{halves}\":1}}").as_bytes());
    }
    // Numbers that are not finite in any reader's numbers; those that are only imprecise are read as
    // the nearest there is.
    for huge in ["1e309", "-1e309", "1e999999", "1e+400", "123e400"] {
        check_refused(huge.as_bytes());
    }
    for imprecise in [
        "1e-400",
        "-1e-999999",
        "0.1e-310",
        "123456789012345678901234567890",
        "-99999999999999999999",
        "1.7976931348623157e308",
    ] {
        check_read(imprecise.as_bytes());
    }
    // Bytes that are no UTF-8.
    let no_utf8: [&[u8]; 12] = [
        b"\x80",
        b"\xbf\xbf",
        b"\xc0\xaf",
        b"\xc1\x81",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xb0\x80",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xe9",
    ];
    for bytes in no_utf8 {
        let quoted = [b"\"", bytes, b"\""].concat();
        check_refused(&quoted);
        assert!(matches!(parse(&quoted), Err(Fault::NotUtf8 { at: 1 })));
    }
    // Other encodings, and marks of byte order.
    for text in ["{}", "[\"é\"]", "1"] {
        let wide: Vec<u16> = text.encode_utf16().collect();
        for mark in [&[][..], &[0xfeff]] {
            let units = || mark.iter().chain(&wide);
            assert!(
                parse(&units().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>()).is_err()
            );
            assert!(
                parse(&units().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<u8>>()).is_err()
            );
        }
        assert_eq!(parse(format!("\u{feff}{text}").as_bytes()), Err(Fault::ByteOrderMark));
    }
    // The same key twice, however it is spelled and however deep.
    for (one, other) in [
        ("a", "a"),
        ("a", "\\u0061"),
        ("é", "\\u00e9"),
        ("😀", "\\ud83d\\ude00"),
        ("/", "\\/"),
        ("", ""),
    ] {
        for values in [("1", "2"), ("1", "1"), ("{}", "[]")] {
            let twice = format!("{{\"{one}\":{},\"x\":0,\"{other}\":{}}}", values.0, values.1);
            check_refused(twice.as_bytes());
        }
    }
    // What only looks the same is another key.
    for (one, other) in [("a", "A"), ("a", " a"), ("é", "e\u{301}"), ("a", "а"), ("a", "a\u{200b}")]
    {
        check_read(format!("{{\"{one}\":1,\"{other}\":2}}").as_bytes());
    }
    for depth in [65, 500, 100_000] {
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            assert!(
                matches!(parse(open.repeat(depth).as_bytes()), Err(Fault::TooDeep { .. })),
                "{depth}"
            );
        }
    }
}

#[test]
fn whatever_is_done_to_a_text_it_is_read_as_everybody_reads_it_or_refused() {
    let text = r#" {"a": [1, -2.5e+3, true, null], "b": {"c": "d\n\u00e9\"", "e": []}, "é": {}} "#
        .as_bytes();
    let odd = b"\"\\{}[],:0-+.eE1tfn u/\x00\n\t\x80\xff";
    let mut texts = Vec::new();
    for at in 0..text.len() {
        texts.push(text[..at].to_vec());
        texts.push([&text[..at], &text[at + 1..]].concat());
        texts.push([&text[..=at], &text[at..]].concat());
        for byte in odd {
            texts.push([&text[..at], &[*byte], &text[at..]].concat());
            texts.push([&text[..at], &[*byte], &text[at + 1..]].concat());
        }
    }
    let mut read = 0;
    for text in &texts {
        let words = String::from_utf8_lossy(text);
        match parse(text) {
            Ok(value) => {
                read += 1;
                assert!(is_json(text), "{words}");
                assert_eq!(value, serde_json::from_slice::<Value>(text).unwrap(), "{words}");
            }
            Err(Fault::DuplicateKey { .. }) => assert!(is_json(text), "{words}"),
            Err(_) => assert!(!is_json(text), "{words}"),
        }
    }
    assert!(read > 100 && read < texts.len(), "{read} of {}", texts.len());
}

/// A second opinion: the grammar of RFC 8259, and nothing else.
fn is_json(text: &[u8]) -> bool {
    let mut reader = Grammar { rest: text };
    std::str::from_utf8(text).is_ok()
        && reader.blank()
        && reader.value()
        && reader.blank()
        && reader.rest.is_empty()
}

struct Grammar<'t> {
    rest: &'t [u8],
}

impl Grammar<'_> {
    fn take(&mut self, word: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn one_of(&mut self, bytes: &[u8]) -> bool {
        let is_one = self.rest.first().is_some_and(|byte| bytes.contains(byte));
        self.rest = &self.rest[usize::from(is_one)..];
        is_one
    }

    fn blank(&mut self) -> bool {
        while self.one_of(b" \t\r\n") {}
        true
    }

    fn value(&mut self) -> bool {
        match self.rest.first() {
            Some(b'"') => self.string(),
            Some(b'[') => self.list(b"[", b"]", Self::value),
            Some(b'{') => self.list(b"{", b"}", |entry| {
                entry.string()
                    && entry.blank()
                    && entry.take(b":")
                    && entry.blank()
                    && entry.value()
            }),
            Some(b't') => self.take(b"true"),
            Some(b'f') => self.take(b"false"),
            Some(b'n') => self.take(b"null"),
            _ => self.number(),
        }
    }

    fn list(&mut self, open: &[u8], close: &[u8], item: impl Fn(&mut Self) -> bool) -> bool {
        if !self.take(open) {
            return false;
        }
        self.blank();
        if self.take(close) {
            return true;
        }
        loop {
            if !(self.blank() && item(self) && self.blank()) {
                return false;
            }
            if self.take(close) {
                return true;
            }
            if !self.take(b",") {
                return false;
            }
        }
    }

    fn string(&mut self) -> bool {
        if !self.take(b"\"") {
            return false;
        }
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            let goes_on = match byte {
                b'"' => return true,
                b'\\' if self.take(b"u") => (0..4).all(|_| self.one_of(b"0123456789abcdefABCDEF")),
                b'\\' => self.one_of(b"\"\\/bfnrt"),
                byte => *byte >= 0x20,
            };
            if !goes_on {
                return false;
            }
        }
        false
    }

    fn number(&mut self) -> bool {
        self.take(b"-");
        let whole = self.take(b"0") || self.digits();
        let fraction = !self.take(b".") || self.digits();
        let exponent = !self.one_of(b"eE") || {
            self.one_of(b"+-");
            self.digits()
        };
        whole && fraction && exponent
    }

    fn digits(&mut self) -> bool {
        let any = self.one_of(b"0123456789");
        while self.one_of(b"0123456789") {}
        any
    }
}
