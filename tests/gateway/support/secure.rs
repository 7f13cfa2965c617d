//! A model provider behind TLS, in HTTP/2 or HTTP/1.1, that answers from a script and records what it
//! was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, SendResponse};
use http::request::Parts;
use http::{Request, Response};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::tls;

/// One thing to do while answering over HTTP/2.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends a head with this status and content type.
    Head(u16, &'static str),
    /// Sends a piece of the body.
    Send(String),
    /// Waits until the test says so, or the gateway leaves.
    Await(Arc<Notify>),
    /// Ends the answer.
    End,
    /// Ends it with a trailer.
    Trailer(&'static str, &'static str),
    /// Resets the stream.
    Reset(Reason),
    /// Says that the connection takes no further streams.
    GoAway,
}

/// What the provider saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Head and body of each request.
    pub(crate) requests: Vec<(Parts, Vec<u8>)>,
    /// How many handshakes came about.
    pub(crate) connections: usize,
    /// How many streams the gateway reset while an answer was under way or awaited.
    pub(crate) resets: usize,
}

pub(crate) struct Secure {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

type Script = dyn Fn(usize) -> Vec<Act> + Send + Sync;

impl Secure {
    /// Offers these protocols, and answers each request, counted from 0, as the script says.
    pub(crate) async fn scripted(
        protocols: &[&str],
        script: impl Fn(usize) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let changed = Arc::new(Notify::new());
        let script: Arc<Script> = Arc::new(script);
        let acceptor = acceptor(protocols);
        let (shared, notify) = (Arc::clone(&seen), Arc::clone(&changed));
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
                let (seen, changed) = (Arc::clone(&shared), Arc::clone(&notify));
                tokio::task::spawn(async move {
                    // A gateway that does not trust us leaves.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    seen.lock().unwrap().connections += 1;
                    changed.notify_waiters();
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        serve(stream, script, seen, changed).await;
                    } else {
                        serve_http1(stream, &seen, &changed).await;
                    }
                });
            }
        });
        Self { address, seen, changed }
    }

    /// Looks at what was seen.
    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Waits until what was seen is so.
    pub(crate) async fn until(&self, wanted: impl Fn(&Seen) -> bool) {
        loop {
            let changed = self.changed.notified();
            if self.seen(&wanted) {
                return;
            }
            changed.await;
        }
    }
}

fn acceptor(protocols: &[&str]) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(tls::CHAIN).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(tls::KEY).expect("its key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a server");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    stream: TlsStream<TcpStream>,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
) {
    let mut connection = server::handshake(stream).await.expect("HTTP/2");
    let (leave, mut leaving) = tokio::sync::mpsc::unbounded_channel();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            Some(()) = leaving.recv() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        let (changed, leave) = (Arc::clone(&changed), leave.clone());
        tokio::task::spawn(async move {
            let (head, mut incoming): (Parts, _) = Request::into_parts(request);
            let mut body = Vec::new();
            while let Some(Ok(piece)) = incoming.data().await {
                let _ = incoming.flow_control().release_capacity(piece.len());
                body.extend_from_slice(&piece);
            }
            let turn = {
                let mut seen = seen.lock().unwrap();
                seen.requests.push((head, body));
                seen.requests.len() - 1
            };
            changed.notify_waiters();
            answer(respond, script(turn), &seen, &leave).await;
            changed.notify_waiters();
        });
    }
}

async fn answer(
    mut respond: SendResponse<Bytes>,
    acts: Vec<Act>,
    seen: &Mutex<Seen>,
    leave: &tokio::sync::mpsc::UnboundedSender<()>,
) {
    let mut body = None;
    for act in acts {
        match act {
            Act::Head(status, kind) => {
                let head = Response::builder().status(status).header("content-type", kind);
                let head = head.body(()).expect("a head");
                body = respond.send_response(head, false).ok();
            }
            Act::Send(piece) => {
                let body = body.as_mut().expect("a head came first");
                let _ = body.send_data(piece.into(), false);
            }
            Act::Await(go) => {
                let gone = std::future::poll_fn(|cx| match body.as_mut() {
                    Some(body) => body.poll_reset(cx),
                    None => respond.poll_reset(cx),
                });
                tokio::select! {
                    () = go.notified() => {}
                    _ = gone => {
                        seen.lock().unwrap().resets += 1;
                        return;
                    }
                }
            }
            Act::End => {
                let body = body.as_mut().expect("a head came first");
                let _ = body.send_data(Bytes::new(), true);
            }
            Act::Trailer(name, value) => {
                let body = body.as_mut().expect("a head came first");
                let mut trailers = http::HeaderMap::new();
                trailers.insert(name, value.parse().expect("a value"));
                let _ = body.send_trailers(trailers);
            }
            Act::Reset(reason) => respond.send_reset(reason),
            Act::GoAway => leave.send(()).expect("it listens"),
        }
    }
}

/// Answers every request over HTTP/1.1 with the same words.
async fn serve_http1(mut stream: TlsStream<TcpStream>, seen: &Mutex<Seen>, changed: &Notify) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}]}") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = Request::builder().version(http::Version::HTTP_11).body(()).expect("a head");
    seen.lock().unwrap().requests.push((request.into_parts().0, bytes));
    changed.notify_waiters();
    let body = crate::support::upstream::completion(&["fine"]);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
}

/// A whole answer in JSON.
pub(crate) fn json(body: &str) -> Vec<Act> {
    vec![Act::Head(200, "application/json"), Act::Send(body.to_owned()), Act::End]
}
