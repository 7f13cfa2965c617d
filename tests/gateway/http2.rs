//! The exchange is the same over HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::Notify;
use wardgate::gateway::Limits;

use crate::support::client::{chat, chat_stream};
use crate::support::gateway::TestGateway;
use crate::support::http2::{Client, post, request};
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_answered_or_refused_as_over_http_1() {
    let mut gateway = TestGateway::secure(Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let answer = client.post(&chat("hello")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), upstream::completion(&["fine"]));
    assert_eq!(answer.header("x-wardgate-decision"), Some("allow"));
    let answer = client.post(&chat("canary")).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"));
    let answer = client.ask(request(Method::GET, "/metrics").body(()).unwrap(), "").await;
    assert_eq!(answer.expect("an answer").code(), "route_not_guarded");
    assert!(!gateway.upstream.received("canary"));
    drop(client);
    assert!(gateway.drain().await);
    let outcomes: Vec<_> =
        gateway.audit_lines("closed").iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["delivered", "refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_share_a_connection_and_each_has_its_own_verdict() {
    let gateway = TestGateway::secure(Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut streams = Vec::new();
    for turn in 0..20 {
        let text = if turn % 2 == 0 { "hello" } else { "canary" };
        let mut stream = client.begin(post(), false).await.expect("a stream");
        stream.body.send_data(chat(text).into(), true).expect("it is sent");
        streams.push((stream, if turn % 2 == 0 { 200 } else { 400 }));
    }
    for (stream, status) in streams {
        assert_eq!(stream.read().await.expect("an answer").status, status);
    }
    assert!(!gateway.upstream.received("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_is_held_back_and_cut() {
    let harmless = "This sentence is long enough to fill a window. ".repeat(12);
    let steps = upstream::events(&[
        upstream::delta(0, &harmless),
        upstream::delta(0, "and here is the canary. "),
        upstream::stop(0),
        upstream::DONE.to_owned(),
    ]);
    let gateway =
        TestGateway::secure_before(Upstream::answering(steps).await, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let answer = client.post(&chat_stream("hello")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert!(answer.text().contains("long enough") && !answer.text().contains("canary"));
    assert!(answer.text().contains("\"content_filter\""), "{}", answer.text());
    assert!(answer.text().ends_with(upstream::DONE), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_before_the_answer_cancels_the_upstream() {
    let steps = vec![Step::Await(Arc::new(Notify::new()))];
    let upstream = Upstream::answering(steps).await;
    let mut gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut stream = client.begin(post(), false).await.expect("a stream");
    stream.body.send_data(chat("hello").into(), true).expect("it is sent");
    gateway.upstream.until(|seen| seen.requests.len() == 1).await;
    stream.body.send_reset(h2::Reason::CANCEL);
    gateway.upstream.until(|seen| seen.hung_up == 1).await;
    // The connection serves on.
    let answer = client.post(&chat("canary")).await;
    assert_eq!(answer.status, 400);
    drop(client);
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_in_mid_stream_cancels_the_upstream() {
    let text = "This sentence is long enough to fill a window. ".repeat(12);
    let steps = vec![
        upstream::stream_head(),
        upstream::chunk(&upstream::delta(0, &text)),
        Step::Await(Arc::new(Notify::new())),
    ];
    let upstream = Upstream::answering(steps).await;
    let mut gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut stream = client.begin(post(), false).await.expect("a stream");
    stream.body.send_data(chat_stream("hello").into(), true).expect("it is sent");
    let (mut response, _body) = stream.head().await.expect("an answer begins");
    let piece = response.body_mut().data().await.expect("a piece").expect("whole");
    assert!(String::from_utf8_lossy(&piece).contains("long enough"));
    drop((response, _body));
    gateway.upstream.until(|seen| seen.hung_up == 1).await;
    drop(client);
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_while_the_guard_thinks_never_reaches_the_upstream() {
    let mut gateway = TestGateway::secure(Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut stream = client.begin(post(), false).await.expect("a stream");
    stream.body.send_data(chat("sleep").into(), true).expect("it is sent");
    gateway.until_judging("sleep").await;
    stream.body.send_reset(h2::Reason::CANCEL);
    drop((stream, client));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_takes_all_its_streams_with_it() {
    let upstream = Upstream::answering(vec![Step::Await(Arc::new(Notify::new()))]).await;
    let mut gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = client.begin(post(), false).await.expect("a stream");
        stream.body.send_data(chat("hello").into(), true).expect("it is sent");
        streams.push(stream);
    }
    gateway.upstream.until(|seen| seen.requests.len() == 3).await;
    client.abort();
    gateway.upstream.until(|seen| seen.hung_up == 3).await;
    assert!(gateway.drain().await);
    let closed = gateway.audit_lines("closed");
    assert!(closed.len() == 3 && closed.iter().all(|line| line["outcome"] == "abandoned"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_bound_is_refused_with_and_without_a_length() {
    let limits = Limits { request_bytes: 2000, ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    let mut client = Client::connect(gateway.data).await;
    let body = chat(&"a".repeat(3000));
    let mut announced = post();
    announced.headers_mut().insert("content-length", body.len().into());
    for request in [post(), announced] {
        let answer = client.ask(request, &body).await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    }
    assert_eq!(client.post(&chat("hello")).await.status, 200, "its neighbours do not suffer");
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_prompt_and_a_large_answer_pass() {
    let text = "all is well here. ".repeat(20_000);
    let body = upstream::completion(&[&text]);
    let upstream = Upstream::answering(upstream::json(&body)).await;
    let gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let answer = client.post(&chat(&text)).await;
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests[0].1, chat(&text).as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_lets_streams_end_and_takes_no_new_ones() {
    let go = Arc::new(Notify::new());
    let mut steps = vec![Step::Await(Arc::clone(&go))];
    steps.extend(upstream::json(&upstream::completion(&["fine"])));
    let upstream = Upstream::answering(steps).await;
    let mut gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    let mut stream = client.begin(post(), false).await.expect("a stream");
    stream.body.send_data(chat("hello").into(), true).expect("it is sent");
    gateway.upstream.until(|seen| seen.requests.len() == 1).await;
    let draining = tokio::task::spawn(async move {
        let ended = gateway.drain().await;
        (gateway, ended)
    });
    go.notify_one();
    assert_eq!(stream.read().await.expect("an answer").status, 200);
    let (gateway, ended) = draining.await.expect("no panic");
    assert!(ended, "everything ended by itself");
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "delivered");
    assert!(client.begin(post(), false).await.is_err(), "there is nobody to take it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_and_leaves_without_end_is_cut_off() {
    let upstream = Upstream::answering(vec![Step::Await(Arc::new(Notify::new()))]).await;
    let gateway = TestGateway::secure_before(upstream, Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    for round in 1..=20 {
        let mut streams = Vec::new();
        while streams.len() < 50 {
            let Ok(mut stream) = client.begin(post(), false).await else { break };
            if stream.body.send_data(chat("hello").into(), true).is_err() {
                break;
            }
            streams.push(stream);
        }
        if client.has_ended() {
            break;
        }
        // They reach the provider before they are reset, so that it is not `h2` that counts.
        let seen = || gateway.upstream.seen(|seen| seen.requests.len());
        while !client.has_ended() && seen() < round * 50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(round < 20, "it may go on for ever");
    }
    // What it still sends may have the connection reset under the gateway's last words.
    let ended = client.ended().await.expect_err("not in peace");
    assert!(ended.is_io() || ended.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM), "{ended}");
}
