//! Who would use everything up: what is bounded over all requests and connections, and what happens at
//! the bound. The bounds of one request are in `limits`, those of one connection in `traps` and
//! `hostile_http2`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wardgate::gateway::Limits;

use crate::support::client::{Client, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::http2;

/// A request for more than `sent` bytes, without its end.
fn part_of(body: &str, sent: usize) -> String {
    let whole = post(body);
    let head = whole.len() - body.len();
    whole[..head + sent].to_owned()
}

const SENT: usize = 60_000;

/// Sends a part of a request, and the rest when told to; gives the status of its answer, and what it says
/// of trying again.
async fn over_http1(
    address: SocketAddr,
    body: String,
    mut go: watch::Receiver<bool>,
) -> (u16, Option<String>) {
    let mut client = Client::secure(address).await;
    client.send(part_of(&body, SENT)).await;
    let early = tokio::select! {
        answer = client.answer() => answer,
        _ = go.wait_for(|go| *go) => None,
    };
    let answer = match early {
        Some(answer) => answer,
        None => {
            client.send(&body[SENT..]).await;
            client.answer().await.expect("an answer")
        }
    };
    (answer.status, answer.header("retry-after").map(str::to_owned))
}

/// The same over HTTP/2.
async fn over_http2(
    address: SocketAddr,
    body: String,
    mut go: watch::Receiver<bool>,
) -> (u16, Option<String>) {
    let mut client = http2::Client::connect(address).await;
    let mut stream = client.begin(http2::post(), false).await.expect("a stream");
    stream.body.send_data(body[..SENT].to_owned().into(), false).expect("an open stream");
    let early = tokio::select! {
        answer = &mut stream.answer => Some(answer),
        _ = go.wait_for(|go| *go) => None,
    };
    let answer = match early {
        Some(answer) => answer,
        None => {
            stream.body.send_data(body[SENT..].to_owned().into(), true).expect("an open stream");
            stream.answer.await
        }
    };
    let answer = answer.expect("an answer");
    let again = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), again)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bodies_together_are_bounded_over_every_connection_and_stream() {
    // Enough for three bodies, and not for a fourth.
    let body = chat(&"a".repeat(64_000));
    let limits = Limits { all_request_bytes: 3 * body.len() + 1000, ..Limits::default() };
    assert!(4 * SENT > limits.all_request_bytes);
    let gateway = TestGateway::secure(limits).await;
    let (go, going) = watch::channel(false);
    let mut clients = JoinSet::new();
    for _ in 0..2 {
        clients.spawn(over_http1(gateway.data, body.clone(), going.clone()));
        clients.spawn(over_http2(gateway.data, body.clone(), going.clone()));
    }
    let refused = clients.join_next().await.expect("a client").expect("no panic");
    assert_eq!(refused, (503, Some("1".to_owned())), "one is too many");
    go.send_replace(true);
    while let Some(served) = clients.join_next().await {
        assert_eq!(served.expect("no panic").0, 200, "the others do not suffer");
    }
    // What was taken is given back.
    let mut client = Client::secure(gateway.data).await;
    client.send(post(&body)).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_02_one_client_cannot_take_all_connections() {
    let limits = Limits { connections_per_client: 3, ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    let mut within = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(200));
        within.push(client);
    }
    let mut over = Client::connect(gateway.data).await;
    over.send(post(&chat("hello"))).await;
    assert!(over.answer().await.is_none(), "one more than its share");
    // One that closes makes room for another.
    drop(within.pop());
    loop {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(&chat("hello"))).await;
        if let Some(answer) = client.answer().await {
            assert_eq!(answer.status, 200);
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_03_a_body_that_drips_is_refused_long_before_its_deadline() {
    let limits = Limits {
        min_rate: 100_000,
        read_timeout: Duration::from_millis(300),
        body_deadline: Duration::from_secs(3600),
        ..Limits::default()
    };
    let gateway = TestGateway::secure(limits).await;
    let body = chat(&"a".repeat(100_000));
    let mut client = Client::secure(gateway.data).await;
    client.send(part_of(&body, 1)).await;
    let mut over_http2 = http2::Client::connect(gateway.data).await;
    let mut stream = over_http2.begin(http2::post(), false).await.expect("a stream");
    // A byte now and then, for ever: no read of them is late.
    let drip = async {
        loop {
            client.send("a").await;
            if stream.body.send_data("a".into(), false).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    drip.await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_too_slow"));
    let answer = stream.read().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_too_slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_counts_what_its_decoder_may_hold() {
    let limits = Limits { all_request_bytes: 1 << 20, ..Limits::default() };
    let gateway = TestGateway::limited(limits).await;
    for (coding, status) in [("zstd", 503), ("br", 503), ("gzip", 400)] {
        let raw = post("not what it says").replace(
            "Host: gateway\r\n",
            &format!("Host: gateway\r\nContent-Encoding: {coding}\r\n"),
        );
        let mut client = Client::connect(gateway.data).await;
        client.send(raw).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(status), "{coding}");
    }
}
