//! agentgateway's guardrail webhook.
//!
//! A webhook that fails may be configured to let pass, so a want of a verdict is told as a rejection.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::wire::inquiry::{Opinion, Subject, answers, conversation, list, unfit};
use crate::wire::malformed::Malformed;
use crate::wire::reply::Error;

/// `POST /request`.
pub(super) fn prompt(root: &Map<String, Value>) -> Result<Subject, Malformed> {
    conversation(list(body(root)?, "messages", "an array of messages")?.clone(), None)
}

/// `POST /response`.
pub(super) fn response(root: &Map<String, Value>) -> Result<Subject, Malformed> {
    let choices = list(body(root)?, "choices", "an array of choices")?.iter().enumerate();
    let message = |(at, choice): (usize, &Value)| {
        let message = choice.get("message").filter(|message| message.is_object()).cloned();
        message.ok_or_else(|| unfit(&format!("body.choices[{at}]"), "an object with `message`"))
    };
    answers("", choices.map(message).collect::<Result<_, _>>()?)
}

fn body(root: &Map<String, Value>) -> Result<&Map<String, Value>, Malformed> {
    let body = root.get("body").and_then(Value::as_object);
    body.ok_or(Malformed::Missing { field: "body", wanted: "an object" })
}

pub(super) fn tell(opinions: &[Opinion]) -> Value {
    match opinions.iter().find(|opinion| opinion.blocks) {
        Some(opinion) => rejected(403, &opinion.words, "content_filter"),
        None => json!({"action": {"reason": "allowed"}}),
    }
}

pub(super) fn refuse(status: u16, error: &Error<'_>) -> Bytes {
    Bytes::from(rejected(status, error.message, error.code).to_string())
}

fn rejected(status: u16, words: &str, reason: &str) -> Value {
    json!({"action": {"body": words, "status_code": status, "reason": reason}})
}
