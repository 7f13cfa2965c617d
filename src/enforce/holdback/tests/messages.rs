//! Streams of Messages: what is cut is closed in order.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AT_ONCE, CANARY, Outcome, Pace, drive_asked};
use crate::wire::sse;
use crate::wire::{Asked, Dialect};

fn event(value: Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
}

pub(super) fn begin() -> String {
    event(json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
        "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1}}}))
}

pub(super) fn open(index: u32, block: Value) -> String {
    event(json!({"type": "content_block_start", "index": index, "content_block": block}))
}

pub(super) fn text(index: u32) -> String {
    open(index, json!({"type": "text", "text": ""}))
}

pub(super) fn delta(index: u32, delta: Value) -> String {
    event(json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

pub(super) fn say(index: u32, text: &str) -> String {
    delta(index, json!({"type": "text_delta", "text": text}))
}

pub(super) fn close(index: u32) -> String {
    event(json!({"type": "content_block_stop", "index": index}))
}

pub(super) fn finish(reason: &str, tokens: u32) -> String {
    event(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": tokens}}))
}

pub(super) fn stop() -> String {
    event(json!({"type": "message_stop"}))
}

fn drive(stream: &[u8], cuts: &[usize], pace: Pace) -> Outcome {
    let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
    drive_asked(&pieces, Asked::new(Dialect::Messages, "question", 1), pace).unwrap()
}

#[track_caller]
fn check(stream: &[String], released: &[String]) {
    let stream = stream.concat();
    let outcome = drive(stream.as_bytes(), &[0, stream.len()], AT_ONCE);
    assert_eq!(outcome.released, released.concat());
    assert!(outcome.ended);
}

#[test]
fn what_passes_leaves_byte_for_byte() {
    let stream = [
        begin(),
        event(json!({"type": "ping"})),
        open(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Let me see."})),
        delta(0, json!({"type": "signature_delta", "signature": "Ab3+/="})),
        close(0),
        text(1),
        say(1, "Hello"),
        say(1, " there, how are you today?"),
        close(1),
        open(2, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "1}"})),
        close(2),
        finish("tool_use", 9),
        stop(),
    ];
    check(&stream, &stream);
    check(&stream[..14], &stream[..14]);
}

#[test]
fn a_cut_closes_what_is_open_and_says_why() {
    let refused = || [close(0), finish("refusal", 1), stop()].concat();
    check(
        &[begin(), text(0), say(0, CANARY), close(0), finish("end_turn", 9), stop()],
        &[begin(), text(0), refused()],
    );
    let long = || say(0, "This is harmless, and long.");
    check(
        &[begin(), text(0), long(), say(0, CANARY), close(0), text(1), say(1, "more"), stop()],
        &[begin(), text(0), long(), refused()],
    );
    // A block that is cut as it begins has never been open.
    let harmful = || open(1, json!({"type": "tool_use", "id": "x", "name": CANARY, "input": {}}));
    check(
        &[begin(), text(0), long(), close(0), harmful(), close(1), finish("tool_use", 9), stop()],
        &[begin(), text(0), long(), close(0), finish("refusal", 1), stop()],
    );
}

#[test]
fn a_message_cut_before_it_begins_begins_all_the_same() {
    let begun =
        event(json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
        "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1}}}));
    let harmful = begin().replace("\"content\":[]", &format!("\"content\":[\"{CANARY}\"]"));
    check(&[harmful, text(0), stop()], &[begun, finish("refusal", 1), stop()]);
    let beside = format!(": {CANARY}\n\n");
    let bare = begin()
        .replace("msg_1", "")
        .replace("\"model\":\"m\"", "\"model\":\"\"")
        .replace(":3,\"output_tokens\":1", ":0,\"output_tokens\":0");
    check(&[beside, begin(), text(0)], &[bare, finish("refusal", 0), stop()]);
}

#[test]
fn what_stands_in_the_last_event_is_judged_too() {
    let last =
        format!("event: message_stop\ndata: {{\"type\":\"message_stop\",\"x\":\"{CANARY}\"}}\n\n");
    let whole = [begin(), text(0), say(0, "hi"), close(0), finish("end_turn", 9)];
    let mut stream = whole.to_vec();
    stream.push(last);
    let mut released = whole.to_vec();
    released.push(stop());
    check(&stream, &released);
    let late = finish("end_turn", 9).replace("\"usage\"", &format!("\"{CANARY}\":1,\"usage\""));
    check(
        &[begin(), text(0), close(0), late, stop()],
        &[begin(), text(0), close(0), finish("refusal", 1), stop()],
    );
}

#[test]
fn what_is_said_beside_the_message_is_judged() {
    for beside in [
        format!(": {CANARY}\n\n"),
        format!("event: {CANARY}\ndata: {{\"type\":\"ping\"}}\n\n"),
        event(json!({"type": "error", "error": {"type": "api_error", "message": CANARY}})),
    ] {
        check(
            &[begin(), text(0), say(0, "hi"), beside, close(0), stop()],
            &[begin(), text(0), say(0, "hi"), close(0), finish("refusal", 1), stop()],
        );
    }
    // A sign of life that says something goes on from what was said before it.
    let half = |text: &str| event(json!({"type": "ping", "delta": {"text": text}}));
    check(
        &[begin(), text(0), say(0, "the can"), half("ary sings"), close(0), stop()],
        &[begin(), text(0), close(0), finish("refusal", 1), stop()],
    );
    let error = || event(json!({"type": "error", "error": {"type": "api_error", "message": "m"}}));
    check(&[begin(), error()], &[begin(), error()]);
}

#[test]
fn every_delta_is_judged() {
    let escaped = "{\"a\":\"\\u0074he canary sings\"}";
    for said in [
        json!({"type": "text_delta", "text": CANARY}),
        json!({"type": "thinking_delta", "thinking": CANARY}),
        json!({"type": "signature_delta", "signature": CANARY}),
        json!({"type": "input_json_delta", "partial_json": CANARY}),
        json!({"type": "input_json_delta", "partial_json": escaped}),
        json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": CANARY}}),
        json!({"type": CANARY}),
        json!({CANARY: 1}),
        json!({"type": "new_delta", "new": {"deep": [CANARY]}}),
    ] {
        check(
            &[begin(), text(0), delta(0, said), close(0), finish("end_turn", 9), stop()],
            &[begin(), text(0), close(0), finish("refusal", 1), stop()],
        );
    }
}

/// Checks that a client reads one message in order, to its end.
fn read_in_order(released: &str) -> Result<String, String> {
    let mut reader = sse::Reader::new(1 << 20);
    reader.push(released.as_bytes());
    let (mut begun, mut ended, mut stopped) = (false, false, false);
    let (mut open, mut heard): (Vec<u64>, String) = (Vec::new(), String::new());
    while let Some(event) = reader.next_event().map_err(|fault| fault.to_string())? {
        let Some(data) = event.data else { continue };
        let value: Value = serde_json::from_str(&data).map_err(|error| error.to_string())?;
        let index = value["index"].as_u64().unwrap_or(0);
        let fits = match value["type"].as_str().unwrap_or_default() {
            "message_start" => !std::mem::replace(&mut begun, true),
            "content_block_start" => {
                let is_new = !open.contains(&index);
                open.push(index);
                begun && is_new && !ended
            }
            "content_block_delta" => {
                for field in ["text", "thinking", "partial_json"] {
                    heard.push_str(value["delta"][field].as_str().unwrap_or_default());
                }
                open.contains(&index)
            }
            "content_block_stop" => {
                let before = open.len();
                open.retain(|each| *each != index);
                open.len() < before
            }
            "message_delta" => begun && open.is_empty() && !std::mem::replace(&mut ended, true),
            "message_stop" => ended && !std::mem::replace(&mut stopped, true),
            _ => true,
        };
        if !fits || (stopped && !data.contains("message_stop")) {
            return Err(format!("out of order: {data}"));
        }
    }
    if stopped { Ok(heard) } else { Err("it has no end".to_owned()) }
}

/// A message of several blocks, in some of them the canary, in pieces.
fn streams() -> impl Strategy<Value = Vec<String>> {
    let words =
        prop::sample::select(vec!["a", " fine.", " the", " can", "ary", "é\u{2028} ", "!\n"]);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    let block = (0..3usize, prop::collection::vec(words, 0..25), prop::option::weighted(0.2, cuts));
    (prop::collection::vec(block, 0..5), any::<bool>()).prop_map(|(blocks, pings)| {
        let mut events = vec![begin()];
        for (index, (kind, words, planted)) in (0..).zip(blocks) {
            let (block, going_on, field) = match kind {
                0 => (json!({"type": "text", "text": ""}), "text_delta", "text"),
                1 => (json!({"type": "thinking", "thinking": ""}), "thinking_delta", "thinking"),
                _ => (
                    json!({"type": "tool_use", "id": "x", "name": "f", "input": {}}),
                    "input_json_delta",
                    "partial_json",
                ),
            };
            events.push(open(index, block));
            let mut texts: Vec<String> = words.into_iter().map(str::to_owned).collect();
            if let Some(cuts) = planted {
                let mut at: Vec<usize> =
                    cuts.iter().map(|cut| cut.index(CANARY.len() + 1)).collect();
                at.extend([0, CANARY.len()]);
                at.sort_unstable();
                texts.extend(at.windows(2).map(|pair| CANARY[pair[0]..pair[1]].to_owned()));
            }
            for text in texts {
                events.push(delta(index, json!({"type": going_on, field: text})));
                if pings {
                    events.push(event(json!({"type": "ping"})));
                }
            }
            events.push(close(index));
        }
        events.extend([finish("end_turn", 9), stop()]);
        events
    })
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_message_in_order_and_never_the_canary(
        events in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        (client, guard) in (1..5usize, 0..5usize),
    ) {
        let stream = events.concat().into_bytes();
        let whole = drive(&stream, &[0, stream.len()], AT_ONCE);
        let heard = read_in_order(&whole.released);
        prop_assert!(heard.is_ok(), "{heard:?}: {}", whole.released);
        prop_assert!(!heard.unwrap().contains(CANARY), "{}", whole.released);

        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pace = Pace { client, guard };
        prop_assert_eq!(&drive(&stream, &at, pace).released, &whole.released);
        let single: Vec<usize> = (0..=stream.len()).collect();
        prop_assert_eq!(&drive(&stream, &single, AT_ONCE).released, &whole.released);

        if !whole.judged.iter().any(|text| text.contains(CANARY)) {
            let expected = String::from_utf8(stream).unwrap().replace('\u{2028}', "\\u2028");
            prop_assert_eq!(whole.released, expected);
        }
    }
}
