//! One event of a stream while it waits.

use bytes::Bytes;
use serde_json::Value;

use crate::wire::json;
use crate::wire::rewrite;
use crate::wire::sse;
use crate::wire::{Copy, Dialect, Edit, choice_index};

/// An event in the queue.
pub(super) struct Held {
    pub(super) raw: Bytes,
    /// The choices it mentions (`None`: it says something outside them), and whether there is
    /// anything in it to judge.
    pub(super) mentions: Vec<(Option<u32>, bool)>,
    /// The chunk, where it may have to be written anew without one of its choices, or where it matters
    /// that it has gone out.
    pub(super) chunk: Option<Value>,
    /// What in it only repeats what has been said before.
    pub(super) copies: Vec<Copy>,
    /// What is to be replaced in it once it goes out.
    pub(super) edits: Vec<Edit>,
    /// The choices that go out without what they say in it.
    cut: Vec<u32>,
    /// The choices that are closed before it.
    pub(super) closing: Vec<u32>,
    pub(super) kind: Kind,
    /// What it counts for while it waits.
    pub(super) cost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As the upstream sent it, or what is left of it.
    Event,
    /// In its place all choices are closed that are still open.
    ClosingAll,
    /// The last of the stream: `[DONE]`, or what stands for it.
    Done,
    /// The same, where it is us who end the stream.
    OurEnd,
}

impl Held {
    pub(super) fn new(raw: Bytes, kind: Kind) -> Self {
        let (copies, edits, cut, closing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { raw, mentions: Vec::new(), chunk: None, copies, edits, cut, closing, kind, cost: 0 }
    }

    /// Takes one choice out of the event; the whole event, where it says nothing of another.
    pub(super) fn without(&mut self, choice: Option<u32>) {
        let before = self.mentions.len();
        self.mentions.retain(|(mentioned, _)| *mentioned != choice);
        if self.mentions.len() == before {
            return;
        }
        let left = self.mentions.iter().any(|(mentioned, _)| mentioned.is_some());
        let is_list = self.chunk.as_ref().is_some_and(|chunk| chunk["choices"].is_array());
        match choice {
            // What is left stays where it is until all is said: places are told by number.
            Some(choice) if left && is_list => self.cut.push(choice),
            _ => {
                self.clear();
                self.mentions.clear();
                self.kind = Kind::Event;
            }
        }
    }

    /// Makes the event what goes out: with other words in it, without what would tell the old ones once
    /// more where `tells` says that a choice may not, without the choices that were cut.
    pub(super) fn write(&mut self, dialect: Dialect, tells: impl Fn(u32) -> bool) {
        let is_told = self.mentions.iter().all(|(choice, _)| choice.is_none_or(&tells));
        if (self.edits.is_empty() && self.cut.is_empty() && is_told) || self.raw.is_empty() {
            return;
        }
        let parsed = || json::parse_str(sse::data(&self.raw)?.trim()).ok();
        let Some(mut value) = self.chunk.clone().or_else(parsed) else {
            // It has no data, so nothing that could be replaced; or it is not what was judged.
            if !self.edits.is_empty() {
                self.clear();
            }
            return;
        };
        if !rewrite::event(dialect, &mut value, &self.edits, tells) {
            self.clear();
            return;
        }
        if let Some(Value::Array(list)) = value.get_mut("choices").filter(|_| !self.cut.is_empty())
        {
            for (position, each) in list.iter_mut().enumerate() {
                let index = choice_index(each, position);
                if let Value::Object(each) = each {
                    each.insert("index".to_owned(), index.into());
                }
            }
            list.retain(|each| !self.cut.contains(&choice_index(each, 0)));
        }
        self.raw = with_data(&self.raw, &value);
        self.chunk = self.chunk.take().map(|_| value);
    }

    fn clear(&mut self) {
        self.raw = Bytes::new();
        self.chunk = None;
        self.edits.clear();
        self.copies.clear();
    }
}

/// The event with other data. Its name, its id and whatever else stands beside them stay.
fn with_data(raw: &Bytes, chunk: &Value) -> Bytes {
    let text = String::from_utf8_lossy(raw);
    let is_data = |line: &&str| line.trim_start_matches('\u{feff}').starts_with("data");
    let lines = text.split(['\n', '\r']).filter(|line| !line.is_empty() && !is_data(line));
    let mut event: String = lines.flat_map(|line| [line, "\n"]).collect();
    event.push_str(&format!("data: {chunk}\n\n"));
    sse::one_reading(&Bytes::from(event))
}
