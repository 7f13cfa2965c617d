//! When something fails, nothing passes.

use std::time::Duration;

use crate::support::client::{Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

async fn gateway() -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    TestGateway::start(upstream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_panics_refuses_and_comes_back() {
    let mut gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("boom"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (503, "guard_unavailable"));
    assert!(answer.header("retry-after").is_some());
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    loop {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        match client.answer().await.expect("an answer").status {
            200 => break,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(closed[0]["prompt"]["unscored"], "guard_down");
    assert_eq!(closed[0]["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_hangs_is_waited_for_until_its_deadline() {
    let gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("sleep"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (503, "guard_unavailable"));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_without_a_verdict_on_a_response_withholds_it() {
    let body = upstream::completion(&["derailed"]);
    let gateway = TestGateway::start(Upstream::answering(upstream::json(&body)).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert!(!answer.text().contains("derailed"), "{}", answer.text());
    assert_ne!(answer.status, 200);

    let events = [upstream::delta(0, "derailed"), upstream::stop(0), upstream::DONE.to_owned()];
    let gateway = TestGateway::start(Upstream::answering(upstream::events(&events)).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert!(!answer.text().contains("derailed"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_there_is_a_502() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("bound");
    drop(gone);
    let upstream = Upstream::answering(Vec::new()).await;
    let mut gateway =
        TestGateway::start_with(upstream, |setup| setup.upstream = Some(address)).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "failed");
}
