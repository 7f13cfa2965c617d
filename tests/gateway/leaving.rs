//! A client that leaves takes its exchange with it.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::client::{Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_answer_cancels_the_upstream() {
    let steps = vec![Step::Await(Arc::new(Notify::new()))];
    let mut gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    gateway.upstream.until(|seen| seen.requests.len() == 1).await;
    drop(client);
    gateway.upstream.until(|seen| seen.hung_up == 1).await;
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_mid_stream_cancels_the_upstream() {
    let text = "This sentence is long enough to fill a window. ".repeat(12);
    let steps = vec![
        upstream::stream_head(),
        upstream::chunk(&upstream::delta(0, &text)),
        Step::Await(Arc::new(Notify::new())),
    ];
    let mut gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    client.read_until("long enough").await;
    drop(client);
    gateway.upstream.until(|seen| seen.hung_up == 1).await;
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_the_guard_thinks_never_reaches_the_upstream() {
    let upstream = Upstream::answering(Vec::new()).await;
    let mut gateway = TestGateway::start(upstream).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("sleep"))).await;
    gateway.until_judging("sleep").await;
    drop(client);
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "abandoned");
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}
