//! Legacy completions through the gateway.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{DONE, Step, Upstream};

async fn asked(request: &Value, steps: Vec<Step>) -> (Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    client.send(post_to("/v1/completions", &key, &request.to_string())).await;
    (client.answer().await.expect("an answer"), gateway)
}

fn prompt() -> Value {
    json!({"model": "m", "prompt": "hello"})
}

fn stream() -> Value {
    json!({"model": "m", "prompt": "hello", "stream": true})
}

fn completion(texts: &[&str]) -> String {
    let choice = |(index, text): (usize, &&str)| json!({"index": index, "text": text, "logprobs": null, "finish_reason": "stop"});
    let choices: Vec<Value> = texts.iter().enumerate().map(choice).collect();
    json!({"id": "c1", "object": "text_completion", "created": 1, "model": "m", "choices": choices,
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    .to_string()
}

fn event(index: u32, text: &str, finish: Value) -> String {
    let chunk = json!({"id": "c1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": index, "text": text, "logprobs": null, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

fn say(index: u32, text: &str) -> String {
    event(index, text, Value::Null)
}

fn harmless() -> Vec<String> {
    let mut events: Vec<String> =
        (0..60).map(|turn| say(0, &format!("Sentence {turn} is fine. "))).collect();
    events.extend([event(0, "", "stop".into()), DONE.to_owned()]);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_prompt_is_continued_byte_for_byte() {
    let request = json!({"model": "m", "prompt": ["hello", "you"], "echo": true, "best_of": 2,
        "suffix": "bye"});
    let body = completion(&["hello there", "you too"]);
    let (answer, mut gateway) = asked(&request, upstream::json(&body)).await;
    assert_eq!((answer.status, answer.text()), (200, body.as_str()));
    gateway.upstream.seen(|seen| {
        let (head, body) = &seen.requests[0];
        assert!(head.starts_with("POST /v1/completions HTTP/1.1\r\n"), "{head}");
        assert_eq!(body, request.to_string().as_bytes());
    });
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["route"], "completions");

    let events = harmless();
    let (answer, _gateway) = asked(&stream(), upstream::events(&events)).await;
    assert_eq!((answer.status, answer.text()), (200, events.concat().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_blocked_never_reaches_the_upstream() {
    for (fields, code, param) in [
        (json!({"prompt": "the canary"}), "content_filter", "prompt"),
        (json!({"prompt": ["fine", "the canary"]}), "content_filter", "prompt"),
        (json!({"suffix": "canary"}), "content_filter", "prompt"),
        (json!({"stop": ["canary"]}), "content_filter", "prompt"),
        (json!({"x_new": {"canary": 1}}), "content_filter", "prompt"),
        (json!({"prompt": [1, 2, 3]}), "content_unreadable", "prompt"),
        (json!({"prompt": [[1, 2], [3]]}), "content_unreadable", "prompt[0]"),
        (json!({"logit_bias": {"5": 100}}), "field_refused", "logit_bias"),
        (json!({"prompt_embeds": "AAAA"}), "field_refused", "prompt_embeds"),
        (json!({"prompt": null}), "invalid_value", "prompt"),
    ] {
        let mut request = prompt();
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (answer, gateway) = asked(&request, upstream::json(&completion(&["fine"]))).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{request}");
        assert_eq!(answer.json()["error"]["param"], param, "{request}");
        assert!(!answer.text().contains("canary"), "{request}");
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_choice_is_withheld_and_the_others_stay() {
    let body = completion(&["all is well", "here is the canary"]);
    let (answer, _gateway) = asked(&prompt(), upstream::json(&body)).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("canary"));
    let choices = &answer.json()["choices"];
    assert_eq!(
        (&choices[0]["text"], &choices[0]["finish_reason"]),
        (&json!("all is well"), &json!("stop"))
    );
    assert!(choices[1]["text"].as_str().is_some_and(|text| text.contains("withheld")));
    assert_eq!(choices[1]["finish_reason"], "content_filter");

    let logprobs = |logprobs: Value| {
        json!({"id": "c1", "choices": [{"index": 0, "text": "fine", "logprobs": logprobs}]})
            .to_string()
    };
    for body in [
        logprobs(json!({"tokens": ["can", "ary"]})),
        logprobs(json!({"tokens": ["fine"], "top_logprobs": [{"canary": -1}]})),
        json!({"id": "c1", "choices": [], "note": "canary"}).to_string(),
        json!({"error": {"message": "you said canary"}}).to_string(),
    ] {
        let (answer, _gateway) = asked(&prompt(), upstream::json(&body)).await;
        let text = answer.text();
        assert!(!text.contains("canary") && !text.contains("ary\""), "{body} -> {text}");
        assert_eq!(answer.header("x-wardgate-decision"), Some("block"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_stream_is_cut_with_its_end_said() {
    let mut events = harmless();
    events.insert(40, say(0, "and now the can"));
    events.insert(41, say(0, "ary appears. "));
    let (answer, mut gateway) = asked(&stream(), upstream::events(&events)).await;
    let text = answer.text();
    assert!(text.starts_with(&events[0]), "what was cleared went out");
    assert!(!text.contains("can\"") && !text.contains("ary"), "nothing unjudged did");
    assert_eq!(text.matches("\"finish_reason\":\"content_filter\"").count(), 1, "{text}");
    assert!(text.ends_with(DONE), "{text}");
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_prompts_only_the_harmful_answer_is_cut() {
    let mut events = Vec::new();
    for turn in 0..30 {
        events.push(say(0, &format!("Zero {turn} is fine. ")));
        events.push(say(1, if turn == 20 { "the canary. " } else { "One is fine. " }));
    }
    events.extend([event(0, "", "stop".into()), event(1, "", "stop".into()), DONE.to_owned()]);
    let request = json!({"model": "m", "prompt": ["hello", "you"], "stream": true});
    let (answer, _gateway) = asked(&request, upstream::events(&events)).await;
    let text = answer.text();
    assert!(!text.contains("canary"));
    assert!(text.contains("Zero 29 is fine."), "{text}");
    assert_eq!(text.matches("\"finish_reason\":\"content_filter\"").count(), 1);
    assert!(text.ends_with(DONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_are_judged_and_passed_on() {
    let body = r#"{"error": {"message": "quota", "type": "insufficient_quota", "code": null}}"#;
    let steps = upstream::whole("429 Too Many Requests", "application/json", body);
    let (answer, _gateway) = asked(&prompt(), steps).await;
    assert_eq!((answer.status, answer.text()), (429, body));
    let steps = upstream::whole("500 Oops", "text/html", "<h1>the canary broke</h1>");
    let (answer, _gateway) = asked(&prompt(), steps).await;
    assert!(answer.status >= 400 && !answer.text().contains("canary"));
    let broken = [say(0, "fine. "), "data: {not json}\n\n".to_owned()];
    let (answer, _gateway) = asked(&stream(), upstream::events(&broken)).await;
    assert!(answer.text().contains("upstream_unreadable") && !answer.text().contains("not json"));
}
