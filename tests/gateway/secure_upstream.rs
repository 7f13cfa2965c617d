//! Upstreams behind TLS: whose certificate is trusted, and the exchange over HTTP/2.

use std::sync::Arc;

use h2::Reason;
use http::Version;
use tokio::sync::Notify;
use wardgate::gateway::Authorities;

use crate::support::client::{Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::secure::{Act, Secure, json};
use crate::support::tls;
use crate::support::upstream;
use crate::support::upstream::Upstream;

/// A gateway before this provider, which trusts these authorities.
async fn before(provider: &Secure, host: &str, authorities: Option<&[u8]>) -> TestGateway {
    let unused = Upstream::answering(Vec::new()).await;
    let url = format!("https://{host}:{}/v1", provider.address.port());
    TestGateway::start_with(unused, |setup| {
        setup.url = Some(url);
        setup.authorities =
            authorities.map(|pem| Authorities::from_pem(pem).expect("certificates"));
    })
    .await
}

fn fine() -> Vec<Act> {
    json(&upstream::completion(&["fine"]))
}

async fn status_of(gateway: &TestGateway, body: &str) -> (u16, String) {
    let mut client = Client::connect(gateway.data).await;
    client.send(post(body)).await;
    let answer = client.answer().await.expect("an answer");
    (answer.status, answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_asked_in_the_newest_http_it_offers() {
    for (offered, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["h2"], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let provider = Secure::scripted(offered, |_| fine()).await;
        let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
        assert_eq!(status_of(&gateway, &chat("hello")).await.0, 200, "{offered:?}");
        provider.seen(|seen| assert_eq!(seen.requests[0].0.version, version, "{offered:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_nobody_vouches_for_is_told_nothing() {
    let provider = Secure::scripted(&["h2"], |_| fine()).await;
    let other = include_bytes!("../tls/other-authority.pem");
    for (host, authorities, why) in [
        ("localhost", None, "the system does not know its authority"),
        ("localhost", Some(&other[..]), "another authority than ours"),
        ("127.0.0.1", Some(tls::AUTHORITY), "the certificate is another's"),
    ] {
        let gateway = before(&provider, host, authorities).await;
        let answer = status_of(&gateway, &chat("hello")).await;
        assert_eq!(answer, (502, "upstream_unreachable".to_owned()), "{why}");
        provider.seen(|seen| assert!(seen.requests.is_empty(), "{why}, and it was asked"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_http_2_says_what_one_over_http_1_says() {
    let provider = Secure::scripted(&["h2"], |_| fine()).await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    assert_eq!(status_of(&gateway, &chat("canary")).await.0, 400);
    provider.seen(|seen| assert_eq!(seen.connections, 0, "a blocked prompt reaches nobody"));
    for _ in 0..2 {
        assert_eq!(status_of(&gateway, &chat("hello")).await.0, 200);
    }
    provider.seen(|seen| {
        let (head, body) = &seen.requests[0];
        assert_eq!(
            head.uri.path_and_query().map(|path| path.as_str()),
            Some("/v1/chat/completions")
        );
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        assert_eq!(authority, Some(format!("localhost:{}", provider.address.port()).as_str()));
        assert_eq!(head.headers["content-type"], "application/json");
        assert_eq!(head.headers["authorization"], "Bearer test-key");
        assert_eq!(body, chat("hello").as_bytes());
        assert_eq!((seen.requests.len(), seen.connections), (2, 1), "the connection is kept");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_http_2_is_held_back_and_cut_and_the_upstream_is_told() {
    let harmless = "This sentence is long enough to fill a window. ".repeat(12);
    let acts = vec![
        Act::Head(200, "text/event-stream"),
        Act::Send(upstream::delta(0, &harmless)),
        Act::Send(upstream::delta(0, "and here is the canary. ")),
        Act::Send(upstream::stop(0)),
        Act::Await(Arc::new(Notify::new())),
    ];
    let provider = Secure::scripted(&["h2"], move |_| acts.clone()).await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert!(answer.text().contains("long enough") && !answer.text().contains("canary"));
    assert!(answer.text().ends_with(upstream::DONE), "{}", answer.text());
    provider.until(|seen| seen.resets == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_resets_its_stream_and_no_other() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let provider = Secure::scripted(&["h2"], move |turn| match turn {
        0 => vec![Act::Await(Arc::new(Notify::new()))],
        _ => [vec![Act::Await(Arc::clone(&wait))], fine()].concat(),
    })
    .await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    let mut leaver = Client::connect(gateway.data).await;
    leaver.send(post(&chat("hello"))).await;
    provider.until(|seen| seen.requests.len() == 1).await;
    let mut stayer = Client::connect(gateway.data).await;
    stayer.send(post(&chat("hello"))).await;
    provider.until(|seen| seen.requests.len() == 2).await;
    drop(leaver);
    provider.until(|seen| seen.resets == 1).await;
    go.notify_one();
    assert_eq!(stayer.answer().await.map(|answer| answer.status), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_nobody_else() {
    // More than a stream may hold, and less than a client's socket and the gateway would take.
    let flood = vec![upstream::delta(0, &"all is well. ".repeat(2_000)); 400].concat();
    let provider = Secure::scripted(&["h2"], move |turn| match turn {
        0 => vec![Act::Head(200, "text/event-stream"), Act::Send(flood.clone()), Act::End],
        _ => fine(),
    })
    .await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    let mut sleeper = Client::connect(gateway.data).await;
    sleeper.send(post(&chat_stream("hello"))).await;
    sleeper.read_until("all is well").await;
    assert_eq!(status_of(&gateway, &chat("hello")).await.0, 200);
    provider.seen(|seen| assert_eq!(seen.connections, 1, "both share a connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_did_not_look_at_is_asked_once_more() {
    for (reason, asked, status) in [
        (Reason::REFUSED_STREAM, 2, 200),
        (Reason::INTERNAL_ERROR, 1, 502),
        (Reason::CANCEL, 1, 502),
        (Reason::NO_ERROR, 1, 502),
    ] {
        let provider = Secure::scripted(&["h2"], move |turn| match turn {
            0 => vec![Act::Reset(reason)],
            _ => fine(),
        })
        .await;
        let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
        assert_eq!(status_of(&gateway, &chat("hello")).await.0, status, "{reason:?}");
        provider.seen(|seen| {
            assert_eq!(seen.requests.len(), asked, "{reason:?}");
            assert!(seen.requests.iter().all(|(_, body)| body == chat("hello").as_bytes()));
        });
    }
    // One that refuses for ever is believed.
    let provider = Secure::scripted(&["h2"], |_| vec![Act::Reset(Reason::REFUSED_STREAM)]).await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    assert_eq!(status_of(&gateway, &chat("hello")).await, (502, "upstream_failed".to_owned()));
    provider.seen(|seen| assert_eq!(seen.requests.len(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_goes_away_is_connected_to_anew() {
    let provider = Secure::scripted(&["h2"], |turn| match turn {
        0 => [fine(), vec![Act::GoAway]].concat(),
        _ => fine(),
    })
    .await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    for _ in 0..2 {
        assert_eq!(status_of(&gateway, &chat("hello")).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_a_failure() {
    let begun = upstream::completion(&["fine"]);
    let acts = vec![
        Act::Head(200, "application/json"),
        Act::Send(begun[..20].to_owned()),
        Act::Reset(Reason::INTERNAL_ERROR),
    ];
    let provider = Secure::scripted(&["h2"], move |_| acts.clone()).await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    assert_eq!(status_of(&gateway, &chat("hello")).await, (502, "upstream_failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_an_upstream_go_nowhere() {
    let acts = vec![
        Act::Head(200, "application/json"),
        Act::Send(upstream::completion(&["fine"])),
        Act::Trailer("x-words", "canary"),
    ];
    let provider = Secure::scripted(&["h2"], move |_| acts.clone()).await;
    let gateway = before(&provider, "localhost", Some(tls::AUTHORITY)).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, upstream::completion(&["fine"]).as_str()));
    assert!(!answer.head.contains("canary"));
}
