//! What the demo's model provider says, in the dialect it is asked in.

use serde_json::{Value, json};

/// The same words, whole and streamed.
pub(super) struct Speech {
    /// The body of an answer that is not streamed.
    pub(super) whole: Value,
    /// The events of a streamed one.
    pub(super) events: Vec<String>,
}

impl Speech {
    /// These words of this model, for a request to this path; `None` where it has nothing to say.
    pub(super) fn at(path: &str, model: &str, pieces: &[&str]) -> Option<Self> {
        match path {
            "/v1/chat/completions" => Some(chat(model, pieces)),
            "/v1/completions" => Some(completion(model, pieces)),
            "/v1/messages" => Some(message(model, pieces)),
            "/v1/responses" => Some(response(model, pieces)),
            "/v1/embeddings" => Some(embedding(model)),
            _ => None,
        }
    }
}

const DONE: &str = "data: [DONE]\n\n";

fn chat(model: &str, pieces: &[&str]) -> Speech {
    let message = json!({"role": "assistant", "content": pieces.concat()});
    let whole = json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    let event = |delta: Value, finish: Value| {
        let chunk = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![event(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(pieces.iter().map(|piece| event(json!({"content": piece}), Value::Null)));
    events.extend([event(json!({}), "stop".into()), DONE.to_owned()]);
    Speech { whole, events }
}

fn completion(model: &str, pieces: &[&str]) -> Speech {
    let body = |text: &str, finish: Value| {
        json!({
            "id": "cmpl-demo", "object": "text_completion", "created": 0, "model": model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}],
        })
    };
    let mut whole = body(&pieces.concat(), "stop".into());
    whole["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let event = |text: &str, finish: Value| format!("data: {}\n\n", body(text, finish));
    let mut events: Vec<String> = pieces.iter().map(|piece| event(piece, Value::Null)).collect();
    events.extend([event("", "stop".into()), DONE.to_owned()]);
    Speech { whole, events }
}

fn message(model: &str, pieces: &[&str]) -> Speech {
    let body = |content: Value, reason: Value| {
        json!({
            "id": "msg_demo", "type": "message", "role": "assistant", "model": model,
            "content": content, "stop_reason": reason, "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        })
    };
    let block = |text: &str| json!({"type": "text", "text": text});
    let whole = body(json!([block(&pieces.concat())]), "end_turn".into());
    let mut values = vec![
        json!({"type": "message_start", "message": body(json!([]), Value::Null)}),
        json!({"type": "content_block_start", "index": 0, "content_block": block("")}),
    ];
    values.extend(pieces.iter().map(|piece| {
        let delta = json!({"type": "text_delta", "text": piece});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    values.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "usage": {"output_tokens": 1},
            "delta": {"stop_reason": "end_turn", "stop_sequence": null}}),
        json!({"type": "message_stop"}),
    ]);
    Speech { whole, events: values.iter().map(named).collect() }
}

fn response(model: &str, pieces: &[&str]) -> Speech {
    let body = |status: &str, output: Value| {
        json!({
            "id": "resp_demo", "object": "response", "created_at": 0, "status": status,
            "error": null, "incomplete_details": null, "model": model, "output": output,
            "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "usage": null,
        })
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| {
        json!({"id": "msg_demo", "type": "message", "role": "assistant", "status": status,
            "content": content})
    };
    let text = pieces.concat();
    let said = item("completed", json!([part(&text)]));
    let whole = body("completed", json!([said]));
    let place = |kind: &str, field: &str, value: Value| {
        json!({"type": kind, "item_id": "msg_demo", "output_index": 0, "content_index": 0,
            field: value})
    };
    let mut values = vec![
        json!({"type": "response.created", "response": body("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": item("in_progress", json!([]))}),
        place("response.content_part.added", "part", part("")),
    ];
    let deltas = pieces.iter().map(|piece| (*piece).into());
    values.extend(deltas.map(|delta| place("response.output_text.delta", "delta", delta)));
    values.extend([
        place("response.output_text.done", "text", text.as_str().into()),
        place("response.content_part.done", "part", part(&text)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": said}),
        json!({"type": "response.completed", "response": whole}),
    ]);
    for (number, value) in values.iter_mut().enumerate() {
        value["sequence_number"] = number.into();
    }
    Speech { whole, events: values.iter().map(named).collect() }
}

fn embedding(model: &str) -> Speech {
    let entry = json!({"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]});
    let whole = json!({
        "object": "list", "model": model, "data": [entry],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    });
    Speech { whole, events: Vec::new() }
}

fn named(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or("message"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Speech;
    use crate::enforce::{Holdback, Ruling, holdback::Settings};
    use crate::wire::{Answer, Asked, Dialect};

    #[test]
    fn the_demo_speaks_every_dialect_as_the_gateway_reads_it() {
        let pieces = ["A sentence that is harmless. ", "And one more."];
        for dialect in Dialect::ALL {
            let path = format!("/v1{}", dialect.path());
            let speech = Speech::at(&path, "demo", &pieces).unwrap();
            let whole = Answer::parse(dialect, Bytes::from(speech.whole.to_string())).unwrap();
            assert!(whole.is_complete(), "{path}");
            assert!(whole.rest_transcripts().is_empty(), "{path}");
            let asked = Asked::new(dialect, "question", 1);
            let heard: Vec<_> = whole.choices(&asked).flat_map(|each| each.transcripts()).collect();
            let texts: Vec<&str> = heard.iter().map(|each| &*each.judged().text).collect();
            let expected: &[String] =
                if dialect == Dialect::Embeddings { &[] } else { &[pieces.concat()] };
            assert_eq!(texts, expected, "{path}");

            let stream = speech.events.concat();
            let mut hold = Holdback::new(Settings::default(), asked);
            hold.push(stream.as_bytes()).unwrap();
            while let Some(window) = hold.due() {
                hold.settle(window, Ruling::Pass);
            }
            assert_eq!(hold.released(), stream, "{path}");
            assert_eq!(hold.ended(), !stream.is_empty(), "{path}");
        }
        assert!(Speech::at("/v1/audio/speech", "demo", &pieces).is_none());
    }
}
