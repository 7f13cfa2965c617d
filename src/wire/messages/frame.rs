//! How far a streamed message has come, and how it is closed in order.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::wire::farewell::Farewell;
use crate::wire::field::is_id;
use crate::wire::reply::named_event;

/// A message as a client sees it: whether it has begun, which of its blocks are open, whether it has
/// said why it ends.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MessageFrame {
    id: String,
    model: String,
    input_tokens: u64,
    output_tokens: u64,
    begun: bool,
    open: Vec<u64>,
    /// The number of the next block.
    next: u64,
    ended: bool,
}

impl MessageFrame {
    /// Takes ids and numbers from a message, or from the event that begins one.
    pub(in crate::wire) fn note(&mut self, event: &Value) {
        let message = event.get("message").unwrap_or(event);
        let name = |field: &str| {
            message.get(field).and_then(Value::as_str).filter(|name| is_id(name)).map(str::to_owned)
        };
        self.id = name("id").unwrap_or_default();
        self.model = name("model").unwrap_or_default();
        let usage = message.get("usage");
        let tokens = |field: &str| usage.and_then(|usage| usage.get(field)?.as_u64()).unwrap_or(0);
        self.input_tokens = tokens("input_tokens");
        self.output_tokens = tokens("output_tokens");
    }

    /// Follows an event that has gone out.
    pub(in crate::wire) fn pass(&mut self, event: &Value) {
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        match event.get("type").and_then(Value::as_str) {
            Some("message_start") => self.begun = true,
            Some("content_block_start") => {
                self.open.push(index);
                self.next = self.next.max(index.saturating_add(1));
            }
            Some("content_block_stop") => self.open.retain(|open| *open != index),
            Some("message_delta") => {
                let reason = event.get("delta").and_then(|delta| delta.get("stop_reason"));
                self.ended |= reason.is_some_and(|reason| !reason.is_null());
            }
            _ => {}
        }
    }

    /// What ends the message before its time: its blocks are closed, and it says its last words and
    /// why it ends.
    pub(in crate::wire) fn closing(&self, farewell: &Farewell) -> Bytes {
        let mut events = BytesMut::new();
        let mut say = |event: Value| events.extend_from_slice(&named_event(&event));
        if self.ended {
            return Bytes::new();
        }
        if !self.begun {
            let message = self.message(Vec::new(), Value::Null);
            say(json!({"type": "message_start", "message": message}));
        }
        for index in &self.open {
            say(json!({"type": "content_block_stop", "index": index}));
        }
        if let Some(words) = farewell.last_words() {
            let (index, delta) = (self.next, json!({"type": "text_delta", "text": words}));
            let block = json!({"type": "text", "text": ""});
            say(json!({"type": "content_block_start", "index": index, "content_block": block}));
            say(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            say(json!({"type": "content_block_stop", "index": index}));
        }
        say(json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason(farewell), "stop_sequence": null},
            "usage": {"output_tokens": self.output_tokens},
        }));
        events.freeze()
    }

    /// What ends the stream.
    pub(in crate::wire) fn done(&self) -> Bytes {
        named_event(&json!({"type": "message_stop"}))
    }

    /// An event that every client passes over, with these further fields.
    pub(in crate::wire) fn beside(&self, further: Map<String, Value>) -> Bytes {
        let mut event = Map::from_iter([("type".to_owned(), Value::from("ping"))]);
        event.extend(further);
        named_event(&Value::Object(event))
    }

    /// A message that says these words only.
    pub(in crate::wire) fn whole(&self, farewell: &Farewell) -> Value {
        let content = vec![json!({"type": "text", "text": &*farewell.words})];
        let mut message = self.message(content, reason(farewell).into());
        if let Value::Object(message) = &mut message {
            message.extend(farewell.further.clone());
        }
        message
    }

    fn message(&self, content: Vec<Value>, stop_reason: Value) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens},
        })
    }
}

/// Why a message ends.
fn reason(farewell: &Farewell) -> &'static str {
    farewell.reason("end_turn", "refusal")
}
