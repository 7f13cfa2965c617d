//! What happens to answers that are not streamed.

use serde_json::json;

use crate::support::client::{Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

async fn answer_to(steps: Vec<upstream::Step>) -> (crate::support::client::Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    (client.answer().await.expect("an answer"), gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_choice_is_withheld_and_the_others_stay() {
    let body = upstream::completion(&["all is well", "here is the canary", "well again"]);
    let (answer, mut gateway) = answer_to(upstream::json(&body)).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("canary"));
    let choices = &answer.json()["choices"];
    assert_eq!(choices[0]["message"]["content"], "all is well");
    assert_eq!(choices[0]["finish_reason"], "stop");
    assert_eq!(choices[1]["finish_reason"], "content_filter");
    assert_eq!(choices[2]["message"]["content"], "well again");
    assert_eq!(answer.header("x-wardgate-decision"), Some("block"));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_response_is_judged() {
    let message = |message: serde_json::Value| {
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": message, "finish_reason": "stop"}
        ]})
        .to_string()
    };
    for body in [
        message(json!({"role": "assistant", "content": null, "refusal": "canary"})),
        message(json!({"role": "assistant", "content": "a", "reasoning_content": "canary"})),
        message(json!({"role": "assistant", "content": null, "tool_calls": [{"id": "x",
            "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"canary\"}"}}]})),
        message(json!({"role": "assistant", "content": "a", "annotations": [{"title": "canary"}]})),
        message(json!({"role": "assistant", "content": "a", "x_new": "canary"})),
        json!({"id": "c", "choices": [], "x_new": {"canary": 1}}).to_string(),
        json!({"error": {"message": "you said canary"}}).to_string(),
    ] {
        let (answer, _gateway) = answer_to(upstream::json(&body)).await;
        assert!(!answer.text().contains("canary"), "{body} -> {}", answer.text());
        assert_eq!(answer.header("x-wardgate-decision"), Some("block"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_are_judged_and_passed_on() {
    let body = r#"{"error": {"message": "quota", "type": "insufficient_quota", "code": null}}"#;
    let (answer, _gateway) =
        answer_to(upstream::whole("429 Too Many Requests", "application/json", body)).await;
    assert_eq!((answer.status, answer.text()), (429, body));

    let (answer, _gateway) =
        answer_to(upstream::whole("500 Oops", "text/html", "<h1>the canary broke</h1>")).await;
    assert!(!answer.text().contains("canary"));
    assert!(answer.status >= 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_two_readings_are_not_passed_on() {
    let good = upstream::completion(&["fine"]);
    let doubled = good.replacen("\"id\":\"c1\"", "\"id\":\"c1\",\"id\":\"c2\"", 1);
    for steps in [
        upstream::json(&doubled),
        upstream::json("{\"choices\":"),
        upstream::whole("200 OK\r\nContent-Encoding: gzip", "application/json", &good),
        upstream::whole("200 OK", "application/json", "data: [DONE]\n\n"),
    ] {
        let (answer, _gateway) = answer_to(steps).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreadable"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_in_place_of_a_stream_is_judged_all_the_same() {
    let body = upstream::completion(&["the canary"]);
    let gateway = TestGateway::start(Upstream::answering(upstream::json(&body)).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert!(!answer.text().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_models_names_what_is_served_and_nothing_else() {
    let list = json!({"object": "list", "data": [
        {"id": "m", "object": "model", "created": 7, "owned_by": "canary", "description": "canary"},
        {"id": "not served here", "object": "model"},
    ]});
    let gateway =
        TestGateway::start(Upstream::answering(upstream::json(&list.to_string())).await).await;
    let mut client = Client::connect(gateway.data).await;
    client
        .send("GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer test-key\r\n\r\n")
        .await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"object": "list", "data": [
            {"id": "m", "object": "model", "created": 7, "owned_by": "mock"}
        ]})
    );
}
