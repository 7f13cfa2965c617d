//! Readers of answers that are as strict as the official client of each dialect: what such a client
//! requires must be there, in its order, and nothing may follow the end.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wardgate::wire::Dialect;

use crate::support::client::Answer;

/// What a client makes of an answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    /// What each choice says, and why it ends.
    Said(Vec<(String, String)>),
    /// The code of the error that the client raises.
    Raised(String),
}

/// The outcome of one choice.
pub(crate) fn said(text: &str, end: &str) -> Outcome {
    Outcome::Said(vec![(text.to_owned(), end.to_owned())])
}

/// Reads an answer, streamed or not.
#[track_caller]
pub(crate) fn read(dialect: Dialect, answer: &Answer) -> Outcome {
    let kind = answer.header("content-type").expect("a content type");
    if kind.starts_with("text/event-stream") {
        assert_eq!(answer.status, 200);
        return read_events(dialect, answer.text());
    }
    assert_eq!(kind, "application/json");
    let body = answer.json();
    if answer.status >= 400 {
        return raised(dialect, &body);
    }
    match dialect {
        Dialect::Chat => read_choices(&body, "chat.completion", chat_choice),
        Dialect::Completions => read_choices(&body, "text_completion", text_choice),
        Dialect::Messages => read_message(&body),
        Dialect::Responses => read_response(&body),
        Dialect::Embeddings => panic!("says nothing"),
    }
}

/// The code of an error envelope.
#[track_caller]
fn raised(dialect: Dialect, body: &Value) -> Outcome {
    let error = object(body, "error");
    assert!(!string(&body["error"], "message").is_empty());
    assert!(error.get("type").is_some_and(Value::is_string), "{body}");
    if dialect == Dialect::Messages {
        assert_eq!(string(body, "type"), "error");
    } else {
        assert!(error.contains_key("param") && error.contains_key("code"), "{body}");
    }
    Outcome::Raised(string(&body["error"], "code").to_owned())
}

#[track_caller]
fn object<'v>(value: &'v Value, field: &str) -> &'v Map<String, Value> {
    value[field].as_object().unwrap_or_else(|| panic!("`{field}` is no object in {value}"))
}

#[track_caller]
fn list<'v>(value: &'v Value, field: &str) -> &'v Vec<Value> {
    value[field].as_array().unwrap_or_else(|| panic!("`{field}` is no list in {value}"))
}

#[track_caller]
fn string<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is no string in {value}"))
}

#[track_caller]
fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("`{field}` is no number in {value}"))
}

#[track_caller]
fn one_of<'v>(value: &'v Value, field: &str, words: &[&str]) -> &'v str {
    let word = string(value, field);
    assert!(words.contains(&word), "`{field}` is {word} in {value}");
    word
}

const FINISH: &[&str] = &["stop", "length", "tool_calls", "content_filter", "function_call"];

#[track_caller]
fn read_head(body: &Value, kind: &str) {
    assert_eq!(string(body, "object"), kind);
    string(body, "id");
    string(body, "model");
    number(body, "created");
}

#[track_caller]
fn read_choices(body: &Value, kind: &str, read: fn(&Value) -> String) -> Outcome {
    read_head(body, kind);
    assert!(!string(body, "id").is_empty() && !string(body, "model").is_empty());
    if !body["usage"].is_null() {
        for field in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            number(&body["usage"], field);
        }
    }
    let choices = list(body, "choices").iter().enumerate().map(|(position, choice)| {
        assert_eq!(number(choice, "index"), position as u64);
        (read(choice), one_of(choice, "finish_reason", FINISH).to_owned())
    });
    Outcome::Said(choices.collect())
}

fn chat_choice(choice: &Value) -> String {
    let message = &choice["message"];
    assert_eq!(string(message, "role"), "assistant");
    string(message, "content").to_owned()
}

fn text_choice(choice: &Value) -> String {
    string(choice, "text").to_owned()
}

const STOP: &[&str] = &["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"];

#[track_caller]
fn read_message(body: &Value) -> Outcome {
    message_head(body);
    let texts = list(body, "content").iter().map(|block| match string(block, "type") {
        "text" => string(block, "text").to_owned(),
        _ => String::new(),
    });
    said(&texts.collect::<String>(), one_of(body, "stop_reason", STOP))
}

#[track_caller]
fn message_head(message: &Value) {
    assert_eq!((string(message, "type"), string(message, "role")), ("message", "assistant"));
    string(message, "id");
    string(message, "model");
    assert!(object(message, "usage").contains_key("input_tokens"));
    number(&message["usage"], "output_tokens");
}

#[track_caller]
fn read_response(body: &Value) -> Outcome {
    response_head(body);
    let status = one_of(body, "status", &["completed", "incomplete"]);
    let end = match status {
        "incomplete" => string(&body["incomplete_details"], "reason"),
        _ => status,
    };
    assert_eq!(body["incomplete_details"].is_null(), status == "completed");
    let items = list(body, "output").iter();
    let texts = items.filter(|item| item["type"] == "message").map(|item| {
        assert_eq!(string(item, "role"), "assistant");
        one_of(item, "status", &["completed", "incomplete"]);
        string(item, "id");
        list(item, "content").iter().map(output_text).collect::<String>()
    });
    said(&texts.collect::<String>(), end)
}

#[track_caller]
fn response_head(body: &Value) {
    assert_eq!(string(body, "object"), "response");
    string(body, "id");
    string(body, "model");
    number(body, "created_at");
    assert!(body["error"].is_null() && body["tools"].is_array(), "{body}");
    assert!(body["parallel_tool_calls"].is_boolean() && !body["tool_choice"].is_null(), "{body}");
}

#[track_caller]
fn output_text(part: &Value) -> String {
    assert_eq!(string(part, "type"), "output_text");
    list(part, "annotations");
    string(part, "text").to_owned()
}

/// The events of a stream: their names and data.
#[track_caller]
fn events(text: &str) -> Vec<(Option<&str>, &str)> {
    assert!(text.ends_with("\n\n"), "the last event is whole");
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            (field("event: "), field("data: ").expect("data"))
        })
        .collect()
}

#[track_caller]
fn read_events(dialect: Dialect, text: &str) -> Outcome {
    let events = events(text);
    match dialect {
        Dialect::Chat => read_chunks(&events, "chat.completion.chunk", |choice| {
            object(choice, "delta");
            choice["delta"]["content"].as_str().unwrap_or_default()
        }),
        Dialect::Completions => {
            read_chunks(&events, "text_completion", |choice| string(choice, "text"))
        }
        Dialect::Messages => read_message_events(&events),
        Dialect::Responses => read_response_events(&events),
        Dialect::Embeddings => panic!("says nothing"),
    }
}

#[track_caller]
fn read_chunks(events: &[(Option<&str>, &str)], kind: &str, words: fn(&Value) -> &str) -> Outcome {
    let mut choices: BTreeMap<u64, (String, Option<String>)> = BTreeMap::new();
    let (last, chunks) = events.split_last().expect("events");
    for (name, data) in chunks {
        assert_eq!(*name, None);
        let chunk: Value = serde_json::from_str(data).expect("JSON");
        read_head(&chunk, kind);
        for choice in list(&chunk, "choices") {
            let said = choices.entry(number(choice, "index")).or_default();
            let words = words(choice);
            assert!(
                words.is_empty() || said.1.is_none(),
                "more of a choice that has ended: {data}"
            );
            said.0.push_str(words);
            if !choice["finish_reason"].is_null() {
                let before = said.1.replace(one_of(choice, "finish_reason", FINISH).to_owned());
                assert_eq!(before, None, "a choice that ends twice: {data}");
            }
        }
    }
    let end = serde_json::from_str::<Value>(last.1).ok().filter(|end| !end["error"].is_null());
    if let Some(error) = end {
        return raised(Dialect::Chat, &error);
    }
    assert_eq!(last.1, "[DONE]");
    let ended = choices.into_values().map(|(text, end)| (text, end.expect("every choice ends")));
    Outcome::Said(ended.collect())
}

#[track_caller]
fn read_message_events(events: &[(Option<&str>, &str)]) -> Outcome {
    let (mut text, mut end) = (String::new(), None);
    let (mut open, mut blocks, mut stopped) = (None, 0, false);
    for (number_, (name, data)) in events.iter().enumerate() {
        let event: Value = serde_json::from_str(data).expect("JSON");
        let kind = string(&event, "type");
        assert_eq!(*name, Some(kind));
        assert!(!stopped, "something behind the end: {data}");
        assert_eq!(number_ == 0, kind == "message_start", "{data}");
        match kind {
            "message_start" => message_head(&event["message"]),
            "content_block_start" => {
                assert_eq!((open, number(&event, "index")), (None, blocks), "{data}");
                text.push_str(string(&event["content_block"], "text"));
                open = Some(blocks);
                blocks += 1;
            }
            "content_block_delta" => {
                assert_eq!(open, Some(number(&event, "index")), "{data}");
                text.push_str(string(&event["delta"], "text"));
            }
            "content_block_stop" => assert_eq!(open.take(), Some(number(&event, "index"))),
            "message_delta" => {
                assert_eq!(open, None, "{data}");
                number(&event["usage"], "output_tokens");
                end = Some(one_of(&event["delta"], "stop_reason", STOP).to_owned());
            }
            "message_stop" => stopped = true,
            "ping" => {}
            "error" => {
                assert_eq!(number_ + 1, events.len(), "nothing follows an error");
                return raised(Dialect::Messages, &event);
            }
            other => panic!("an event {other}"),
        }
    }
    assert!(stopped, "the stream ends with message_stop");
    said(&text, &end.expect("a reason"))
}

#[track_caller]
fn read_response_events(events: &[(Option<&str>, &str)]) -> Outcome {
    let mut next = None;
    let mut items: Vec<(Value, bool)> = Vec::new();
    let mut part: Option<String> = None;
    let (last, _) = events.split_last().expect("events");
    for (name, data) in events {
        let event: Value = serde_json::from_str(data).expect("JSON");
        let kind = string(&event, "type");
        assert_eq!(*name, Some(kind));
        if kind == "keepalive" {
            continue;
        }
        if kind == "error" {
            assert_eq!(*data, last.1, "nothing follows an error");
            string(&event, "message");
            assert!(event["sequence_number"].is_u64() && event.get("param").is_some(), "{data}");
            return Outcome::Raised(string(&event, "code").to_owned());
        }
        let sequence = number(&event, "sequence_number");
        assert!(next.is_none_or(|next| sequence == next), "{data} where {next:?} was due");
        assert_eq!(next.is_none(), kind == "response.created", "{data}");
        next = Some(sequence + 1);
        match kind {
            "response.created" | "response.in_progress" => response_head(&event["response"]),
            "response.output_item.added" => {
                assert_eq!(number(&event, "output_index"), items.len() as u64);
                items.push((event["item"].clone(), true));
            }
            "response.output_item.done" => {
                let (item, open) = items.last_mut().expect("an item");
                assert!(*open && part.is_none(), "{data}");
                assert_eq!(string(&event["item"], "id"), string(item, "id"));
                (*item, *open) = (event["item"].clone(), false);
            }
            "response.content_part.added" => assert_eq!(part.replace(String::new()), None),
            "response.output_text.delta" => {
                part.as_mut().expect("a part").push_str(string(&event, "delta"));
            }
            "response.output_text.done" => assert_eq!(part.as_deref(), event["text"].as_str()),
            "response.content_part.done" => {
                assert_eq!(part.take(), Some(output_text(&event["part"])));
            }
            "response.completed" | "response.incomplete" => {
                assert_eq!(*data, last.1, "nothing follows the end");
                let response = &event["response"];
                assert_eq!(kind, format!("response.{}", string(response, "status")));
                assert!(items.iter().all(|(_, open)| !open), "{data}");
                let output: Vec<&Value> = items.iter().map(|(item, _)| item).collect();
                assert_eq!(list(response, "output").iter().collect::<Vec<_>>(), output);
                return read_response(response);
            }
            other => panic!("an event {other}"),
        }
    }
    panic!("the stream ends without the response");
}
