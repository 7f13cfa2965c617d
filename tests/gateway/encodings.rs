//! Bodies in content encodings: what is judged is what comes out, and nothing else is sent on.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use wardgate::gateway::Limits;

use crate::support::client::{Answer, Client, KEY, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream};

fn encoded(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            let params = brotli::enc::BrotliEncoderParams::default();
            brotli::BrotliCompress(&mut &*text, &mut out, &params).unwrap();
            out
        }
        "zstd" => zstd::encode_all(text, 3).unwrap(),
        "br, gzip" => encoded("gzip", &encoded("br", text)),
        other => panic!("no encoder for {other}"),
    }
}

async fn gateway() -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    TestGateway::start(upstream).await
}

/// Sends a body under a `Content-Encoding`.
async fn send(gateway: &TestGateway, coding: &str, body: &[u8]) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send([head.as_bytes(), body].concat()).await;
    client.answer().await.expect("an answer")
}

const CODINGS: [&str; 5] = ["gzip", "deflate", "br", "zstd", "br, gzip"];

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_prompt_is_judged_and_sent_on_as_what_it_says() {
    let gateway = gateway().await;
    for (sent, coding) in CODINGS.into_iter().enumerate() {
        let body = chat(&format!("hello in {coding}"));
        let answer = send(&gateway, coding, &encoded(coding, body.as_bytes())).await;
        assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
        gateway.upstream.seen(|seen| {
            let (head, received) = &seen.requests[sent];
            assert_eq!(received, body.as_bytes(), "{coding}");
            assert!(!head.to_ascii_lowercase().contains("content-encoding"), "{head}");
        });
    }
    for coding in CODINGS {
        let body = encoded(coding, chat("the canary").as_bytes());
        let answer = send(&gateway, coding, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"), "{coding}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.requests.len(), CODINGS.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused() {
    let gateway = gateway().await;
    let bomb = chat(&"a".repeat(4 << 20));
    for coding in CODINGS {
        let answer = send(&gateway, coding, &encoded(coding, bomb.as_bytes())).await;
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"), "{coding}");
    }
    // The bound on bodies is on what comes out, too.
    let limits = Limits { request_bytes: 10_000, ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let body = encoded("gzip", chat(&"all is well ".repeat(1000)).as_bytes());
    assert!(body.len() < 1000);
    let answer = send(&gateway, "gzip", &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_that_are_unknown_or_doubled_up_are_refused() {
    let gateway = gateway().await;
    let body = chat("hello");
    for coding in ["compress", "gzip, gzip", "gzip, br, zstd", "gzip;q=1"] {
        let answer = send(&gateway, coding, body.as_bytes()).await;
        let expected = (415, "unsupported_content_encoding");
        assert_eq!((answer.status, answer.code().as_str()), expected, "{coding}");
    }
    for coding in CODINGS {
        let answer = send(&gateway, coding, body.as_bytes()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "body_broken"), "{coding}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

/// An answer under a `Content-Encoding` that nobody asked for.
fn answer_in(coding: &str, content_type: &str, body: &[u8]) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Encoding: {coding}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Step::Send([head.as_bytes(), body].concat())]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_encoded_all_the_same_is_judged_as_what_it_says() {
    for coding in CODINGS {
        for (text, status, code) in [("fine", 200, "stop"), ("canary", 200, "content_filter")] {
            let body = encoded(coding, upstream::completion(&[text]).as_bytes());
            let steps = answer_in(coding, "application/json", &body);
            let gateway = TestGateway::start(Upstream::answering(steps).await).await;
            let mut client = Client::connect(gateway.data).await;
            client.send(post(&chat("hello"))).await;
            let answer = client.answer().await.expect("an answer");
            assert_eq!(answer.status, status, "{coding}");
            assert_eq!(answer.json()["choices"][0]["finish_reason"], code, "{coding}");
            assert_eq!(answer.header("content-encoding"), None);
        }
        let events =
            [&upstream::delta(0, "Hi. "), &upstream::delta(0, "The canary."), upstream::DONE];
        let body = encoded(coding, events.concat().as_bytes());
        let steps = answer_in(coding, "text/event-stream", &body);
        let gateway = TestGateway::start(Upstream::answering(steps).await).await;
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat_stream("hello"))).await;
        let answer = client.answer().await.expect("an answer");
        assert!(answer.text().contains("content_filter"), "{coding}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "{coding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_decoded_is_not_passed_on() {
    let whole = upstream::completion(&["fine"]);
    let bomb = encoded("gzip", upstream::completion(&[&"a".repeat(4 << 20)]).as_bytes());
    let cut = encoded("gzip", whole.as_bytes());
    for (coding, body) in [
        ("compress", whole.as_bytes()),
        ("gzip", whole.as_bytes()),
        ("gzip", &bomb),
        ("gzip", &cut[..cut.len() - 4]),
    ] {
        let steps = answer_in(coding, "application/json", body);
        let gateway = TestGateway::start(Upstream::answering(steps).await).await;
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreadable"));
    }
}
