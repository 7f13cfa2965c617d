//! OpenAI's Responses through the gateway.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

async fn asked(request: &Value, steps: Vec<Step>) -> (Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    client.send(post_to("/v1/responses", &key, &request.to_string())).await;
    (client.answer().await.expect("an answer"), gateway)
}

fn with(fields: Value) -> Value {
    let mut request = json!({"model": "m", "input": "hello"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

fn streamed() -> Value {
    with(json!({"stream": true}))
}

fn response(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 5, "status": "completed",
        "error": null, "incomplete_details": null, "instructions": null, "model": "m",
        "output": output, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}})
}

fn message(text: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [
        {"type": "output_text", "text": text, "annotations": []}]})
}

/// The events of a message said in these pieces, and in the whole as `copy`.
fn events(pieces: &[String], copy: &str) -> Vec<String> {
    let place = |mut event: Value| {
        let fields = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let all = pieces.concat();
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = json!({"id": "msg_1", "type": "message", "status": "in_progress",
        "role": "assistant", "content": []});
    let mut events = vec![
        json!({"type": "response.created", "response": response(json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        place(json!({"type": "response.content_part.added", "part": part("")})),
    ];
    events.extend(
        pieces
            .iter()
            .map(|piece| place(json!({"type": "response.output_text.delta", "delta": piece}))),
    );
    events.extend([
        place(json!({"type": "response.output_text.done", "text": all})),
        place(json!({"type": "response.content_part.done", "part": part(&all)})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message(&all)}),
        json!({"type": "response.completed", "response": response(json!([message(copy)]))}),
    ]);
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    });
    numbered.collect()
}

fn sentences() -> Vec<String> {
    (0..60).map(|turn| format!("Sentence {turn} is fine. ")).collect()
}

/// The events that a client was sent.
fn read(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_input_is_answered_byte_for_byte() {
    let request = with(json!({"instructions": "be good", "store": false, "temperature": 0.50}));
    let body = response(json!([message("fine")])).to_string();
    let (answer, mut gateway) = asked(&request, upstream::json(&body)).await;
    assert_eq!((answer.status, answer.text()), (200, body.as_str()));
    gateway.upstream.seen(|seen| {
        let (head, body) = &seen.requests[0];
        assert!(head.starts_with("POST /v1/responses HTTP/1.1\r\n"), "{head}");
        assert_eq!(body, request.to_string().as_bytes());
    });
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["route"], "responses");

    let events = events(&sentences(), &sentences().concat());
    let (answer, mut gateway) = asked(&streamed(), upstream::events(&events)).await;
    assert_eq!((answer.status, answer.text()), (200, events.concat().as_str()));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_blocked_never_reaches_the_upstream() {
    let user = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    for (fields, code, param) in [
        (json!({"input": "the canary"}), "content_filter", "input"),
        (user(json!({"type": "input_text", "text": "canary"})), "content_filter", "input"),
        (json!({"instructions": "canary"}), "content_filter", "input"),
        (
            json!({"input": [{"type": "function_call_output", "output": "canary"}]}),
            "content_filter",
            "input",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "f", "arguments": "canary"}]}),
            "content_filter",
            "input",
        ),
        (
            json!({"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "canary"}]}]}),
            "content_filter",
            "input",
        ),
        (
            json!({"tools": [{"type": "function", "name": "f", "description": "canary"}]}),
            "content_filter",
            "input",
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "canary"}}}),
            "content_filter",
            "input",
        ),
        (json!({"metadata": {"k": "canary"}}), "content_filter", "input"),
        (json!({"x_new": {"canary": 1}}), "content_filter", "input"),
        (
            user(json!({"type": "input_image", "image_url": "data:x"})),
            "content_unreadable",
            "input[0].content[0]",
        ),
        (
            user(json!({"type": "input_file", "file_id": "file_1"})),
            "content_unreadable",
            "input[0].content[0]",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
            "content_unreadable",
            "input[0]",
        ),
        (json!({"previous_response_id": "resp_1"}), "content_unreadable", "previous_response_id"),
        (json!({"conversation": "conv_1"}), "content_unreadable", "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "content_unreadable", "prompt"),
        (json!({"truncation": "auto"}), "field_refused", "truncation"),
        (
            json!({"context_management": [{"type": "compaction"}]}),
            "field_refused",
            "context_management",
        ),
        (json!({"input": 7}), "invalid_value", "input"),
    ] {
        let request = with(fields);
        let (answer, gateway) = asked(&request, upstream::json("{}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{request}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{request}");
        assert_eq!(answer.json()["error"]["param"], param, "{request}");
        assert!(!answer.text().contains("canary"), "{request}");
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_response_is_withheld_whole() {
    for output in [
        json!([message("the canary")]),
        json!([message("fine"), {"type": "function_call", "name": "f", "arguments": "canary"}]),
        json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "canary"}]}]),
        json!([{"type": "custom_tool_call", "name": "f", "input": "canary"}]),
        json!([{"type": "web_search_call", "action": {"type": "search", "query": "canary"}}]),
        json!([{"type": "message", "content": [{"type": "refusal", "refusal": "canary"}]}]),
        json!([{"type": "message", "content": [{"type": "output_text", "text": "fine",
            "annotations": [{"type": "url_citation", "title": "canary"}]}]}]),
    ] {
        let body = response(output).to_string();
        let (answer, mut gateway) = asked(&with(json!({})), upstream::json(&body)).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["id"], &body["status"]), (&json!("resp_1"), &json!("incomplete")));
        assert_eq!(body["incomplete_details"]["reason"], "content_filter");
        let text = &body["output"][0]["content"][0]["text"];
        assert!(text.as_str().is_some_and(|text| text.contains("withheld")), "{body}");
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_stream_is_cut_and_closed_in_order() {
    let mut pieces = sentences();
    pieces.insert(40, "and now the can".to_owned());
    pieces.insert(41, "ary appears. ".to_owned());
    let events = events(&pieces, &pieces.concat());
    let (answer, mut gateway) = asked(&streamed(), upstream::events(&events)).await;
    let text = answer.text();
    assert!(text.starts_with(&events[..4].concat()), "what was cleared went out: {text}");
    assert!(!text.contains("can\"") && !text.contains("ary appears"), "nothing unjudged did");
    let mut read = read(text);
    read.retain(|event| event["type"] != "keepalive");
    for (number, event) in read.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{text}");
    }
    let kinds: Vec<&str> = read.iter().filter_map(|event| event["type"].as_str()).collect();
    let end = [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ];
    assert!(kinds.ends_with(&end), "{kinds:?}");
    let last = &read.last().expect("an event")["response"];
    assert_eq!((&last["id"], &last["status"]), (&json!("resp_1"), &json!("incomplete")));
    assert_eq!(last["incomplete_details"]["reason"], "content_filter");
    let said = last["output"][0]["content"][0]["text"].as_str().expect("text");
    assert!(pieces.concat().starts_with(said) && said.len() > 100, "{said}");
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(
        (&closed[0]["outcome"], &closed[0]["response"]["decision"]),
        (&json!("cut"), &json!("block"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_says_something_else_is_cut() {
    let events = events(&sentences(), "the canary");
    let (answer, _gateway) = asked(&streamed(), upstream::events(&events)).await;
    let text = answer.text();
    let before = events[..events.len() - 1].concat();
    assert!(text.starts_with(&before) && !text.contains("canary"), "{text}");
    assert!(text.contains("event: response.incomplete"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_stream_says_so_beside_the_numbered_events() {
    let doubtful = ["a doubtful sentence. ".to_owned()];
    let events = events(&doubtful, &doubtful[0]);
    let (answer, _gateway) = asked(&streamed(), upstream::events(&events)).await;
    let (last, before) = events.split_last().expect("events");
    let text = answer.text();
    assert!(text.starts_with(&before.concat()) && text.ends_with(last), "{text}");
    assert!(text.contains("data: {\"type\":\"keepalive\",\"content_filters\":"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_are_judged_and_passed_on() {
    let body = r#"{"error": {"message": "quota", "type": "insufficient_quota", "code": null}}"#;
    let steps = upstream::whole("429 Too Many Requests", "application/json", body);
    let (answer, _gateway) = asked(&with(json!({})), steps).await;
    assert_eq!((answer.status, answer.text()), (429, body));
    let harmful = body.replace("quota", "the canary");
    let (answer, _gateway) = asked(&with(json!({})), upstream::json(&harmful)).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "content_filter"));
    assert!(!answer.text().contains("canary"));

    let mut events = events(&["fine. ".to_owned()], "fine. ");
    events.truncate(4);
    events.push("data: {not json}\n\n".to_owned());
    let (answer, _gateway) = asked(&streamed(), upstream::events(&events)).await;
    let text = answer.text();
    assert!(
        text.contains("event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_unreadable\"")
    );
    assert!(!text.contains("not json"), "{text}");
    let numbers: Vec<u64> =
        read(text).iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.len() > 2, "{text}");
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "the error is the next: {text}");
}
