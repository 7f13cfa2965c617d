use bytes::Bytes;
use serde_json::{Value, json};

use crate::transcript::{Role, Transcript};
use crate::wire::answer::Answer;
use crate::wire::asked::Asked;
use crate::wire::delta;
use crate::wire::dialect::Dialect;
use crate::wire::farewell::{End, Farewell};
use crate::wire::field::Channel::{self, Content, Key, Other, Reasoning, Tool};
use crate::wire::malformed::Malformed;
use crate::wire::request::Request;
use Role::{Agent, User};

fn parse(fields: Value) -> Result<Request, Malformed> {
    let mut request = json!({"model": "m", "max_tokens": 7,
        "messages": [{"role": "user", "content": "hi"}]});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Request::parse(Dialect::Messages, Bytes::from(request.to_string()))
}

fn said(transcripts: &[Transcript]) -> Vec<(Role, &str)> {
    transcripts.iter().map(|each| (each.judged().role, &*each.judged().text)).collect()
}

#[track_caller]
fn check(fields: Value, expected: &[(Role, &str)], unread: &[&str]) {
    let request = parse(fields).unwrap();
    let transcripts = request.transcripts();
    assert_eq!(said(&transcripts), expected);
    let paths: Vec<&str> = request.unread().iter().map(|path| path.as_str()).collect();
    assert_eq!(paths, unread);
}

/// One message of the user's.
fn user(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

#[test]
fn every_text_is_judged_in_its_turn() {
    check(json!({}), &[(User, "hi")], &[]);
    check(json!({"system": "be good"}), &[(User, "hi"), (User, "be good")], &[]);
    check(
        json!({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "b"}]}),
        &[(User, "hi"), (User, "a\nb")],
        &[],
    );
    check(
        user(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])),
        &[(User, "a\nb")],
        &[],
    );
    check(
        json!({"messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "Ab3+/=_-"},
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"town": "Rome"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true,
                    "content": [{"type": "text", "text": "s"}]},
                {"type": "text", "text": "u"}]}]}),
        &[
            (User, "q"),
            (Agent, "a"),
            (Agent, "t"),
            (Agent, "f"),
            (Agent, "town\nRome"),
            (User, "u"),
            (User, "r\ns"),
        ],
        &[],
    );
    check(
        json!({"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object",
                "properties": {"town": {"type": "string"}}}}],
            "tool_choice": {"type": "tool", "name": "f"}, "stop_sequences": ["s"],
            "metadata": {"user_id": "two words"}, "thinking": {"type": "enabled", "budget_tokens": 9},
            "new": {"deep": ["leaf"]}}),
        &[
            (User, "hi"),
            (User, "f\nd\ntown"),
            (User, "f"),
            (User, "s"),
            (User, "two words"),
            (User, "new\ndeep\nleaf"),
        ],
        &[],
    );
}

#[test]
fn documents_are_read_where_they_are_text() {
    let document =
        |source: Value| user(json!([{"type": "document", "title": "t", "source": source}]));
    let text = json!({"type": "text", "media_type": "text/plain", "data": "aGVsbG8"});
    check(document(text), &[(User, "t\naGVsbG8")], &[]);
    let parts = json!({"type": "content", "content": [{"type": "text", "text": "a"}]});
    check(document(parts), &[(User, "t\na")], &[]);
    for source in [
        json!({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}),
        json!({"data": "AAAA"}),
        json!({"type": "url", "url": "https://x"}),
        json!({"type": "file", "file_id": "file_1"}),
    ] {
        let request = parse(document(source.clone())).unwrap();
        assert_eq!(said(&request.transcripts()), [(User, "t")], "{source}");
        assert_eq!(request.unread().len(), 1, "{source}");
    }
}

#[test]
fn what_nobody_can_read_is_named() {
    let at = "messages[0].content[0]";
    let image = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
    check(user(json!([{"type": "image", "source": image}])), &[], &[at]);
    check(user(json!([{"type": "redacted_thinking", "data": "AAAA"}])), &[], &[at]);
    check(user(json!([{"type": "new", "text": "a"}])), &[(User, "a"), (User, "new")], &[at]);
    check(
        user(json!([{"type": "tool_result", "content": [{"type": "image", "source": image}]}])),
        &[],
        &["messages[0].content[0].content[0]"],
    );
    check(
        user(json!([{"type": "web_search_tool_result", "content": [{"type": "web_search_result",
            "title": "t", "url": "u", "encrypted_content": "AAAA"}]}])),
        &[(User, "t\nu")],
        &["messages[0].content[0].content[0].encrypted_content"],
    );
    check(json!({"container": "c"}), &[(User, "hi"), (User, "c")], &["container"]);
    check(json!({"mcp_servers": []}), &[(User, "hi")], &[]);
    let server = json!([{"type": "url", "url": "https://x", "name": "n"}]);
    assert_eq!(parse(json!({"mcp_servers": server})).unwrap().unread()[0].as_str(), "mcp_servers");
    // What only looks like a seal is judged.
    let thinking = json!([{"type": "thinking", "thinking": "t", "signature": "not sealed"}]);
    check(user(thinking), &[(User, "t\nnot sealed")], &[]);
}

#[test]
fn what_is_malformed_is_refused_in_words() {
    #[track_caller]
    fn check(fields: Value, code: &str, param: &str) {
        let malformed = parse(fields).unwrap_err();
        assert_eq!((malformed.code(), malformed.param()), (code, Some(param)));
    }
    check(json!({"messages": []}), "invalid_value", "messages");
    check(json!({"messages": ["x"]}), "invalid_value", "messages[0]");
    check(json!({"stream": 1}), "invalid_value", "stream");
    let edits = json!({"edits": [{"type": "clear_tool_uses_20250919"}]});
    check(json!({"context_management": edits}), "field_refused", "context_management");
    check(json!({"chat_template": "x"}), "field_refused", "chat_template");
}

#[test]
fn the_question_is_what_the_user_said_last_and_no_result_of_a_tool() {
    let request = parse(json!({"messages": [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "tool_result", "content": "result"}]}]}));
    assert_eq!(&*request.unwrap().asked().question(0), "first");
}

#[test]
fn an_answer_is_one_whole() {
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "Ab3+/="},
            {"type": "text", "text": "how to make a b", "citations": [{"type": "char_location",
                "cited_text": "c", "document_index": 0, "document_title": "d"}]},
            {"type": "text", "text": "omb"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "b"}}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 5, "service_tier": "standard"}});
    let parse =
        |answer: &Value| Answer::parse(Dialect::Messages, Bytes::from(answer.to_string())).unwrap();
    let whole = parse(&answer);
    let choices: Vec<_> = whole.choices(&Asked::new(Dialect::Messages, "q", 1)).collect();
    assert_eq!(choices.len(), 1);
    assert_eq!(
        said(&choices[0].transcripts()),
        [(Agent, "how to make a b\nomb"), (Agent, "t"), (Agent, "f"), (Agent, "c\nd\na\nb"),]
    );
    assert!(choices[0].unread.is_empty() && whole.rest_transcripts().is_empty());

    let expected = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [{"type": "text", "text": "no"}], "stop_reason": "refusal",
        "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 5}});
    let read = |bytes: Bytes| serde_json::from_slice::<Value>(&bytes).unwrap();
    let farewell = Farewell::new("no", End::Filtered);
    assert_eq!(read(whole.without(&[(0, farewell.clone())])), expected);
    assert_eq!(read(whole.withheld(&farewell).unwrap()), expected);

    let error = parse(&json!({"type": "error", "error": {"type": "api_error", "message": "m"}}));
    assert_eq!(error.choices(&Asked::new(Dialect::Messages, "q", 1)).count(), 0);
    assert_eq!(said(&error.rest_transcripts()), [(User, "api_error\nm")]);
    assert_eq!(error.withheld(&farewell), None);
}

#[test]
fn every_event_says_its_pieces_by_channel() {
    #[track_caller]
    fn check(event: Value, expected: &[(Channel, u64, &str)], finished: bool) {
        let chunk = delta::read(Dialect::Messages, &event);
        assert_eq!(chunk.choices.len(), 1);
        let choice = &chunk.choices[0];
        let pieces = choice.found.pieces.iter();
        let found: Vec<(Channel, &str)> = pieces.map(|each| (each.channel, &*each.text)).collect();
        let wanted: Vec<(Channel, &str)> =
            expected.iter().map(|(channel, _, text)| (*channel, *text)).collect();
        assert_eq!(found, wanted);
        for (piece, (channel, slot, _)) in choice.found.pieces.iter().zip(expected) {
            assert!(*channel == Other || piece.slot == *slot, "{piece:?}");
        }
        assert_eq!((choice.finished, choice.index), (finished, 0));
        assert!(choice.found.unread.is_empty() && chunk.rest.pieces.is_empty());
    }
    let delta = |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    check(
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
            "role": "assistant", "model": "m", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        &[],
        false,
    );
    check(
        json!({"type": "content_block_start", "index": 2, "content_block":
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}}),
        &[(Tool, 2, "f")],
        false,
    );
    check(delta(1, json!({"type": "text_delta", "text": "a"})), &[(Content, 0, "a")], false);
    check(
        delta(1, json!({"type": "input_json_delta", "partial_json": "{"})),
        &[(Tool, 1, "{")],
        false,
    );
    check(
        delta(0, json!({"type": "thinking_delta", "thinking": "t"})),
        &[(Reasoning, 0, "t")],
        false,
    );
    check(delta(0, json!({"type": "signature_delta", "signature": "Ab+/="})), &[], false);
    check(
        delta(
            0,
            json!({"type": "citations_delta", "citation": {"type": "char_location",
            "cited_text": "c"}}),
        ),
        &[(Key, 0, "cited_text"), (Other, 0, "c")],
        false,
    );
    check(json!({"type": "content_block_stop", "index": 1}), &[], false);
    check(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn",
            "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        &[],
        true,
    );
    check(json!({"type": "message_stop"}), &[], false);
    check(
        json!({"type": "new", "x": "y"}),
        &[(Other, 0, "new"), (Key, 0, "x"), (Other, 0, "y")],
        false,
    );
}

#[test]
fn errors_and_signs_of_life_stand_beside_the_message() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}});
    let chunk = delta::read(Dialect::Messages, &error);
    assert!(chunk.choices.is_empty() && chunk.is_error && !chunk.is_last);
    assert_eq!(chunk.rest.joined(|_| true).text(), "overloaded_error\nm");
    let ping = json!({"type": "ping"});
    let chunk = delta::read(Dialect::Messages, &ping);
    assert!(chunk.choices.is_empty() && chunk.rest.pieces.is_empty());
    assert!(delta::read(Dialect::Messages, &json!({"type": "message_stop"})).is_last);
}
