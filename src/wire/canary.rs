//! For tests: random bodies with a canary somewhere in them.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// What a guard must see wherever it stands.
pub(crate) const CANARY: &str = "ca nary"; // a space, or it would pass as an id

/// Any JSON, with places for a canary.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(words(), inside, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Names that tables know, and some that they do not.
pub(crate) fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "role",
        "user",
        "assistant",
        "content",
        "text",
        "type",
        "function",
        "tool_calls",
        "id",
        "name",
        "arguments",
        "index",
        "audio",
        "transcript",
        "refusal",
        "stop",
        "tools",
        "seed",
        "reasoning_content",
        "properties",
        "description",
        "enum",
        "x",
        "parameters",
        "custom",
        "metadata",
        "response_format",
        "tool_choice",
        "user",
        "annotations",
        "function_call",
    ])
    .prop_map(str::to_owned)
}

fn here(place: &mut usize) -> bool {
    let hit = *place == 0;
    *place = place.wrapping_sub(1);
    hit
}

/// Puts the canary in the place number `place` (keys and strings, in order).
pub(crate) fn plant(value: &mut Value, place: &mut usize) {
    match value {
        Value::String(text) if here(place) => *text = CANARY.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, place)),
        Value::Object(object) => {
            let mut planted = Map::new();
            for (key, mut value) in std::mem::take(object) {
                let key = if here(place) { CANARY.to_owned() } else { key };
                plant(&mut value, place);
                planted.insert(key, value);
            }
            *object = planted;
        }
        _ => {}
    }
}
