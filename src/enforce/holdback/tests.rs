//! The machine from outside: bytes in, bytes out, and a guard that knows one word.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Holdback, Settings, StreamFault};
use crate::enforce::windows::{Ruling, Window};
use crate::reading::readings;
use crate::wire::sse;
use crate::wire::{Asked, Dialect, Farewell, Frame};

mod messages;
mod redact;
mod responses;

const CANARY: &str = "the canary sings";
const DONE: &str = "data: [DONE]\n\n";

fn settings() -> Settings {
    Settings { min_chars: 20, max_chars: 60, overlap_chars: 30, ..Settings::default() }
}

fn asked(question: &str, choices: u32) -> Asked {
    Asked::new(Dialect::Chat, question, choices)
}

/// What came out: the bytes, and the texts that were judged.
#[derive(Debug, PartialEq)]
struct Outcome {
    released: String,
    judged: Vec<String>,
    ended: bool,
}

/// How slow the other sides are.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The client is written to after this many pieces.
    client: usize,
    /// So many windows are being judged at a time.
    guard: usize,
}

const AT_ONCE: Pace = Pace { client: 1, guard: 0 };

/// Drives a stream through, piece by piece.
fn drive(pieces: &[&[u8]], choices: u32, pace: Pace) -> Result<Outcome, StreamFault> {
    drive_asked(pieces, asked("question", choices), pace)
}

fn drive_asked(pieces: &[&[u8]], asked: Asked, pace: Pace) -> Result<Outcome, StreamFault> {
    drive_under(pieces, Holdback::new(settings(), asked), pace, &|window| {
        let read = readings(window.transcripts());
        let hit = read.transcripts.iter().any(|text| text.judged().text.contains(CANARY));
        if hit { Ruling::Cut } else { Ruling::Pass }
    })
}

/// Drives a stream through, piece by piece, with this made of each window.
fn drive_under(
    pieces: &[&[u8]],
    mut hold: Holdback,
    pace: Pace,
    rule: &dyn Fn(&Window) -> Ruling,
) -> Result<Outcome, StreamFault> {
    let mut outcome = Outcome { released: String::new(), judged: Vec::new(), ended: false };
    let mut judging = VecDeque::new();
    let mut settle = |hold: &mut Holdback, outcome: &mut Outcome, at_a_time: usize| {
        loop {
            while let Some(window) = hold.due() {
                judging.push_back(window);
                if judging.len() > at_a_time {
                    break;
                }
            }
            if judging.len() <= at_a_time {
                break;
            }
            let Some(window) = judging.pop_front() else { break };
            let read = readings(window.transcripts()).transcripts;
            outcome.judged.extend(read.iter().map(|each| each.judged().text.to_string()));
            let ruling = rule(&window);
            hold.settle(window, ruling);
        }
        outcome.released.push_str(std::str::from_utf8(&hold.released()).unwrap());
    };
    for (number, piece) in pieces.iter().enumerate() {
        hold.push(piece)?;
        if number % pace.client == 0 {
            settle(&mut hold, &mut outcome, pace.guard);
        }
        if hold.ended() {
            break;
        }
    }
    hold.end()?;
    settle(&mut hold, &mut outcome, 0);
    outcome.ended = hold.ended();
    Ok(outcome)
}

fn chunk(choices: Value) -> String {
    let chunk = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "m",
        "choices": choices});
    format!("data: {chunk}\n\n")
}

fn say(index: u32, text: &str) -> String {
    chunk(json!([{"index": index, "delta": {"content": text}, "finish_reason": null}]))
}

fn stop(index: u32) -> String {
    chunk(json!([{"index": index, "delta": {}, "finish_reason": "stop"}]))
}

fn closing(index: u32) -> String {
    chunk(json!([{"index": index, "delta": {}, "finish_reason": "content_filter"}]))
}

#[track_caller]
fn check(stream: &[String], choices: u32, released: &[String]) {
    let stream = stream.concat();
    let outcome = drive(&[stream.as_bytes()], choices, AT_ONCE).unwrap();
    assert_eq!(outcome.released, released.concat());
    assert!(outcome.ended);
}

#[test]
fn what_passes_leaves_byte_for_byte() {
    let stream = [
        ": keep-alive\n\n".to_owned(),
        "\u{feff}: odd\r\n\r\n".to_owned(),
        say(0, "hello"),
        "event: message\r\ndata: {\"choices\" : [ ] }\r\r".to_owned(),
        say(0, &" word".repeat(100)),
        stop(0),
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n".to_owned(),
        DONE.to_owned(),
    ];
    check(&stream, 1, &stream);
    check(&stream[..7], 1, &stream[..7]);
    check(
        &[say(0, "x"), "data: [DONE]\n".to_owned()],
        1,
        &[say(0, "x"), "data: [DONE]\n".to_owned()],
    );
}

#[test]
fn nothing_leaves_before_it_is_judged() {
    let mut hold = Holdback::new(settings(), asked("question", 1));
    hold.push(say(0, "A short one").as_bytes()).unwrap();
    assert!(hold.due().is_none(), "too short to judge");
    assert_eq!(hold.released(), "");
    hold.push(say(0, " that ends here.").as_bytes()).unwrap();
    let window = hold.due().unwrap();
    assert_eq!(&*window.transcripts()[0].judged().text, "A short one that ends here.");
    assert_eq!(&*window.transcripts()[0].context()[0].text, "question");
    assert_eq!(hold.released(), "", "not settled yet");
    hold.settle(window, Ruling::Pass);
    assert_eq!(hold.released(), say(0, "A short one") + &say(0, " that ends here."));
    hold.push(say(0, " More").as_bytes()).unwrap();
    hold.push(stop(0).as_bytes()).unwrap();
    let window = hold.due().unwrap();
    assert_eq!(&*window.transcripts()[0].judged().text, "A short one that ends here. More");
    assert!(hold.due().is_none());
}

#[test]
fn a_cut_ends_its_choice_and_then_the_stream() {
    let canary = || say(0, CANARY);
    check(&[say(0, "hi"), canary(), stop(0), DONE.to_owned()], 1, &[closing(0), DONE.to_owned()]);
    check(&[canary()], 1, &[closing(0), DONE.to_owned()]);
    let long = || say(0, "This is harmless, and long.");
    check(
        &[long(), canary(), stop(0), say(0, "more"), DONE.to_owned()],
        1,
        &[long(), closing(0), DONE.to_owned()],
    );
    check(&[say(5, CANARY), DONE.to_owned()], 1, &[closing(0), DONE.to_owned()]);
}

#[test]
fn other_choices_go_on_after_a_cut() {
    let stream = [
        say(0, "one"),
        say(1, CANARY),
        say(0, "two"),
        stop(1),
        say(1, "after its end"),
        say(0, "three"),
        stop(0),
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n".to_owned(),
        DONE.to_owned(),
    ];
    let left =
        [say(0, "one"), closing(1), say(0, "two"), say(0, "three"), stop(0), DONE.to_owned()];
    check(&stream, 2, &left);
}

#[test]
fn a_chunk_of_several_choices_is_written_anew_without_the_one_that_was_cut() {
    let both = |first: &str, second: &str| {
        chunk(json!([{"delta": {"content": first}}, {"delta": {"content": second}}]))
    };
    let second = |text: &str| chunk(json!([{"delta": {"content": text}, "index": 1}]));
    check(
        &[both(CANARY, "x"), both("more", "y"), stop(1), DONE.to_owned()],
        2,
        &[closing(0), second("x"), second("y"), stop(1), DONE.to_owned()],
    );
    check(&[both(CANARY, CANARY), DONE.to_owned()], 2, &[closing(0), closing(1), DONE.to_owned()]);
    // What stands beside its data is still there.
    let beside = |event: String| format!("event: chunk\nid: 7\n{event}");
    check(
        &[beside(both(CANARY, "x").replace('\n', "\r\n")), stop(1), DONE.to_owned()],
        2,
        &[closing(0), beside(second("x")), stop(1), DONE.to_owned()],
    );
}

#[test]
fn what_is_said_beside_the_choices_is_judged() {
    let done = || DONE.to_owned();
    for beside in [
        format!(": {CANARY}\n\n"),
        format!("event: {CANARY}\n\n"),
        format!("id: {CANARY}\n\n"),
        format!("data: {{\"error\":{{\"message\":\"{CANARY}\"}}}}\n\n"),
        format!("data: {{\"choices\":[],\"note\":\"{CANARY}\"}}\n\n"),
        format!("data: {{\"choices\":[],\"usage\":{{\"{CANARY}\":1}}}}\n\n"),
        format!("data: \"{CANARY}\"\n\n"),
    ] {
        check(&[say(0, "hi"), beside.clone(), done()], 1, &[say(0, "hi"), closing(0), done()]);
        let mut frame = Frame::of(Dialect::Chat);
        let bare = frame.closing(0, &Farewell::default());
        let bare = String::from_utf8(bare.to_vec()).unwrap();
        check(&[beside, say(0, "hi")], 1, &[bare, done()]);
    }
    let error = || "data: {\"error\":{\"message\":\"busy\"}}\n\n".to_owned();
    check(&[error()], 1, &[error()]);
}

#[test]
fn every_channel_of_a_choice_is_judged() {
    for said in [
        json!({"delta": {"refusal": CANARY}}),
        json!({"delta": {"reasoning_content": CANARY}}),
        json!({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": CANARY}}]}}),
        json!({"delta": {"function_call": {"name": CANARY}}}),
        json!({"delta": {"function_call": {"arguments": "{\"a\":\"\\u0074he canary sings\"}"}}}),
        json!({"delta": {"audio": {"transcript": CANARY}}}),
        json!({"delta": {"new": CANARY}}),
        json!({"delta": {CANARY: 1}}),
        json!({"delta": {"role": CANARY}}),
        json!({"message": {"content": CANARY}}),
        json!({"text": CANARY}),
        json!({"finish_reason": CANARY}),
        json!({"logprobs": {"content": [{"token": CANARY, "top_logprobs": []}]}}),
        json!({"logprobs": {"content": [{"token": "", "top_logprobs": [{"token": CANARY}]}]}}),
        json!({"logprobs": {"content": [{"token": "", "bytes": CANARY.as_bytes()}]}}),
        json!(CANARY),
    ] {
        check(&[chunk(json!([said])), stop(0)], 1, &[closing(0), DONE.to_owned()]);
    }
}

#[test]
fn a_disguise_is_seen_through_wherever_a_window_cuts_it() {
    let base64 = "VGhleSBzYWlkIHRoYXQgdGhlIGNhbmFyeSBzaW5ncyBhdCBub29uIGV2ZXJ5IGRheS4=";
    let hidden: String =
        CANARY.chars().flat_map(|each| [each, '\u{200b}', '\u{2060}', '\u{200d}']).collect();
    for disguised in [base64, &hidden, "t h e  c a n a r y  s i n g s"] {
        for before in 0..60 {
            let lead = "x ".repeat(before);
            let mut events = vec![say(0, &lead)];
            events.extend(disguised.chars().map(|each| say(0, &each.to_string())));
            events.extend([say(0, &" y".repeat(30)), stop(0), DONE.to_owned()]);
            let outcome = drive(&[events.concat().as_bytes()], 1, AT_ONCE).unwrap();
            assert!(outcome.released.contains("content_filter"), "{disguised:?} behind {before}");
        }
    }
}

#[test]
fn what_cannot_be_read_waits_for_a_ruling() {
    let mut hold = Holdback::new(settings(), asked("", 1));
    let audio = chunk(json!([{"index": 0, "delta": {"audio": {"data": "AAAA"}}}]));
    hold.push(audio.as_bytes()).unwrap();
    assert_eq!(hold.released(), "");
    hold.push(stop(0).as_bytes()).unwrap();
    let window = hold.due().unwrap();
    assert_eq!((window.unread, window.transcripts().len(), window.choice), (1, 0, Some(0)));
    hold.settle(window, Ruling::Pass);
    assert_eq!(hold.released(), audio + &stop(0));
}

#[test]
fn nothing_passes_behind_the_end() {
    let stream = [say(0, "hi"), DONE.to_owned(), say(0, "more"), DONE.to_owned()];
    check(&stream, 1, &stream[..2]);
    check(&[say(0, "hi"), "data: {\"choices\":".to_owned()], 1, &[say(0, "hi")]);
    check(&[say(0, "hi"), say(0, "cut").trim_end().to_owned()], 1, &[say(0, "hi")]);
}

#[test]
fn a_stream_with_two_readings_is_at_fault() {
    for bad in [
        "data: {\"choices\":[],\"choices\":[]}\n\n",
        "data: {\"choices\":[]}x\n\n",
        "data: [DONE] and more\n\n",
        "data: hello\n\n",
    ] {
        let mut hold = Holdback::new(settings(), asked("", 1));
        hold.push(say(0, "hi").as_bytes()).unwrap();
        assert!(matches!(hold.push(bad.as_bytes()), Err(StreamFault::Json(_))), "{bad}");
        assert_eq!(hold.released(), "", "what was not judged stays held back");
    }
    assert!(matches!(drive(&[b"data: \xff\n\n"], 1, AT_ONCE), Err(StreamFault::Events(_))));
    let many: Vec<String> = (0..200).map(|index| say(index, "x")).collect();
    assert_eq!(drive(&[many.concat().as_bytes()], 2, AT_ONCE), Err(StreamFault::TooManyChoices));
}

#[test]
fn what_is_held_is_bounded_and_never_stuck() {
    let small = Settings { patience_bytes: 2000, ..settings() };
    let mut hold = Holdback::new(small, asked("", 2));
    hold.push(say(0, "waits").as_bytes()).unwrap();
    let silent = chunk(json!([{"index": 1, "delta": {}}]));
    let mut pushed = 0;
    let window = loop {
        hold.push(silent.as_bytes()).unwrap();
        pushed += 1;
        match hold.due() {
            Some(window) => break window,
            None => assert!(pushed < 20, "{pushed}"),
        }
    };
    assert_eq!(window.choice, Some(0));
    hold.settle(window, Ruling::Pass);
    assert_eq!(hold.released().len(), say(0, "waits").len() + pushed * silent.len());
}

#[test]
fn our_own_events_stand_first_and_last() {
    let mut hold = Holdback::new(settings(), asked("", 1));
    hold.insert_first(Bytes::from_static(b"data: first\n\n"));
    hold.insert_last(Bytes::from_static(b"data: last\n\n"));
    hold.push((stop(0) + DONE).as_bytes()).unwrap();
    assert_eq!(hold.released(), format!("data: first\n\n{}data: last\n\n{DONE}", stop(0)));
    let mut hold = Holdback::new(settings(), asked("", 1));
    hold.insert_last(Bytes::from_static(b"data: last\n\n"));
    hold.push(stop(0).as_bytes()).unwrap();
    assert_eq!(hold.released(), stop(0));
    hold.end().unwrap();
    assert_eq!(hold.released(), "data: last\n\n");
    assert!(hold.ended());
}

/// What a client reads: per choice and field, the text of all events together.
fn heard(released: &str) -> BTreeMap<String, String> {
    let mut heard = BTreeMap::new();
    let mut reader = sse::Reader::new(1 << 20);
    reader.push(released.as_bytes());
    while let Some(event) = reader.next_event().unwrap() {
        heard.entry(String::new()).or_insert_with(String::new).push_str(&event.aside.concat());
        let Ok(value) = serde_json::from_str::<Value>(&event.data.unwrap_or_default()) else {
            continue;
        };
        for choice in value["choices"].as_array().into_iter().flatten() {
            collect(&format!("{}", choice["index"]), &choice["delta"], &mut heard);
        }
    }
    heard
}

fn collect(path: &str, value: &Value, heard: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            // Content in parts continues content.
            let path = path.replace("content/null.text", "content");
            heard.entry(path).or_default().push_str(text);
        }
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| collect(&format!("{path}/{}", item["index"]), item, heard));
        }
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| collect(&format!("{path}.{key}"), value, heard));
        }
        _ => {}
    }
}

/// One piece of a delta: choice, field, text.
fn piece(index: u32, field: usize, text: &str) -> String {
    let delta = match field {
        0 => json!({"content": text}),
        1 => json!({"reasoning_content": text}),
        2 => json!({"tool_calls": [{"index": 1, "function": {"arguments": text}}]}),
        3 => json!({"thoughts": text}),
        _ => json!({"content": [{"type": "text", "text": text}]}),
    };
    chunk(json!([{"index": index, "delta": delta, "finish_reason": null}]))
}

/// A stream of interleaved choices and fields; in some of them the canary, in pieces.
fn streams() -> impl Strategy<Value = (u32, Vec<String>)> {
    let words = prop::sample::select(vec![
        "a",
        " fine.",
        " the",
        " can",
        "ary",
        "é\u{2028} ",
        "!\n",
        " sings",
    ]);
    let filler = prop::collection::vec((0..3u32, 0..5usize, words), 0..60);
    let planted = prop::collection::vec(
        (0..3u32, 0..4usize, prop::collection::vec(any::<prop::sample::Index>(), 1..20)),
        0..3,
    );
    let others = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            prop::sample::select(vec![
                ": ping\n\n".to_owned(),
                ": odd words\n\n".to_owned(),
                format!(": {CANARY}\n\n"),
                format!("data: {{\"error\":{{\"message\":\"{CANARY}\"}}}}\n\n"),
                "\r\n".to_owned(),
                stop(0),
                stop(1),
                stop(2),
                "data: {\"choices\":[],\"usage\":null}\n\n".to_owned(),
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"both \"}},{\"index\":1,\"delta\":{\"content\":\"of us.\"}}]}\n\n".to_owned(),
            ]),
        ),
        0..8,
    );
    (1..4u32, filler, planted, others, any::<bool>(), any::<prop::sample::Index>()).prop_map(
        |(choices, filler, planted, others, done, at)| {
            let mut events: Vec<String> = filler
                .into_iter()
                .map(|(index, field, text)| piece(index % choices, field, text))
                .collect();
            for (index, field, cuts) in planted {
                let mut at: Vec<usize> =
                    cuts.iter().map(|cut| cut.index(CANARY.len() + 1)).collect();
                at.extend([0, CANARY.len()]);
                at.sort_unstable();
                let pieces = at.windows(2).map(|pair| &CANARY[pair[0]..pair[1]]);
                events.extend(pieces.map(|text| piece(index % choices, field, text)));
            }
            let half = at.index(events.len() + 1);
            events.rotate_left(half);
            for (at, other) in others {
                events.insert(at.index(events.len() + 1), other);
            }
            if done {
                events.push(DONE.to_owned());
            }
            (choices, events)
        },
    )
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_answer_and_never_the_canary(
        (choices, events) in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        (client, guard) in (1..5usize, 0..5usize),
    ) {
        let pace = Pace { client, guard };
        let stream = events.concat().into_bytes();
        let whole = drive(&[&stream], choices, AT_ONCE).unwrap();
        for (path, text) in heard(&whole.released) {
            prop_assert!(!text.contains(CANARY), "at {path}: {}", whole.released);
        }

        let single: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&drive(&single, choices, AT_ONCE).unwrap().released, &whole.released);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&drive(&pieces, choices, pace).unwrap().released, &whole.released);
        let each: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
        prop_assert_eq!(&drive(&each, choices, pace).unwrap().released, &whole.released);

        let harmless = !whole.judged.iter().any(|text| text.contains(CANARY));
        if harmless {
            let expected = String::from_utf8(stream).unwrap().replace('\u{2028}', "\\u2028");
            prop_assert_eq!(whole.released, expected);
        }
    }

    #[test]
    fn no_bytes_and_no_pace_upset_the_machine(
        (choices, events) in streams(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        (client, guard) in (1..5usize, 0..5usize),
    ) {
        let mut stream = events.concat().into_bytes();
        for (at, byte) in damage {
            let at = at.index(stream.len().max(1));
            if let Some(hit) = stream.get_mut(at) {
                *hit = byte;
            }
        }
        let pieces: Vec<&[u8]> = stream.chunks(97).collect();
        if let Ok(outcome) = drive(&pieces, choices, Pace { client, guard }) {
            prop_assert!(outcome.ended);
            for (path, text) in heard(&outcome.released) {
                prop_assert!(!text.contains(CANARY), "at {path}: {}", outcome.released);
            }
        }
    }
}
