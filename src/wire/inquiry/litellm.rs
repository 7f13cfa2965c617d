//! LiteLLM's generic guardrail API.
//!
//! LiteLLM takes an answer with status 502, 503 or 504 for a guardrail that cannot be reached, and may
//! have been told to let pass then. So a want of a verdict is told as a block.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::wire::inquiry::{
    Opinion, Subject, answers, conversation, optional_list, strings, unfit,
};
use crate::wire::malformed::Malformed;

pub(super) fn read(root: &Map<String, Value>) -> Result<Subject, Malformed> {
    let texts = optional_list(root, "texts", "an array of strings")?;
    let texts = strings(texts, "texts", "a string")?;
    let calls = optional_list(root, "tool_calls", "an array of tool calls")?;
    let images = optional_list(root, "images", "an array of images")?;
    let calling = || json!({"role": "assistant", "tool_calls": calls});
    let mut subject = match root.get("input_type").and_then(Value::as_str) {
        Some("request") => {
            let wanted = "an array of messages";
            let mut messages = optional_list(root, "structured_messages", wanted)?.to_vec();
            // The messages hold the texts as a rule; what they do not hold is judged beside them.
            let whole = conversation(messages.clone(), None)?;
            let is_judged = |text: &str| {
                let judged = whole.transcripts.iter();
                judged.map(|each| &each.judged().text).any(|judged| judged.contains(text))
            };
            let others = texts.iter().filter(|text| !is_judged(text));
            messages.extend(others.map(|text| json!({"role": "user", "content": text})));
            if !calls.is_empty() {
                messages.push(calling());
            }
            conversation(messages, root.get("tools").filter(|tools| !tools.is_null()))?
        }
        Some("response") => {
            let said = texts.iter().map(|text| json!({"role": "assistant", "content": text}));
            let mut messages: Vec<Value> = said.collect();
            if !calls.is_empty() {
                messages.push(calling());
            }
            answers("", messages)?
        }
        _ => return Err(unfit("input_type", "\"request\" or \"response\"")),
    };
    subject.unread += images.len() as u64;
    Ok(subject)
}

pub(super) fn tell(opinions: &[Opinion]) -> Value {
    match opinions.iter().find(|opinion| opinion.blocks) {
        Some(opinion) => blocked(&opinion.words),
        None => json!({"action": "NONE"}),
    }
}

pub(super) fn refuse(message: &str) -> Bytes {
    Bytes::from(blocked(message).to_string())
}

fn blocked(reason: &str) -> Value {
    json!({"action": "BLOCKED", "blocked_reason": reason})
}
