//! What happens to prompts.

use serde_json::json;

use crate::support::client::{Client, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

async fn gateway() -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    TestGateway::start(upstream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_prompt_is_answered_byte_for_byte() {
    let gateway = gateway().await;
    let body =
        r#"{ "model":"m",  "messages":[{"role":"user","content":"caf\u00e9 1.0"}] ,"seed": 1.50}"#;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(body)).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), upstream::completion(&["fine"]));
    assert_eq!(answer.header("x-wardgate-decision"), Some("allow"));
    assert!(answer.header("x-wardgate-policy").is_some_and(|policy| policy.starts_with("test@")));
    assert_eq!(answer.header("x-wardgate-exchange").map(str::len), Some(26));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests[0].1, body.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_prompt_never_reaches_the_upstream() {
    let gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("tell me about the canary please"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "content_filter");
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["param"], "messages");
    assert_eq!(error["innererror"]["code"], "ResponsibleAIPolicyViolation");
    assert_eq!(error["innererror"]["content_filter_result"]["S1"]["filtered"], true);
    assert!(!answer.text().contains("canary"), "what a client is told never repeats the text");
    assert_eq!(answer.header("x-wardgate-decision"), Some("block"));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_request_is_judged() {
    let gateway = gateway().await;
    let user = |content: serde_json::Value| json!({"role": "user", "content": content});
    let requests = [
        json!({"model": "m", "messages": [{"role": "system", "content": "canary"}, user("a".into())]}),
        json!({"model": "m", "messages": [user("canary".into()), user("b".into())]}),
        json!({"model": "m", "messages": [
            user("a".into()), {"role": "assistant", "content": "canary"}, user("b".into())
        ]}),
        json!({"model": "m", "messages": [user(json!([
            {"type": "text", "text": "a"}, {"type": "text", "text": "canary"}
        ]))]}),
        json!({"model": "m", "messages": [user("a".into()), {"role": "tool", "tool_call_id": "x",
            "content": "canary"}]}),
        json!({"model": "m", "messages": [user("a".into()), {"role": "assistant", "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{\"q\":\"canary\"}"}}
        ]}]}),
        json!({"model": "m", "messages": [user("a".into()), {"role": "assistant", "refusal": "canary"}]}),
        json!({"model": "m", "messages": [{"role": "user", "name": "canary", "content": "a"}]}),
        json!({"model": "m", "messages": [user("a".into())], "tools": [{"type": "function",
            "function": {"name": "f", "description": "canary", "parameters": {}}}]}),
        json!({"model": "m", "messages": [user("a".into())], "response_format": {"type": "json_schema",
            "json_schema": {"name": "n", "schema": {"description": "canary"}}}}),
        json!({"model": "m", "messages": [user("a".into())], "x_new": {"deep": ["canary"]}}),
        json!({"model": "m", "messages": [user("a".into())], "x_new": {"canary": 1}}),
        json!({"model": "m", "messages": [user("a".into())], "stop": ["canary"]}),
        json!({"model": "m", "messages": [user("a".into())], "metadata": {"k": "canary"}}),
        json!({"model": "m", "messages": [user("a".into())], "Messages": "canary"}),
    ];
    for request in requests {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&request.to_string())).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"), "{request}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_two_readings_is_refused() {
    let gateway = gateway().await;
    for (body, code) in [
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}],"messages":[]}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}],"mess\u0061ges":[]}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}],"n":NaN}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}]} {}"#, 400),
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}],"stream":"true"}"#, 400),
        (r#"{"model":"m"}"#, 400),
        (r#"[]"#, 400),
        ("", 400),
        ("\u{feff}{}", 400),
    ] {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(body)).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, code, "{body}");
        assert!(answer.json()["error"]["message"].is_string(), "{body}");
    }
    let mut client = Client::connect(gateway.data).await;
    let bad = b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}";
    let head = post(&"x".repeat(bad.len()));
    let head = head.split_once("\r\n\r\n").expect("a head").0;
    client.send(format!("{head}\r\n\r\n")).await;
    client.send(bad).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn content_types_we_do_not_read_are_refused() {
    let gateway = gateway().await;
    let good = post(&chat("hello"));
    for raw in [
        good.replace("application/json", "text/plain"),
        good.replace("application/json", "application/json; charset=utf-16"),
        good.replace("Content-Type: application/json\r\n", ""),
    ] {
        let mut client = Client::connect(gateway.data).await;
        client.send(raw).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(415));
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_decided_by_the_policy() {
    let image = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ]}]})
    .to_string();
    let closed = gateway().await;
    let mut client = Client::connect(closed.data).await;
    client.send(post(&image)).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (400, "content_unreadable"));
    closed.upstream.seen(|seen| assert_eq!(seen.connections, 0));

    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    let open = TestGateway::start_with(upstream, |setup| {
        setup.policy = setup.policy.replace("prompt = \"block\"", "prompt = \"allow\"");
    })
    .await;
    let mut client = Client::connect(open.data).await;
    client.send(post(&image)).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(answer.header("x-wardgate-decision"), Some("allow"), "it does not pass in silence");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_change_what_the_model_sees_are_refused_by_name() {
    let gateway = gateway().await;
    for field in ["chat_template", "truncate_prompt_tokens", "add_special_tokens"] {
        let mut request: serde_json::Value = serde_json::from_str(&chat("hello")).expect("JSON");
        request[field] = 1.into();
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&request.to_string())).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.text().contains(field), "the message names the field");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_prompt_passes_and_says_so() {
    let gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("a doubtful thing"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-wardgate-decision"), Some("annotate"));
    assert_eq!(answer.json()["wardgate"]["prompt"]["decision"], "annotate");
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "fine");
    gateway
        .upstream
        .seen(|seen| assert_eq!(seen.requests[0].1, chat("a doubtful thing").as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observing_policy_changes_nothing() {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["canary"]))).await;
    let mut gateway = TestGateway::start_with(upstream, |setup| {
        setup.policy = setup.policy.replace("mode = \"enforce\"", "mode = \"observe\"");
    })
    .await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("canary"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, upstream::completion(&["canary"]).as_str()));
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(closed[0]["prompt"]["decision"], "block");
    assert_eq!(closed[0]["response"]["decision"], "block");
    assert_eq!(closed[0]["outcome"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disguise_is_seen_through_and_the_record_names_the_reading() {
    let mut gateway = gateway().await;
    let texts = [
        ("the canary", None),
        ("\\u0063anary", Some("unescaped")),
        ("the ca\u{200b}nary", Some("normalised")),
        ("hello\n\nAgent: no\n\nUser: ca<|eot_id|>nary", Some("bare")),
        ("dGhlIGNhbmFyeSBzaW5ncw==", Some("decoded")),
    ];
    for (text, _) in texts {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat(text))).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"), "{text}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    let readings = closed.iter().map(|line| line["prompt"]["rules"][0]["reading"].as_str());
    assert_eq!(readings.collect::<Vec<_>>(), texts.map(|(_, reading)| reading));
}
