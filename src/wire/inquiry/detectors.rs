//! The detector API of the FMS guardrails orchestrator, which TrustyAI's operator deploys.
//!
//! A detection spans the whole text: a guard that judges texts points at none of their stretches. The
//! field that would repeat the text is empty.

use serde_json::{Map, Value, json};

use crate::wire::finding::Finding;
use crate::wire::inquiry::{Opinion, Subject, answers, conversation, list, strings, text, unfit};
use crate::wire::malformed::Malformed;

/// `POST /api/v1/text/contents`.
pub(super) fn contents(root: &Map<String, Value>) -> Result<Vec<Subject>, Malformed> {
    let contents = list(root, "contents", "an array of strings")?;
    strings(contents, "contents", "a string")?.into_iter().map(text).collect()
}

/// `POST /api/v1/text/chat`.
pub(super) fn chat(root: &Map<String, Value>) -> Result<Subject, Malformed> {
    let messages = list(root, "messages", "an array of messages")?.clone();
    conversation(messages, root.get("tools").filter(|tools| !tools.is_null()))
}

/// `POST /api/v1/text/generation`.
pub(super) fn generation(root: &Map<String, Value>) -> Result<Subject, Malformed> {
    let field = |field: &'static str| match root.get(field) {
        Some(Value::String(text)) => Ok(text.as_str()),
        None => Err(Malformed::Missing { field, wanted: "a string" }),
        Some(_) => Err(unfit(field, "a string")),
    };
    let said = json!({"role": "assistant", "content": field("generated_text")?});
    answers(field("prompt")?, vec![said])
}

/// One list of detections a text.
pub(super) fn tell_each(opinions: &[Opinion]) -> Value {
    let each = opinions.iter().map(|opinion| {
        let detections = opinion.noticed.iter().map(|finding| {
            let mut detection = detection(finding);
            let span = [("start", json!(0)), ("end", json!(opinion.chars)), ("text", json!(""))];
            if let Value::Object(detection) = &mut detection {
                detection.extend(span.map(|(name, value)| (name.to_owned(), value)));
            }
            detection
        });
        Value::Array(detections.collect())
    });
    Value::Array(each.collect())
}

/// The detections of the whole.
pub(super) fn tell(opinions: &[Opinion]) -> Value {
    Value::Array(opinions.iter().flat_map(|opinion| &opinion.noticed).map(detection).collect())
}

fn detection(finding: &Finding) -> Value {
    json!({
        "detection_type": "wardgate",
        "detection": finding.code,
        "score": finding.score,
        "evidence": [{"name": "category", "value": finding.name, "score": finding.score}],
        "metadata": {},
    })
}
