//! What is taken out of a stream appears nowhere in it, and the rest stays as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    AT_ONCE, CANARY, DONE, Outcome, Pace, chunk, drive_under, messages, responses, say, settings,
    stop,
};
use crate::enforce::redact::Removal;
use crate::enforce::windows::{Ruling, Window};
use crate::enforce::{Holdback, holdback::Settings};
use crate::wire::sse;
use crate::wire::{Asked, Dialect};

const MARK: &str = "[redacted: S1]";

/// The dialects whose answers are texts.
const DIALECTS: [Dialect; 4] =
    [Dialect::Chat, Dialect::Completions, Dialect::Responses, Dialect::Messages];

/// Points at the canary, wherever it sings.
fn point(window: &Window) -> Ruling {
    let removals = window.passages.iter().enumerate().filter_map(|(passage, it)| {
        let found = it.text().match_indices(CANARY);
        let ranges: Vec<_> = found.map(|(at, _)| at..at + CANARY.len()).collect();
        (!ranges.is_empty()).then(|| Removal { passage, ranges, words: MARK.to_owned() })
    });
    let removals: Vec<Removal> = removals.collect();
    if removals.is_empty() { Ruling::Pass } else { Ruling::Redact(removals) }
}

/// Cuts where it sings.
fn cut(window: &Window) -> Ruling {
    let sings = window.passages.iter().any(|passage| passage.text().contains(CANARY));
    if sings { Ruling::Cut } else { Ruling::Pass }
}

/// A hold-back that keeps as much as anybody points at.
fn keeping(dialect: Dialect) -> Holdback {
    let settings = Settings { kept_bytes: CANARY.len(), ..settings() };
    Holdback::new(settings, Asked::new(dialect, "question", 1))
}

fn drive(dialect: Dialect, pieces: &[&[u8]], pace: Pace) -> Outcome {
    drive_under(pieces, keeping(dialect), pace, &point).unwrap()
}

fn whole(dialect: Dialect, events: &[String]) -> String {
    let outcome = drive(dialect, &[events.concat().as_bytes()], AT_ONCE);
    assert!(outcome.ended);
    outcome.released
}

/// An answer that says these pieces, with all that tells them once more.
fn answer(dialect: Dialect, pieces: &[&str]) -> Vec<String> {
    let all = pieces.concat();
    match dialect {
        Dialect::Responses => {
            let mut stream = responses::Stream::begun();
            stream.message(pieces);
            stream.completed()
        }
        Dialect::Messages => {
            let mut events = vec![messages::begin(), messages::text(0)];
            events.extend(pieces.iter().map(|piece| messages::say(0, piece)));
            events.extend([messages::close(0), messages::finish("end_turn", 3), messages::stop()]);
            events
        }
        Dialect::Completions => {
            let said = |piece: &&str| {
                chunk(json!([{"index": 0, "text": piece, "finish_reason": null, "logprobs":
                    {"tokens": [piece], "token_logprobs": [-1.0], "text_offset": [all.len()]}}]))
            };
            let end = [stop(0), DONE.to_owned()];
            pieces.iter().map(said).chain(end).collect()
        }
        _ => {
            let said = |piece: &&str| {
                let token = json!({"token": piece, "bytes": piece.as_bytes(), "logprob": -1.0,
                    "top_logprobs": [{"token": piece, "bytes": null, "logprob": -1.0}]});
                chunk(json!([{"index": 0, "delta": {"content": piece}, "finish_reason": null,
                    "logprobs": {"content": [token]}}]))
            };
            let end = [stop(0), DONE.to_owned()];
            pieces.iter().map(said).chain(end).collect()
        }
    }
}

/// A call of a tool with these arguments, in pieces.
fn call(dialect: Dialect, pieces: &[&str]) -> Vec<String> {
    match dialect {
        Dialect::Responses => {
            let mut stream = responses::Stream::begun();
            stream.call(pieces);
            stream.completed()
        }
        Dialect::Messages => {
            let block = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
            let mut events = vec![messages::begin(), messages::open(0, block)];
            events.extend(pieces.iter().map(|piece| {
                messages::delta(0, json!({"type": "input_json_delta", "partial_json": piece}))
            }));
            events.extend([messages::close(0), messages::finish("tool_use", 3), messages::stop()]);
            events
        }
        _ => {
            let said = |piece: &&str| {
                chunk(json!([{"index": 0, "delta": {"tool_calls": [
                    {"index": 0, "function": {"arguments": piece}}]}, "finish_reason": null}]))
            };
            let end = [stop(0), DONE.to_owned()];
            pieces.iter().map(said).chain(end).collect()
        }
    }
}

/// A text as it goes out; of what stands side by side it does not matter how often it is marked.
fn redacted(text: &str) -> String {
    let mut text = text.replace(CANARY, MARK);
    while text.contains(&MARK.repeat(2)) {
        text = text.replace(&MARK.repeat(2), MARK);
    }
    text
}

/// Every string of the events, joined with those that stand where it does, and told by its way.
fn told(released: &str) -> BTreeMap<String, String> {
    fn tell(way: &str, value: &Value, told: &mut BTreeMap<String, String>) {
        match value {
            Value::String(text) => told.entry(way.to_owned()).or_default().push_str(text),
            Value::Array(items) => items.iter().for_each(|item| tell(way, item, told)),
            Value::Object(fields) => {
                fields.iter().for_each(|(key, item)| tell(&format!("{way}/{key}"), item, told));
            }
            _ => {}
        }
    }
    let mut told = BTreeMap::new();
    let mut reader = sse::Reader::new(1 << 20);
    reader.push(released.as_bytes());
    while let Some(event) = reader.next_event().unwrap() {
        if let Ok(value) = serde_json::from_str(&event.data.unwrap_or_default()) {
            tell("", &value, &mut told);
        }
    }
    told
}

/// The ways on which a dialect tells what it says, first as it goes on, then all of it once more.
fn ways(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Completions => &["/choices/text"],
        Dialect::Responses => &[
            "/delta",
            "/text",
            "/part/text",
            "/item/content/text",
            "/response/output/content/text",
        ],
        Dialect::Messages => &["/delta/text"],
        _ => &["/choices/delta/content"],
    }
}

fn calls(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Responses => {
            &["/delta", "/arguments", "/item/arguments", "/response/output/arguments"]
        }
        Dialect::Messages => &["/delta/partial_json"],
        _ => &["/choices/delta/tool_calls/function/arguments"],
    }
}

/// Cut into pieces at these places.
fn cut_at<'t>(text: &'t str, cuts: &[prop::sample::Index]) -> Vec<&'t str> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.retain(|at| text.is_char_boundary(*at));
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn texts() -> impl Strategy<Value = String> {
    let words = vec![
        "a",
        " fine.",
        " the",
        " can",
        "ary",
        "\u{e9} ",
        "!\n",
        " sings",
        CANARY,
        CANARY,
        " of a rather long day. ",
        " \"quoted\" ",
    ];
    prop::collection::vec(prop::sample::select(words), 1..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_taken_out_appears_nowhere_and_the_rest_stays(
        dialect in prop::sample::select(DIALECTS.to_vec()),
        text in texts(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        byte_cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        (client, guard) in (1..5usize, 0..5usize),
    ) {
        let stream = answer(dialect, &cut_at(&text, &cuts)).concat();
        let released = whole(dialect, std::slice::from_ref(&stream));
        let told = told(&released);
        for (way, said) in &told {
            prop_assert!(!said.contains(CANARY), "at {way}: {released}");
        }
        for way in ways(dialect) {
            let said = told.get(*way).map(|said| redacted(said));
            prop_assert_eq!(said, Some(redacted(&text)), "at {}", way);
        }
        if dialect == Dialect::Responses {
            prop_assert!(responses::read_in_order(&released).is_ok(), "{released}");
        }
        if !text.contains(CANARY) {
            prop_assert_eq!(&released, &stream);
        }

        let bytes = stream.as_bytes();
        let mut at: Vec<usize> = byte_cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(drive(dialect, &pieces, Pace { client, guard }).released, released);
    }

    #[test]
    fn arguments_stay_json_wherever_they_are_cut(
        dialect in prop::sample::select(vec![Dialect::Chat, Dialect::Responses, Dialect::Messages]),
        (text, other) in (texts(), texts()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let arguments = json!({"to": text, "n": 12, "others": [other, {"deep": true}]}).to_string();
        let released = whole(dialect, &call(dialect, &cut_at(&arguments, &cuts)));
        let told = told(&released);
        let expected =
            json!({"to": redacted(&text), "n": 12, "others": [redacted(&other), {"deep": true}]});
        for way in calls(dialect) {
            let said: Value = serde_json::from_str(&redacted(&told[*way])).expect("JSON");
            prop_assert_eq!(&said, &expected, "at {}", way);
        }
    }

    #[test]
    fn of_what_a_window_cuts_in_two_not_even_the_beginning_leaves(
        dialect in prop::sample::select(DIALECTS.to_vec()),
        before in "[a-b .]{0,90}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let text = format!("{before}{CANARY}");
        let stream = answer(dialect, &cut_at(&text, &cuts)).concat();
        let released =
            drive_under(&[stream.as_bytes()], keeping(dialect), AT_ONCE, &cut).unwrap().released;
        for (way, said) in told(&released) {
            prop_assert!(!said.contains("the c"), "at {way}: {released}");
        }
    }
}

#[test]
fn what_tells_a_text_once_more_goes_with_it() {
    let pieces = ["Hello there, you all. ", CANARY, ". And so it goes on, and on, and on."];
    let chat = whole(Dialect::Chat, &answer(Dialect::Chat, &pieces));
    assert!(chat.contains(r#""token":"Hello"#), "{chat}");
    assert!(!chat.contains(r#""token":" And"#) && !chat.contains(r#""bytes":[116,"#), "{chat}");
    assert!(chat.contains(r#""logprobs":null"#), "{chat}");

    let mut stream = responses::Stream::begun();
    stream.begin_message();
    pieces.iter().for_each(|piece| stream.say(piece));
    stream.event(json!({"type": "response.output_text.annotation.added", "item_id": "msg_1",
        "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation":
            {"type": "url_citation", "start_index": 0, "end_index": 9, "title": "t", "url": "u"}}));
    let all = pieces.concat();
    stream.end_message(&all, &all, &all);
    let responses = whole(Dialect::Responses, &stream.completed());
    assert!(!responses.contains("url_citation"), "{responses}");

    let mut events = answer(Dialect::Messages, &pieces);
    let citation = json!({"type": "char_location", "cited_text": "t", "document_index": 0,
        "document_title": "d", "start_char_index": 0, "end_char_index": 1});
    let cited = json!({"type": "citations_delta", "citation": citation});
    events.insert(events.len() - 3, messages::delta(0, cited));
    let messages = whole(Dialect::Messages, &events);
    assert!(!messages.contains("cited_text"), "{messages}");
}

#[test]
fn a_choice_keeps_its_words_when_another_of_its_chunk_is_cut() {
    const OTHER: &str = "the linnet sings";
    let both = |first: &str, second: &str| {
        chunk(json!([{"index": 0, "delta": {"content": first}},
            {"index": 1, "delta": {"content": second}}]))
    };
    let stream = both(OTHER, CANARY) + &stop(1) + DONE;
    let settings = Settings { kept_bytes: CANARY.len(), ..settings() };
    let hold = Holdback::new(settings, Asked::new(Dialect::Chat, "question", 2));
    let rule = |window: &Window| match window.passages.iter().any(|it| it.text().contains(OTHER)) {
        true => Ruling::Cut,
        false => point(window),
    };
    let released = drive_under(&[stream.as_bytes()], hold, AT_ONCE, &rule).unwrap().released;
    assert!(released.contains(MARK) && !released.contains("sings"), "{released}");
}

#[test]
fn what_is_kept_waits_no_longer_than_its_bound() {
    let settings = Settings { kept_bytes: 100, patience_bytes: 2000, ..settings() };
    let mut hold = Holdback::new(settings, Asked::new(Dialect::Chat, "question", 1));
    hold.push(say(0, &format!("Now {CANARY}.")).as_bytes()).unwrap();
    hold.push(say(0, CANARY).as_bytes()).unwrap();
    while let Some(window) = hold.due() {
        let ruling = point(&window);
        hold.settle(window, ruling);
    }
    assert_eq!(hold.released(), "", "it may go on");
    let silent = chunk(json!([{"index": 0, "delta": {}}]));
    let mut released = String::new();
    for _ in 0..20 {
        hold.push(silent.as_bytes()).unwrap();
        while let Some(window) = hold.due() {
            let ruling = point(&window);
            hold.settle(window, ruling);
        }
        released.push_str(std::str::from_utf8(&hold.released()).unwrap());
    }
    let told = told(&released);
    assert_eq!(told["/choices/delta/content"], format!("Now {MARK}.{MARK}"));
}
