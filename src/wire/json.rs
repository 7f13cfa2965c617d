//! The one strict reading of JSON.
//!
//! Whatever another parser could read differently is refused: keys that occur twice at any depth
//! (compared after their escapes are decoded), a byte order mark, bytes that are not UTF-8, lone
//! surrogates, `NaN`, numbers out of range, anything after the value. Depth and the number of values
//! are bounded. A [`Fault`] says what and where, in line and column, and repeats nothing of the text.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 64;

/// How many values (numbers, strings, arrays, objects ...) one text may hold: small values take
/// many times their bytes in memory.
pub const MAX_VALUES: usize = 1 << 20;

/// Why a text is not JSON that everybody reads alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// It opens with a byte order mark.
    #[error("the text opens with a byte order mark; send UTF-8 without one")]
    ByteOrderMark,
    /// It is not UTF-8.
    #[error("the text is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first byte that is not, from 0.
        at: usize,
    },
    /// An object has the same key twice.
    #[error("an object has the same key twice, at line {line} column {column}; send each key once")]
    DuplicateKey {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is nested deeper than [`MAX_DEPTH`].
    #[error("more than {MAX_DEPTH} levels of nesting at line {line} column {column}")]
    TooDeep {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It holds more than [`MAX_VALUES`] values.
    #[error("more than {MAX_VALUES} values in one text")]
    TooMany,
    /// It is not JSON: bad syntax, a lone surrogate, a number out of range, or something after the
    /// value.
    #[error("not valid JSON at line {line} column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 where a line is empty.
        column: usize,
    },
    /// It ends before the value does, or there is no value at all.
    #[error("the JSON text ends too early")]
    Incomplete,
}

/// Reads one JSON value that fills the whole of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Fault::ByteOrderMark);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_str(text),
        Err(error) => Err(Fault::NotUtf8 { at: error.valid_up_to() }),
    }
}

/// Reads one JSON value that fills the whole of `text`.
pub fn parse_str(text: &str) -> Result<Value, Fault> {
    let state = State { refused: Cell::new(None), values: Cell::new(0) };
    let mut source = serde_json::Deserializer::from_str(text);
    let read = Strict { state: &state, depth: 0 }
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value));
    read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match state.refused.get() {
            Some(Refused::DuplicateKey) => Fault::DuplicateKey { line, column },
            Some(Refused::TooDeep) => Fault::TooDeep { line, column },
            Some(Refused::TooMany) => Fault::TooMany,
            None if error.is_eof() => Fault::Incomplete,
            None => Fault::Syntax { line, column },
        }
    })
}

/// What the visitor refuses beyond the grammar.
#[derive(Clone, Copy)]
enum Refused {
    DuplicateKey,
    TooDeep,
    TooMany,
}

struct State {
    refused: Cell<Option<Refused>>,
    values: Cell<usize>,
}

impl State {
    fn refuse<E: Error>(&self, why: Refused) -> E {
        self.refused.set(Some(why));
        E::custom("refused")
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    state: &'a State,
    depth: usize,
}

impl Strict<'_> {
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.state.refuse(Refused::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.state.values.get() + 1;
        self.state.values.set(values);
        if values > MAX_VALUES {
            return Err(self.state.refuse(Refused::TooMany));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(self.state.refuse(Refused::DuplicateKey));
            }
            let value = entries.next_value_seed(inside)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Fault, MAX_DEPTH, MAX_VALUES, parse};

    #[test]
    fn what_has_one_reading_is_read_as_everybody_reads_it() {
        for text in [
            "null",
            " {} ",
            r#"{"a":[1,-2,3.5,1e3,true,false,null,"x"],"b":{"a":1}}"#,
            r#""\u00e9\ud83d\ude00\n\/\u0000""#,
            "[-0, 18446744073709551615, -9223372036854775808, 0.1]",
            "[123456789012345678901234567890]",
            "\"\u{2028}\u{fffe}\"",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()), Ok(plain), "{text}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        fn check(text: &[u8], expected: Fault) {
            assert_eq!(parse(text), Err(expected), "{}", String::from_utf8_lossy(text));
        }
        check(br#"{"a":1,"a":2}"#, Fault::DuplicateKey { line: 1, column: 10 });
        check(br#"{"a":1,"\u0061":2}"#, Fault::DuplicateKey { line: 1, column: 15 });
        check(br#"[{"x":{"b":1,"b":1}}]"#, Fault::DuplicateKey { line: 1, column: 16 });
        check(b"\xef\xbb\xbf{}", Fault::ByteOrderMark);
        check(b"{\"a\":\"\xff\"}", Fault::NotUtf8 { at: 6 });
        check(b"\"\xc0\xaf\"", Fault::NotUtf8 { at: 1 });
        check(b"\"\xed\xa0\x80\"", Fault::NotUtf8 { at: 1 });
        check(b"{\x00\"\x00a\x00\"\x00", Fault::Syntax { line: 1, column: 2 });
        check(b"", Fault::Incomplete);
        check(b"{\"a\":", Fault::Incomplete);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "NaN",
            "[Infinity]",
            "[-Infinity]",
            "1e999",
            "{}{}",
            "{} x",
            "[1,]",
            "{\"a\":1,}",
            "{'a':1}",
            "{a:1}",
            "// c\n{}",
            "\"\u{0b}\"",
            "\"tab\there\"",
            "01",
            "+1",
            ".5",
        ] {
            let fault = parse(text.as_bytes());
            assert!(matches!(fault, Err(Fault::Syntax { .. })), "{text}: {fault:?}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(Fault::TooDeep { .. })));
        assert!(matches!(parse("[".repeat(100_000).as_bytes()), Err(Fault::TooDeep { .. })));
        assert!(matches!(parse(r#"{"a":"#.repeat(100_000).as_bytes()), Err(Fault::TooDeep { .. })));
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert_eq!(parse(many.as_bytes()), Err(Fault::TooMany));
    }

    #[test]
    fn a_fault_repeats_nothing_of_the_text() {
        for text in [r#"{"canary":1,"canary":2}"#, "canary", r#"{"canary": canary}"#] {
            let words = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(!words.contains("canary"), "{words}");
        }
    }
}
