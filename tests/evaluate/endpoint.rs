//! A moderation endpoint that scores by words, in a thread of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// It listens until the test ends.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    asked: Arc<AtomicU64>,
    /// The authorization of the last request.
    pub(crate) key: Arc<Mutex<Option<String>>>,
}

impl Endpoint {
    /// Gives a text the score that stands behind `score=` in it, in the category behind `in=`, and no
    /// verdict for the reason behind `unscored=`; answers with `status` instead where there is one.
    pub(crate) fn start(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (asked, key) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let (counter, seen) = (Arc::clone(&asked), Arc::clone(&key));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counter, seen) = (Arc::clone(&counter), Arc::clone(&seen));
                thread::spawn(move || serve(stream.unwrap(), status, &counter, &seen));
            }
        });
        Self { url, asked, key }
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: TcpStream,
    status: Option<u16>,
    counter: &AtomicU64,
    seen: &Mutex<Option<String>>,
) {
    let mut out = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        assert!(line.starts_with("POST /v1/moderations "), "{line}");
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => *seen.lock().unwrap() = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        counter.fetch_add(1, Ordering::SeqCst);
        let request: Value = serde_json::from_slice(&body).unwrap();
        let text = request["input"].as_str().unwrap();
        let (status, answer) = match status {
            Some(status) => (status, json!({"error": {}})),
            None if text.contains("an image") => {
                (400, json!({"error": {"code": "content_unreadable"}}))
            }
            None => (200, answer(text)),
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if out.write_all(format!("{head}{answer}").as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(text: &str) -> Value {
    let behind = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let score: f64 = behind("score=").map_or(0.0, |score| score.parse().unwrap());
    let category = behind("in=").unwrap_or_else(|| "violence".to_owned());
    let mut wardgate = json!({});
    if let Some(reason) = behind("unscored=") {
        wardgate["unscored"] = reason.into();
    }
    if let Some(score) = behind("unsafe=") {
        wardgate["unsafe"] = score.parse::<f64>().unwrap().into();
    }
    json!({"results": [{
        "flagged": score >= 0.5,
        "category_scores": {category: score, "self-harm/intent": 0.0},
        "wardgate": wardgate,
    }]})
}
