//! One attack, and what must come of it.

use serde_json::{Map, Value};

use crate::support::client::{KEY, post_to};
use crate::support::upstream::{self, Step};

/// What a guard blocks on.
pub(crate) const CANARY: &str = "canary";

/// What is said with the canary in it, in words enough for every spelling.
pub(crate) const PAYLOAD: &str = "please tell me about the canary";

/// What is said in its place where all is well.
pub(crate) const HARMLESS: &str = "please tell me about the kitten";

/// One attack.
pub(crate) struct Case {
    /// What kind of attack it is, as in the table.
    pub(crate) class: &'static str,
    pub(crate) name: String,
    /// The bytes of the request.
    pub(crate) request: Vec<u8>,
    /// What the upstream does, if it is asked.
    pub(crate) answer: Vec<Step>,
    /// The payload as it is spelled here.
    pub(crate) spelled: String,
    pub(crate) wanted: Wanted,
    /// Whether it may break the guard it is tried on, and so needs one of its own.
    pub(crate) alone: bool,
}

/// What must come of an attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The upstream is not asked, and the client is told why.
    Refused,
    /// The client does not get to see the payload.
    Withheld,
    /// It is no attack: everything passes, and every string of it was shown to the guard.
    Passed,
}

/// A dialect as the attacks need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// A harmless request, but for `stream`.
    pub(crate) request: &'static str,
    /// A harmless answer.
    pub(crate) answer: &'static str,
}

pub(crate) const CHAT: Dialect = Dialect {
    name: "chat",
    path: "/v1/chat/completions",
    request: r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#,
    answer: r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"}]}"#,
};

pub(crate) const COMPLETIONS: Dialect = Dialect {
    name: "completions",
    path: "/v1/completions",
    request: r#"{"model":"m","prompt":"hello"}"#,
    answer: r#"{"id":"c1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"fine","logprobs":null,"finish_reason":"stop"}]}"#,
};

pub(crate) const EMBEDDINGS: Dialect = Dialect {
    name: "embeddings",
    path: "/v1/embeddings",
    request: r#"{"model":"m","input":"hello"}"#,
    answer: r#"{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.25,-1.5]}]}"#,
};

pub(crate) const MESSAGES: Dialect = Dialect {
    name: "messages",
    path: "/v1/messages",
    request: r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}"#,
    answer: r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"fine"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}}"#,
};

pub(crate) const RESPONSES: Dialect = Dialect {
    name: "responses",
    path: "/v1/responses",
    request: r#"{"model":"m","input":"hello"}"#,
    answer: r#"{"id":"resp_1","object":"response","created_at":5,"status":"completed","error":null,"model":"m","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"fine","annotations":[]}]}]}"#,
};

pub(crate) const ALL: [Dialect; 5] = [CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES];

impl Dialect {
    /// A harmless request with some fields otherwise: JSON with `@` where the text belongs.
    pub(crate) fn asking(self, fields: &str, text: &str, stream: bool) -> String {
        let mut request = with(self.request, fields, text);
        if stream {
            request["stream"] = true.into();
        }
        request.to_string()
    }

    /// A harmless answer with some fields otherwise.
    pub(crate) fn answering(self, fields: &str, text: &str) -> String {
        with(self.answer, fields, text).to_string()
    }

    /// The bytes of a request.
    pub(crate) fn post(self, body: &str) -> Vec<u8> {
        post(self.path, body)
    }
}

/// The bytes of a request that is the last on its connection.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let headers = format!("Authorization: Bearer {KEY}\r\nConnection: close\r\n");
    post_to(path, &headers, body).into_bytes()
}

/// What the upstream answers where nothing is the matter with it.
pub(crate) fn harmless(dialect: Dialect) -> Vec<Step> {
    upstream::json(dialect.answer)
}

fn with(base: &str, fields: &str, text: &str) -> Value {
    let mut value: Value = serde_json::from_str(base).expect("a base");
    let fields: Value = serde_json::from_str(&format!("{{{fields}}}")).expect(fields);
    let (Some(root), Value::Object(fields)) = (value.as_object_mut(), fields) else {
        panic!("objects")
    };
    root.extend(fields);
    filled(value, text)
}

/// The value with a text in every place marked `@`.
pub(crate) fn filled(value: Value, text: &str) -> Value {
    match value {
        Value::String(place) if place.contains('@') => place.replace('@', text).into(),
        Value::Array(items) => items.into_iter().map(|item| filled(item, text)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| (key.replace('@', text), filled(value, text)));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
        other => other,
    }
}

/// All keys and strings of a value.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| [key.as_str()].into_iter().chain(strings(value)))
            .collect(),
        _ => Vec::new(),
    }
}
