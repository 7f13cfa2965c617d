//! Paths that an operator has opened: nobody judges them, somebody is known to ask, and the record says so.

use wardgate::gateway::Limits;

use crate::support::client::{Client, KEY, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

const OPEN: [(&str, &str); 3] =
    [("POST", "/v1/files"), ("GET", "/v1/files?limit=2"), ("POST", "/tokenize")];

async fn gateway(upstream: Upstream) -> TestGateway {
    TestGateway::start_with(upstream, |setup| {
        setup.passthroughs = OPEN.to_vec();
        setup.credential = Some("sk-upstream".to_owned());
    })
    .await
}

async fn answering() -> Upstream {
    Upstream::answering(upstream::whole("201 Created", "text/x-odd", "the canary comes back")).await
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_path_passes_as_it_is_and_the_record_says_so() {
    let mut gateway = gateway(answering().await).await;
    let headers = format!(
        "Authorization: Bearer {KEY}\r\nContent-Type: multipart/form-data; boundary=x\r\n\
         Content-Encoding: odd\r\nCookie: secret\r\nOpenAI-Organization: other\r\n"
    );
    for (sent, (method, path)) in OPEN.into_iter().enumerate() {
        let body = if method == "GET" { "" } else { "--x the canary" };
        let mut client = Client::connect(gateway.data).await;
        client.send(request(method, path, &headers, body)).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (201, "the canary comes back"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/x-odd"));
        assert_eq!(answer.header("x-wardgate-decision"), None, "nothing was decided");
        gateway.upstream.seen(|seen| {
            let (head, received) = &seen.requests[sent];
            assert!(head.starts_with(&format!("{method} {path} HTTP/1.1\r\n")), "{head}");
            assert_eq!(received, body.as_bytes());
            let head = head.to_ascii_lowercase();
            assert!(head.contains("multipart/form-data; boundary=x"), "{head}");
            assert!(head.contains("content-encoding: odd"), "{head}");
            assert!(head.contains("authorization: bearer sk-upstream"), "{head}");
            for name in ["cookie", "openai-organization", KEY] {
                assert!(!head.contains(name), "{name} in {head}");
            }
        });
    }
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    assert_eq!(closed.len(), OPEN.len());
    for (line, route) in closed.iter().zip(["files", "files", "tokenize"]) {
        let said = line["route"].as_str().expect("a route");
        assert!(said.starts_with("passthrough:/") && said.ends_with(route), "{line}");
        assert_eq!((&line["prompt"], &line["tenant"]), (&serde_json::Value::Null, &"acme".into()));
        assert_eq!((&line["outcome"], &line["status"]), (&"delivered".into(), &201.into()));
    }
    assert!(!gateway.audit_text().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_path_is_for_tenants_and_for_its_own_bytes_only() {
    let gateway = gateway(answering().await).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    for (raw, status, code) in [
        (request("POST", "/v1/files", "", "x"), 401, "invalid_api_key"),
        (request("POST", "/v1/files", "x-api-key: wrong\r\n", "x"), 401, "invalid_api_key"),
        (request("PUT", "/v1/files", &key, "x"), 404, "route_not_guarded"),
        (request("GET", "/v1/files", &key, ""), 404, "route_not_guarded"),
        (request("POST", "/v1/files/", &key, "x"), 404, "route_not_guarded"),
        (request("POST", "/v1/files?limit=2", &key, "x"), 404, "route_not_guarded"),
        (request("POST", "/v1/%66iles", &key, "x"), 404, "route_not_guarded"),
    ] {
        let mut client = Client::connect(gateway.data).await;
        client.send(&raw).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{raw}");
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    // Nor does it open anything else.
    let mut client = Client::connect(gateway.data).await;
    client.send(post(&crate::support::client::chat("the canary"))).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_path_takes_the_key_of_either_api_and_bodies_within_the_bound() {
    let upstream = answering().await;
    let gateway = TestGateway::start_with(upstream, |setup| {
        setup.passthroughs = OPEN.to_vec();
        setup.credential = Some("sk-upstream".to_owned());
        setup.limits = Limits { request_bytes: 10, ..Limits::default() };
    })
    .await;
    let key = format!("x-api-key: {KEY}\r\n");
    let mut client = Client::connect(gateway.data).await;
    client.send(request("POST", "/v1/files", &key, "0123456789")).await;
    assert_eq!(client.answer().await.map(|answer| answer.status), Some(201));
    gateway.upstream.seen(|seen| {
        let head = seen.requests[0].0.to_ascii_lowercase();
        assert!(head.contains("x-api-key: sk-upstream") && !head.contains(KEY), "{head}");
    });
    let mut client = Client::connect(gateway.data).await;
    client.send(request("POST", "/v1/files", &key, "0123456789a")).await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.json()["error"]["type"].as_str()),
        (413, Some("request_too_large"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_body_passes() {
    let upstream = Upstream::answering(vec![upstream::Step::Send(
        b"HTTP/1.1 204 No Content\r\nETag: \"a\"\r\n\r\n".to_vec(),
    )])
    .await;
    let gateway = gateway(upstream).await;
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    for _ in 0..2 {
        client.send(request("POST", "/v1/files", &key, "x")).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.header("etag")), (204, Some("\"a\"")));
    }
}
