//! One event of a stream while it waits.

use bytes::Bytes;
use serde_json::Value;

use crate::wire::choice_index;
use crate::wire::sse;

/// An event in the queue.
pub(super) struct Held {
    pub(super) raw: Bytes,
    /// The choices it mentions (`None`: it says something outside them), and whether there is
    /// anything in it to judge.
    pub(super) mentions: Vec<(Option<u32>, bool)>,
    /// The chunk, where it may have to be written anew without one of its choices, or where it matters
    /// that it has gone out.
    pub(super) chunk: Option<Value>,
    /// The choices that are closed before it.
    pub(super) closing: Vec<u32>,
    pub(super) kind: Kind,
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
        Self { raw, mentions: Vec::new(), chunk: None, closing: Vec::new(), kind }
    }

    /// Takes one choice out of the event; the whole event, where it says nothing of another.
    pub(super) fn without(&mut self, choice: Option<u32>) {
        let before = self.mentions.len();
        self.mentions.retain(|(mentioned, _)| *mentioned != choice);
        if self.mentions.len() == before {
            return;
        }
        let left = self.mentions.iter().any(|(mentioned, _)| mentioned.is_some());
        let list = self.chunk.as_mut().and_then(|chunk| chunk.get_mut("choices")?.as_array_mut());
        let (true, Some(list)) = (left, list) else {
            self.raw = Bytes::new();
            self.chunk = None;
            self.mentions.clear();
            self.kind = Kind::Event;
            return;
        };
        for (position, each) in list.iter_mut().enumerate() {
            let index = choice_index(each, position);
            if let Value::Object(each) = each {
                each.insert("index".to_owned(), index.into());
            }
        }
        list.retain(|each| Some(choice_index(each, 0)) != choice);
        if let Some(chunk) = &self.chunk {
            self.raw = with_data(&self.raw, chunk);
        }
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
