//! For tests: random bodies with a canary somewhere in them, in every dialect.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::transcript::Transcript;
use crate::wire::answer::Answer;
use crate::wire::asked::Asked;
use crate::wire::delta;
use crate::wire::dialect::{Asking, Dialect};
use crate::wire::request::Request;

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
        "logprobs",
        "tokens",
        "top_logprobs",
        "choices",
        "embedding",
        "suffix",
        "error",
        "usage",
        "system",
        "source",
        "thinking",
        "signature",
        "input",
        "delta",
        "content_block",
        "message",
        "message_delta",
        "ping",
        "tool_result",
        "document",
        "citations",
        "partial_json",
        "item",
        "output",
        "response",
        "summary",
        "reasoning",
        "instructions",
        "action",
        "response.output_text.delta",
        "response.completed",
        "response.refusal.done",
        "function_call_output",
        "stop_reason",
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

fn dialects() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

/// What a model may be asked: mostly in the dialect's own shape.
fn asked(dialect: Dialect) -> BoxedStrategy<Value> {
    let message = prop::collection::btree_map(words(), anything(), 1..5);
    match dialect.shape().asking {
        Asking::Messages => {
            prop::collection::vec(message, 1..4).prop_map(|messages| json!(messages)).boxed()
        }
        Asking::Texts => prop_oneof![
            words().prop_map(Value::from),
            prop::collection::vec(words(), 1..4).prop_map(Value::from),
            prop::collection::vec(anything(), 1..4).prop_map(Value::from),
        ]
        .boxed(),
        Asking::Items(_) => prop_oneof![
            words().prop_map(Value::from),
            prop::collection::vec(message, 0..4).prop_map(|items| json!(items)),
        ]
        .boxed(),
    }
}

fn fields() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(words(), anything(), 0..6).prop_map(|fields| json!(fields))
}

fn is_seen(transcripts: &[Transcript]) -> bool {
    transcripts.iter().any(|each| each.judged().text.contains(CANARY))
}

proptest! {
    #[test]
    fn a_canary_anywhere_in_a_request_is_seen_in_every_dialect(
        (dialect, mut asked) in dialects().prop_flat_map(|each| (Just(each), asked(each))),
        mut further in fields(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut place = place.index(30);
        plant(&mut asked, &mut place);
        plant(&mut further, &mut place);
        let mut request = further;
        request["model"] = "m".into();
        request[dialect.asked()] = asked;
        let planted = request.to_string().contains(CANARY);
        // What is malformed is refused whole.
        let Ok(request) = Request::parse(dialect, Bytes::from(request.to_string())) else {
            return Ok(());
        };
        let seen = is_seen(&request.transcripts());
        prop_assert!(seen || !planted || !request.unread().is_empty());
        prop_assert!(planted || !seen);
    }

    #[test]
    fn a_canary_anywhere_in_an_answer_or_an_event_is_seen_in_every_dialect(
        dialect in dialects(),
        mut said in prop::collection::vec(fields(), 0..4),
        mut body in fields(),
        whole in any::<bool>(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut place = place.index(40);
        said.iter_mut().for_each(|said| plant(said, &mut place));
        plant(&mut body, &mut place);
        if whole {
            body[dialect.shape().said.mark()] = said.into();
        }
        let planted = body.to_string().contains(CANARY);

        let answer = Answer::parse(dialect, Bytes::from(body.to_string())).unwrap();
        let asked = Asked::new(dialect, "", 1);
        let mut judged = answer.rest_transcripts();
        let mut unread = answer.rest_unread().len();
        for choice in answer.choices(&asked) {
            judged.extend(choice.transcripts());
            unread += choice.unread.len();
        }
        let seen = is_seen(&judged);
        prop_assert!(seen || !planted || unread > 0, "{body}");
        prop_assert!(planted || !seen);

        let chunk = delta::read(dialect, &body);
        let found = chunk.choices.iter().map(|choice| &choice.found).chain([&chunk.rest]);
        let (mut seen, mut unread) = (false, 0);
        for found in found {
            seen |= found.pieces.iter().any(|piece| piece.text.contains(CANARY));
            unread += found.unread.len();
        }
        prop_assert!(seen || !planted || unread > 0, "{body}");
        prop_assert!(planted || !seen);
    }
}
