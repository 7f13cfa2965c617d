//! What the gateway costs: (a) a bare pingora proxy, (b) wardgate with a guard that answers at once,
//! (c) wardgate with the embedded guard; same client, same upstream, same process, in turns. Prompts
//! of 4 KiB; answers whole and streamed; 1 and 64 connections.
//!
//! `cargo bench --bench gateway`, or without the engine (and without (c))
//! `cargo bench --no-default-features --bench gateway`. `-- SECONDS` sets how long each turn takes.
//! Ratios hold on a busy machine; requests per second do not.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench prints its result, trusts what it has built, and drains nothing"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use globset::{Glob, GlobSetBuilder};
use mimalloc::MiMalloc;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wardgate::admin::AdminState;
use wardgate::audit::{self, AuditLog, Durability};
use wardgate::enforce::holdback;
use wardgate::gateway::{Gateway, Limits, Parts, UpstreamSettings, Upstreams};
use wardgate::guard::{self, Guard, Lane, Scripted};
use wardgate::policy::{SHIPPED, compile};
use wardgate::server::{Addresses, Server};
use wardgate::taxonomy::Taxonomy;
use wardgate::telemetry::Metrics;
use wardgate::tenant::{Entry, KeyDigest, Snapshot, Tenant, TenantId, Tenants};

/// The binary's, for all ways alike.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const KEY: &str = "bench";
const PROMPT_BYTES: usize = 4096;
const ROUNDS: usize = 5;
const EVENTS: usize = 40;
const SENTENCE: &str =
    "The library opens at nine and closes at six, and on Sundays it stays closed. ";

fn main() {
    let seconds = std::env::args().find_map(|argument| argument.parse::<f64>().ok()).unwrap_or(2.0);
    let turn = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let upstream = upstream().await;
        let mut ways = vec![("(a) bare pingora".to_owned(), bare(upstream).await)];
        let at_once = Guard::start(&patient(), || Ok(Box::new(Scripted::safe())));
        let (gateway, _first) = wardgate(upstream, at_once.expect("a guard"));
        ways.push(("(b) instant guard".to_owned(), gateway));
        #[cfg(feature = "candle")]
        let _second = {
            let guard = Guard::start(&patient(), || {
                let guard = wardgate::llama_guard::embedded();
                Ok(Box::new(guard.map_err(|fault| guard::LoadError(Box::new(fault)))?))
            });
            let (gateway, kept) = wardgate(upstream, guard.expect("a guard"));
            ways.push(("(c) embedded guard".to_owned(), gateway));
            kept
        };
        println!("prompts of {PROMPT_BYTES} bytes, {ROUNDS} turns of {seconds} s each, medians");
        println!(
            "{:<10} {:>11}  {:<19} {:>10} {:>9} {:>9} {:>10} {:>12}",
            "answer",
            "connections",
            "way",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "of (a)",
            "added p50 ms"
        );
        for stream in [false, true] {
            for connections in [1, 64] {
                compare(&ways, stream, connections, turn).await;
            }
        }
    });
}

/// A deadline nobody misses: what is measured is the work, not the refusal.
fn patient() -> guard::Settings {
    let deadline = Duration::from_secs(120);
    // The same prompt again and again: known verdicts would make it look like no work at all.
    guard::Settings { deadline, verdict_bytes: 0, ..guard::Settings::default() }
}

/// What one way did in one turn.
#[derive(Clone, Copy)]
struct Measured {
    rate: f64,
    p50: f64,
    p99: f64,
}

async fn compare(ways: &[(String, SocketAddr)], stream: bool, connections: usize, turn: Duration) {
    let mut all: Vec<Vec<Measured>> = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (way, measured) in ways.iter().zip(&mut all) {
            measured.push(load(way.1, stream, connections, turn).await);
        }
    }
    let median = |of: &[Measured], what: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = of.iter().map(what).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let answer = if stream { "streamed" } else { "whole" };
    let base = all.first().cloned().unwrap_or_default();
    for ((name, _), measured) in ways.iter().zip(&all) {
        // Turn by turn, so that a slow minute of the machine counts on both sides.
        let mut ratios: Vec<f64> =
            measured.iter().zip(&base).map(|(way, bare)| way.rate / bare.rate).collect();
        ratios.sort_by(f64::total_cmp);
        let p50 = median(measured, |m| m.p50);
        println!(
            "{answer:<10} {connections:>11}  {name:<19} {:>10.0} {p50:>9.2} {:>9.2} {:>10.2} {:>12.2}",
            median(measured, |m| m.rate),
            median(measured, |m| m.p99),
            ratios.get(ratios.len() / 2).copied().unwrap_or_default(),
            p50 - median(&base, |m| m.p50),
        );
    }
}

/// As many requests as the connections manage in one turn.
async fn load(to: SocketAddr, stream: bool, connections: usize, turn: Duration) -> Measured {
    let request: Arc<[u8]> = request(stream).into();
    let begun = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(client(to, Arc::clone(&request), begun + turn)))
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.expect("a client"));
    }
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at =
        |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    Measured { rate, p50: at(0.50), p99: at(0.99) }
}

/// One connection, one request after the other; how long each took in milliseconds.
async fn client(to: SocketAddr, request: Arc<[u8]>, until: Instant) -> Vec<f64> {
    let mut connection = TcpStream::connect(to).await.expect("it listens");
    connection.set_nodelay(true).expect("a socket");
    let (mut took, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    while Instant::now() < until {
        let asked = Instant::now();
        connection.write_all(&request).await.expect("it reads");
        buffer.clear();
        while !is_whole(&buffer) {
            let read = connection.read_buf(&mut buffer).await.expect("it answers");
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&buffer));
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    took
}

/// Whether an answer, by its length or its last chunk, has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    match length(&answer[..head]) {
        Some(length) => answer.len() >= head + 4 + length,
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
}

fn request(stream: bool) -> Vec<u8> {
    let prompt: String = SENTENCE.chars().cycle().take(PROMPT_BYTES).collect();
    let messages = json!([{"role": "user", "content": prompt}]);
    let body = json!({"model": "m", "stream": stream, "messages": messages}).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A provider that answers at once and always the same.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (whole, streamed): (Arc<[u8]>, Arc<[u8]>) = (whole().into(), streamed().into());
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer(connection, Arc::clone(&whole), Arc::clone(&streamed)));
        }
    });
    address
}

async fn answer(mut connection: TcpStream, whole: Arc<[u8]>, streamed: Arc<[u8]>) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        let end = loop {
            if let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let end = head + 4 + length(&buffer[..head])?;
                if buffer.len() >= end {
                    break end;
                }
            }
            if connection.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let wanted = b"\"stream\":true";
        let stream = buffer[..end].windows(wanted.len()).any(|window| window == wanted);
        buffer.drain(..end);
        connection.write_all(if stream { &streamed } else { &whole }).await.ok()?;
    }
}

fn whole() -> Vec<u8> {
    let message = json!({"role": "assistant", "content": SENTENCE.repeat(6)});
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn streamed() -> Vec<u8> {
    let mut out =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_owned();
    let words = SENTENCE.split_inclusive(' ').cycle().take(EVENTS);
    let deltas = words.map(|word| (json!({"content": word}), json!(null)));
    for (delta, finish) in deltas.chain([(json!({}), json!("stop"))]) {
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        });
        let event = format!("data: {chunk}\n\n");
        out.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
    }
    out.push_str("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    out.into_bytes()
}

/// A proxy that only passes on.
struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

async fn bare(upstream: SocketAddr) -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let conf = Arc::new(ServerConf::default());
    let mut service = pingora_proxy::http_proxy_service(&conf, Bare(upstream));
    service.add_tcp(&address.to_string());
    tokio::spawn(async move {
        // Kept here, or the proxy would take it for a shutdown.
        let (_going_on, watching) = watch::channel(false);
        service.start_service(None, watching, 1).await;
    });
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    address
}

/// A gateway under the default policy, and what has to live as long as it does.
fn wardgate(upstream: SocketAddr, guard: Guard) -> (SocketAddr, (Server, TempDir)) {
    let (file, source) = SHIPPED[0];
    let policy = compile(source, file, &Taxonomy::llama_guard_2()).expect("it ships").policy;
    let tenant = Tenant { id: TenantId::new("bench"), lane: Lane(0), policy: Arc::new(policy) };
    let entry = Entry { tenant, keys: vec![KeyDigest::of(KEY)], anonymous: false };
    let snapshot = Snapshot::new(Tenants::new(vec![entry]).expect("one tenant"), ["bench"]);
    let folder = TempDir::new().expect("a folder");
    let audit = AuditLog::open(audit::Settings {
        path: folder.path().to_owned(),
        key: None,
        durability: Durability::Disk,
    })
    .expect("a log");
    let mut models = GlobSetBuilder::new();
    models.add(Glob::new("*").expect("a glob"));
    let upstreams = Upstreams::new(vec![UpstreamSettings {
        name: "bench".to_owned(),
        url: format!("http://{upstream}/v1").parse().expect("a URL"),
        models: models.build().expect("globs"),
        credential: None,
        authorities: None,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(30),
    }]);
    let metrics = Arc::new(Metrics::new());
    let state = AdminState {
        guard: guard.clone(),
        audit: audit.clone(),
        metrics: Arc::clone(&metrics),
        upstreams: upstreams.len(),
    };
    let limits = Limits::default();
    let gateway = Gateway::new(Parts {
        guard,
        snapshot: Arc::new(snapshot),
        audit,
        metrics,
        upstreams,
        endpoints: Vec::new(),
        passthroughs: Vec::new(),
        limits: limits.clone(),
        holdback: holdback::Settings::default(),
    });
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let addresses = Addresses { data: any, admin: any, identity: None, admin_key: None };
    let server = Server::start(addresses, gateway, limits, state).expect("it listens");
    (server.data, (server, folder))
}
