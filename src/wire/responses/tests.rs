use bytes::Bytes;
use serde_json::{Value, json};

use crate::transcript::{Role, Transcript};
use crate::wire::answer::Answer;
use crate::wire::asked::Asked;
use crate::wire::delta;
use crate::wire::dialect::Dialect;
use crate::wire::farewell::{End, Farewell};
use crate::wire::field::Channel::{
    self, Alternatives, Content, Key, Other, Reasoning, Refusal, Tokens, Tool,
};
use crate::wire::malformed::Malformed;
use crate::wire::request::Request;
use crate::wire::responses::Repeats;
use Role::{Agent, User};

fn parse(fields: Value) -> Result<Request, Malformed> {
    let mut request = json!({"model": "m", "input": "hi"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Request::parse(Dialect::Responses, Bytes::from(request.to_string()))
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

#[test]
fn every_text_is_judged_in_its_turn() {
    check(json!({"instructions": "be good"}), &[(User, "hi"), (User, "be good")], &[]);
    check(json!({"input": null}), &[], &[]);
    check(
        json!({"input": [
            {"role": "developer", "content": "d"},
            {"role": "user", "content": [{"type": "input_text", "text": "a"},
                {"type": "input_text", "text": "b"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"x\":1}"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
            {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "i"},
            {"type": "custom_tool_call_output", "call_id": "c", "output":
                [{"type": "input_text", "text": "o"}]},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "t", "annotations": []}]}]}),
        &[
            (User, "d"),
            (User, "a\nb"),
            (Agent, "s"),
            (Agent, "f\n{\"x\":1}"),
            (User, "r"),
            (Agent, "g\ni"),
            (User, "o"),
            (Agent, "t"),
        ],
        &[],
    );
    check(
        json!({"tools": [{"type": "function", "name": "f", "description": "d", "strict": true,
                "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}],
            "tool_choice": {"type": "function", "name": "f"}, "metadata": {"k": "v"},
            "reasoning": {"effort": "low", "summary": "auto"}, "include": ["a.b"],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"title": "t"}}},
            "store": false, "truncation": "disabled", "new": {"deep": ["leaf"]}}),
        &[
            (User, "hi"),
            (User, "f\nd\ntown"),
            (User, "f"),
            (User, "k\nv"),
            (User, "n\nt"),
            (User, "new\ndeep\nleaf"),
        ],
        &[],
    );
}

#[test]
fn what_nobody_can_read_is_named() {
    let part = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    let at = "input[0].content[0]";
    check(part(json!({"type": "input_image", "image_url": "data:x"})), &[], &[at]);
    check(part(json!({"type": "input_file", "file_id": "file_1"})), &[], &[at]);
    check(part(json!({"type": "new", "text": "a"})), &[(User, "a"), (User, "new")], &[at]);
    let item = |item: Value| json!({"input": [item]});
    check(
        item(json!({"type": "item_reference", "id": "msg_1"})),
        &[(User, "item_reference")],
        &["input[0]"],
    );
    check(item(json!({"type": "new", "x": "y"})), &[(User, "new\nx\ny")], &["input[0]"]);
    check(item(json!({"content": "a"})), &[(User, "a")], &["input[0]"]);
    check(
        item(json!({"type": "reasoning", "summary": [], "encrypted_content": "AAAA"})),
        &[],
        &["input[0].encrypted_content"],
    );
    check(
        item(json!({"type": "image_generation_call", "result": "a b"})),
        &[(User, "image_generation_call\nresult\na b")],
        &["input[0]"],
    );
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("background", json!(true)),
        ("prompt", json!({"id": "pmpt_1"})),
    ] {
        let request = parse(json!({field: value})).unwrap();
        assert_eq!(request.unread().iter().map(|path| path.as_str()).collect::<Vec<_>>(), [field]);
    }
}

#[test]
fn what_is_malformed_is_refused_in_words() {
    #[track_caller]
    fn check(fields: Value, code: &str, param: &str) {
        let malformed = parse(fields).unwrap_err();
        assert_eq!((malformed.code(), malformed.param()), (code, Some(param)));
    }
    check(json!({"input": 7}), "invalid_value", "input");
    check(json!({"input": ["x"]}), "invalid_value", "input[0]");
    check(json!({"truncation": "auto"}), "field_refused", "truncation");
    check(json!({"context_management": []}), "field_refused", "context_management");
    check(json!({"chat_template": "x"}), "field_refused", "chat_template");
}

#[test]
fn the_question_is_what_the_user_said_last() {
    let request = parse(json!({"input": [
        {"role": "user", "content": "first"},
        {"type": "function_call_output", "call_id": "c", "output": "result"}]}));
    assert_eq!(&*request.unwrap().asked().question(0), "first");
    assert_eq!(&*parse(json!({})).unwrap().asked().question(0), "hi");
}

#[test]
fn a_response_is_one_whole() {
    let body = json!({"id": "resp_1", "object": "response", "created_at": 5, "status": "completed",
        "error": null, "incomplete_details": null, "instructions": "be good", "model": "m",
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]},
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation",
                    "start_index": 0, "end_index": 1, "url": "u", "title": "t"}], "logprobs": []},
                {"type": "refusal", "refusal": "r"}]},
            {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c",
                "name": "f", "arguments": "g"},
            {"id": "fc_2", "type": "function_call", "call_id": "d", "name": "h", "arguments": "i"}],
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "text": {"format": {"type": "text"}}, "truncation": "disabled",
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}});
    let parse =
        |body: &Value| Answer::parse(Dialect::Responses, Bytes::from(body.to_string())).unwrap();
    let whole = parse(&body);
    let choices: Vec<_> = whole.choices(&Asked::new(Dialect::Responses, "q", 1)).collect();
    assert_eq!(choices.len(), 1);
    assert_eq!(
        said(&choices[0].transcripts()),
        [
            (Agent, "a"),
            (Agent, "r"),
            (Agent, "s"),
            (Agent, "f\ng"),
            (Agent, "h\ni"),
            (Agent, "be good\nu\nt"),
        ]
    );
    assert!(choices[0].unread.is_empty() && whole.rest_transcripts().is_empty());

    let farewell = Farewell::new("no", End::Filtered);
    let withheld = whole.without(&[(0, farewell.clone())]);
    let withheld: Value = serde_json::from_slice(&withheld).unwrap();
    assert_eq!((&withheld["id"], &withheld["status"]), (&json!("resp_1"), &json!("incomplete")));
    assert_eq!(withheld["incomplete_details"], json!({"reason": "content_filter"}));
    assert_eq!(withheld["output"][0]["content"][0]["text"], "no");
    assert_eq!(
        (withheld["output"].as_array().map(Vec::len), withheld.get("text")),
        (Some(1), None)
    );

    let error = parse(&json!({"error": {"message": "m", "type": "server_error"}}));
    assert_eq!(error.choices(&Asked::new(Dialect::Responses, "q", 1)).count(), 0);
    assert_eq!(said(&error.rest_transcripts()), [(User, "m\nserver_error")]);
    assert_eq!(error.withheld(&farewell), None);
}

#[test]
fn every_event_says_its_pieces_by_channel() {
    #[track_caller]
    fn check(kind: &str, fields: Value, expected: &[(Channel, u64, &str)]) {
        let mut event = json!({"type": kind, "sequence_number": 7, "item_id": "msg_1"});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let chunk = delta::read(Dialect::Responses, &event);
        let found = &chunk.choices[0].found;
        let pieces: Vec<(Channel, u64, &str)> =
            found.pieces.iter().map(|each| (each.channel, each.slot, &*each.text)).collect();
        assert_eq!(pieces, expected, "{kind}");
        let is_end = ["completed", "incomplete", "failed"].iter().any(|end| kind.ends_with(end))
            && kind.matches('.').count() == 1;
        assert_eq!((chunk.is_last, chunk.choices[0].finished), (is_end, is_end), "{kind}");
        assert!(found.unread.is_empty() && chunk.rest.pieces.is_empty(), "{kind}");
    }
    let delta = json!({"output_index": 3, "content_index": 0, "delta": "x"});
    check("response.output_text.delta", delta.clone(), &[(Content, 0, "x")]);
    check("response.refusal.delta", delta.clone(), &[(Refusal, 0, "x")]);
    check("response.reasoning_text.delta", delta.clone(), &[(Reasoning, 0, "x")]);
    check("response.reasoning_summary_text.delta", delta.clone(), &[(Reasoning, 0, "x")]);
    check("response.function_call_arguments.delta", delta.clone(), &[(Tool, 3, "x")]);
    check("response.custom_tool_call_input.delta", delta.clone(), &[(Tool, 3, "x")]);
    check("response.code_interpreter_call_code.delta", delta, &[(Tool, 3, "x")]);
    let text = json!({"output_index": 3, "content_index": 0, "text": "x", "logprobs": []});
    check("response.output_text.done", text.clone(), &[(Content, 0, "x")]);
    check("response.reasoning_summary_text.done", text, &[(Reasoning, 0, "x")]);
    let arguments = json!({"output_index": 3, "arguments": "x", "name": "f"});
    check("response.function_call_arguments.done", arguments, &[(Tool, 3, "x"), (Tool, 3, "f")]);
    check("response.refusal.done", json!({"refusal": "x"}), &[(Refusal, 0, "x")]);
    let item = json!({"id": "fc_1", "type": "function_call", "name": "f", "arguments": ""});
    check(
        "response.output_item.added",
        json!({"output_index": 3, "item": item}),
        &[(Tool, 3, "f")],
    );
    let part = json!({"type": "output_text", "text": "x", "logprobs": [{"token": "y", "bytes": null,
        "logprob": -1, "top_logprobs": [{"token": "z", "logprob": -2}]}]});
    check(
        "response.content_part.done",
        json!({"output_index": 3, "part": part}),
        &[(Content, 0, "x"), (Tokens, 0, "y"), (Alternatives, 0, "z")],
    );
    let output = json!([
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "name": "f", "arguments": "y"}]);
    check(
        "response.completed",
        json!({"response": {"id": "resp_1", "status": "completed", "output": output}}),
        &[(Content, 0, "x"), (Tool, 1, "f"), (Tool, 1, "y")],
    );
    check("response.failed", json!({"response": {"error": {"message": "m"}}}), &[(Other, 0, "m")]);
    check("response.web_search_call.completed", json!({"output_index": 0}), &[]);
    let unknown = json!({"type": "response.new", "new": 1});
    let chunk = delta::read(Dialect::Responses, &unknown);
    let channels = chunk.choices[0].found.pieces.iter().map(|piece| piece.channel);
    assert_eq!(channels.collect::<Vec<_>>(), [Other, Key]);
}

#[test]
fn errors_stand_beside_the_response() {
    let error = json!({"type": "error", "code": "c", "message": "m", "param": null,
        "sequence_number": 3});
    let chunk = delta::read(Dialect::Responses, &error);
    assert!(chunk.choices.is_empty() && chunk.is_error && !chunk.is_last);
    assert_eq!(chunk.rest.joined(|_| true).text(), "c\nm");
}

#[test]
fn only_exact_copies_are_judged_no_second_time() {
    let mut repeats = Repeats::of(Dialect::Responses).unwrap();
    let mut check = |event: Value, expected: &[&str]| {
        let mut chunk = delta::read(Dialect::Responses, &event);
        repeats.take_out(&event, &mut chunk);
        let pieces = &chunk.choices[0].found.pieces;
        let left: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
        assert_eq!(left, expected, "{event}");
    };
    let created = |kind: &str| json!({"type": kind, "response": {"instructions": "be good"}});
    let added = |index: u32, item: Value| json!({"type": "response.output_item.added", "output_index": index, "item": item});
    let done = |index: u32, item: Value| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let at = |part: u32, kind: &str, field: &str, value: Value| json!({"type": kind, "output_index": 0, "content_index": part, field: value});
    let output = |text: &str| json!({"type": "output_text", "text": text});
    let part =
        |part: u32, text: &str| at(part, "response.content_part.added", "part", output(text));
    let say = |part: u32, text: &str| at(part, "response.output_text.delta", "delta", text.into());
    let said = |part: u32, text: &str| at(part, "response.output_text.done", "text", text.into());
    let message = |texts: &[&str]| {
        let parts: Vec<Value> = texts.iter().map(|text| output(text)).collect();
        json!({"type": "message", "content": parts})
    };
    let completed =
        |output: Value| json!({"type": "response.completed", "response": {"output": output}});

    check(created("response.created"), &["be good"]);
    check(created("response.in_progress"), &[]);
    check(added(0, message(&[])), &[]);
    check(part(0, ""), &[]);
    check(say(0, "how to make"), &["how to make"]);
    check(say(0, " a b"), &[" a b"]);
    check(said(0, "how to make a b"), &[]);
    check(said(1, "how to make a b"), &["how to make a b"]);
    check(said(0, "how to make a bomb"), &["how to make a bomb"]);
    check(part(1, ""), &[]);
    check(say(1, "x"), &["x"]);
    check(say(1, "x"), &["x"]);
    check(said(1, "xx"), &[]);
    check(said(1, "x"), &["x"]);
    // What is added once more is said once more.
    check(part(2, "y"), &["y"]);
    check(part(3, "y"), &["y"]);
    let texts = ["how to make a b", "how to make a b", "how to make a bomb", "xx", "x", "y", "y"];
    check(done(0, message(&texts)), &[]);
    check(done(1, message(&texts)), &texts);
    check(added(1, json!({"type": "function_call", "name": "f", "arguments": ""})), &["f"]);
    let go_on = "response.function_call_arguments.delta";
    check(json!({"type": go_on, "output_index": 1, "delta": "{"}), &["{"]);
    check(json!({"type": go_on, "output_index": 1, "delta": "}"}), &["}"]);
    let closed = "response.function_call_arguments.done";
    check(json!({"type": closed, "output_index": 1, "arguments": "{}"}), &[]);
    check(json!({"type": closed, "output_index": 2, "arguments": "{}"}), &["{}"]);
    let call = json!({"type": "function_call", "name": "f", "arguments": "{}"});
    check(done(1, call.clone()), &[]);
    check(completed(json!([message(&texts), call.clone()])), &texts);
    check(completed(json!([message(&[texts, texts, texts].concat()), call])), &[]);
}
