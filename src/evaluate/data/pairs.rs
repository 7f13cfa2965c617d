//! BeaverTails: answers with their questions, and what is wrong with them.

use serde_json::{Map, Value};

use crate::evaluate::data::example::{Example, Label};
use crate::evaluate::data::fault::Wrong;
use crate::evaluate::data::lines::{flag, text};
use crate::evaluate::data::mapping::Labels;
use crate::transcript::Transcript;

/// A row: the answer is judged in the light of its question.
pub(super) fn beavertails(row: &Map<String, Value>, labels: &Labels<'_>) -> Result<Example, Wrong> {
    let safe = flag(row, "is_safe")?.ok_or(Wrong::Missing("is_safe"))?;
    let mut label = Label { unsafe_: !safe, ..Label::default() };
    let flags = match row.get("category") {
        Some(Value::Object(flags)) => flags,
        None | Some(Value::Null) => return Err(Wrong::Missing("category")),
        Some(_) => return Err(Wrong::NotA { field: "category", wanted: "an object of flags" }),
    };
    for (name, set) in flags {
        match set {
            Value::Bool(true) if !safe => labels.add(name, &mut label),
            Value::Bool(_) => {}
            _ => return Err(Wrong::NotA { field: "category", wanted: "an object of flags" }),
        }
    }
    let transcript = Transcript::agent(text(row, "prompt")?, text(row, "response")?);
    Ok(Example { line: 0, transcript, label })
}
