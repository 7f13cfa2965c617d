//! A model provider that answers from a script and records every byte it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One thing to do while answering.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes as they are.
    Send(Vec<u8>),
    /// Waits until the test says so.
    Await(Arc<Notify>),
    /// Closes the connection.
    Close,
}

/// What the provider saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// The head and body of each request, as sent.
    pub(crate) requests: Vec<(String, Vec<u8>)>,
    /// How many connections were opened.
    pub(crate) connections: usize,
    /// How many connections the gateway closed while an answer was under way or awaited.
    pub(crate) hung_up: usize,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

impl Upstream {
    /// Answers every request with the same steps.
    pub(crate) async fn answering(steps: Vec<Step>) -> Self {
        Self::scripted(move |_| steps.clone()).await
    }

    /// Answers each request, counted from 0, as the script says.
    pub(crate) async fn scripted(
        script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let changed = Arc::new(Notify::new());
        let script = Arc::new(script);
        let (shared, notify) = (Arc::clone(&seen), Arc::clone(&changed));
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                let (shared, notify) = (Arc::clone(&shared), Arc::clone(&notify));
                let script = Arc::clone(&script);
                tokio::task::spawn(async move {
                    serve(stream, &*script, &shared, &notify).await;
                    notify.notify_waiters();
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
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.seen(&wanted) {
                return;
            }
            changed.await;
        }
    }

    /// Every byte of every request body, for looking for what must not be there.
    pub(crate) fn received(&self, needle: &str) -> bool {
        self.seen(|seen| {
            seen.requests.iter().any(|(head, body)| {
                head.contains(needle) || String::from_utf8_lossy(body).contains(needle)
            })
        })
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(usize) -> Vec<Step> + Send + Sync),
    seen: &Mutex<Seen>,
    changed: &Notify,
) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let turn = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push((head, body));
            seen.requests.len() - 1
        };
        changed.notify_waiters();
        for step in script(turn) {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        seen.lock().unwrap().hung_up += 1;
                        return;
                    }
                }
                Step::Await(go) => {
                    let mut byte = [0];
                    tokio::select! {
                        () = go.notified() => {}
                        _ = stream.read(&mut byte) => {
                            seen.lock().unwrap().hung_up += 1;
                            return;
                        }
                    }
                }
                Step::Close => return,
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        })
        .unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

/// A complete answer with a JSON body.
pub(crate) fn json(body: &str) -> Vec<Step> {
    whole("200 OK", "application/json", body)
}

/// A complete answer with any status, content type and body.
pub(crate) fn whole(status: &str, content_type: &str, body: &str) -> Vec<Step> {
    vec![Step::Send(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )]
}

/// The head of an event stream, in chunks.
pub(crate) fn stream_head() -> Step {
    Step::Send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &str) -> Step {
    Step::Send(format!("{:x}\r\n{bytes}\r\n", bytes.len()).into_bytes())
}

/// The end of a chunked body.
pub(crate) fn last_chunk() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// A whole stream, one chunk an event.
pub(crate) fn events(events: &[String]) -> Vec<Step> {
    let mut steps = vec![stream_head()];
    steps.extend(events.iter().map(|event| chunk(event)));
    steps.push(last_chunk());
    steps
}

/// An event with a delta of content.
pub(crate) fn delta(index: u32, content: &str) -> String {
    let content = serde_json::Value::from(content);
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":{index},\"delta\":{{\"content\":{content}}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// An event that ends a choice.
pub(crate) fn stop(index: u32) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
    )
}

/// The event that ends a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A chat completion with one choice for each text.
pub(crate) fn completion(texts: &[&str]) -> String {
    let choices: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            serde_json::json!({
                "index": index,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            })
        })
        .collect();
    serde_json::json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices,
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    })
    .to_string()
}
