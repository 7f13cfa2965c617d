//! What one chunk of a streamed answer says, choice by choice.
//!
//! The table is that of whole answers: a chunk may carry `delta`, `message` or `text`, and all of
//! them are read. Pieces of one channel and slot in successive chunks continue each other.

use serde_json::{Map, Value};

use crate::wire::answer::choice_index;
use crate::wire::dialect::{Dialect, Said};
use crate::wire::field::{Channel, Found, Table, Trail, read_unknown};

/// One chunk.
pub(crate) struct Chunk<'v> {
    /// What each choice says, in order.
    pub(crate) choices: Vec<ChoiceDelta<'v>>,
    /// What is said outside the choices.
    pub(crate) rest: Found<'v>,
    /// Whether it tells of an error: the upstream will say no more.
    pub(crate) is_error: bool,
    /// Whether it is the last of its stream.
    pub(crate) is_last: bool,
}

/// What one choice of a chunk says.
pub(crate) struct ChoiceDelta<'v> {
    /// The number it gives itself; its position where it gives none.
    pub(crate) index: u32,
    /// What was found in it.
    pub(crate) found: Found<'v>,
    /// Whether it says why the choice ended.
    pub(crate) finished: bool,
}

/// Reads a chunk in a dialect.
pub(crate) fn read(dialect: Dialect, chunk: &Value) -> Chunk<'_> {
    let shape = dialect.shape();
    let table: &Table = &shape.answers;
    let Value::Object(root) = chunk else {
        let rest = read_unknown(chunk);
        return Chunk { choices: Vec::new(), rest, is_error: false, is_last: false };
    };
    if matches!(shape.said, Said::Whole { .. }) {
        return read_event(dialect, root);
    }
    let is_error = root.get("error").is_some_and(|error| !error.is_null());
    let list = shape.said.choices().and_then(|name| Some((name, root.get(name)?.as_array()?)));
    let Some((name, list)) = list else {
        let rest = table.read_entries(root, &[], Trail::default());
        return Chunk { choices: Vec::new(), rest, is_error, is_last: false };
    };
    let rest = table.read_entries(root, &[name], Trail::default());
    let inside = table.field(name).and_then(Table::items);
    let choices = list.iter().enumerate().map(|(position, choice)| ChoiceDelta {
        index: choice_index(choice, position),
        found: match inside {
            Some(inside) => inside.read(choice, Trail::item(name, position)),
            None => read_unknown(choice),
        },
        finished: choice.get("finish_reason").is_some_and(|reason| !reason.is_null()),
    });
    Chunk { choices: choices.collect(), rest, is_error, is_last: false }
}

/// Reads a typed event of an answer that is not divided: all of it belongs to the one choice there is,
/// but for errors and signs of life.
fn read_event(dialect: Dialect, root: &Map<String, Value>) -> Chunk<'_> {
    let kind = root.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut found = dialect.shape().answers.read_entries(root, &[], Trail::default());
    let is_error = kind == "error" || root.get("error").is_some_and(|error| !error.is_null());
    let is_silent = found.pieces.is_empty() && matches!(kind, "ping" | "keepalive");
    if kind == "error" || is_silent {
        return Chunk { choices: Vec::new(), rest: found, is_error, is_last: false };
    }
    let is_end = matches!(kind, "response.completed" | "response.incomplete" | "response.failed");
    let channel = channel_of(kind);
    // Several calls are kept apart by the number of their block or item, where the event has one;
    // texts go on from one to the next.
    let number = root.get("index").or(root.get("output_index")).and_then(Value::as_u64);
    for piece in &mut found.pieces {
        if piece.channel == Channel::Content {
            piece.channel = channel;
        }
        match piece.channel {
            Channel::Tool => piece.slot = number.unwrap_or(piece.slot),
            Channel::Other | Channel::Key => {}
            _ => piece.slot = 0,
        }
    }
    let reason = root.get("delta").and_then(|delta| delta.get("stop_reason"));
    let finished = is_end || reason.is_some_and(|reason| !reason.is_null());
    let choices = vec![ChoiceDelta { index: 0, found, finished }];
    let is_last = is_end || kind == "message_stop";
    Chunk { choices, rest: Found::default(), is_error, is_last }
}

/// What `delta` and `text` of an event are, by its type.
fn channel_of(kind: &str) -> Channel {
    match kind.strip_prefix("response.").and_then(|kind| kind.split('.').next()) {
        Some("reasoning_text" | "reasoning_summary_text" | "reasoning_summary_part") => {
            Channel::Reasoning
        }
        Some("refusal") => Channel::Refusal,
        Some(
            "function_call_arguments"
            | "mcp_call_arguments"
            | "custom_tool_call_input"
            | "code_interpreter_call_code",
        ) => Channel::Tool,
        _ => Channel::Content,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Chunk;
    use crate::wire::dialect::Dialect;
    use crate::wire::field::Channel::{self, Content, Other, Reasoning, Speech, Tool};

    fn read(chunk: &Value) -> Chunk<'_> {
        super::read(Dialect::Chat, chunk)
    }

    type Said<'a> = (u32, &'a [(Channel, u64, &'a str)], bool);

    #[track_caller]
    fn check(chunk: Value, choices: &[Said<'_>], rest: &[&str]) {
        let chunk = read(&chunk);
        assert_eq!(chunk.choices.len(), choices.len());
        for (choice, (index, pieces, finished)) in chunk.choices.iter().zip(choices) {
            assert_eq!((choice.index, choice.finished), (*index, *finished));
            let found: Vec<(Channel, u64, &str)> = choice
                .found
                .pieces
                .iter()
                .map(|each| (each.channel, each.slot, &*each.text))
                .collect();
            assert_eq!(found, *pieces);
        }
        let others: Vec<&str> = chunk.rest.pieces.iter().map(|piece| &*piece.text).collect();
        assert_eq!(others, rest);
    }

    #[test]
    fn each_choice_says_its_pieces_by_channel() {
        check(
            json!({"id": "x", "choices": [
                {"index": 1, "delta": {"role": "assistant", "content": "a"}, "finish_reason": null},
                {"delta": {"reasoning_content": "b"}, "text": "c", "finish_reason": "stop"},
                {"index": 0, "delta": {"tool_calls": [
                    {"index": 3, "id": "call", "function": {"name": "f", "arguments": ""}},
                    {"index": 4, "function": {"arguments": "{"}}]}},
                {"index": 0, "delta": {"audio": {"transcript": "t"}}, "message": {"content": "m"}}]}),
            &[
                (1, &[(Content, 0, "a")], false),
                (1, &[(Reasoning, 0, "b"), (Content, 0, "c")], true),
                (0, &[(Tool, 3, "f"), (Tool, 4, "{")], false),
                (0, &[(Speech, 0, "t"), (Content, 0, "m")], false),
            ],
            &[],
        );
        check(
            json!({"choices": [], "usage": {"total_tokens": 3}, "note": "n"}),
            &[],
            &["note", "n"],
        );
        check(json!({"error": {"message": "m"}}), &[], &["m"]);
        check(json!(["a"]), &[], &["a"]);
    }

    #[test]
    fn an_unknown_field_keeps_its_slot_from_chunk_to_chunk() {
        let slot = |value: &Value| {
            let chunk = read(value);
            let pieces = &chunk.choices[0].found.pieces;
            pieces.iter().find(|piece| piece.channel == Other).map(|piece| piece.slot)
        };
        let first = slot(&json!({"choices": [{"delta": {"thoughts": "a"}}]}));
        let second = slot(&json!({"choices": [{"delta": {"content": "x", "thoughts": "b"}}]}));
        let another = slot(&json!({"choices": [{"delta": {"dreams": "a"}}]}));
        assert_eq!(first, second);
        assert_ne!(first, another);
    }
}
