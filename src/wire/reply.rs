//! What we say ourselves, in the words of chat completions.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::wire::field::is_id;

/// The end of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error as OpenAI's clients read it.
pub fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    Bytes::from(body.to_string())
}

/// The error for a prompt that is refused for what it says, as Azure's clients read it. `results`
/// holds one entry per category. Azure's service and its documents disagree on the plural of its
/// name, so both are given.
pub fn content_filter_error(message: &str, results: &Map<String, Value>) -> Bytes {
    let body = json!({"error": {
        "message": message,
        "type": "invalid_request_error",
        "param": "messages",
        "code": "content_filter",
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": results,
            "content_filter_results": results,
        },
    }});
    Bytes::from(body.to_string())
}

/// One event of a stream.
pub fn event(value: &Value) -> Bytes {
    crate::wire::sse::one_reading(&Bytes::from(format!("data: {value}\n\n")))
}

/// An error inside a stream that has begun: OpenAI's clients raise it.
pub fn error_event(message: &str, kind: &str, code: Option<&str>) -> Bytes {
    event(&json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

/// What the chunks of a stream have in common, so that a chunk of ours looks like its neighbours;
/// or what an answer has around its choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    fields: Map<String, Value>,
}

impl Default for Stamp {
    fn default() -> Self {
        let mut fields = Map::new();
        for (name, value) in [
            ("id", Value::from("")),
            ("object", Value::from("chat.completion.chunk")),
            ("created", Value::from(0)),
            ("model", Value::from("")),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Self { fields }
    }
}

impl Stamp {
    /// What an answer that is not streamed has around its choices.
    pub fn completion() -> Self {
        let mut stamp = Self::default();
        stamp.fields.insert("object".to_owned(), "chat.completion".into());
        stamp
    }

    /// Takes what it can from a chunk of the upstream: only what has the shape of an id or a number,
    /// since nobody has judged it.
    pub fn note(&mut self, chunk: &Value) {
        for name in ["id", "object", "model", "system_fingerprint"] {
            let Some(Value::String(text)) = chunk.get(name) else { continue };
            let same = self.fields.get(name).and_then(Value::as_str) == Some(text);
            if is_id(text) && !same {
                self.fields.insert(name.to_owned(), text.as_str().into());
            }
        }
        if let Some(created) = chunk.get("created").and_then(Value::as_u64) {
            self.fields.insert("created".to_owned(), created.into());
        }
    }

    /// The chunk that ends a choice because of what it said.
    pub fn closing_chunk(&self, index: u32) -> Bytes {
        let choice = json!({"index": index, "delta": {}, "finish_reason": "content_filter"});
        self.chunk(vec![choice], Map::new())
    }

    /// A chunk with these choices and further fields.
    pub fn chunk(&self, choices: Vec<Value>, further: Map<String, Value>) -> Bytes {
        event(&self.body(choices, further))
    }

    /// A body with these choices and further fields.
    pub fn body(&self, choices: Vec<Value>, further: Map<String, Value>) -> Value {
        let mut body = self.fields.clone();
        body.insert("choices".to_owned(), Value::Array(choices));
        body.extend(further);
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{Stamp, content_filter_error, error, error_event};

    #[test]
    fn an_error_has_the_four_fields_that_clients_read() {
        assert_eq!(
            error("say \"it\"", "invalid_request_error", Some("messages"), None),
            r#"{"error":{"message":"say \"it\"","type":"invalid_request_error","param":"messages","code":null}}"#
        );
        assert_eq!(
            error_event("gone", "server_error", Some("x")),
            "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"param\":null,\"code\":\"x\"}}\n\n"
        );
    }

    #[test]
    fn a_refused_prompt_reads_as_it_does_at_azure() {
        let Value::Object(results) = json!({"S1": {"filtered": true, "severity": "high"}}) else {
            panic!()
        };
        assert_eq!(
            content_filter_error("no", &results),
            concat!(
                r#"{"error":{"message":"no","type":"invalid_request_error","param":"messages","#,
                r#""code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation","#,
                r#""content_filter_result":{"S1":{"filtered":true,"severity":"high"}},"#,
                r#""content_filter_results":{"S1":{"filtered":true,"severity":"high"}}}}}"#,
            )
        );
    }

    #[test]
    fn a_closing_chunk_looks_like_its_neighbours() {
        let mut stamp = Stamp::default();
        stamp.note(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7,
            "model": "demo", "system_fingerprint": "two words", "choices": []}));
        stamp.note(&json!({"error": {}}));
        assert_eq!(
            stamp.closing_chunk(2),
            concat!(
                r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"#,
                r#""model":"demo","choices":[{"index":2,"delta":{},"finish_reason":"content_filter"}]}"#,
                "\n\n",
            )
        );
        let further = Map::from_iter([("wardgate".to_owned(), json!({"a": "\u{2028}"}))]);
        let chunk = stamp.chunk(Vec::new(), further);
        assert!(
            chunk.ends_with(b"\"choices\":[],\"wardgate\":{\"a\":\"\\u2028\"}}\n\n"),
            "{chunk:?}"
        );
    }
}
