//! Anthropic's Messages through the gateway.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

async fn send(gateway: &TestGateway, headers: &str, request: &Value) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    client.send(post_to("/v1/messages", headers, &request.to_string())).await;
    client.answer().await.expect("an answer")
}

async fn asked(request: &Value, steps: Vec<Step>) -> (Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let answer = send(&gateway, &format!("x-api-key: {KEY}\r\n"), request).await;
    (answer, gateway)
}

fn with(fields: Value) -> Value {
    let mut request = json!({"model": "m", "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}]});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

fn message(content: Value) -> String {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 5}})
    .to_string()
}

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn event(value: Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
}

fn begin() -> String {
    let message: Value = serde_json::from_str(&message(json!([]))).unwrap();
    event(json!({"type": "message_start", "message": message})).replace("\"end_turn\"", "null")
}

fn open() -> String {
    event(json!({"type": "content_block_start", "index": 0, "content_block":
        {"type": "text", "text": ""}}))
}

fn say(text: &str) -> String {
    event(json!({"type": "content_block_delta", "index": 0, "delta":
        {"type": "text_delta", "text": text}}))
}

fn end() -> [String; 3] {
    [
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn",
            "stop_sequence": null}, "usage": {"output_tokens": 9}})),
        event(json!({"type": "message_stop"})),
    ]
}

fn harmless() -> Vec<String> {
    let mut events = vec![begin(), open(), event(json!({"type": "ping"}))];
    events.extend((0..60).map(|turn| say(&format!("Sentence {turn} is fine. "))));
    events.extend(end());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_message_is_answered_byte_for_byte() {
    let request = with(json!({"system": "be good", "temperature": 0.50}));
    let body = message(text("fine"));
    let (answer, mut gateway) = asked(&request, upstream::json(&body)).await;
    assert_eq!((answer.status, answer.text()), (200, body.as_str()));
    gateway.upstream.seen(|seen| {
        let (head, body) = &seen.requests[0];
        assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{head}");
        assert_eq!(body, request.to_string().as_bytes());
    });
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["route"], "messages");

    let events = harmless();
    let (answer, mut gateway) =
        asked(&with(json!({"stream": true})), upstream::events(&events)).await;
    assert_eq!((answer.status, answer.text()), (200, events.concat().as_str()));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn either_header_holds_the_key_and_goes_along_to_the_provider() {
    let steps = upstream::json(&message(text("fine")));
    let request = with(json!({}));
    for (headers, sent, not_sent) in [
        (format!("x-api-key: {KEY}\r\n"), format!("x-api-key: {KEY}"), "authorization"),
        (
            format!("Authorization: Bearer {KEY}\r\n"),
            format!("authorization: bearer {KEY}"),
            "x-api-key",
        ),
    ] {
        let gateway = TestGateway::start(Upstream::answering(steps.clone()).await).await;
        let headers = format!(
            "{headers}anthropic-version: 2023-06-01\r\nanthropic-beta: a-2025-01-01, b-2025\r\n\
             x-stainless-lang: python\r\n"
        );
        assert_eq!(send(&gateway, &headers, &request).await.status, 200);
        gateway.upstream.seen(|seen| {
            let head = seen.requests[0].0.to_lowercase();
            assert!(head.contains(&sent) && !head.contains(not_sent), "{head}");
            assert!(head.contains("anthropic-version: 2023-06-01"), "{head}");
            assert!(head.contains("anthropic-beta: a-2025-01-01, b-2025"), "{head}");
            assert!(!head.contains("stainless"), "{head}");
        });
    }
    let upstream = Upstream::answering(steps).await;
    let configured = TestGateway::start_with(upstream, |setup| {
        setup.credential = Some("sk-upstream".to_owned());
    })
    .await;
    let answer = send(&configured, &format!("Authorization: Bearer {KEY}\r\n"), &request).await;
    assert_eq!(answer.status, 200);
    assert!(configured.upstream.received("sk-upstream") && !configured.upstream.received(KEY));
    let head = configured.upstream.seen(|seen| seen.requests[0].0.to_lowercase());
    assert!(head.contains("x-api-key: sk-upstream") && !head.contains("authorization"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_one_known_key_is_refused_in_the_dialects_words() {
    let gateway = TestGateway::start(Upstream::answering(Vec::new()).await).await;
    let request = with(json!({}));
    for headers in [
        String::new(),
        "x-api-key: wrong\r\n".to_owned(),
        format!("x-api-key: Bearer {KEY}\r\n"),
        format!("x-api-key: wrong\r\nAuthorization: Bearer {KEY}\r\n"),
        format!("x-api-key: {KEY}\r\nAuthorization: Bearer wrong\r\n"),
    ] {
        let answer = send(&gateway, &headers, &request).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_api_key"), "{headers}");
        assert_eq!(answer.json()["type"], "error");
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
    }
    let twice = format!("x-api-key: {KEY}\r\nX-API-Key: {KEY}\r\n");
    assert_eq!(send(&gateway, &twice, &request).await.status, 400);
    let words = format!("x-api-key: {KEY}\r\nanthropic-beta: say the words\r\n");
    let answer = send(&gateway, &words, &request).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_header"));
    // The header is this dialect's alone.
    let mut client = Client::connect(gateway.data).await;
    let headers = format!("x-api-key: {KEY}\r\n");
    client.send(post_to("/v1/chat/completions", &headers, &request.to_string())).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(401));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_blocked_never_reaches_the_upstream() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png",
        "data": "AAAA"}});
    for (fields, code) in [
        (user(json!("the canary")), "content_filter"),
        (user(json!([{"type": "text", "text": "canary"}])), "content_filter"),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "x", "content": "canary"}])),
            "content_filter",
        ),
        (
            user(json!([{"type": "tool_result", "content": [{"type": "text", "text": "canary"}]}])),
            "content_filter",
        ),
        (
            user(json!([{"type": "document", "source": {"type": "text", "data": "canary"}}])),
            "content_filter",
        ),
        (json!({"system": "canary"}), "content_filter"),
        (json!({"system": [{"type": "text", "text": "canary"}]}), "content_filter"),
        (
            json!({"tools": [{"name": "f", "description": "canary", "input_schema": {}}]}),
            "content_filter",
        ),
        (json!({"tools": [{"name": "f", "input_schema": {"canary": 1}}]}), "content_filter"),
        (json!({"stop_sequences": ["canary"]}), "content_filter"),
        (json!({"metadata": {"user_id": "a canary"}}), "content_filter"),
        (json!({"x_new": {"canary": 1}}), "content_filter"),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content":
            [{"type": "tool_use", "id": "x", "name": "f", "input": {"q": "canary"}}]}]}),
            "content_filter",
        ),
        (user(json!([image])), "content_unreadable"),
        (user(json!([{"type": "redacted_thinking", "data": "AAAA"}])), "content_unreadable"),
        (
            json!({"mcp_servers": [{"type": "url", "url": "https://x", "name": "n"}]}),
            "content_unreadable",
        ),
        (json!({"container": "c"}), "content_unreadable"),
        (json!({"context_management": {"edits": []}}), "field_refused"),
        (json!({"messages": []}), "invalid_value"),
    ] {
        let request = with(fields);
        let (answer, gateway) = asked(&request, upstream::json(&message(text("fine")))).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{request}");
        assert_eq!(answer.json()["type"], "error", "{request}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{request}");
        assert!(!answer.text().contains("canary"), "{request}");
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_answer_is_withheld_whole() {
    for content in [
        text("the canary"),
        json!([{"type": "text", "text": "fine"}, {"type": "thinking", "thinking": "canary"}]),
        json!([{"type": "tool_use", "id": "x", "name": "f", "input": {"deep": ["canary"]}}]),
        json!([{"type": "tool_use", "id": "x", "name": "f", "input": {"canary": 1}}]),
        json!([{"type": "text", "text": "fine", "citations": [{"cited_text": "canary"}]}]),
    ] {
        let (answer, mut gateway) =
            asked(&with(json!({})), upstream::json(&message(content))).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["type"], &body["stop_reason"]), (&json!("message"), &json!("refusal")));
        assert!(body["content"][0]["text"].as_str().is_some_and(|text| text.contains("withheld")));
        assert_eq!(body["id"], "msg_1");
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_stream_is_cut_and_closed_in_order() {
    let mut events = harmless();
    events.insert(40, say("and now the can"));
    events.insert(41, say("ary appears. "));
    let (answer, mut gateway) =
        asked(&with(json!({"stream": true})), upstream::events(&events)).await;
    let said = answer.text();
    assert_eq!(answer.status, 200);
    assert!(said.starts_with(&events[..4].concat()), "what was cleared went out: {said}");
    assert!(!said.contains("can\"") && !said.contains("ary"), "nothing unjudged did");
    let [stop, _, last] = end();
    let refusal = event(json!({"type": "message_delta", "delta": {"stop_reason": "refusal",
        "stop_sequence": null}, "usage": {"output_tokens": 5}}));
    assert!(said.contains(&(stop + &refusal)), "{said}");
    assert!(said.ends_with(&last), "{said}");
    assert!(!said.contains("[DONE]"), "{said}");
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(
        (&closed[0]["outcome"], &closed[0]["response"]["decision"]),
        (&json!("cut"), &json!("block"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_stream_says_so_in_a_ping_before_its_end() {
    let [stop, reason, last] = end();
    let events = [begin(), open(), say("a doubtful sentence. "), stop, reason, last.clone()];
    let (answer, _gateway) = asked(&with(json!({"stream": true})), upstream::events(&events)).await;
    let said = answer.text();
    assert!(said.starts_with(&events[..5].concat()) && said.ends_with(&last), "{said}");
    assert!(said.contains("event: ping\ndata: {\"type\":\"ping\",\"wardgate\":"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_are_judged_and_passed_on() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let steps = upstream::whole(
        "429 Too Many Requests\r\nrequest-id: req_1\r\nanthropic-ratelimit-requests-limit: 5",
        "application/json",
        body,
    );
    let (answer, _gateway) = asked(&with(json!({})), steps).await;
    assert_eq!((answer.status, answer.text()), (429, body));
    assert_eq!(answer.header("request-id"), Some("req_1"));
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), Some("5"));

    let harmful = body.replace("slow down", "the canary");
    let (answer, _gateway) = asked(&with(json!({})), upstream::json(&harmful)).await;
    assert!(answer.status >= 400 && !answer.text().contains("canary"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "api_error");

    let broken = [begin(), open(), say("fine. "), "data: {not json}\n\n".to_owned()];
    let (answer, _gateway) = asked(&with(json!({"stream": true})), upstream::events(&broken)).await;
    let said = answer.text();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"";
    assert!(said.contains(error) && said.contains("upstream_unreadable"), "{said}");
    assert!(!said.contains("not json"), "{said}");
}
