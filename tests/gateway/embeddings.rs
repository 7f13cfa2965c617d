//! Embeddings through the gateway.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

const NUMBERS: &str = r#"{"object":"list","model":"m","usage":{"prompt_tokens":1,"total_tokens":1},
    "data":[{"object":"embedding","index":0,"embedding":[0.25, -1.50, 3e-5]}]}"#;

async fn asked(request: &Value, steps: Vec<Step>) -> (Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    client.send(post_to("/v1/embeddings", &key, &request.to_string())).await;
    (client.answer().await.expect("an answer"), gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn harmless_texts_are_embedded_byte_for_byte() {
    let request = json!({"model": "m", "input": ["hello", "you"], "encoding_format": "float"});
    let (answer, mut gateway) = asked(&request, upstream::json(NUMBERS)).await;
    assert_eq!((answer.status, answer.text()), (200, NUMBERS));
    gateway.upstream.seen(|seen| {
        let (head, body) = &seen.requests[0];
        assert!(head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"), "{head}");
        assert_eq!(body, request.to_string().as_bytes());
    });
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["route"], "embeddings");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_blocked_never_reaches_the_upstream() {
    for (request, status, code, param) in [
        (json!({"input": "the canary"}), 400, "content_filter", "input"),
        (json!({"input": ["fine", "the canary"]}), 400, "content_filter", "input"),
        (json!({"input": "a", "user": "canary"}), 400, "content_filter", "input"),
        (json!({"input": "a", "x": {"canary": 1}}), 400, "content_filter", "input"),
        (json!({"input": [1, 2, 3]}), 400, "content_unreadable", "input"),
        (json!({"input": [[1], [2]]}), 400, "content_unreadable", "input[0]"),
        (
            json!({"input": "a", "truncate_prompt_tokens": 1}),
            400,
            "field_refused",
            "truncate_prompt_tokens",
        ),
        (json!({"inputs": "a"}), 400, "missing_required_parameter", "input"),
    ] {
        let mut request = request;
        request["model"] = "m".into();
        let (answer, gateway) = asked(&request, upstream::json(NUMBERS)).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request}");
        assert_eq!(answer.json()["error"]["param"], param, "{request}");
        assert!(!answer.text().contains("canary"), "{request}");
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_among_the_numbers_are_judged() {
    let request = json!({"model": "m", "input": "hello"});
    let list = |embedding: Value| json!({"object": "list", "data": [{"object": "embedding", "embedding": embedding}]});
    for body in [
        list(json!("a canary")),
        list(json!([0.5, "canary"])),
        json!({"object": "list", "data": [{"canary": 1, "embedding": [0.5]}]}),
        json!({"data": [], "note": "canary"}),
        json!({"error": {"message": "you said canary"}}),
    ] {
        let (answer, mut gateway) = asked(&request, upstream::json(&body.to_string())).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "content_filter"), "{body}");
        assert!(!answer.text().contains("canary"));
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld");
    }
    let base64 = list(json!("AACAPwAAAMDNzMw9")).to_string();
    let (answer, _gateway) = asked(&request, upstream::json(&base64)).await;
    assert_eq!((answer.status, answer.text()), (200, base64.as_str()));
    let doubled = NUMBERS.replacen("\"object\"", "\"object\":\"list\",\"object\"", 1);
    let (answer, _gateway) = asked(&request, upstream::json(&doubled)).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreadable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_upstream_is_judged_and_passed_on() {
    let request = json!({"model": "m", "input": "hello"});
    let body = r#"{"error": {"message": "quota", "type": "insufficient_quota", "code": null}}"#;
    let steps = upstream::whole("429 Too Many Requests", "application/json", body);
    let (answer, _gateway) = asked(&request, steps).await;
    assert_eq!((answer.status, answer.text()), (429, body));
    let events = ["data: {\"a\":\"the canary\"}\n\n".to_owned()];
    let (answer, _gateway) = asked(&request, upstream::events(&events)).await;
    assert!(!answer.text().contains("canary"), "{}", answer.text());
}
