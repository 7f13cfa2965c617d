//! Every buffer is bounded, and what happens at the bound is said.

use wardgate::gateway::Limits;

use crate::support::client::{Client, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_bound_is_refused_with_and_without_a_length() {
    let limits = Limits { request_bytes: 2000, ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let body = chat(&"a".repeat(3000));
    let plain = post(&body);
    let head = plain.split_once("\r\n\r\n").expect("a head").0;
    let chunked =
        head.replace(&format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked");
    let chunked = format!("{chunked}\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for raw in [plain, chunked] {
        let mut client = Client::connect(gateway.data).await;
        client.send(raw).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_prompt_and_a_large_answer_pass() {
    let text = "all is well here. ".repeat(20_000);
    let body = upstream::completion(&[&text]);
    let gateway = TestGateway::start(Upstream::answering(upstream::json(&body)).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat(&text))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests[0].1, chat(&text).as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_its_bound_is_not_passed_on() {
    let limits = Limits { response_bytes: 1000, ..Limits::default() };
    let body = upstream::completion(&[&"a".repeat(2000)]);
    let upstream = Upstream::answering(upstream::json(&body)).await;
    let gateway = TestGateway::start_with(upstream, |setup| setup.limits = limits).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_too_large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection_also_when_pipelined() {
    let gateway = {
        let body = upstream::completion(&["fine"]);
        TestGateway::start(Upstream::answering(upstream::json(&body)).await).await
    };
    let mut client = Client::connect(gateway.data).await;
    for _ in 0..3 {
        client.send(post(&chat("hello"))).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    }
    client.send(format!("{}{}", post(&chat("one")), post(&chat("canary")))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    // pingora's pool may lose a race for a connection that was given back a moment ago.
    gateway.upstream.seen(|seen| {
        assert_eq!(seen.requests.len(), 4);
        assert!(seen.connections < 4, "connections to the upstream are kept");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_needs_too_many_windows_is_refused_and_recorded() {
    let limits = Limits { windows: 3, ..Limits::default() };
    let mut gateway = TestGateway::limited(limits).await;
    let messages = |texts: &[&str]| {
        let say = |text: &&str| serde_json::json!({"role": "user", "content": text});
        let messages: Vec<_> = texts.iter().map(say).collect();
        serde_json::json!({"model": "m", "messages": messages}).to_string()
    };
    let long = "all is well ".repeat(1000);
    for (body, status, code) in [
        (messages(&["a", "b", "c"]), 200, "none"),
        (messages(&[&long]), 200, "none"),
        (messages(&["a", "b", "c", "d"]), 413, "prompt_too_long"),
        (messages(&[&long, "a"]), 413, "prompt_too_long"),
    ] {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&body)).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.requests.len(), 2));
    gateway.drain().await;
    let refused = gateway.audit_lines("closed").into_iter().filter(|line| line["status"] == 413);
    assert_eq!(refused.filter(|line| line["outcome"] == "refused").count(), 2);
}
