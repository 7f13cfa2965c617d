//! A client that speaks HTTP/2 in TLS, by way of the `h2` crate.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use tokio::task::JoinHandle;

use crate::support::client::{Answer, KEY};
use crate::support::tls;

pub(crate) struct Client {
    send: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// A request under way: its body goes out here, its answer comes in there.
pub(crate) struct Stream {
    pub(crate) body: SendStream<Bytes>,
    pub(crate) answer: ResponseFuture,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = tls::connect(address, &["h2"]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (send, connection) = client::handshake(stream).await.expect("HTTP/2");
        Self { send, driver: tokio::task::spawn(connection) }
    }

    /// Sends a head, and leaves the body open unless told that there is none.
    pub(crate) async fn begin(
        &mut self,
        request: Request<()>,
        is_all: bool,
    ) -> Result<Stream, h2::Error> {
        self.send = self.send.clone().ready().await?;
        let (answer, body) = self.send.send_request(request, is_all)?;
        Ok(Stream { body, answer })
    }

    /// Sends a request with a body, and reads the answer.
    pub(crate) async fn ask(
        &mut self,
        request: Request<()>,
        body: &str,
    ) -> Result<Answer, h2::Error> {
        let mut stream = self.begin(request, body.is_empty()).await?;
        if !body.is_empty() {
            stream.body.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        }
        stream.read().await
    }

    /// Asks for a chat completion with a key that a tenant has.
    pub(crate) async fn post(&mut self, body: &str) -> Answer {
        self.ask(post(), body).await.expect("an answer")
    }

    /// Breaks the connection without a word.
    pub(crate) fn abort(&self) {
        self.driver.abort();
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_finished()
    }

    /// How the connection ended.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        let Self { send, driver } = self;
        let ended = driver.await.expect("no panic");
        drop(send);
        ended
    }
}

impl Stream {
    /// Waits for the head of the answer.
    pub(crate) async fn head(self) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
        Ok((self.answer.await?, self.body))
    }

    /// Reads the answer to its end.
    pub(crate) async fn read(self) -> Result<Answer, h2::Error> {
        // The body's sender is kept: dropped before its end, it would reset the stream.
        let (response, _body) = self.head().await?;
        let (head, mut incoming) = response.into_parts();
        let mut lines = format!("HTTP/2 {}\r\n", head.status.as_u16());
        for (name, value) in &head.headers {
            lines.push_str(&format!("{name}: {}\r\n", value.to_str().expect("ASCII")));
        }
        let mut body = Vec::new();
        while let Some(piece) = incoming.data().await {
            let piece = piece?;
            incoming.flow_control().release_capacity(piece.len())?;
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status: head.status.as_u16(), head: lines, body })
    }
}

/// A request of any method for any path, with a key that a tenant has.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("https://localhost{path}"))
        .header("authorization", format!("Bearer {KEY}"))
}

/// A request for a chat completion, but for its body.
pub(crate) fn post() -> Request<()> {
    let request = request(Method::POST, "/v1/chat/completions");
    request.header("content-type", "application/json").body(()).expect("a request")
}
