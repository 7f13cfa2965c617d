//! A client that sends exactly what it is told and keeps every byte it gets.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::tls;

pub(crate) const KEY: &str = "test-key";

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {}", self.text()))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("none").to_owned()
    }
}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    buffered: Vec<u8>,
}

/// A connection, in clear text or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        Self { stream: Box::new(stream), buffered: Vec::new() }
    }

    /// A client that speaks HTTP/1.1 in TLS.
    pub(crate) async fn secure(address: SocketAddr) -> Self {
        let stream = tls::connect(address, &["http/1.1"]).await.expect("a handshake");
        Self { stream: Box::new(stream), buffered: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A gateway that has refused already may have closed: its answer is read all the same.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads until the bytes hold the needle, or the connection ends.
    pub(crate) async fn read_until(&mut self, needle: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.buffered).into_owned();
            if text.contains(needle) {
                return text;
            }
            assert!(self.more().await, "the connection ended before {needle:?}; got {text:?}");
        }
    }

    /// Reads one answer; `None` when the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.buffered.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.buffered[..end]).into_owned();
        self.buffered.drain(..end);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        if status == 100 {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks().await;
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().expect("a length");
            while self.buffered.len() < length {
                assert!(self.more().await, "the body broke off");
            }
            answer.body = self.buffered.drain(..length).collect();
        }
        Some(answer)
    }

    /// Whether the connection has ended, once everything that was sent is read.
    pub(crate) async fn ends(&mut self) -> bool {
        while self.more().await {}
        true
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = self.buffered.windows(2).position(|two| two == b"\r\n") {
                    break self.buffered.drain(..end + 2).collect::<Vec<_>>();
                }
                assert!(
                    self.more().await,
                    "the chunks broke off after {:?}",
                    String::from_utf8_lossy(&body)
                );
            };
            let line = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
            while self.buffered.len() < size + 2 {
                assert!(self.more().await, "a chunk broke off");
            }
            body.extend(self.buffered.drain(..size));
            self.buffered.drain(..2);
            if size == 0 {
                return body;
            }
        }
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffered).await.is_ok_and(|read| read > 0)
    }
}

/// A request for a chat completion, with a key that a tenant has.
pub(crate) fn post(body: &str) -> String {
    post_with("", body)
}

/// The same with further header lines.
pub(crate) fn post_with(headers: &str, body: &str) -> String {
    let headers = format!("Authorization: Bearer {KEY}\r\n{headers}");
    post_to("/v1/chat/completions", &headers, body)
}

/// A request with a JSON body and these further header lines.
pub(crate) fn post_to(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A chat request with one user message.
pub(crate) fn chat(text: &str) -> String {
    serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string()
}

/// The same, streamed.
pub(crate) fn chat_stream(text: &str) -> String {
    serde_json::json!({
        "model": "m", "stream": true, "messages": [{"role": "user", "content": text}],
    })
    .to_string()
}
