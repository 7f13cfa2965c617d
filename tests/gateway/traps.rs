//! pingora's defaults are made for a different job; each cure that concerns HTTP/1.1 has a test
//! named after its trap.

use std::time::Duration;

use crate::support::client::{Client, KEY, chat, chat_stream, post, post_with};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;
use wardgate::audit::Opening;
use wardgate::gateway::Limits;

async fn gateway() -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    TestGateway::start(upstream).await
}

/// Sends raw bytes and says the status of the answer, if there is one.
async fn status_of(gateway: &TestGateway, raw: &str) -> Option<u16> {
    let mut client = Client::connect(gateway.data).await;
    client.send(raw).await;
    client.answer().await.map(|answer| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_01_a_request_shorter_than_an_h2_preface_is_answered_at_once() {
    let gateway = gateway().await;
    assert_eq!(status_of(&gateway, "GET / HTTP/1.0\r\n\r\n").await, Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_02_a_head_that_dribbles_has_a_total_deadline() {
    let limits = Limits { head_deadline: Duration::from_millis(200), ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let mut client = Client::connect(gateway.data).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ").await;
    assert!(client.ends().await, "closed although bytes might go on coming");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_02_a_head_over_its_bound_is_refused() {
    let limits = Limits { head_bytes: 1024, ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let raw = post_with(&format!("X-Long: {}\r\n", "a".repeat(2048)), &chat("hello"));
    assert_eq!(status_of(&gateway, &raw).await, Some(431));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_03_a_body_that_dribbles_has_a_total_deadline() {
    let limits = Limits { body_deadline: Duration::from_millis(200), ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let whole = post(&chat("hello"));
    let mut client = Client::connect(gateway.data).await;
    client.send(&whole[..whole.len() - 3]).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_too_slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_04_an_idle_connection_is_closed() {
    let limits = Limits {
        idle: Duration::from_millis(100),
        head_deadline: Duration::from_millis(100),
        ..Limits::default()
    };
    let gateway = TestGateway::limited(limits).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    assert!(client.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_05_a_client_that_stops_reading_is_let_go() {
    let mut steps = vec![upstream::stream_head()];
    let text = "all is well. ".repeat(2_000);
    steps.extend((0..400).map(|_| upstream::chunk(&upstream::delta(0, &text))));
    steps.push(upstream::last_chunk());
    let limits = Limits { write_timeout: Duration::from_millis(200), ..Limits::default() };
    let gateway = TestGateway::start_with(Upstream::answering(steps).await, |setup| {
        setup.limits = limits;
    })
    .await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat_stream("hello"))).await;
    gateway.upstream.until(|seen| seen.hung_up == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_06_two_lengths_are_refused() {
    let gateway = gateway().await;
    let raw = post_with("Transfer-Encoding: chunked\r\n", &chat("hello"));
    assert_eq!(status_of(&gateway, &raw).await, Some(400));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_07_lenient_heads_are_refused() {
    let gateway = gateway().await;
    let body = chat("hello");
    let good = post(&body);
    for (raw, why) in [
        (good.replace("Host: gateway\r\n", ""), "no host"),
        (good.replace("Host: gateway\r\n", "Host: gateway\n"), "a bare line feed"),
        (
            good.replace(
                &format!("Content-Length: {}", body.len()),
                "Transfer-Encoding: gzip, chunked",
            ),
            "a coding we do not decode",
        ),
        (
            good.replace(
                &format!("Content-Length: {}", body.len()),
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            ),
            "chunked twice",
        ),
    ] {
        assert_eq!(status_of(&gateway, &raw).await, Some(400), "{why}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_08_bad_chunks_are_the_clients_fault() {
    let gateway = gateway().await;
    let raw = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0xf\r\nhello\r\n0\r\n\r\n"
    );
    assert_eq!(status_of(&gateway, &raw).await, Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_09_expect_continue_is_answered() {
    let gateway = gateway().await;
    let raw = post_with("Expect: 100-continue\r\n", &chat("hello"));
    let (head, body) = raw.split_once("\r\n\r\n").expect("a head");
    let mut client = Client::connect(gateway.data).await;
    client.send(format!("{head}\r\n\r\n")).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(100));
    client.send(body).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_10_paths_are_not_normalised() {
    let gateway = gateway().await;
    for path in ["//v1/chat/completions", "/v1/chat%2fcompletions", "/v1/chat/completions/", "/x"] {
        let raw = post(&chat("hello")).replace("/v1/chat/completions", path);
        let mut client = Client::connect(gateway.data).await;
        client.send(raw).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (404, "route_not_guarded"), "{path}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    // The upstream's path is ours, not the client's.
    assert_eq!(status_of(&gateway, &post(&chat("hello"))).await, Some(200));
    gateway.upstream.seen(|seen| {
        let head = &seen.requests[0].0;
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_11_upgrades_are_refused() {
    let gateway = gateway().await;
    let raw = post_with("Connection: Upgrade\r\nUpgrade: websocket\r\n", &chat("hello"));
    assert_eq!(status_of(&gateway, &raw).await, Some(400));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    // Nor does an upstream make a tunnel of its own accord.
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\ntunnel".to_vec();
    let upstream = Upstream::answering(vec![upstream::Step::Send(switched)]).await;
    let gateway = TestGateway::start(upstream).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreadable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_12_a_retry_sends_the_judged_bytes_and_happens_once() {
    // The provider closes the kept connection instead of answering the second request on it.
    let upstream = Upstream::scripted(|turn| match turn {
        1 => vec![upstream::Step::Close],
        _ => upstream::json(&upstream::completion(&["fine"])),
    })
    .await;
    let gateway = TestGateway::start(upstream).await;
    for _ in 0..2 {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    }
    gateway.upstream.seen(|seen| {
        assert_eq!(seen.requests.len(), 3);
        assert!(seen.requests.iter().all(|(_, body)| body == chat("hello").as_bytes()));
    });
    // On a fresh connection nothing is tried again.
    let upstream = Upstream::answering(vec![upstream::Step::Close]).await;
    let gateway = TestGateway::start(upstream).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(502));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests.len(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_13_draining_ends_as_soon_as_nothing_goes_on() {
    let mut gateway = gateway().await;
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&chat("hello"))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
    // The grace period is far longer than this test may take.
    assert!(gateway.drain().await, "everything ended by itself");
    assert!(client.ends().await, "the idle connection was let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_14_a_panic_leaves_its_record() {
    let gateway = gateway().await;
    let mut draft = gateway.audit.draft(Opening {
        exchange: "E".to_owned(),
        tenant: "acme".to_owned(),
        policy: "test@0".to_owned(),
        route: "chat.completions".into(),
        guard: "scripted@0".to_owned(),
    });
    let task = tokio::task::spawn(async move {
        draft.open().expect("the log can be written");
        panic!("in the middle of an exchange");
    });
    assert!(task.await.is_err());
    let closed = gateway.audit_lines("closed");
    assert_eq!((closed.len(), &closed[0]["outcome"]), (1, &serde_json::json!("failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_15_client_headers_stay_here() {
    let gateway = gateway().await;
    let raw = post_with(
        "Cookie: secret\r\nX-Tenant: other\r\nX-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: gzip\r\n",
        &chat("hello"),
    );
    assert_eq!(status_of(&gateway, &raw).await, Some(200));
    gateway.upstream.seen(|seen| {
        let head = seen.requests[0].0.to_ascii_lowercase();
        for name in ["cookie", "x-tenant", "x-forwarded-for", "gzip"] {
            assert!(!head.contains(name), "{name} in {head}");
        }
        assert!(head.contains("accept-encoding: identity"), "{head}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_16_the_admin_plane_is_not_on_the_data_plane() {
    let gateway = gateway().await;
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        assert_eq!(status_of(&gateway, &raw).await, Some(404), "{path}");
    }
    let mut client = Client::connect(gateway.admin).await;
    client.send("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
}
