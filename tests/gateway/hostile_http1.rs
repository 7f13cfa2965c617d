//! Framing that two readers could read differently, over raw sockets in HTTP/1.1: every case with its
//! answers, and no byte of it at the upstream unless it is answered with 200. Where pingora answers and
//! not we, the case says so.

use std::net::SocketAddr;
use std::time::Duration;

use wardgate::gateway::Limits;

use crate::support::client::{Client, KEY, chat, post};
use crate::support::gateway::TestGateway;

/// Sends the bytes as they are, and reads answers until the connection ends.
async fn answers(address: SocketAddr, raw: String) -> Vec<u16> {
    let mut client = Client::connect(address).await;
    client.send(raw).await;
    let mut statuses = Vec::new();
    while let Some(answer) = client.answer().await {
        statuses.push(answer.status);
    }
    statuses
}

/// Connections end soon after their last answer, so that all answers can be waited for.
async fn gateway() -> TestGateway {
    let limits = Limits {
        head_deadline: Duration::from_millis(1500),
        idle: Duration::from_millis(100),
        ..Limits::default()
    };
    TestGateway::limited(limits).await
}

/// All cases at once, each on a connection of its own.
async fn check(cases: Vec<(&'static str, String, &[u16])>) {
    let gateway = gateway().await;
    let asked = cases.into_iter().map(|(name, raw, expected)| {
        (name, tokio::task::spawn(answers(gateway.data, raw)), expected)
    });
    let asked: Vec<_> = asked.collect();
    let mut passed = 0;
    let mut faults = Vec::new();
    for (name, answered, expected) in asked {
        let got = answered.await.expect("no panic");
        passed += expected.iter().filter(|status| **status == 200).count();
        if got != *expected {
            faults.push(format!("{name}: {got:?} instead of {expected:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests.len(), passed));
    assert!(!gateway.upstream.received("canary"));
}

/// A good request whose line for the length is another.
fn framed(line: &str) -> String {
    let body = chat("hello");
    post(&body).replace(&format!("Content-Length: {}\r\n", body.len()), line)
}

/// A good head with further lines and no body, for what comes behind it.
fn chunked(body: &str) -> String {
    let head = framed("Transfer-Encoding: chunked\r\n");
    format!("{}{body}", head.split_inclusive("\r\n\r\n").next().expect("a head"))
}

/// One chunk with a size as written.
fn chunk(size: &str) -> String {
    chunked(&format!("{size}\r\n{}\r\n0\r\n\r\n", chat("hello")))
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_have_one_reading() {
    let length = chat("hello").len();
    let smuggled = post(&chat("canary"));
    check(vec![
        ("a good one", post(&chat("hello")), &[200]),
        (
            "both lengths",
            framed(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"))
                + &smuggled,
            &[400],
        ),
        (
            "both lengths, the other way round",
            framed("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + &smuggled,
            &[400],
        ),
        (
            "two that differ (pingora)",
            framed(&format!("Content-Length: {length}\r\nContent-Length: 4\r\n")) + &smuggled,
            &[400],
        ),
        (
            "two that are the same",
            framed(&format!("Content-Length: {length}\r\nContent-Length: {length}\r\n")),
            &[400],
        ),
        ("a list of one twice", framed(&format!("Content-Length: {length}, {length}\r\n")), &[400]),
        ("a sign", framed(&format!("Content-Length: +{length}\r\n")), &[400]),
        ("a negative one (pingora)", framed("Content-Length: -1\r\n"), &[400]),
        ("a hexadecimal one (pingora)", framed("Content-Length: 0xf\r\n"), &[400]),
        ("an exponent (pingora)", framed("Content-Length: 1e1\r\n"), &[400]),
        ("twenty digits (pingora)", framed("Content-Length: 99999999999999999999\r\n"), &[400]),
        ("none at all", framed("Content-Length:\r\n"), &[400]),
        // What was not announced is the next request.
        ("no length and no coding", framed(""), &[400, 400]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_have_one_reading() {
    check(vec![
        ("another one behind", framed("Transfer-Encoding: chunked, identity\r\n"), &[400]),
        ("another one before", framed("Transfer-Encoding: gzip, chunked\r\n"), &[400]),
        ("an unknown one", framed("Transfer-Encoding: xchunked\r\n"), &[400]),
        ("a space before the colon (pingora)", framed("Transfer-Encoding : chunked\r\n"), &[400]),
        ("a folded line (pingora)", framed("Transfer-Encoding:\r\n chunked\r\n"), &[400]),
        ("twice", framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), &[400]),
        ("named by Connection", framed("Connection: transfer-encoding\r\n"), &[400]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_have_one_reading() {
    let size = format!("{:x}", chat("hello").len());
    check(vec![
        ("a good one", chunk(&size), &[200]),
        ("a prefix", chunk(&format!("0x{size}")), &[400]),
        ("a sign", chunk(&format!("+{size}")), &[400]),
        ("seventeen digits", chunk(&format!("{size:0>17}")), &[400]),
        ("no size", chunk(""), &[400]),
        (
            "a bare line feed",
            chunk(&size).replacen(&format!("{size}\r\n"), &format!("{size}\n"), 1),
            &[400],
        ),
        ("a size that is too small", chunk("4"), &[400]),
        // What comes behind a size or after the last chunk says nothing, and goes nowhere.
        ("a space behind (pingora)", chunk(&format!("{size} ")), &[200]),
        ("an extension (pingora)", chunk(&format!("{size};a=canary")), &[200]),
        (
            "trailers (pingora)",
            chunk(&size).replace("0\r\n\r\n", "0\r\nX-Words: canary\r\n\r\n"),
            &[200],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_one_reading() {
    let good = post(&chat("hello"));
    let with = |line: &str| good.replace("Host: gateway\r\n", line);
    let target = |target: &str| good.replace("/v1/chat/completions", target);
    check(vec![
        ("a bare line feed", with("Host: gateway\n"), &[400]),
        ("a bare carriage return (pingora)", with("Host: gateway\r\nX: a\rb\r\n"), &[400]),
        ("a NUL (pingora)", with("Host: gateway\r\nX: a\0b\r\n"), &[400]),
        ("no host", with(""), &[400]),
        ("two hosts (pingora)", with("Host: gateway\r\nHost: gateway\r\n"), &[400]),
        ("a space in a name (pingora)", with("Host: gateway\r\nX y: z\r\n"), &[400]),
        ("no name (pingora)", with("Host: gateway\r\n: z\r\n"), &[400]),
        ("a line without a colon (pingora)", with("Host: gateway\r\nnonsense\r\n"), &[400]),
        (
            "an absolute target for another host (pingora)",
            target("http://other/v1/chat/completions"),
            &[400],
        ),
        ("an absolute target for this host", target("http://gateway/v1/chat/completions"), &[404]),
        ("a space in the target", target("/v1/chat completions"), &[404]),
        ("a fragment", target("/v1/chat/completions#canary"), &[400]),
        ("an encoded slash", target("/v1/chat%2fcompletions"), &[404]),
        ("a version of its own (pingora)", good.replace("HTTP/1.1", "HTTP/1.2"), &[400]),
        ("no version (pingora)", "GET /v1/models\r\n\r\n".to_owned(), &[400]),
        (
            "HTTP/2 in clear text (pingora)",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(),
            &[400],
        ),
        ("HTTP/1.0 with a coding", chunk("4").replace("HTTP/1.1", "HTTP/1.0"), &[400]),
        ("HTTP/1.0 with a body and no length", framed("").replace("HTTP/1.1", "HTTP/1.0"), &[400]),
        ("an empty line before (pingora)", format!("\r\n{good}"), &[200]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_opens_a_tunnel() {
    let good = post(&chat("hello"));
    let with =
        |lines: &str| good.replace("Host: gateway\r\n", &format!("Host: gateway\r\n{lines}"));
    let connect = format!(
        "CONNECT gateway:443 HTTP/1.1\r\nHost: gateway:443\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    check(vec![
        ("CONNECT (pingora)", connect + &post(&chat("canary")), &[405]),
        (
            "a web socket",
            with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n"),
            &[400],
        ),
        (
            "HTTP/2 by upgrade",
            with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            &[400],
        ),
        (
            "anything, and bytes behind it",
            with("Connection: Upgrade\r\nUpgrade: foo\r\n") + &post(&chat("canary")),
            &[400],
        ),
        ("an upgrade that Connection does not name", with("Upgrade: foo\r\n"), &[400]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_next_hop_is_told_changes_nothing() {
    let good = post(&chat("hello"));
    let with =
        |lines: &str| good.replace("Host: gateway\r\n", &format!("Host: gateway\r\n{lines}"));
    check(vec![
        ("the length named by Connection", with("Connection: Content-Length\r\n"), &[400]),
        ("the key named by Connection", with("Connection: close, Authorization\r\n"), &[400]),
        ("trailers are welcome", with("TE: trailers\r\n"), &[200]),
        ("another expectation", with("Expect: 200-ok\r\n"), &[400]),
        ("an expectation, and the body at once", with("Expect: 100-continue\r\n"), &[100, 200]),
        (
            "an expectation, and no body",
            framed("Content-Length: 0\r\nExpect: 100-continue\r\n")
                .split_inclusive("\r\n\r\n")
                .next()
                .expect("a head")
                .to_owned(),
            &[100, 400],
        ),
        ("another method by header", with("X-HTTP-Method-Override: GET\r\n"), &[200]),
    ])
    .await;
}
