//! Streams of Responses: every copy is held, and what is cut is closed in order.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AT_ONCE, CANARY, Outcome, Pace, drive_asked};
use crate::wire::sse;
use crate::wire::{Asked, Dialect};

/// A stream in the making: numbers its events, and repeats itself as the provider does.
#[derive(Default, Clone)]
pub(super) struct Stream {
    pub(super) events: Vec<String>,
    items: Vec<Value>,
}

impl Stream {
    pub(super) fn begun() -> Self {
        let mut stream = Self::default();
        let response = stream.response("in_progress");
        stream.event(json!({"type": "response.created", "response": response}));
        let response = stream.response("in_progress");
        stream.event(json!({"type": "response.in_progress", "response": response}));
        stream
    }

    fn response(&self, status: &str) -> Value {
        json!({"id": "resp_1", "object": "response", "created_at": 5, "status": status,
            "error": null, "incomplete_details": null, "model": "m", "output": self.items})
    }

    pub(super) fn event(&mut self, mut event: Value) {
        event["sequence_number"] = self.events.len().into();
        self.events.push(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    }

    pub(super) fn begin_message(&mut self) {
        let index = self.items.len();
        let item = json!({"id": "msg_1", "type": "message", "status": "in_progress",
            "role": "assistant", "content": []});
        self.event(
            json!({"type": "response.output_item.added", "output_index": index, "item": item}),
        );
        self.event(json!({"type": "response.content_part.added", "item_id": "msg_1",
            "output_index": index, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}}));
    }

    pub(super) fn say(&mut self, text: &str) {
        self.event(json!({"type": "response.output_text.delta", "item_id": "msg_1",
            "output_index": self.items.len(), "content_index": 0, "delta": text}));
    }

    pub(super) fn end_message(&mut self, text: &str, part: &str, item: &str) {
        let index = self.items.len();
        let said = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        self.event(json!({"type": "response.output_text.done", "item_id": "msg_1",
            "output_index": index, "content_index": 0, "text": text}));
        self.event(json!({"type": "response.content_part.done", "item_id": "msg_1",
            "output_index": index, "content_index": 0, "part": said(part)}));
        let item = json!({"id": "msg_1", "type": "message", "status": "completed",
            "role": "assistant", "content": [said(item)]});
        self.event(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
        self.items.push(item);
    }

    pub(super) fn message(&mut self, texts: &[&str]) {
        self.begin_message();
        texts.iter().for_each(|text| self.say(text));
        let all = texts.concat();
        self.end_message(&all, &all, &all);
    }

    pub(super) fn call(&mut self, pieces: &[&str]) {
        let index = self.items.len();
        let item = |status: &str, arguments: &str| {
            json!({"id": "fc_1", "type": "function_call", "status": status,
                "call_id": "call_1", "name": "f", "arguments": arguments})
        };
        self.event(json!({"type": "response.output_item.added", "output_index": index,
            "item": item("in_progress", "")}));
        for piece in pieces {
            self.event(json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1",
                "output_index": index, "delta": piece}));
        }
        let all = pieces.concat();
        self.event(json!({"type": "response.function_call_arguments.done", "item_id": "fc_1",
            "output_index": index, "arguments": all}));
        let item = item("completed", &all);
        self.event(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
        self.items.push(item);
    }

    fn think(&mut self, pieces: &[&str]) {
        let index = self.items.len();
        let item = |summary: Value| json!({"id": "rs_1", "type": "reasoning", "summary": summary});
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        let all = pieces.concat();
        self.event(json!({"type": "response.output_item.added", "output_index": index,
            "item": item(json!([]))}));
        let place = json!({"item_id": "rs_1", "output_index": index, "summary_index": 0});
        let mut say = |kind: &str, field: &str, value: Value| {
            let mut event = json!({"type": format!("response.{kind}")});
            event.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            event[field] = value;
            self.event(event);
        };
        say("reasoning_summary_part.added", "part", part(""));
        for piece in pieces {
            say("reasoning_summary_text.delta", "delta", json!(piece));
        }
        say("reasoning_summary_text.done", "text", json!(all));
        say("reasoning_summary_part.done", "part", part(&all));
        let item = item(json!([part(&all)]));
        self.event(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
        self.items.push(item);
    }

    pub(super) fn completed(mut self) -> Vec<String> {
        let response = self.response("completed");
        self.event(json!({"type": "response.completed", "response": response}));
        self.events
    }
}

fn drive(stream: &[u8], cuts: &[usize], pace: Pace) -> Outcome {
    let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
    drive_asked(&pieces, Asked::new(Dialect::Responses, "question", 1), pace).unwrap()
}

fn whole(events: &[String]) -> Outcome {
    let stream = events.concat();
    drive(stream.as_bytes(), &[0, stream.len()], AT_ONCE)
}

/// What a client reads of it: the types of the events, and their data.
pub(super) fn read(released: &str) -> Vec<(String, Value)> {
    let mut reader = sse::Reader::new(1 << 20);
    reader.push(released.as_bytes());
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        let Some(data) = event.data else { continue };
        let value: Value = serde_json::from_str(&data).unwrap();
        events.push((value["type"].as_str().unwrap_or_default().to_owned(), value));
    }
    events
}

/// Checks that a client reads one response in order, to its end, and that its copies agree.
pub(super) fn read_in_order(released: &str) -> Result<Value, String> {
    let (mut open, mut parts): (Vec<u64>, Vec<(u64, String)>) = (Vec::new(), Vec::new());
    let (mut next, mut last) = (0, None);
    for (kind, event) in read(released) {
        let fits = event["sequence_number"].as_u64() == Some(next) && last.is_none();
        next += 1;
        let index = event["output_index"].as_u64().unwrap_or(0);
        let said = parts.last().map(|(_, text)| text.clone());
        let inside = open.contains(&index);
        let fits = fits
            && match kind.strip_prefix("response.").unwrap_or_default() {
                "created" => next == 1,
                "in_progress" => next == 2,
                "output_item.added" => {
                    open.push(index);
                    !inside
                }
                "output_item.done" => {
                    open.retain(|each| *each != index);
                    inside && parts.is_empty()
                }
                "content_part.added" | "reasoning_summary_part.added" => {
                    parts.push((index, String::new()));
                    inside && parts.len() == 1
                }
                "content_part.done" | "reasoning_summary_part.done" => {
                    parts.pop();
                    said.is_some_and(|said| event["part"]["text"] == said.as_str())
                }
                "output_text.delta" | "reasoning_summary_text.delta" => {
                    let text = event["delta"].as_str().unwrap_or_default();
                    parts.iter_mut().for_each(|(_, part)| part.push_str(text));
                    inside && !parts.is_empty()
                }
                "output_text.done" | "reasoning_summary_text.done" => {
                    said.is_some_and(|said| event["text"] == said.as_str())
                }
                "completed" | "incomplete" => {
                    last = Some(event.clone());
                    open.is_empty()
                }
                _ => inside,
            };
        if !fits {
            return Err(format!("out of order: {event}"));
        }
    }
    last.ok_or_else(|| "it has no end".to_owned())
}

#[test]
fn what_passes_leaves_byte_for_byte_and_no_copy_is_judged_twice() {
    let mut stream = Stream::begun();
    stream.think(&["Let me see", " what I know of it."]);
    stream.message(&["Hello there,", " how are you today?"]);
    stream.call(&["{\"town\":", "\"Rome\"}"]);
    let events = stream.completed();
    let outcome = whole(&events);
    assert_eq!(outcome.released, events.concat());
    assert!(outcome.ended);
    let judged = outcome.judged.concat();
    assert_eq!(judged.matches("how are you").count(), 1, "{judged}");
    let unfinished = &events[..events.len() - 1];
    assert_eq!(whole(unfinished).released, unfinished.concat());
}

#[test]
fn a_cut_closes_what_is_open_and_says_why() {
    let mut stream = Stream::begun();
    stream.message(&["This is harmless, and long. ", CANARY, " and on."]);
    let events = stream.completed();
    let outcome = whole(&events);
    assert!(!outcome.released.contains(CANARY), "{}", outcome.released);
    assert!(outcome.released.starts_with(&events[..5].concat()));
    let last = read_in_order(&outcome.released).unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["id"], "resp_1");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "content_filter");
    let item = &last["response"]["output"][0];
    assert_eq!(item["status"], "incomplete");
    assert_eq!(item["content"][0]["text"], "This is harmless, and long. ");
    let kinds: Vec<String> = read(&outcome.released).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds[5..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
}

#[test]
fn a_call_that_is_cut_is_never_said_to_be_whole() {
    let mut stream = Stream::begun();
    stream.call(&["{\"a\":\"This is harmless, and long.", CANARY, "\"}"]);
    let outcome = whole(&stream.completed());
    let last = read_in_order(&outcome.released).unwrap();
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert!(!outcome.released.contains("function_call_arguments.done"), "{}", outcome.released);
}

#[test]
fn a_copy_that_says_something_else_is_judged() {
    let harmless = "Hello there, this is fine.";
    for (text, part, item) in
        [(CANARY, harmless, harmless), (harmless, CANARY, harmless), (harmless, harmless, CANARY)]
    {
        let mut stream = Stream::begun();
        stream.begin_message();
        stream.say(harmless);
        stream.end_message(text, part, item);
        let outcome = whole(&stream.completed());
        assert!(!outcome.released.contains(CANARY), "{}", outcome.released);
        assert_eq!(read_in_order(&outcome.released).unwrap()["type"], "response.incomplete");
    }
    let mut stream = Stream::begun();
    stream.message(&[harmless]);
    stream.items[0]["content"][0]["text"] = CANARY.into();
    let outcome = whole(&stream.completed());
    assert!(!outcome.released.contains(CANARY), "{}", outcome.released);
    let last = read_in_order(&outcome.released).unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], harmless);
}

#[test]
fn what_is_said_beside_the_response_is_judged() {
    for beside in [
        format!(": {CANARY}\n\n"),
        format!("event: error\ndata: {{\"type\":\"error\",\"message\":\"{CANARY}\"}}\n\n"),
    ] {
        let mut stream = Stream::begun();
        stream.begin_message();
        stream.say("hi");
        stream.events.push(beside.clone());
        let outcome = whole(&stream.events);
        assert!(!outcome.released.contains(CANARY), "{}", outcome.released);
        let last = read_in_order(&outcome.released).unwrap();
        assert_eq!(last["response"]["output"][0]["content"][0]["text"], "hi");

        let mut first = vec![beside];
        first.extend(Stream::begun().events);
        let outcome = whole(&first);
        let kinds: Vec<String> =
            read(&outcome.released).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["response.created", "response.incomplete"]);
        read_in_order(&outcome.released).unwrap();
    }
}

#[test]
fn a_sign_of_life_that_says_something_goes_on_from_what_was_said() {
    let mut stream = Stream::begun();
    stream.begin_message();
    stream.say("the can");
    stream.event(json!({"type": "keepalive", "delta": "ary sings"}));
    let outcome = whole(&stream.completed());
    assert!(!outcome.released.contains("the can"), "{}", outcome.released);
    read_in_order(&outcome.released).unwrap();
}

/// A response of several items, in some of them the canary, in pieces.
fn streams() -> impl Strategy<Value = Vec<String>> {
    let words =
        prop::sample::select(vec!["a", " fine.", " the", " can", "ary", "é\u{2028} ", "!\n"]);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    let item = (0..3usize, prop::collection::vec(words, 0..25), prop::option::weighted(0.2, cuts));
    prop::collection::vec(item, 0..4).prop_map(|items| {
        let mut stream = Stream::begun();
        for (kind, words, planted) in items {
            let mut texts = words;
            if let Some(cuts) = planted {
                let mut at: Vec<usize> =
                    cuts.iter().map(|cut| cut.index(CANARY.len() + 1)).collect();
                at.extend([0, CANARY.len()]);
                at.sort_unstable();
                texts.extend(at.windows(2).map(|pair| &CANARY[pair[0]..pair[1]]));
            }
            match kind {
                0 => stream.message(&texts),
                1 => stream.call(&texts),
                _ => stream.think(&texts),
            }
        }
        stream.completed()
    })
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_response_in_order_and_never_the_canary(
        events in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        (client, guard) in (1..5usize, 0..5usize),
    ) {
        let stream = events.concat().into_bytes();
        let whole = drive(&stream, &[0, stream.len()], AT_ONCE);
        let last = read_in_order(&whole.released);
        prop_assert!(last.is_ok(), "{last:?}: {}", whole.released);
        prop_assert!(!whole.released.contains(CANARY), "{}", whole.released);

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
