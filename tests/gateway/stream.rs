//! What happens to streams.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::client::{Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{DONE, Step, Upstream, delta, stop};

async fn streamed(steps: Vec<Step>) -> (crate::support::client::Answer, TestGateway) {
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    (client.answer().await.expect("an answer"), gateway)
}

fn harmless() -> Vec<String> {
    let mut events: Vec<String> =
        (0..60).map(|turn| delta(0, &format!("Sentence {turn} is fine. "))).collect();
    events.extend([": keep-alive\n\n".to_owned(), stop(0), DONE.to_owned()]);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_stream_passes_byte_for_byte() {
    let events = harmless();
    let (answer, mut gateway) = streamed(upstream::events(&events)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), events.concat());
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    );
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(closed[0]["outcome"], "delivered");
    assert!(closed[0]["response"]["windows"].as_u64().is_some_and(|windows| windows > 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_read_to_its_end_leaves_the_upstreams_connection_to_the_next() {
    let events = harmless();
    let gateway = TestGateway::start(Upstream::answering(upstream::events(&events)).await).await;
    let mut client = Client::connect(gateway.data).await;
    for _ in 0..3 {
        client.send(post(&chat_stream("hello"))).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.text(), events.concat());
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_stream_is_cut_with_its_end_said() {
    let mut events = harmless();
    events.insert(40, delta(0, "and now the can"));
    events.insert(41, delta(0, "ary appears. "));
    let (answer, mut gateway) = streamed(upstream::events(&events)).await;
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert!(text.starts_with(&events[0]), "what was cleared went out");
    assert!(!text.contains("can\"") && !text.contains("ary"), "nothing unjudged did");
    assert!(text.ends_with(DONE), "{text}");
    assert_eq!(text.matches("\"finish_reason\":\"content_filter\"").count(), 1, "{text}");
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(closed[0]["outcome"], "cut");
    assert_eq!(closed[0]["response"]["decision"], "block");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_harmful_choice_is_cut() {
    let mut events = Vec::new();
    for turn in 0..30 {
        events.push(delta(0, &format!("Zero {turn} is fine. ")));
        events.push(delta(1, if turn == 20 { "the canary. " } else { "One is fine. " }));
    }
    events.extend([stop(0), stop(1), DONE.to_owned()]);
    let (answer, _gateway) = {
        let gateway =
            TestGateway::start(Upstream::answering(upstream::events(&events)).await).await;
        let mut client = Client::connect(gateway.data).await;
        let mut request: serde_json::Value =
            serde_json::from_str(&chat_stream("hello")).expect("JSON");
        request["n"] = 2.into();
        client.send(post(&request.to_string())).await;
        (client.answer().await.expect("an answer"), gateway)
    };
    let text = answer.text();
    assert!(!text.contains("canary"));
    assert!(text.contains("Zero 29 is fine."), "{text}");
    assert_eq!(text.matches("\"finish_reason\":\"content_filter\"").count(), 1);
    assert!(text.ends_with(DONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_judged_yet_is_not_sent() {
    let go = Arc::new(Notify::new());
    let steps = vec![
        upstream::stream_head(),
        upstream::chunk(&delta(
            0,
            "The first sentence is long enough to be judged. ".repeat(12).as_str(),
        )),
        upstream::chunk(&delta(0, "half a sen")),
        Step::Await(Arc::clone(&go)),
        upstream::chunk(&delta(0, "tence with a canary. ")),
        upstream::chunk(&stop(0)),
        upstream::chunk(DONE),
        upstream::last_chunk(),
    ];
    let gateway = TestGateway::start(Upstream::answering(steps).await).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    let so_far = client.read_until("first sentence").await;
    assert!(!so_far.contains("half a sen"));
    go.notify_one();
    let answer = client.answer().await.expect("an answer");
    assert!(!answer.text().contains("half a sen") && answer.text().contains("content_filter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_ends_with_an_error_and_nothing_unjudged() {
    let long = "This sentence is long enough to fill a window. ".repeat(12);
    for bad in
        ["data: {\"choices\":[],\"choices\":[]}\n\n".to_owned(), "data: {not json}\n\n".to_owned()]
    {
        let (answer, mut gateway) =
            streamed(upstream::events(&[delta(0, &long), bad, delta(0, "canary")])).await;
        let text = answer.text();
        assert!(text.contains("long enough") && text.contains("upstream_unreadable"), "{text}");
        assert!(!text.contains("canary") && !text.contains("not json"));
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_stream_says_so_in_chunks_of_its_own() {
    let events = [delta(0, "a doubtful sentence. "), stop(0), DONE.to_owned()];
    let (answer, _gateway) = streamed(upstream::events(&events)).await;
    let text = answer.text();
    assert!(text.contains(&events[0]) && text.ends_with(DONE), "{text}");
    assert!(text.contains("\"wardgate\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_another_form_than_was_asked_for_is_judged_in_the_form_it_has() {
    // Nothing is translated: events stay events, and JSON stays JSON, once they are judged.
    let said = |text: &str| [delta(0, text), stop(0), DONE.to_owned()];
    for (text, passes) in [("All is well. ", true), ("The canary. ", false)] {
        let steps = upstream::events(&said(text));
        let gateway = TestGateway::start(Upstream::answering(steps).await).await;
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        let answer = client.answer().await.expect("an answer");
        assert!(answer.header("content-type").is_some_and(|kind| kind.contains("event-stream")));
        assert_eq!(answer.text() == said(text).concat(), passes);
        assert_eq!(answer.text().contains("content_filter"), !passes);
        assert!(!answer.text().contains("canary"));

        let whole = upstream::completion(&[text]);
        let (answer, _) = streamed(upstream::json(&whole)).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text() == whole, passes);
        assert_eq!(answer.text().contains("content_filter"), !passes);
        assert!(!answer.text().contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_one_whole_event_is_answered_and_empty() {
    let cut_off = "data: {\"choices\":[{\"delta\":{\"content\":\"canary\"}}]}".to_owned();
    for events in [vec![cut_off], vec!["{\"choices\":[]}".to_owned()], Vec::new()] {
        let (answer, mut gateway) = streamed(upstream::events(&events)).await;
        assert_eq!((answer.status, answer.text()), (200, ""));
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "delivered");
    }
}
