//! Prompts that people flagged: OpenAI's moderation set, ToxicChat.

use serde_json::{Map, Value};

use crate::evaluate::data::example::{Example, Label};
use crate::evaluate::data::fault::Wrong;
use crate::evaluate::data::lines::{flag, text, yes_or_no};
use crate::evaluate::data::mapping::Labels;
use crate::evaluate::data::table::Row;
use crate::transcript::Transcript;

/// The eight flags of OpenAI's set.
const FLAGS: [&str; 8] = ["S", "H", "V", "HR", "SH", "S3", "H2", "V2"];

/// A row of OpenAI's set: positive where any flag is 1. A flag that is absent is not positive.
pub(super) fn openai(row: &Map<String, Value>, labels: &Labels<'_>) -> Result<Example, Wrong> {
    let mut label = Label::default();
    let mut any = false;
    for name in FLAGS {
        let Some(set) = flag(row, name)? else { continue };
        any = true;
        if set {
            label.unsafe_ = true;
            labels.add(name, &mut label);
        }
    }
    if !any {
        return Err(Wrong::Missing("S, H, V, HR, SH, S3, H2 or V2"));
    }
    Ok(Example { line: 0, transcript: Transcript::user(text(row, "prompt")?), label })
}

/// A row of ToxicChat as JSON: positive where it is toxic.
pub(super) fn toxicchat(row: &Map<String, Value>) -> Result<Example, Wrong> {
    let toxic = flag(row, "toxicity")?.ok_or(Wrong::Missing("toxicity"))?;
    let jailbreak = flag(row, "jailbreaking")?.unwrap_or_default();
    Ok(toxic_or_not(text(row, "user_input")?, toxic, jailbreak))
}

/// A row of ToxicChat as CSV.
pub(super) fn toxicchat_row(row: &Row<'_>) -> Result<Example, Wrong> {
    let yes = |field| {
        yes_or_no(row.text(field)?).ok_or(Wrong::NotA { field, wanted: "true, false, 1 or 0" })
    };
    let jailbreak = row.get("jailbreaking").is_some() && yes("jailbreaking")?;
    Ok(toxic_or_not(row.text("user_input")?, yes("toxicity")?, jailbreak))
}

fn toxic_or_not(text: &str, unsafe_: bool, jailbreak: bool) -> Example {
    let kind = match (unsafe_, jailbreak) {
        (_, true) => "jailbreaking",
        (true, false) => "toxic",
        (false, false) => "plain",
    };
    let label = Label { unsafe_, kind: Some(kind.to_owned()), ..Label::default() };
    Example { line: 0, transcript: Transcript::user(text), label }
}
