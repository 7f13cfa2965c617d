//! OpenAI's `POST /v1/moderations`.

use serde_json::{Map, Value, json};

use crate::wire::inquiry::{Answerer, Opinion, Subject, strings, text, unfit};
use crate::wire::malformed::Malformed;
use crate::wire::moderation::moderated;

/// `input` is a text, a list of texts, or a list of parts of one message.
pub(super) fn read(root: &Map<String, Value>) -> Result<Vec<Subject>, Malformed> {
    let wanted = "a string, or an array of strings or of parts";
    match root.get("input") {
        Some(Value::String(input)) => Ok(vec![text(input)?]),
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => Ok(vec![parts(items)?]),
        Some(Value::Array(items)) if !items.is_empty() => {
            strings(items, "input", "a string")?.into_iter().map(text).collect()
        }
        Some(_) => Err(unfit("input", wanted)),
        None => Err(Malformed::Missing { field: "input", wanted }),
    }
}

fn parts(items: &[Value]) -> Result<Subject, Malformed> {
    let mut texts = Vec::new();
    let mut unread = 0;
    for (at, part) in items.iter().enumerate() {
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => texts.push(text),
            (Some("image_url"), _) => unread += 1,
            _ => {
                return Err(unfit(&format!("input[{at}]"), "a part of type `text` or `image_url`"));
            }
        }
    }
    let mut subject = text(&texts.join("\n"))?;
    subject.unread += unread;
    Ok(subject)
}

pub(super) fn tell(who: Answerer<'_>, opinions: &[Opinion]) -> Value {
    let results = opinions.iter().map(|opinion| {
        let mut result = moderated(opinion.flagged, &opinion.findings);
        let mut ours = Map::new();
        if let Some(score) = opinion.p_unsafe {
            ours.insert("unsafe".to_owned(), score.get().into());
        }
        if let Some(unscored) = opinion.unscored {
            ours.insert("unscored".to_owned(), unscored.code().into());
        }
        result.insert("wardgate".to_owned(), ours.into());
        Value::Object(result)
    });
    let results: Vec<Value> = results.collect();
    json!({"id": format!("modr-{}", who.exchange), "model": who.guard, "results": results})
}
