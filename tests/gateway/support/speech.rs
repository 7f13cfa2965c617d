//! The same question and the same words in every dialect.

use serde_json::{Value, json};
use wardgate::wire::Dialect;

use crate::support::client::{KEY, post_to};
use crate::support::upstream::DONE;

/// The dialects in which something is said.
pub(crate) const SPOKEN: [Dialect; 4] =
    [Dialect::Chat, Dialect::Completions, Dialect::Messages, Dialect::Responses];

/// A request that says these words.
pub(crate) fn asking(dialect: Dialect, words: &str, stream: bool) -> Value {
    let message = json!([{"role": "user", "content": words}]);
    let mut request = match dialect {
        Dialect::Chat => json!({"model": "m", "messages": message}),
        Dialect::Completions => json!({"model": "m", "prompt": words}),
        Dialect::Messages => json!({"model": "m", "max_tokens": 9, "messages": message}),
        Dialect::Responses | Dialect::Embeddings => json!({"model": "m", "input": words}),
    };
    if stream {
        request["stream"] = true.into();
    }
    request
}

/// The same on the wire.
pub(crate) fn sent(dialect: Dialect, request: &Value) -> String {
    let key = format!("Authorization: Bearer {KEY}\r\n");
    post_to(&format!("/v1{}", dialect.path()), &key, &request.to_string())
}

/// Why an answer ends that the model ended by itself.
pub(crate) fn natural(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Completions | Dialect::Embeddings => "stop",
        Dialect::Messages => "end_turn",
        Dialect::Responses => "completed",
    }
}

/// Why an answer ends for what it says.
pub(crate) fn filtered(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Messages => "refusal",
        _ => "content_filter",
    }
}

/// A whole answer with these words.
pub(crate) fn answer(dialect: Dialect, words: &str) -> String {
    let end = natural(dialect);
    match dialect {
        Dialect::Chat => {
            json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": end,
                "message": {"role": "assistant", "content": words}}]})
        }
        Dialect::Completions => json!({"id": "c1", "object": "text_completion", "created": 1,
            "model": "m", "choices": [{"index": 0, "text": words, "finish_reason": end}]}),
        Dialect::Messages => message(json!([{"type": "text", "text": words}]), end.into()),
        Dialect::Responses => response(end, json!([item(end, json!([part(words)]))])),
        Dialect::Embeddings => panic!("says nothing"),
    }
    .to_string()
}

/// A streamed answer with these words, one event a piece.
pub(crate) fn events(dialect: Dialect, pieces: &[&str]) -> Vec<String> {
    let end: Value = natural(dialect).into();
    match dialect {
        Dialect::Chat => {
            let chunk = |delta: Value, finish: Value| {
                chunk(
                    "chat.completion.chunk",
                    json!({"index": 0, "delta": delta, "finish_reason": finish}),
                )
            };
            let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
            events.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}), Value::Null)));
            events.extend([chunk(json!({}), end), DONE.to_owned()]);
            events
        }
        Dialect::Completions => {
            let chunk = |text: &str, finish: Value| {
                chunk(
                    "text_completion",
                    json!({"index": 0, "text": text, "logprobs": null, "finish_reason": finish}),
                )
            };
            let mut events: Vec<String> =
                pieces.iter().map(|piece| chunk(piece, Value::Null)).collect();
            events.extend([chunk("", end), DONE.to_owned()]);
            events
        }
        Dialect::Messages => named(message_events(pieces, end)),
        Dialect::Responses => {
            let mut events = response_events(pieces);
            for (number, event) in events.iter_mut().enumerate() {
                event["sequence_number"] = number.into();
            }
            named(events)
        }
        Dialect::Embeddings => panic!("says nothing"),
    }
}

fn chunk(kind: &str, choice: Value) -> String {
    let chunk =
        json!({"id": "c1", "object": kind, "created": 1, "model": "m", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

fn named(events: Vec<Value>) -> Vec<String> {
    let event = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"))
    };
    events.iter().map(event).collect()
}

fn message(content: Value, reason: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": reason, "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 5}})
}

fn message_events(pieces: &[&str], end: Value) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "message_start", "message": message(json!([]), Value::Null)}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend(pieces.iter().map(|piece| {
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": piece}})
    }));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "usage": {"output_tokens": 5},
            "delta": {"stop_reason": end, "stop_sequence": null}}),
        json!({"type": "message_stop"}),
    ]);
    events
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn item(status: &str, content: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status,
        "content": content})
}

fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 5, "status": status, "error": null,
        "incomplete_details": null, "model": "m", "output": output, "parallel_tool_calls": true,
        "tool_choice": "auto", "tools": []})
}

fn response_events(pieces: &[&str]) -> Vec<Value> {
    let place = |kind: &str, field: &str, value: Value| {
        json!({"type": kind, "item_id": "msg_1", "output_index": 0, "content_index": 0,
            field: value})
    };
    let whole = pieces.concat();
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": item("in_progress", json!([]))}),
        place("response.content_part.added", "part", part("")),
    ];
    let deltas = pieces.iter().map(|piece| (*piece).into());
    events.extend(deltas.map(|piece| place("response.output_text.delta", "delta", piece)));
    let said = item("completed", json!([part(&whole)]));
    events.extend([
        place("response.output_text.done", "text", whole.as_str().into()),
        place("response.content_part.done", "part", part(&whole)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": said}),
        json!({"type": "response.completed", "response": response("completed", json!([said]))}),
    ]);
    events
}
