//! The admin plane: who may look, and what it says while the gateway stops.

use std::sync::Arc;

use tokio::sync::Notify;
use wardgate::tenant::KeyDigest;

use crate::support::client::{Client, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

async fn look(gateway: &TestGateway, path: &str, headers: &str) -> (u16, String) {
    let mut client = Client::connect(gateway.admin).await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
    let answer = client.answer().await.expect("an answer");
    (answer.status, answer.text().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_16_an_admin_plane_with_a_key_asks_for_it() {
    let upstream = Upstream::answering(Vec::new()).await;
    let gateway = TestGateway::start_with(upstream, |setup| {
        setup.admin_key = Some(KeyDigest::of("admin-key"));
    })
    .await;
    for (path, headers, status) in [
        ("/healthz", "", 200),
        ("/readyz", "", 200),
        ("/metrics", "", 401),
        ("/nothing", "", 401),
        ("/metrics", "Authorization: Bearer other\r\n", 401),
        ("/metrics", "Authorization: admin-key\r\n", 401),
        ("/metrics", "Authorization: Bearer admin-key\r\n", 200),
        ("/nothing", "Authorization: Bearer admin-key\r\n", 404),
    ] {
        assert_eq!(look(&gateway, path, headers).await.0, status, "{path} {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_gateway_lives_and_is_not_ready() {
    let go = Arc::new(Notify::new());
    let mut steps = vec![Step::Await(Arc::clone(&go))];
    steps.extend(upstream::json(&upstream::completion(&["fine"])));
    let mut gateway = TestGateway::start(Upstream::answering(steps).await).await;
    assert_eq!(look(&gateway, "/readyz", "").await.0, 200);
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    gateway.upstream.until(|seen| seen.requests.len() == 1).await;
    let draining = tokio::task::spawn(gateway.draining());
    // The listener has been told to close before the word is out.
    let body = loop {
        let (status, body) = look(&gateway, "/readyz", "").await;
        if status == 503 {
            break body;
        }
    };
    assert!(body.contains("data plane: not ready"), "{body}");
    assert_eq!(look(&gateway, "/healthz", "").await.0, 200);
    go.notify_one();
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    assert!(draining.await.expect("no panic"), "everything ended by itself");
}
