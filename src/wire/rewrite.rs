//! Puts other words into a body.
//!
//! Where something is replaced, whatever would tell it once more goes with it: the tokens with their
//! probabilities, sources and what they cite, the same in sound. It is known by name, where the dialect's
//! table knows the field; what stands in fields of the client's own is text, and was judged as such.

use serde_json::Value;

use crate::wire::answer::choice_index;
use crate::wire::dialect::Dialect;
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

/// Replaces what is to be replaced in `value`, which is read along `table`. Whether all of it was there.
pub(crate) fn apply(value: &mut Value, edits: &[Edit], table: &Table) -> bool {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    // From behind, so that ranges before are still right.
    edits.sort_by(|one, other| {
        (&other.from.place, other.range.start).cmp(&(&one.from.place, one.range.start))
    });
    let mut all = true;
    for edit in &edits {
        match value.pointer_mut(&edit.from.place.0) {
            Some(Value::String(text)) if text.get(edit.range.clone()).is_some() => {
                text.replace_range(edit.range.clone(), &edit.with);
            }
            _ => all = false,
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
    all
}

/// Events that only tell where a text is from.
const SOURCES: &[&str] = &["response.output_text.annotation.added", "citations_delta"];

/// Puts other words into an event of a stream, and takes out of it what would tell the old ones once
/// more, of every choice but those that `tells` lets. Whether the event may go out.
pub(crate) fn event(
    dialect: Dialect,
    event: &mut Value,
    edits: &[Edit],
    tells: impl Fn(u32) -> bool,
) -> bool {
    let shape = dialect.shape();
    if !apply(event, edits, &shape.answers) {
        return false;
    }
    let Some(list) = shape.said.choices() else {
        if tells(0) {
            return true;
        }
        forget(event, &shape.answers, Lists::Too);
        let delta = event.get("delta").and_then(|delta| delta.get("type"));
        let mut kinds = event.get("type").into_iter().chain(delta).filter_map(Value::as_str);
        return !kinds.any(|kind| SOURCES.contains(&kind));
    };
    let table = shape.answers.field(list).and_then(Table::items);
    let choices = event.get_mut(list).and_then(Value::as_array_mut);
    for (position, each) in choices.into_iter().flatten().enumerate() {
        if let (false, Some(table)) = (tells(choice_index(each, position)), table) {
            forget(each, table, Lists::Too);
        }
    }
    true
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
