//! Under a policy that only observes everything passes as it came and when it came, and is on the record.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::client::{Answer, Client, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::speech::{SPOKEN, asking, events, sent};
use crate::support::upstream::{self, DONE, Step, Upstream, delta, stop};

async fn gateway(steps: Vec<Step>) -> TestGateway {
    TestGateway::start_with(Upstream::answering(steps).await, |setup| {
        setup.policy = setup.policy.replace("\"enforce\"", "\"observe\"");
    })
    .await
}

async fn ask(gateway: &TestGateway, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    client.send(request).await;
    client.answer().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_observed_waits_for_nobody() {
    let go = Arc::new(Notify::new());
    let said = [
        delta(0, "half a sen"),
        delta(0, "tence with a canary. "),
        delta(0, "\u{2028}"),
        stop(0),
        DONE.to_owned(),
    ];
    let mut steps = upstream::events(&said);
    steps.insert(2, Step::Await(Arc::clone(&go)));
    let mut gateway = gateway(steps).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    client.read_until("half a sen").await;
    go.notify_one();
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.text(), said.concat());
    gateway.drain().await;
    let closed = &gateway.audit_lines("closed")[0];
    assert_eq!(closed["response"]["decision"], "block", "{closed}");
    assert_eq!(closed["outcome"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_blocked_passes_byte_for_byte_in_every_dialect() {
    for dialect in SPOKEN {
        let events = events(dialect, &["fine, and ", "the can", "ary. "]);
        let mut gateway = gateway(upstream::events(&events)).await;
        let answer = ask(&gateway, sent(dialect, &asking(dialect, "a canary", true))).await;
        assert_eq!((answer.status, answer.text()), (200, events.concat().as_str()));
        assert_eq!(answer.header("x-wardgate-decision"), Some("allow"), "{dialect:?}");
        gateway.drain().await;
        let closed = &gateway.audit_lines("closed")[0];
        for phase in ["prompt", "response"] {
            assert_eq!(closed[phase]["decision"], "block", "{dialect:?} {closed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_passes_and_the_record_says_so() {
    for odd in [
        "data: {\"choices\":[],\"choices\":[]}\n\n".to_owned(),
        format!("{DONE}data: more\n\n"),
        "data: {not json}\n\n".to_owned(),
    ] {
        let events = [delta(0, "fine. "), odd.clone(), delta(0, "fine. ")];
        let mut gateway = gateway(upstream::events(&events)).await;
        let answer = ask(&gateway, post(&chat_stream("hello"))).await;
        assert_eq!((answer.status, answer.text()), (200, events.concat().as_str()));
        gateway.drain().await;
        let closed = &gateway.audit_lines("closed")[0];
        assert_eq!(closed["response"]["unscored"], "unreadable", "{odd} {closed}");
        assert_eq!(closed["outcome"], "delivered");
    }
}
