//! Tries the cases, many at a time, each gateway one by one, and looks at what came of them.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::suite::case::{CANARY, Case, Wanted, strings};
use crate::suite::report::Report;
use crate::support::client::KEY;
use crate::support::gateway::TestGateway;
use crate::support::upstream::{Step, Upstream};

/// How many gateways there are at a time.
const WORKERS: usize = 8;

/// How long an answer may take before the case counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Words of the harmless parts of all bodies here which a guard need not be shown: names of fields, ids,
/// types and roles, as the dialects' tables have them.
#[rustfmt::skip]
const CONTENT_FREE: &[&str] = &[
    "stream", "model", "m", "id", "object", "created", "created_at", "choices", "index", "message", "messages", "role", "content", "type",
    "text", "finish_reason", "stop", "user", "assistant", "system", "developer", "tool", "function", "name",
    "tool_calls", "tool_call_id", "arguments", "custom", "input", "function_call", "refusal", "reasoning",
    "reasoning_content", "reasoning_details", "reasoning.text", "audio", "transcript", "annotations", "url_citation", "title", "url", "delta",
    "logprobs", "token", "tokens", "logprob", "top_logprobs", "stop_reason", "usage", "error", "prompt", "suffix",
    "echo", "input_text", "output_text", "tools", "functions", "description", "parameters", "properties",
    "string", "enum", "default", "$comment", "examples", "format", "grammar", "syntax", "definition",
    "tool_choice", "response_format", "json_schema", "schema", "const", "prediction", "documents", "metadata",
    "web_search_options", "reasoning_effort", "service_tier", "encoding_format", "data", "embedding", "list",
    "max_tokens", "tool_result", "tool_use_id", "tool_use", "thinking", "signature", "AAAA", "document",
    "source", "media_type", "text/plain", "context", "search_result", "citations", "char_location", "cited_text",
    "input_schema", "stop_sequences", "user_id", "output_config", "end_turn", "stop_sequence", "input_tokens",
    "output_tokens", "web_search_tool_result", "web_search_result", "code_execution_tool_result",
    "code_execution_result", "stdout", "instructions", "call_id", "function_call_output", "output",
    "custom_tool_call", "summary", "summary_text", "reasoning_text", "local_shell_call", "action",
    "web_search_call", "status", "completed", "in_progress", "mcp_approval_response", "approval_request_id",
    "approve", "reason", "effort", "server_label", "c1", "msg_1", "resp_1", "chat.completion",
    "text_completion", "response", "x", "output_index", "content_index", "item_id", "code", "code_interpreter_call", "mcp_call",
    "incomplete_details", "tool", "part", "summary_index", "item",
];

/// Tries all cases.
pub(crate) async fn all(cases: Vec<Case>) -> Report {
    let queue: VecDeque<Case> = cases.into();
    let queue = Arc::new(Mutex::new(queue));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let queue = Arc::clone(&queue);
        workers.spawn(async move {
            let mut report = Report::default();
            let lab = Lab::new().await;
            loop {
                let next = queue.lock().unwrap().pop_front();
                let Some(case) = next else { break };
                let failure = if case.alone {
                    Lab::new().await.finish(&case).await
                } else {
                    lab.fails(&case).await
                };
                report.note(&case, failure);
            }
            report.note_log(lab.log_fails().await);
            report
        });
    }
    let mut report = Report::default();
    while let Some(part) = workers.join_next().await {
        report.absorb(part.expect("a worker"));
    }
    report
}

/// A gateway with its guard, and an upstream that answers what the case says.
struct Lab {
    gateway: TestGateway,
    answer: Arc<Mutex<Vec<Step>>>,
}

/// What came of a case: every byte that went anywhere.
struct Outcome {
    /// The bodies the upstream was sent.
    asked: Vec<Vec<u8>>,
    /// The answer that the client got: its status, and its body without chunks.
    status: Option<u16>,
    head: String,
    body: Vec<u8>,
    /// The texts the guard was shown.
    shown: Vec<String>,
}

impl Lab {
    async fn new() -> Self {
        let answer = Arc::new(Mutex::new(Vec::new()));
        let steps = Arc::clone(&answer);
        let upstream = Upstream::scripted(move |_| steps.lock().unwrap().clone()).await;
        Self { gateway: TestGateway::start(upstream).await, answer }
    }

    /// Says what is wrong with what came of a case, if anything is.
    async fn fails(&self, case: &Case) -> Option<String> {
        let outcome = self.outcome(case).await;
        let fault = match case.wanted {
            Wanted::Refused => outcome.is_sent(),
            Wanted::Withheld => outcome.is_told(&case.spelled),
            Wanted::Passed => outcome.is_kept_back(&case.spelled),
        };
        let fault = fault.or_else(|| outcome.went_unseen());
        fault.map(|fault| format!("{fault}; status {:?}, {}", outcome.status, outcome.excerpt()))
    }

    async fn finish(mut self, case: &Case) -> Option<String> {
        let failure = self.fails(case).await;
        self.gateway.drain().await;
        failure
    }

    /// Whether the audit log holds what it must not.
    async fn log_fails(mut self) -> Option<String> {
        self.gateway.drain().await;
        let log = self.gateway.audit_text();
        [CANARY, KEY]
            .into_iter()
            .find(|word| log.contains(word))
            .map(|word| format!("the audit log holds {word:?}"))
    }

    async fn outcome(&self, case: &Case) -> Outcome {
        self.answer.lock().unwrap().clone_from(&case.answer);
        self.gateway.seen.lock().unwrap().clear();
        let before = self.gateway.upstream.seen(|seen| seen.requests.len());
        let received = tokio::time::timeout(PATIENCE, received(&self.gateway, &case.request)).await;
        let received = received.unwrap_or_default();
        let asked = self.gateway.upstream.seen(|seen| {
            let bodies = seen.requests.iter().skip(before);
            bodies.map(|(head, body)| [head.as_bytes(), body].concat()).collect()
        });
        let shown = self.gateway.seen.lock().unwrap();
        let shown = shown.iter().map(|each| each.judged().text.to_string()).collect();
        let (status, head, body) = answer(&received);
        Outcome { asked, status, head, body, shown }
    }
}

/// Everything the client gets until the gateway closes.
async fn received(gateway: &TestGateway, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.data).await.expect("the gateway listens");
    let _ = stream.write_all(request).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    received
}

/// The answer in these bytes, without its chunks.
fn answer(received: &[u8]) -> (Option<u16>, String, Vec<u8>) {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else { return (None, String::new(), received.to_vec()) };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let mut rest = &received[end + 4..];
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, head, rest.to_vec());
    }
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && line + 4 + size <= rest.len()) else {
            break;
        };
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
    (status, head, body)
}

impl Outcome {
    /// Whether the upstream was asked at all, or the client was not told.
    fn is_sent(&self) -> Option<String> {
        if !self.asked.is_empty() {
            return Some("the upstream was asked".to_owned());
        }
        let is_refusal = self.status.is_some_and(|status| (400..600).contains(&status));
        (!is_refusal).then(|| "it was not refused".to_owned())
    }

    /// Whether the client can make out the payload.
    fn is_told(&self, spelled: &str) -> Option<String> {
        if self.asked.is_empty() {
            return Some("the upstream was not asked".to_owned());
        }
        if self.status.is_none() {
            return Some("there was no answer".to_owned());
        }
        let said = self.said();
        let is_in = |text: &str| text.contains(spelled) || text.contains(CANARY);
        let raw = String::from_utf8_lossy(&self.body);
        let told = is_in(&raw) || is_in(&self.head) || said.iter().any(|text| is_in(text));
        told.then(|| "the client was told".to_owned())
    }

    /// Whether something harmless did not pass.
    fn is_kept_back(&self, spelled: &str) -> Option<String> {
        let sent = self.asked.iter().any(|asked| {
            let text = String::from_utf8_lossy(asked);
            text.contains(spelled)
        });
        let passes = self.status == Some(200)
            && (sent || self.said().iter().any(|text| text.contains(spelled)));
        (!passes).then(|| "it did not pass".to_owned())
    }

    /// Whether a string went to the upstream, or to the client from it, that the guard was not shown.
    fn went_unseen(&self) -> Option<String> {
        let shown = self.shown.join("\n");
        let is_known = |text: &str| {
            CONTENT_FREE.contains(&text)
                || text.is_empty()
                || shown.contains(text)
                || text.starts_with("response.")
        };
        let bodies = self.asked.iter().filter_map(|asked| {
            let at = asked.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            serde_json::from_slice::<Value>(&asked[at..]).ok()
        });
        bodies.into_iter().find_map(|body| {
            let unseen = strings(&body).into_iter().find(|text| !is_known(text))?;
            Some(format!("the guard was not shown {unseen:?}"))
        })
    }

    /// What the client can read: of a stream, what each field says over all events.
    fn said(&self) -> Vec<String> {
        if let Ok(value) = serde_json::from_slice::<Value>(&self.body) {
            return strings(&value).into_iter().map(str::to_owned).collect();
        }
        let text = String::from_utf8_lossy(&self.body);
        let mut said: BTreeMap<String, String> = BTreeMap::new();
        for data in text.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:")) {
            if let Ok(event) = serde_json::from_str::<Value>(data) {
                gather(&event, "", &mut said);
            }
        }
        said.into_values().collect()
    }

    fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

/// Adds what each field says to what it has said before.
fn gather(value: &Value, path: &str, said: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => said.entry(path.to_owned()).or_default().push_str(text),
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                let index = item.get("index").and_then(Value::as_u64).unwrap_or(position as u64);
                gather(item, &format!("{path}[{index}]"), said);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                said.entry(format!("{path}.*")).or_default().push_str(key);
                gather(value, &format!("{path}.{key}"), said);
            }
        }
        _ => {}
    }
}
