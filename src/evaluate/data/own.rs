//! Our own format: `{"id", "messages": [...], "unsafe": true, "categories": ["S1"], "type"}`, a line each.

use serde_json::{Map, Value};

use crate::evaluate::data::example::{Example, Label};
use crate::evaluate::data::fault::Wrong;
use crate::evaluate::data::lines::flag;
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;

/// What tells the kind of a row, the first that is there.
const KINDS: [&str; 3] = ["type", "set", "source"];

/// A row. The last message is judged; of those before it an answer has its question as context, as in
/// the gateway. Fields that are not named here are the owner's notes.
pub(super) fn jsonl(row: &Map<String, Value>, taxonomy: &Taxonomy) -> Result<Example, Wrong> {
    let unsafe_ = flag(row, "unsafe")?.ok_or(Wrong::Missing("unsafe"))?;
    let categories = categories(row, taxonomy)?;
    if !unsafe_ && !categories.is_empty() {
        return Err(Wrong::SafeInCategory);
    }
    let kind = KINDS.iter().find_map(|kind| row.get(*kind)?.as_str()).map(str::to_owned);
    let label = Label { unsafe_, categories, unmapped: Vec::new(), kind };
    Ok(Example { line: 0, transcript: conversation(row)?, label })
}

fn categories(row: &Map<String, Value>, taxonomy: &Taxonomy) -> Result<Vec<String>, Wrong> {
    const WANTED: Wrong =
        Wrong::NotA { field: "categories", wanted: "a list of codes, such as [\"S1\"]" };
    let named = match row.get("categories") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(named)) => named,
        Some(_) => return Err(WANTED),
    };
    let mut codes = Vec::with_capacity(named.len());
    for code in named {
        let code = code.as_str().ok_or(WANTED)?;
        if taxonomy.by_code(code).is_none() {
            return Err(Wrong::Category { named: code.to_owned(), known: codes_of(taxonomy) });
        }
        codes.push(code.to_owned());
    }
    Ok(codes)
}

pub(super) fn codes_of(taxonomy: &Taxonomy) -> String {
    let codes: Vec<&str> = taxonomy.categories().map(|category| taxonomy.code(category)).collect();
    codes.join(", ")
}

fn conversation(row: &Map<String, Value>) -> Result<Transcript, Wrong> {
    let messages = match row.get("messages") {
        Some(Value::Array(messages)) => messages,
        None | Some(Value::Null) => return Err(Wrong::Missing("messages")),
        Some(_) => return Err(Wrong::NotA { field: "messages", wanted: "a list" }),
    };
    let said = |message: &Value| -> Option<(String, String)> {
        let word = |key| message.get(key)?.as_str().map(str::to_owned);
        Some((word("role")?, word("content")?))
    };
    let (role, content) = messages.last().and_then(said).ok_or(Wrong::Conversation)?;
    match role.as_str() {
        "user" => Ok(Transcript::user(content)),
        "assistant" => {
            let asked = messages.iter().rev().filter_map(said).find(|(role, _)| role == "user");
            Ok(Transcript::agent(asked.map(|(_, text)| text).unwrap_or_default(), content))
        }
        _ => Err(Wrong::Conversation),
    }
}
