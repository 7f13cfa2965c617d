//! What we say ourselves: errors, and chunks of choices.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::wire::dialect::Dialect;
use crate::wire::farewell::Farewell;
use crate::wire::field::is_id;

/// The end of a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Something that went wrong or is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error<'a> {
    /// In words.
    pub message: &'a str,
    /// Whose fault it is, in OpenAI's words: `invalid_request_error` or `server_error`.
    pub kind: &'a str,
    /// The field in question.
    pub param: Option<&'a str>,
    /// The stable word for it.
    pub code: &'a str,
}

impl Error<'_> {
    /// The error as the dialect's clients read it.
    pub fn body(&self, dialect: Dialect) -> Bytes {
        Bytes::from(self.value(dialect).to_string())
    }

    /// The same inside a stream that has begun: official clients raise it. `number` is that of the
    /// event, where a dialect numbers them.
    pub fn event(&self, dialect: Dialect, number: u64) -> Bytes {
        match dialect {
            Dialect::Chat | Dialect::Completions | Dialect::Embeddings => {
                event(&Error { param: None, ..*self }.value(dialect))
            }
            Dialect::Messages => named_event(&self.value(dialect)),
            Dialect::Responses => {
                let Self { message, param, code, .. } = self;
                named_event(&json!({"type": "error", "code": code, "message": message,
                    "param": param, "sequence_number": number}))
            }
        }
    }

    fn value(&self, dialect: Dialect) -> Value {
        let Self { message, kind, param, code } = self;
        match dialect {
            Dialect::Chat | Dialect::Completions | Dialect::Embeddings | Dialect::Responses => {
                json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
            }
            Dialect::Messages => json!({"type": "error", "error": {
                "type": anthropic_kind(kind, code), "message": message, "param": param, "code": code,
            }}),
        }
    }
}

/// The error for what is refused for what it says, as Azure's clients read it; `param` is the field
/// of the request that says it. `results` holds one entry per category. Azure's service and its
/// documents disagree on the plural of its name, so both are given.
pub fn content_filter_error(
    dialect: Dialect,
    message: &str,
    param: Option<&str>,
    results: &Map<String, Value>,
) -> Bytes {
    let kind = "invalid_request_error";
    let error = Error { message, kind, param, code: "content_filter" };
    let mut body = error.value(dialect);
    match dialect {
        Dialect::Chat | Dialect::Completions | Dialect::Embeddings | Dialect::Responses => {
            body["error"]["innererror"] = json!({
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": results,
                "content_filter_results": results,
            });
        }
        Dialect::Messages => {
            body["error"]["content_filter_results"] = Value::Object(results.clone());
        }
    }
    Bytes::from(body.to_string())
}

/// The kind of an error, in Anthropic's words.
fn anthropic_kind(kind: &str, code: &str) -> &'static str {
    match (kind, code) {
        (_, "invalid_api_key") => "authentication_error",
        (_, "route_not_guarded" | "model_not_found") => "not_found_error",
        (_, "body_too_large" | "prompt_too_long") => "request_too_large",
        ("invalid_request_error", _) => "invalid_request_error",
        _ => "api_error",
    }
}

/// One event of a stream whose events are named by their type.
pub fn named_event(value: &Value) -> Bytes {
    let name = value.get("type").and_then(Value::as_str).unwrap_or("message");
    crate::wire::sse::one_reading(&Bytes::from(format!("event: {name}\ndata: {value}\n\n")))
}

/// One event of a stream.
pub fn event(value: &Value) -> Bytes {
    crate::wire::sse::one_reading(&Bytes::from(format!("data: {value}\n\n")))
}

/// What the chunks of a stream have in common, so that a chunk of ours looks like its neighbours;
/// or what an answer has around its choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    dialect: Dialect,
    fields: Map<String, Value>,
}

impl Stamp {
    /// What a chunk has around its choices, before anything is known of the upstream's.
    pub fn chunk_of(dialect: Dialect) -> Self {
        let object = match dialect {
            // Embeddings are not streamed; what comes as events all the same is closed like chat.
            // Messages and responses have frames of their own.
            Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => {
                "chat.completion.chunk"
            }
            Dialect::Completions => "text_completion",
        };
        Self::new(dialect, object)
    }

    /// The same of an answer that is not streamed.
    pub fn answer_of(dialect: Dialect) -> Self {
        let object = match dialect {
            Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => {
                "chat.completion"
            }
            Dialect::Completions => "text_completion",
        };
        Self::new(dialect, object)
    }

    fn new(dialect: Dialect, object: &str) -> Self {
        let fields = [
            ("id", Value::from("")),
            ("object", Value::from(object)),
            ("created", Value::from(0)),
            ("model", Value::from("")),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { dialect, fields }
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

    /// The chunk that begins a choice of ours; nothing, where choices begin with what they say.
    pub fn opening_chunk(&self, index: u32) -> Bytes {
        match self.dialect {
            Dialect::Completions => Bytes::new(),
            Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => {
                let delta = json!({"role": "assistant", "content": ""});
                let choice = json!({"index": index, "delta": delta, "finish_reason": null});
                self.chunk(vec![choice], Map::new())
            }
        }
    }

    /// The chunks that end a choice: its last words, and why it ends.
    pub fn closing_chunks(&self, index: u32, farewell: &Farewell) -> Bytes {
        let mut chunks = BytesMut::new();
        if let Some(words) = farewell.last_words() {
            let said = self.choice(index, words, Value::Null, &Map::new());
            chunks.extend_from_slice(&self.chunk(vec![said], Map::new()));
        }
        let reason = farewell.reason("stop", "content_filter").into();
        let last = self.choice(index, "", reason, &farewell.further);
        chunks.extend_from_slice(&self.chunk(vec![last], Map::new()));
        chunks.freeze()
    }

    /// A chunk that says nothing but these further fields, of choices and beside them.
    pub fn aside(
        &self,
        choices: &[(u32, Map<String, Value>)],
        further: Map<String, Value>,
    ) -> Bytes {
        let choices = choices.iter();
        let choices = choices.map(|(index, own)| self.choice(*index, "", Value::Null, own));
        self.chunk(choices.collect(), further)
    }

    fn choice(
        &self,
        index: u32,
        words: &str,
        finish: Value,
        further: &Map<String, Value>,
    ) -> Value {
        let mut choice = match self.dialect {
            Dialect::Completions => {
                json!({"index": index, "text": words, "logprobs": null, "finish_reason": finish})
            }
            Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => {
                let delta = if words.is_empty() { json!({}) } else { json!({"content": words}) };
                json!({"index": index, "delta": delta, "finish_reason": finish})
            }
        };
        if let Value::Object(choice) = &mut choice {
            choice.extend(further.clone());
        }
        choice
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

    use super::{Error, Stamp, content_filter_error};
    use crate::wire::dialect::Dialect;
    use crate::wire::farewell::Farewell;

    #[test]
    fn an_error_has_the_four_fields_that_clients_read() {
        let (message, kind) = ("say \"it\"", "invalid_request_error");
        let error = Error { message, kind, param: Some("messages"), code: "x" };
        assert_eq!(
            error.body(Dialect::Chat),
            r#"{"error":{"message":"say \"it\"","type":"invalid_request_error","param":"messages","code":"x"}}"#
        );
        let error = Error { message: "gone", kind: "server_error", param: None, code: "x" };
        assert_eq!(
            error.event(Dialect::Chat, 0),
            "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"param\":null,\"code\":\"x\"}}\n\n"
        );
    }

    #[test]
    fn a_refused_prompt_reads_as_it_does_at_azure() {
        let Value::Object(results) = json!({"S1": {"filtered": true, "severity": "high"}}) else {
            panic!()
        };
        assert_eq!(
            content_filter_error(Dialect::Chat, "no", Some("messages"), &results),
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
        let mut stamp = Stamp::chunk_of(Dialect::Chat);
        stamp.note(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7,
            "model": "demo", "system_fingerprint": "two words", "choices": []}));
        stamp.note(&json!({"error": {}}));
        assert_eq!(
            stamp.closing_chunks(2, &Farewell::default()),
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
