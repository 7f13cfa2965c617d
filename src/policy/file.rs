//! The TOML of a policy, walked with every place known.
//!
//! serde stops at the first error; a policy's author wants all of them. So the parsed tree is walked
//! by hand, and each fault is noted with the byte where it stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A fault: where it stands in the text, what it is, what to do.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// What is found while a file is walked.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn note(
        &mut self,
        at: Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Fault { at: at.start, what: what.into(), remedy: remedy.into() });
    }
}

/// A table of the file, with the path to it.
pub(super) struct Table<'t, 's> {
    table: &'t DeTable<'s>,
    path: String,
    place: Range<usize>,
}

impl<'t, 's> Table<'t, 's> {
    pub(super) fn root(table: &'t DeTable<'s>) -> Self {
        Self { table, path: String::new(), place: 0..0 }
    }

    /// Where the table begins.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// Notes every key that is not among the known ones.
    pub(super) fn only(&self, known: &[&str], faults: &mut Faults) {
        for (key, _) in self.table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let what = format!("unknown key `{}`", self.below(key.get_ref()));
                faults.note(key.span(), what, format!("known here are: {}", known.join(", ")));
            }
        }
    }

    /// All keys, with their places.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.table.iter().map(|(key, _)| (key.get_ref().as_ref(), key.span()))
    }

    pub(super) fn string(&self, key: &str, faults: &mut Faults) -> Option<(String, Range<usize>)> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                let what = format!("`{}` is not a string", self.below(key));
                faults.note(value.span(), what, "put it in quotation marks");
                None
            }
        }
    }

    /// One of several words; `None` where there is none or another.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        faults: &mut Faults,
    ) -> Option<T> {
        let (found, place) = self.string(key, faults)?;
        let known = words.iter().find(|(word, _)| *word == found).map(|(_, meaning)| *meaning);
        if known.is_none() {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let what = format!("`{}` is \"{found}\"", self.below(key));
            faults.note(place, what, format!("write {}", all.join(" or ")));
        }
        known
    }

    pub(super) fn strings(&self, key: &str, faults: &mut Faults) -> Vec<(String, Range<usize>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let what = format!("`{}` is not a list", self.below(key));
            faults.note(value.span(), what, "write it in brackets: [\"S5\"]");
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => found.push((text.to_string(), item.span())),
                _ => {
                    let what =
                        format!("`{}` holds something that is not a string", self.below(key));
                    faults.note(item.span(), what, "put it in quotation marks");
                }
            }
        }
        found
    }

    /// A number, with its place.
    pub(super) fn number(&self, key: &str, faults: &mut Faults) -> Option<(f64, Range<usize>)> {
        let value = self.get(key)?;
        let parsed = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let Some(number) = parsed.filter(|number| number.is_finite()) else {
            let what = format!("`{}` is not a number", self.below(key));
            faults.note(value.span(), what, "write a probability such as 0.5");
            return None;
        };
        Some((number, value.span()))
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &str, faults: &mut Faults) -> Option<Table<'t, 's>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(Table { table, path: self.below(key), place: value.span() })
            }
            _ => {
                let what = format!("`{}` is not a table", self.below(key));
                faults.note(value.span(), what, format!("write it as [{}]", self.below(key)));
                None
            }
        }
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether the value is a string, and not a table.
    pub(super) fn is_string(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// The path to a key of this table.
    pub(super) fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'s>>> {
        self.table.iter().find(|(known, _)| known.get_ref().as_ref() == key).map(|(_, value)| value)
    }
}
