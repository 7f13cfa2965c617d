//! How far a streamed response has come, and how it is closed in order.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::wire::farewell::Farewell;
use crate::wire::field::is_id;
use crate::wire::reply::named_event;

/// How much text of what has gone out is kept, to be repeated when its parts are closed: beyond it, the
/// repetition is cut short.
const MAX_KEPT: usize = 4 << 20;

/// A response as a client sees it: its items, and which of them are open.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ResponseFrame {
    id: String,
    model: String,
    created_at: u64,
    begun: bool,
    ended: bool,
    /// The number of the next event.
    next: u64,
    items: BTreeMap<u64, Item>,
    kept: usize,
    /// How it ends, once we end it.
    farewell: Farewell,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    /// As it began, and went on.
    value: Value,
    open: bool,
    /// The number of the part that is open, and whether its text has been closed.
    part: Option<(u64, bool)>,
    /// The same of the summary.
    summary: Option<(u64, bool)>,
}

impl ResponseFrame {
    /// Takes ids and numbers from a response, or from the event that begins one.
    pub(in crate::wire) fn note(&mut self, event: &Value) {
        let response = event.get("response").unwrap_or(event);
        let name = |field: &str| {
            let name = response.get(field).and_then(Value::as_str);
            name.filter(|name| is_id(name)).unwrap_or_default().to_owned()
        };
        self.id = name("id");
        self.model = name("model");
        self.created_at = response.get("created_at").and_then(Value::as_u64).unwrap_or(0);
    }

    /// The number of the next event.
    pub(in crate::wire) fn next(&self) -> u64 {
        self.next
    }

    /// Follows an event that has gone out.
    pub(in crate::wire) fn pass(&mut self, event: &Value) {
        let number = |field: &str| event.get(field).and_then(Value::as_u64);
        if let Some(sequence) = number("sequence_number") {
            self.next = sequence.saturating_add(1);
        }
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = kind.strip_prefix("response.") else { return };
        match kind {
            "queued" | "created" | "in_progress" => self.begun = true,
            "completed" | "incomplete" | "failed" => self.ended = true,
            _ => {}
        }
        let index = number("output_index").unwrap_or(0);
        if let ("output_item.added" | "output_item.done", Some(value)) = (kind, event.get("item")) {
            let size = value.to_string().len();
            if self.kept.saturating_add(size) <= MAX_KEPT {
                self.kept += size;
                let open = kind == "output_item.added";
                let item = Item { value: value.clone(), open, part: None, summary: None };
                self.items.insert(index, item);
            }
            return;
        }
        let Some(item) = self.items.get_mut(&index) else { return };
        let part = number("content_index").or(number("summary_index")).unwrap_or(0);
        match kind {
            "content_part.added" => {
                item.part = Some((part, false));
                item.push("content", event.get("part"));
            }
            "content_part.done" => item.part = None,
            "output_text.done" | "refusal.done" | "reasoning_text.done" => {
                item.part = Some((part, true));
            }
            "reasoning_summary_part.added" => {
                item.summary = Some((part, false));
                item.push("summary", event.get("part"));
            }
            "reasoning_summary_part.done" => item.summary = None,
            "reasoning_summary_text.done" => item.summary = Some((part, true)),
            _ => {
                let delta = event.get("delta").and_then(Value::as_str).unwrap_or_default();
                if self.kept.saturating_add(delta.len()) <= MAX_KEPT {
                    self.kept += delta.len();
                    item.go_on(kind, part, delta);
                }
            }
        }
    }

    /// What closes the items that are open, and says the last words.
    pub(in crate::wire) fn closing(&mut self, farewell: &Farewell) -> Bytes {
        let mut events = Vec::new();
        if self.ended {
            return Bytes::new();
        }
        self.farewell = farewell.clone();
        if !self.begun {
            let response = self.response("in_progress", Vec::new());
            events.push(json!({"type": "response.created", "response": response}));
        }
        for (index, item) in &mut self.items {
            item.close(*index, &mut events);
        }
        if let Some(words) = farewell.last_words() {
            self.say(words, &mut events);
        }
        self.numbered(events)
    }

    /// Says words in an item of their own.
    fn say(&mut self, words: &str, events: &mut Vec<Value>) {
        let index = self.items.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let (begun, item) = (message(SAYS, "in_progress", Vec::new()), said(words, "completed"));
        let place = |kind: &str, field: &str, value: Value| {
            json!({"type": kind, "item_id": SAYS, "output_index": index, "content_index": 0,
                field: value})
        };
        events.extend([
            json!({"type": "response.output_item.added", "output_index": index, "item": begun}),
            place("response.content_part.added", "part", part("")),
            place("response.output_text.delta", "delta", words.into()),
            place("response.output_text.done", "text", words.into()),
            place("response.content_part.done", "part", part(words)),
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        ]);
        self.items.insert(index, Item { value: item, open: false, part: None, summary: None });
    }

    /// What ends the stream: the response as far as it has come, and why it goes no further.
    pub(in crate::wire) fn done(&mut self) -> Bytes {
        if self.ended {
            return Bytes::new();
        }
        let output = self.items.values().map(|item| item.value.clone()).collect();
        let status = self.farewell.reason("completed", "incomplete");
        let mut response = self.response(status, output);
        if let Value::Object(response) = &mut response {
            response.extend(self.farewell.further.clone());
        }
        let kind = format!("response.{status}");
        self.numbered(vec![json!({"type": kind, "response": response})])
    }

    /// An event that says nothing of the response, and so has no number; with these further fields.
    pub(in crate::wire) fn beside(&self, further: Map<String, Value>) -> Bytes {
        let mut event = Map::from_iter([("type".to_owned(), Value::from("keepalive"))]);
        event.extend(further);
        named_event(&Value::Object(event))
    }

    /// A response that says these words only.
    pub(in crate::wire) fn whole(&self, farewell: &Farewell) -> Value {
        let status = farewell.reason("completed", "incomplete");
        let mut response = self.response(status, vec![said(&farewell.words, status)]);
        if let Value::Object(response) = &mut response {
            response.extend(farewell.further.clone());
        }
        response
    }

    fn response(&self, status: &str, output: Vec<Value>) -> Value {
        let reason = (status == "incomplete").then(|| json!({"reason": "content_filter"}));
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "error": null,
            "incomplete_details": reason,
            "instructions": null,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": [],
            "usage": null,
            "metadata": {},
        })
    }

    fn numbered(&mut self, events: Vec<Value>) -> Bytes {
        let mut bytes = BytesMut::new();
        for mut event in events {
            if let Value::Object(event) = &mut event {
                event.insert("sequence_number".to_owned(), self.next.into());
            }
            self.next = self.next.saturating_add(1);
            bytes.extend_from_slice(&named_event(&event));
        }
        bytes.freeze()
    }
}

/// The id of the message that holds words of ours.
const SAYS: &str = "msg_wardgate";

/// A message that says these words.
fn said(words: &str, status: &str) -> Value {
    message(SAYS, status, vec![part(words)])
}

fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

/// The field of an item, or of one of its parts, that a kind of delta goes on with.
fn field_of(kind: &str) -> Option<(Option<&'static str>, &'static str)> {
    match kind {
        "output_text.delta" | "reasoning_text.delta" => Some((Some("content"), "text")),
        "refusal.delta" => Some((Some("content"), "refusal")),
        "reasoning_summary_text.delta" => Some((Some("summary"), "text")),
        "function_call_arguments.delta" | "mcp_call_arguments.delta" => Some((None, "arguments")),
        "custom_tool_call_input.delta" => Some((None, "input")),
        "code_interpreter_call_code.delta" => Some((None, "code")),
        _ => None,
    }
}

impl Item {
    fn push(&mut self, list: &str, part: Option<&Value>) {
        let (Value::Object(item), Some(part)) = (&mut self.value, part) else { return };
        let parts = item.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(parts) = parts {
            parts.push(part.clone());
        }
    }

    fn go_on(&mut self, kind: &str, part: u64, delta: &str) {
        let Some((list, field)) = field_of(kind) else { return };
        let holder = match list {
            Some(list) => usize::try_from(part)
                .ok()
                .and_then(|part| self.value.get_mut(list)?.as_array_mut()?.get_mut(part)),
            None => Some(&mut self.value),
        };
        let Some(Value::Object(holder)) = holder else { return };
        match holder.get_mut(field) {
            Some(Value::String(text)) => text.push_str(delta),
            _ => {
                holder.insert(field.to_owned(), delta.into());
            }
        }
    }

    /// Closes what is open of it, innermost first.
    fn close(&mut self, index: u64, events: &mut Vec<Value>) {
        if !self.open {
            return;
        }
        let id = self.value.get("id").cloned().unwrap_or_default();
        for (list, numbered, open) in [
            ("summary", "summary_index", self.summary.take()),
            ("content", "content_index", self.part.take()),
        ] {
            let Some((number, is_said)) = open else { continue };
            let place = usize::try_from(number).ok();
            let part = place.and_then(|place| self.value.get(list)?.get(place)).cloned();
            let part = part.unwrap_or_default();
            let kind = match (list, part.get("type").and_then(Value::as_str)) {
                ("summary", _) => ("reasoning_summary_text", "reasoning_summary_part", "text"),
                (_, Some("refusal")) => ("refusal", "content_part", "refusal"),
                (_, Some("reasoning_text")) => ("reasoning_text", "content_part", "text"),
                _ => ("output_text", "content_part", "text"),
            };
            let (text, whole, field) = kind;
            if !is_said {
                events.push(json!({"type": format!("response.{text}.done"), "item_id": id,
                    "output_index": index, numbered: number, field: part[field]}));
            }
            events.push(json!({"type": format!("response.{whole}.done"), "item_id": id,
                "output_index": index, numbered: number, "part": part}));
        }
        self.open = false;
        if let Value::Object(item) = &mut self.value {
            item.insert("status".to_owned(), "incomplete".into());
        }
        events.push(json!({"type": "response.output_item.done", "output_index": index,
            "item": self.value}));
    }
}
