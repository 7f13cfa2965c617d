//! Puts other words into a body.
//!
//! Where something is replaced, whatever would tell it once more goes with it: the tokens with their
//! probabilities, sources and what they cite, the same in sound. It is known by name, where the dialect's
//! table knows the field; what stands in fields of the client's own is text, and was judged as such.

use serde_json::Value;

use crate::wire::field::Table;
use crate::wire::passage::Edit;

/// Fields that tell once more what a text beside them says.
const TELLING: &[&str] = &[
    "logprobs",
    "annotations",
    "citations",
    "token_ids",
    "prompt_token_ids",
    "prompt_logprobs",
    "routed_experts",
    "stop_reason",
];

/// Replaces what is to be replaced in `value`, which is read along `table`.
pub(crate) fn apply(value: &mut Value, edits: &[Edit], table: &Table) {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    // From behind, so that ranges before are still right.
    edits.sort_by(|one, other| {
        (&other.from.place, other.range.start).cmp(&(&one.from.place, one.range.start))
    });
    for edit in &edits {
        let Some(Value::String(text)) = value.pointer_mut(&edit.from.place.0) else { continue };
        if text.get(edit.range.clone()).is_some() {
            text.replace_range(edit.range.clone(), &edit.with);
        }
    }
    let mut units: Vec<Option<&str>> = edits.iter().map(|edit| unit(&edit.from.place.0)).collect();
    units.dedup();
    for unit in units {
        match unit {
            Some(place) => {
                if let (Some(unit), Some(table)) = (value.pointer_mut(place), table.at(place)) {
                    forget(unit, table, Lists::Too);
                }
            }
            None => forget(value, table, Lists::Stay),
        }
    }
}

/// The item of the first list on the way to a place: what stands or falls with it. Without a list it is
/// the whole body, but for its lists.
fn unit(place: &str) -> Option<&str> {
    let mut end = 0;
    for step in place.split('/').skip(1) {
        end += 1 + step.len();
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            return place.get(..end);
        }
    }
    None
}

/// Whether lists are gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Too,
    Stay,
}

/// Takes out what tells a text once more.
fn forget(value: &mut Value, table: &Table, lists: Lists) {
    match value {
        Value::Array(items) if lists == Lists::Too => {
            let Some(inside) = table.items() else { return };
            items.iter_mut().for_each(|item| forget(item, inside, lists));
        }
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let Some(known) = table.field(key) else { continue };
                if !TELLING.contains(&key.as_str()) {
                    forget(value, known, lists);
                    continue;
                }
                match value {
                    Value::Array(items) => items.clear(),
                    Value::Object(_) if key != "citations" => *value = Value::Null,
                    Value::String(_) if known.is_judged() => *value = Value::Null,
                    _ => {}
                }
            }
            let is_speech = object.contains_key("transcript");
            if let Some(data) = object.get_mut("data").filter(|_| is_speech) {
                *data = Value::from("");
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn a_place_stands_or_falls_with_the_item_of_a_list() {
        for (place, expected) in [
            ("/choices/1/message/content", Some("/choices/1")),
            ("/response/output/2/content/0/text", Some("/response/output/2")),
            ("/prompt", None),
            ("/metadata/a", None),
            ("", None),
        ] {
            assert_eq!(unit(place), expected);
        }
    }
}
