//! The guarded API behind TLS.

use tokio::net::TcpStream;
use wardgate::gateway::Limits;

use crate::support::client::{Client, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::tls;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_chooses_its_http() {
    let gateway = TestGateway::secure(Limits::default()).await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = tls::connect(gateway.data, offered).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
    let none = tls::connect(gateway.data, &["http/1.0", "spdy/3"]).await;
    assert!(none.is_err(), "there is nothing to speak");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_is_guarded_behind_tls() {
    let gateway = TestGateway::secure(Limits::default()).await;
    let mut client = Client::secure(gateway.data).await;
    for (text, status) in [("hello", 200), ("canary", 400), ("hello", 200)] {
        client.send(post(&chat(text))).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(status), "{text}");
    }
    assert!(!gateway.upstream.received("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_gets_nothing_where_tls_is_spoken() {
    let mut gateway = TestGateway::secure(Limits::default()).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    assert!(client.answer().await.is_none());
    gateway.drain().await;
    assert_eq!(gateway.audit_text(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_dribbles_has_a_deadline() {
    let limits =
        Limits { head_deadline: std::time::Duration::from_millis(100), ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    let stream = TcpStream::connect(gateway.data).await.expect("it listens");
    // The beginning of a handshake record, and no more.
    stream.try_write(&[0x16, 3, 1, 2]).expect("it is sent");
    let mut end = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut { stream }, &mut end).await;
    assert!(matches!(read, Ok(0) | Err(_)), "closed although bytes might go on coming");
}
