//! JSON that is spelled inside a string: arguments of tools, structured answers. Tells which stretches
//! of such a string may be replaced so that it stays JSON.
//!
//! A [`Reading`] takes the string in pieces, as a stream brings it. As long as what it has read is the
//! beginning of a JSON object or array, only what stands inside strings that are values may be
//! replaced, and numbers that have come whole; keys and structure stay. Anything else is plain text.

use std::ops::Range;

/// A stretch that may be replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Free {
    /// Where, in bytes.
    pub(crate) range: Range<usize>,
    /// What it is.
    pub(crate) kind: Kind,
}

impl Free {
    /// What is left of it where so much of the string's beginning is not to be replaced, counted from
    /// there.
    pub(crate) fn behind(&self, skipped: usize) -> Option<Self> {
        let mut start = self.range.start.max(skipped);
        let kind = match &self.kind {
            Kind::Plain => Kind::Plain,
            Kind::Bare if start > self.range.start => return None,
            Kind::Bare => Kind::Bare,
            Kind::Quoted(escapes) => {
                let cut = escapes.iter().find(|each| each.start < start && start < each.end);
                start = cut.map_or(start, |cut| cut.end);
                let rest = escapes.iter().filter(|escape| escape.start >= start);
                let rest = rest.map(|escape| escape.start - skipped..escape.end - skipped);
                Kind::Quoted(rest.collect())
            }
        };
        let range = start.checked_sub(skipped)?..self.range.end.checked_sub(skipped)?;
        (!range.is_empty()).then_some(Self { range, kind })
    }
}

/// What may be replaced by what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Any part of it, by any text.
    Plain,
    /// Any part of it that does not cut one of these escapes in two, by text with JSON's escapes.
    Quoted(Vec<Range<usize>>),
    /// The whole of it, by a JSON value.
    Bare,
}

/// How deep nested arrays and objects are followed; what is deeper is plain text.
const MAX_DEPTH: usize = 64;

/// How far the reading of one string has come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reading {
    state: State,
    /// The open arrays (`false`) and objects (`true`).
    open: Vec<bool>,
    /// Whether the next string is a key.
    key_next: bool,
    /// Whether the first half of a pair of surrogates has just been read.
    after_high: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Nothing but blanks so far.
    #[default]
    Start,
    /// Between the strings and numbers of a JSON text.
    Between,
    /// Inside a string that is a key (`true`) or a value.
    Inside(bool),
    /// The same, behind a backslash.
    Escape(bool),
    /// The same, with digits of `\uXXXX` to come: how many, and those that have.
    Unit(bool, u8, u16),
    /// Inside a number or a word.
    Bare,
    /// Behind the end of the value.
    Ended,
    /// Not JSON.
    Plain,
}

impl Reading {
    /// Whether all of it is one JSON object or array.
    pub(crate) fn is_whole(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes the next piece of the string. What of it may be replaced, in order.
    pub(crate) fn take(&mut self, piece: &str) -> Vec<Free> {
        // Where one value ends another may begin: of the next call, say.
        if self.state == State::Ended && piece.trim_start().starts_with(['{', '[']) {
            *self = Self::default();
        }
        let mut found = Vec::new();
        let mut from = 0;
        let mut escapes: Vec<Range<usize>> = Vec::new();
        // Where the escape at hand begins; one that began in an earlier piece stays as it is.
        let mut escape: Option<usize> = None;
        // A number that began in an earlier piece stays as it is.
        let mut whole_number = false;
        let mut first_half_at: Option<usize> = None;
        for (at, character) in piece.char_indices() {
            let next = at + character.len_utf8();
            match self.state {
                State::Plain => break,
                State::Start => match character {
                    '{' | '[' => self.enter(character),
                    _ if character.is_ascii_whitespace() => {}
                    _ => self.state = State::Plain,
                },
                State::Ended if character.is_ascii_whitespace() => {}
                State::Ended => self.state = State::Plain,
                State::Between | State::Bare => {
                    let ends = !is_bare(character);
                    if self.state == State::Bare && ends {
                        if whole_number {
                            found.push(Free { range: from..at, kind: Kind::Bare });
                        }
                        self.state = State::Between;
                    }
                    if self.state == State::Between {
                        whole_number = character.is_ascii_digit() || character == '-';
                        from = if character == '"' { next } else { at };
                        self.between(character);
                    }
                }
                State::Inside(key) => match character {
                    '"' => {
                        if !key {
                            let kind = Kind::Quoted(std::mem::take(&mut escapes));
                            found.push(Free { range: from..at, kind });
                        }
                        escapes.clear();
                        self.after_high = false;
                        self.state = State::Between;
                    }
                    '\\' => {
                        escape = Some(at);
                        self.state = State::Escape(key);
                    }
                    _ => self.after_high = false,
                },
                State::Escape(key) => match character {
                    'u' => self.state = State::Unit(key, 4, 0),
                    _ => {
                        self.after_high = false;
                        self.state = State::Inside(key);
                        match escape.take() {
                            Some(start) => escapes.push(start..next),
                            None => from = next,
                        }
                    }
                },
                State::Unit(key, left, unit) => {
                    let Some(digit) = character.to_digit(16).and_then(|d| u16::try_from(d).ok())
                    else {
                        self.state = State::Plain;
                        continue;
                    };
                    let unit = unit << 4 | digit;
                    if left > 1 {
                        self.state = State::Unit(key, left - 1, unit);
                        continue;
                    }
                    self.state = State::Inside(key);
                    let is_low = (0xdc00..0xe000).contains(&unit);
                    let pairs =
                        std::mem::replace(&mut self.after_high, (0xd800..0xdc00).contains(&unit));
                    let start = match escape.take() {
                        Some(_) if pairs && is_low => first_half_at.take(),
                        start => start,
                    };
                    match start {
                        Some(start) => {
                            escapes.retain(|earlier| earlier.start != start);
                            escapes.push(start..next);
                        }
                        // Its beginning, or its first half, has gone before.
                        None => {
                            escapes.clear();
                            from = next;
                        }
                    }
                    first_half_at = self.after_high.then_some(start).flatten();
                }
            }
        }
        match self.state {
            State::Plain => vec![Free { range: 0..piece.len(), kind: Kind::Plain }],
            State::Inside(false) | State::Escape(false) | State::Unit(false, ..) => {
                // What goes on in the next piece stays as it is: an escape, or a pair of them.
                let mut end = match (self.state, escape) {
                    (State::Inside(_), _) => piece.len(),
                    (_, Some(start)) => start,
                    // It began in an earlier piece.
                    (_, None) => from,
                };
                if self.after_high
                    && let Some(half) = first_half_at
                {
                    end = end.min(half);
                }
                escapes.retain(|escape| escape.end <= end);
                if from < end {
                    found.push(Free { range: from..end, kind: Kind::Quoted(escapes) });
                }
                found
            }
            _ => found,
        }
    }

    fn between(&mut self, character: char) {
        self.state = State::Between;
        match character {
            '{' | '[' => self.enter(character),
            '}' | ']' => {
                if self.open.pop() != Some(character == '}') {
                    self.state = State::Plain;
                } else if self.open.is_empty() {
                    self.state = State::Ended;
                }
                self.key_next = false;
            }
            '"' => {
                self.state = State::Inside(self.key_next);
                self.key_next = false;
            }
            ',' => self.key_next = self.open.last() == Some(&true),
            ':' => {}
            _ if character.is_ascii_whitespace() => {}
            _ if is_bare(character) => self.state = State::Bare,
            _ => self.state = State::Plain,
        }
    }

    fn enter(&mut self, bracket: char) {
        self.state = if self.open.len() < MAX_DEPTH { State::Between } else { State::Plain };
        self.open.push(bracket == '{');
        self.key_next = bracket == '{';
    }
}

/// Whether a character belongs to a number, or to `true`, `false` or `null`.
fn is_bare(character: char) -> bool {
    character.is_ascii_digit() || "-+.eEtrufalsn".contains(character)
}

/// What of a whole string may be replaced.
pub(crate) fn free_of(text: &str) -> Vec<Free> {
    let mut reading = Reading::default();
    let free = reading.take(text);
    if reading.is_whole() {
        return free;
    }
    if text.is_empty() {
        return Vec::new();
    }
    vec![Free { range: 0..text.len(), kind: Kind::Plain }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{Free, Kind, Reading, free_of};

    fn stretches(text: &str, free: &[Free]) -> Vec<String> {
        free.iter().map(|free| text[free.range.clone()].to_owned()).collect()
    }

    #[test]
    fn only_values_of_json_may_be_replaced() {
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(stretches(text, &free_of(text)), expected, "{text}");
        }
        check(
            r#"{"key":"value","n":-12.5e3,"t":true,"l":["a",{"b":"c"}]}"#,
            &["value", "-12.5e3", "a", "c"],
        );
        check(r#" [ 7 , "x\"y" ] "#, &["7", r#"x\"y"#]);
        check("plain {text}", &["plain {text}"]);
        check("{plain}", &["{plain}"]);
        check("[1] a source", &["[1] a source"]);
        check(r#"{"cut":"of"#, &[r#"{"cut":"of"#]);
        check(r#"{"a":"b"]"#, &[r#"{"a":"b"]"#]);
        check("", &[]);
    }

    #[test]
    fn escapes_that_go_on_in_the_next_piece_stay() {
        let pieces = [r#"{"a":"x\"#, r#""y\u00"#, r#"e9z\ud83d"#, r#"\ude00!"}"#];
        let mut reading = Reading::default();
        let found: Vec<Vec<String>> =
            pieces.iter().map(|piece| stretches(piece, &reading.take(piece))).collect();
        assert_eq!(found, [vec!["x"], vec!["y"], vec!["z"], vec!["!"]]);
        assert!(reading.is_whole());
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = "[a-c\"\\\\\n\u{e9}\u{1f600}]{0,6}";
        let leaf = prop_oneof![
            text.prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            Just(Value::Null),
            Just(Value::from(true))
        ];
        leaf.prop_recursive(3, 16, 4, move |inside| {
            prop_oneof![
                prop::collection::vec(inside.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inside, 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever is replaced of what may be, in whatever pieces the text came, it stays JSON.
        #[test]
        fn what_is_free_can_be_replaced_and_json_stays_json(
            value in json(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            ascii in any::<bool>(),
            chosen in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 64),
        ) {
            prop_assume!(value.is_object() || value.is_array());
            let mut text = value.to_string();
            if ascii {
                text = text.replace('\u{1f600}', "\\ud83d\\ude00").replace('\u{e9}', "\\u00e9");
            }
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.retain(|at| text.is_char_boundary(*at));
            at.extend([0, text.len()]);
            at.sort_unstable();
            let mut reading = Reading::default();
            let mut chosen = chosen.into_iter();
            let mut replaced = String::new();
            for pair in at.windows(2) {
                let piece = &text[pair[0]..pair[1]];
                let mut rest = 0;
                for free in reading.take(piece) {
                    let Some((true, from, to)) = chosen.next() else { continue };
                    let (mut from, mut to) = (
                        free.range.start + from.index(free.range.len() + 1),
                        free.range.start + to.index(free.range.len() + 1),
                    );
                    let with = match &free.kind {
                        Kind::Plain => panic!("it is JSON"),
                        Kind::Bare => { (from, to) = (free.range.start, free.range.end); "\"[x]\"" }
                        Kind::Quoted(escapes) => {
                            if from > to { std::mem::swap(&mut from, &mut to); }
                            for escape in escapes {
                                if escape.contains(&from) { from = escape.start; }
                                if escape.contains(&to) && escape.start != to { to = escape.end; }
                            }
                            if !piece.is_char_boundary(from) || !piece.is_char_boundary(to) { continue }
                            "[x]"
                        }
                    };
                    replaced.push_str(&piece[rest..from]);
                    replaced.push_str(with);
                    rest = to;
                }
                replaced.push_str(&piece[rest..]);
            }
            prop_assert!(reading.is_whole(), "{}", text);
            let read = crate::wire::json::parse_str(&replaced);
            let ok = matches!(read, Ok(_) | Err(crate::wire::json::Fault::DuplicateKey { .. }));
            prop_assert!(ok, "{} became {}", text, replaced);
        }
    }
}
