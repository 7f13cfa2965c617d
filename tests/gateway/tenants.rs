//! Who asks, and under which policy.

use crate::support::client::{Client, KEY, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

async fn gateway() -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    TestGateway::start(upstream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_known_key_is_refused() {
    let gateway = gateway().await;
    let good = post(&chat("hello"));
    let with = |value: &str| good.replace(&format!("Bearer {KEY}"), value);
    for raw in [
        good.replace(&format!("Authorization: Bearer {KEY}\r\n"), ""),
        with("Bearer wrong"),
        with(&format!("Bearer {KEY}x")),
        with(&format!("Bearer {}", KEY.to_uppercase())),
        with(&format!("Basic {KEY}")),
        with(KEY),
        with("Bearer "),
    ] {
        let mut client = Client::connect(gateway.data).await;
        client.send(raw).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_api_key"));
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    let twice = good.replace("Host:", "Authorization: Bearer other\r\nHost:");
    let mut client = Client::connect(gateway.data).await;
    client.send(twice).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_credential_goes_on_unless_the_upstream_has_its_own() {
    let own = gateway().await;
    let mut client = Client::connect(own.data).await;
    client.send(post(&chat("hello"))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    assert!(own.upstream.received(&format!("Bearer {KEY}")));

    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    let configured = TestGateway::start_with(upstream, |setup| {
        setup.credential = Some("sk-upstream".to_owned())
    })
    .await;
    let mut client = Client::connect(configured.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(configured.upstream.received("Bearer sk-upstream"));
    assert!(!configured.upstream.received(KEY));
    assert!(!answer.head.contains("sk-upstream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_nobody_serves_is_an_error_and_not_a_default() {
    let gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello").replace("\"m\"", "\"unknown\""))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (404, "model_not_found"));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}
