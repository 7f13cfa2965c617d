//! What is not a matter of fields: routes, bodies with two readings, other bodies than were asked for,
//! guards that fail.

use crate::suite::case::{
    ALL, CANARY, CHAT, Case, MESSAGES, PAYLOAD, RESPONSES, Wanted, harmless, post,
};
use crate::support::client::{KEY, post_to};
use crate::support::upstream::{self, Step};

/// Paths that are none of ours, but might be an upstream's.
#[rustfmt::skip]
const PATHS: &[&str] = &[
    "//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/", "/v1/chat%2fcompletions",
    "/v1/%63hat/completions", "/v1/./chat/completions", "/v1/x/../chat/completions", "/V1/Chat/Completions",
    "/v1/chat/completions;a=b", "/v1/chat/completions%00", "/v1/chat/completions?x=1",
    "/v1/chat/completions%20", "/v1/chat/completions%3f", "/chat/completions", "/v2/chat/completions",
    "/v1/chat/completions/chatcmpl-1/messages", "/v1/chat/completions/batch", "/v1/engines/m/completions",
    "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/images/generations", "/v1/images/edits", "/v1/files",
    "/v1/uploads", "/v1/batches", "/v1/assistants", "/v1/threads", "/v1/threads/runs", "/v1/conversations",
    "/v1/vector_stores", "/v1/evals", "/v1/fine_tuning/jobs", "/v1/realtime/sessions", "/v1/containers",
    "/v1/responses/resp_1", "/v1/responses/compact", "/v1/messages/batches", "/v1/messages/count_tokens",
    "/v1/complete", "/v1/rerank", "/v1/score", "/invocations", "/inference/v1/generate", "/generate", "/pooling",
    "/classify", "/tokenize", "/detokenize", "/render", "/pause", "/abort_requests", "/update_weights",
    "/collective_rpc", "/metrics", "/health", "/completion", "/infill", "/apply-template", "/slots", "/props",
    "/api/chat", "/api/generate", "/api/embed", "/openai/deployments/m/chat/completions", "/",
];

/// Bodies that two parsers could read differently, with the canary where a second reader might look.
const TWO_READINGS: &[&[u8]] = &[
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"canary"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"canary"}],"messages":[{"role":"user","content":"a"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"mess\u0061ges":[{"role":"user","content":"canary"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"canary","content":"a"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a","cont\u0065nt":"canary"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a","text":"canary"}]}]}"#,
    br#"{"model":"m","model":"x","messages":[{"role":"user","content":"a"}]}"#,
    b"\xef\xbb\xbf{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
    b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"can\xffary\"}]}",
    b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc0\xaf\"}]}",
    b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xed\xa0\x80\"}]}",
    br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"\udc00\ud800"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":NaN}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":-Infinity}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"seed":1e999}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"n":"2"}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"n":1.5}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"stream":"true"}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}],"stream":1}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}]}{"messages":"canary"}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"}]}canary"#,
    br#"// canary
{"model":"m","messages":[{"role":"user","content":"a"}]}"#,
    br#"{"model":"m","messages":[{"role":"user","content":"a"},]}"#,
    br#"{'model':'m','messages':[{'role':'user','content':'canary'}]}"#,
    b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
    br#"{"Model":"m","Messages":[{"role":"user","content":"canary"}]}"#,
    br#"[{"model":"m","messages":[{"role":"user","content":"canary"}]}]"#,
    br#""canary""#,
    b"",
    b"null",
];

/// Bodies of answers that are not what was asked for: status, content type, body.
const OTHER_ANSWERS: &[(&str, &str, &str)] = &[
    (
        "400 Bad Request",
        "application/json",
        r#"{"error":{"message":"bad prompt: @","type":"invalid_request_error"}}"#,
    ),
    ("429 Too Many Requests", "application/json", r#"{"error":{"message":"@"}}"#),
    ("500 Internal Server Error", "application/json", r#"{"detail":[{"msg":"@"}]}"#),
    ("502 Bad Gateway", "text/html", "<html><body>@</body></html>"),
    ("503 Service Unavailable", "text/plain", "@"),
    ("200 OK", "text/plain", "@"),
    ("200 OK", "text/html", "<p>@</p>"),
    ("200 OK", "application/octet-stream", "@"),
    ("200 OK", "application/json", r#""@""#),
    ("200 OK", "application/json", r#"["@"]"#),
    ("200 OK", "application/json", r#"{"choices":{"0":"@"}}"#),
    ("200 OK", "application/json", r#"{"choices":[],"choices":[{"message":{"content":"@"}}]}"#),
    ("200 OK", "application/json", r#"{"choices":[{"message":{"content":"a","content":"@"}}]}"#),
    ("200 OK", "application/json", "data: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}\n\n"),
    ("200 OK", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}\n\n"),
    (
        "200 OK",
        "text/event-stream",
        "data: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}\r\rdata: [DONE]\r\r",
    ),
    (
        "200 OK",
        "text/event-stream",
        "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"@\"}}]}\n\ndata: [DONE]\n\n",
    ),
    (
        "200 OK",
        "text/event-stream",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"delta\":{\"content\":\"@\"}}]}\n\n",
    ),
    (
        "200 OK",
        "text/event-stream",
        "data: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}\n\n",
    ),
    ("200 OK", "text/event-stream", "data: [DONE] @\n\n"),
    ("200 OK", "text/event-stream", ": @\n\ndata: [DONE]\n\n"),
    ("200 OK", "text/event-stream", "event: @\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
    ("200 OK", "text/event-stream", "id: @\nretry: 1\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
    ("200 OK", "text/event-stream", "unheard_of: @\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
    ("200 OK", "text/event-stream", "@\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
    (
        "200 OK",
        "text/event-stream",
        "\u{feff}data: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}\n\ndata: [DONE]\n\n",
    ),
    ("200 OK", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"@\"}}]}"),
    ("200 OK", "text/event-stream", "{\"choices\":[{\"message\":{\"content\":\"@\"}}]}"),
    (
        "200 OK",
        "text/event-stream",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\u0063\\u0061nary\"}}]}\n\ndata: [DONE]\n\n",
    ),
    ("404 Not Found", "text/event-stream", "data: {\"error\":{\"message\":\"@\"}}\n\n"),
    ("206 Partial Content", "application/json", r#"{"choices":[{"message":{"content":"@"}}]}"#),
    ("301 Moved Permanently", "application/json", r#"{"error":{"message":"@"}}"#),
];

/// Content types and encodings in which a body would not be what it seems.
const HEADERS: &[&str] = &[
    "Content-Type: text/plain",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Type: application/json; charset=utf-16",
    "Content-Type: application/json\r\nContent-Type: text/plain",
    "Content-Type: application/json\r\nContent-Encoding: gzip",
    "Content-Type: application/json\r\nContent-Encoding: br",
    "Content-Type: application/json\r\nContent-Encoding: unheard-of",
    "X-Nothing: 1",
];

/// What a guard does with these words: it has no verdict, it panics.
const FAILURES: &[&str] = &["derailed", "boom"];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let case = |class, name: String, request: Vec<u8>, answer: Vec<Step>, wanted| Case {
        class,
        name,
        request,
        answer,
        spelled: CANARY.to_owned(),
        wanted,
        alone: false,
    };
    let asked =
        |text: &str| CHAT.asking(r#""messages":[{"role":"user","content":"@"}]"#, text, false);
    for path in PATHS {
        for method in ["POST", "GET", "PUT"] {
            let request =
                String::from_utf8(post(path, &asked(PAYLOAD))).unwrap().replacen("POST", method, 1);
            cases.push(case(
                "B routes",
                format!("{method} {path}"),
                request.into_bytes(),
                harmless(CHAT),
                Wanted::Refused,
            ));
        }
    }
    for dialect in ALL {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let request = String::from_utf8(dialect.post(&asked(PAYLOAD)))
                .unwrap()
                .replacen("POST", method, 1);
            cases.push(case(
                "B routes",
                format!("{method} {}", dialect.path),
                request.into_bytes(),
                harmless(dialect),
                Wanted::Refused,
            ));
        }
        for header in HEADERS {
            let request = String::from_utf8(dialect.post(&dialect.asking("", "", false))).unwrap();
            let request = request.replacen("Content-Type: application/json", header, 1);
            cases.push(case(
                "B content types and encodings",
                format!("{} {header}", dialect.name),
                request.into_bytes(),
                harmless(dialect),
                Wanted::Refused,
            ));
        }
        // Whoever gives up on the first try must not send anything else on the second.
        let closing = vec![Step::Close];
        let body = dialect.asking(r#""x_new":"@""#, PAYLOAD, false);
        cases.push(case(
            "R a retry sent the unfiltered body (praxis)",
            dialect.name.to_owned(),
            dialect.post(&body),
            closing,
            Wanted::Refused,
        ));
    }
    for (number, body) in TWO_READINGS.iter().enumerate() {
        let headers = format!("Authorization: Bearer {KEY}\r\nConnection: close\r\n");
        let mut request = post_to(CHAT.path, &headers, "")
            .replace("Content-Length: 0", &format!("Content-Length: {}", body.len()))
            .into_bytes();
        request.extend_from_slice(body);
        cases.push(case(
            "C two readings of JSON",
            format!("body {number}"),
            request,
            harmless(CHAT),
            Wanted::Refused,
        ));
    }
    for dialect in [CHAT, MESSAGES, RESPONSES] {
        for (status, kind, body) in OTHER_ANSWERS {
            for stream in [false, true] {
                let body = body.replace('@', PAYLOAD);
                let name = format!("{} {status} {kind} {}", dialect.name, body.escape_default());
                let answer = upstream::whole(status, kind, &body);
                let request = dialect.post(&dialect.asking("", "", stream));
                cases.push(case(
                    "E other answers than were asked for",
                    name,
                    request,
                    answer,
                    Wanted::Withheld,
                ));
            }
        }
    }
    for dialect in ALL {
        for (number, words) in FAILURES.iter().enumerate() {
            let text = format!("{words} {PAYLOAD}").replace(CANARY, "kitten");
            let fields = format!(r#""x_new":"{text}""#);
            let mut failing = case(
                "J a guard without a verdict (LiteLLM: passed, and logged as a success)",
                format!("{} request {number}", dialect.name),
                dialect.post(&dialect.asking(&fields, "", false)),
                harmless(dialect),
                Wanted::Refused,
            );
            failing.spelled.clone_from(&text);
            failing.alone = true;
            cases.push(failing);
            let mut failing = case(
                "J a guard without a verdict (LiteLLM: passed, and logged as a success)",
                format!("{} answer {number}", dialect.name),
                dialect.post(dialect.request),
                upstream::json(&dialect.answering(r#""new":"@""#, &text)),
                Wanted::Withheld,
            );
            failing.spelled = text;
            failing.alone = true;
            cases.push(failing);
        }
    }
    cases
}
