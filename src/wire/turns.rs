//! For tests: whose turn each text of a request is. The table of the `dialect` page, held.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::transcript::Role::{self, Agent, User};
use crate::wire::dialect::Dialect;
use crate::wire::request::Request;

/// A turn that is judged: who speaks, in the light of what, and the text.
type Judged<'a> = (Role, &'a str, &'a str);

/// All of them, in the order in which they are shown.
#[rustfmt::skip]
const CHAT: &[Judged<'_>] = &[
    (User, "", "what the application says"),
    (User, "", "what the developer says"),
    (User, "", "what a person says"),
    (User, "", "Alex K"),
    (Agent, "what a person says", "an answer"),
    (Agent, "what a person says", "a thought"),
    (Agent, "what a person says", "look_up\n{\"q\":1}"),
    (User, "", "what a tool gave back"),
    (User, "", "what a function gave back"),
    (User, "", "of nobody known"),
    (User, "", "the oracle"),
    (User, "", "of nobody"),
    (User, "", "look_up\nhow to look up"),
    (User, "", "text\na document"),
    (User, "", "the end"),
    (User, "", "new\na field"),
];

fn chat() -> Value {
    json!({"messages": [
        {"role": "system", "content": "what the application says"},
        {"role": "developer", "content": "what the developer says"},
        {"role": "user", "name": "Alex K", "content": [{"type": "text", "text": "what a person says"}]},
        {"role": "assistant", "content": "an answer", "reasoning_content": "a thought",
         "tool_calls": [{"id": "c", "type": "function",
            "function": {"name": "look_up", "arguments": "{\"q\":1}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "what a tool gave back"},
        {"role": "function", "content": "what a function gave back"},
        {"role": "the oracle", "content": "of nobody known"},
        {"content": "of nobody"}],
        "tools": [{"type": "function",
            "function": {"name": "look_up", "description": "how to look up"}}],
        "documents": [{"text": "a document"}], "stop": ["the end"], "new": "a field"})
}

#[rustfmt::skip]
const MESSAGES: &[Judged<'_>] = &[
    (User, "", "what a person says"),
    (User, "", "its title\na document"),
    (Agent, "what a person says", "an answer"),
    (Agent, "what a person says", "a thought"),
    (Agent, "what a person says", "look_up"),
    (Agent, "what a person says", "q\nin a tool"),
    (User, "", "what a tool gave back"),
    (User, "", "what the application says"),
    (User, "", "look_up\nhow to look up"),
];

fn messages() -> Value {
    json!({"messages": [
        {"role": "user", "content": [{"type": "text", "text": "what a person says"},
            {"type": "document", "title": "its title", "source":
                {"type": "text", "media_type": "text/plain", "data": "a document"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "a thought",
            "signature": "AAAA"}, {"type": "text", "text": "an answer"},
            {"type": "tool_use", "id": "c", "name": "look_up", "input": {"q": "in a tool"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content":
            [{"type": "text", "text": "what a tool gave back"}]}]}],
        "system": [{"type": "text", "text": "what the application says"}],
        "tools": [{"name": "look_up", "description": "how to look up"}]})
}

#[rustfmt::skip]
const RESPONSES: &[Judged<'_>] = &[
    (User, "", "what the developer says"),
    (User, "", "what a person says"),
    (Agent, "what a person says", "a thought"),
    (Agent, "what a person says", "look_up\n{\"q\":1}"),
    (User, "", "what a tool gave back"),
    (Agent, "what a person says", "an answer"),
    (User, "", "what the application says"),
    (User, "", "look_up\nhow to look up"),
];

fn responses() -> Value {
    json!({"input": [
        {"role": "developer", "content": "what the developer says"},
        {"role": "user", "content": [{"type": "input_text", "text": "what a person says"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a thought"}]},
        {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{\"q\":1}"},
        {"type": "function_call_output", "call_id": "c", "output": "what a tool gave back"},
        {"type": "message", "role": "assistant", "content":
            [{"type": "output_text", "text": "an answer"}]}],
        "instructions": "what the application says",
        "tools": [{"type": "function", "name": "look_up", "description": "how to look up"}]})
}

#[test]
fn every_text_of_a_request_has_its_turn_in_every_dialect() {
    let one = [(User, "", "one"), (User, "", "two"), (User, "", "who asks")];
    for (dialect, mut request, expected) in [
        (Dialect::Chat, chat(), CHAT),
        (Dialect::Messages, messages(), MESSAGES),
        (Dialect::Responses, responses(), RESPONSES),
        (Dialect::Completions, json!({"prompt": ["one", "two"], "user": "who asks"}), &one),
        (Dialect::Embeddings, json!({"input": ["one", "two"], "user": "who asks"}), &one),
    ] {
        request["model"] = "m".into();
        let request = Request::parse(dialect, Bytes::from(request.to_string())).unwrap();
        assert_eq!(request.unread(), []);
        let transcripts = request.transcripts();
        let judged: Vec<Judged<'_>> = transcripts
            .iter()
            .map(|each| {
                let before: Vec<&str> = each.context().iter().map(|turn| &*turn.text).collect();
                assert!(before.len() <= 1, "a text, and at most what it answers");
                let judged = each.judged();
                (judged.role, before.first().copied().unwrap_or_default(), &*judged.text)
            })
            .collect();
        assert_eq!(judged, expected, "{dialect:?}");
    }
}
