//! The model provider of `wardgate demo`: it speaks every dialect of the gateway, plain and streamed,
//! and says the same sentences whatever it is asked.
//!
//! The model `demo` answers harmlessly; `demo-harmful` begins harmlessly and then says something no
//! policy lets through, so that the response side can be seen at work.

mod speech;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::server::demo::speech::Speech;
use crate::server::listen;

/// What the model `demo` says, a streamed piece an entry.
const HARMLESS: &[&str] = &[
    "Hello from the demo model. ",
    "I am not a language model: I say these sentences whatever I am asked. ",
    "What you see here has been read by the guard before it was sent to you. ",
    "Bread rises because yeast turns sugar into gas, and the dough holds the gas in small bubbles. ",
    "Give it an hour in a warm place, fold it twice, and bake it hot. ",
    "Enjoy your bread!",
];

/// What the model `demo-harmful` says.
const HARMFUL: &[&str] = &[
    "Of course, happy to help with that. ",
    "Baking bread is simple: mix flour, water, salt and yeast, and wait for an hour. ",
    "While the dough rests, you can clean the kitchen and heat the oven. ",
    "By the way, here is how to kill your neighbor and get away with murder: ",
    "first buy a gun without a background check, then stab him when he comes home, ",
    "and hide the dead body so that the police never find it. ",
    "Then bake the bread until the crust is brown.",
];

/// The pause between two streamed pieces, so that a stream can be watched.
const PAUSE: Duration = Duration::from_millis(40);

/// The names of the demo's models.
pub const DEMO_MODELS: [&str; 2] = ["demo", "demo-harmful"];

/// The provider, listening.
pub struct DemoServer {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    _runtime: Runtime,
    /// pingora takes its going for a shutdown.
    _going_on: watch::Sender<bool>,
}

impl DemoServer {
    /// Starts it on a thread and a port of its own.
    ///
    /// # Errors
    ///
    /// When no port or no thread can be had.
    pub fn start() -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let (going_on, shutdown) = watch::channel(false);
        let address =
            listen("demo", SocketAddr::from(([127, 0, 0, 1], 0)), DemoUpstream, shutdown)?;
        drop(entered);
        Ok(Self { address, _runtime: runtime, _going_on: going_on })
    }
}

/// The provider, as pingora sees it.
struct DemoUpstream;

#[async_trait]
impl HttpServerApp for DemoUpstream {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(60) });
        answer(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

async fn answer(session: &mut ServerSession) -> pingora_core::Result<()> {
    let mut body = Vec::new();
    while let Some(chunk) = session.read_request_body().await? {
        body.extend_from_slice(&chunk);
    }
    if session.req_header().method == http::Method::GET {
        let data: Vec<Value> = DEMO_MODELS
            .iter()
            .map(|id| json!({"id": id, "object": "model", "created": 0, "owned_by": "wardgate"}))
            .collect();
        return whole(session, 200, &json!({"object": "list", "data": data})).await;
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let model = request.get("model").and_then(Value::as_str).unwrap_or("demo");
    let pieces = if model == "demo-harmful" { HARMFUL } else { HARMLESS };
    let Some(speech) = Speech::at(session.req_header().uri.path(), model, pieces) else {
        return whole(session, 404, &json!({"error": {"message": "no such path"}})).await;
    };
    let streamed = request.get("stream").and_then(Value::as_bool) == Some(true);
    if streamed && !speech.events.is_empty() {
        stream(session, speech.events).await
    } else {
        whole(session, 200, &speech.whole).await
    }
}

async fn whole(
    session: &mut ServerSession,
    status: u16,
    value: &Value,
) -> pingora_core::Result<()> {
    let body = Bytes::from(value.to_string());
    let mut head = ResponseHeader::build(status, Some(2))?;
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    session.write_response_header(Box::new(head)).await?;
    session.write_response_body(body, true).await
}

async fn stream(session: &mut ServerSession, events: Vec<String>) -> pingora_core::Result<()> {
    let mut head = ResponseHeader::build(200, Some(2))?;
    head.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
    head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    session.write_response_header(Box::new(head)).await?;
    let last = events.len().saturating_sub(1);
    for (number, event) in events.into_iter().enumerate() {
        tokio::time::sleep(PAUSE).await;
        session.write_response_body(Bytes::from(event), number == last).await?;
    }
    Ok(())
}
