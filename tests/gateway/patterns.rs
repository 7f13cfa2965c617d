//! Personal data and secrets: found without the guard, decided by the same policy.

use crate::support::client::{Answer, Client, chat, chat_stream, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::{DONE, Upstream, delta, stop};

const POLICY: &str = r#"
name = "test"
[unsafe]
prompt = { annotate = 0.3, block = 0.5 }
response = { block = 0.5 }
[category."PII.*"]
prompt = { annotate = 0.5 }
response = { block = 0.6 }
[category."PII.CARD"]
prompt = { block = 0.9 }
[category.S6]
patterns = ["SECRET.*"]
prompt = { block = 1.0 }
[pattern.PROJECT]
words = ["Nightingale"]
[category.PROJECT]
prompt = { block = 1.0 }
"#;

async fn gateway(upstream: Upstream) -> TestGateway {
    TestGateway::start_with(upstream, |setup| setup.policy = POLICY.to_owned()).await
}

async fn asked(gateway: &TestGateway, body: &str) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    client.send(post(body)).await;
    client.answer().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_decided_on_what_patterns_find_in_it() {
    let fine = upstream::json(&upstream::completion(&["fine"]));
    let mut gateway = gateway(Upstream::answering(fine).await).await;
    let key = "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";
    let with_key = format!("my key is {key}");
    let cases: [(&str, u16, &str, &[&str]); 6] = [
        ("pay with 4111 1111 1111 1111", 400, "block", &["PII.CARD"]),
        ("pay with 4111 1111 1111 1112", 200, "allow", &[]),
        ("write to jo@example.org", 200, "annotate", &["PII.EMAIL"]),
        (&with_key, 400, "block", &["SECRET.GITHUB_TOKEN", "S6"]),
        ("what is project NIGHTINGALE?", 400, "block", &["PROJECT"]),
        ("a canary at jo@example.org", 400, "block", &["S1", "PII.EMAIL"]),
    ];
    let mut exchanges = Vec::new();
    for (text, status, decision, _) in cases {
        let answer = asked(&gateway, &chat(text)).await;
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(answer.header("x-wardgate-decision"), Some(decision), "{text}");
        let said = answer.text();
        assert!(!said.contains("4111") && !said.contains("jo@") && !said.contains(key), "{said}");
        exchanges.push(answer.header("x-wardgate-exchange").expect("an id").to_owned());
        let filtered = &answer.json()["error"]["innererror"]["content_filter_result"];
        if status == 400 && text.contains("4111") {
            assert_eq!(filtered["PII.CARD"]["filtered"], true);
            assert_eq!(filtered["S1"]["filtered"], false);
        }
    }
    assert!(gateway.drain().await);
    let closed = gateway.audit_lines("closed");
    for ((text, _, _, found), exchange) in cases.iter().zip(&exchanges) {
        // An answer may be with its client before its line is in the log.
        let line = closed.iter().find(|line| line["exchange"] == **exchange);
        let scores = &line.expect("a line")["prompt"]["scores"];
        for code in *found {
            assert!(scores[code].as_f64().is_some_and(|score| score > 0.4), "{text}: {scores}");
        }
    }
    let log = gateway.audit_text();
    assert!(!log.contains("4111") && !log.contains("jo@") && !log.contains(key), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_decided_on_what_patterns_find_in_it() {
    let answer = upstream::completion(&["reach her at jo.doe@example.org, or not"]);
    let gateway = gateway(Upstream::answering(upstream::json(&answer)).await).await;
    let answer = asked(&gateway, &chat("hello")).await;
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "content_filter");
    assert!(!answer.text().contains("example.org"), "{}", answer.text());
}

/// Whatever pieces and windows a stream cuts it into: it is seen when it is whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_between_two_windows_is_found() {
    for before in [0, 40, 110, 119, 131] {
        let mut events: Vec<String> = vec![delta(0, &"a ".repeat(before))];
        for piece in ["It is 203", ".", "0", ".", "113", ".", "77 at home", ". "] {
            events.push(delta(0, piece));
        }
        events.extend([delta(0, &"and so on. ".repeat(30)), stop(0), DONE.to_owned()]);
        let gateway = gateway(Upstream::answering(upstream::events(&events)).await).await;
        let answer = asked(&gateway, &chat_stream("hello")).await;
        assert!(answer.text().contains("content_filter"), "{before}: {}", answer.text());
        assert!(!answer.text().contains("so on"), "{before}: {}", answer.text());
    }
}
