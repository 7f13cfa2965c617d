//! What a policy leaves to the reading of requests.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

async fn gateway(terms: &str) -> TestGateway {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    let terms = terms.to_owned();
    TestGateway::start_with(upstream, |setup| {
        setup.policy = setup.policy.replace("mode = \"enforce\"", &terms);
    })
    .await
}

async fn send(gateway: &TestGateway, path: &str, body: &Value) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    client.send(post_to(path, &key, &body.to_string())).await;
    client.answer().await.expect("an answer")
}

/// A conversation in three dialects, with these words in the old question, the old answer, what the
/// system says, and the new question.
fn conversations([old, answer, system, new]: [&str; 4]) -> [(&'static str, Value); 3] {
    let say = |role: &str, text: &str| json!({"role": role, "content": text});
    let talk = [say("user", old), say("assistant", answer), say("user", new)];
    let with_system = [&[say("system", system)], talk.as_slice()].concat();
    [
        ("/v1/chat/completions", json!({"model": "m", "messages": with_system})),
        ("/v1/responses", json!({"model": "m", "instructions": system, "input": talk})),
        ("/v1/messages", json!({"model": "m", "system": system, "messages": talk})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_passed_over_only_where_the_policy_says_so_and_the_record_does() {
    let mut latest = gateway("history = \"latest\"").await;
    let all = gateway("history = \"all\"").await;
    for place in 0..4 {
        let mut words = ["hello"; 4];
        words[place] = "the canary";
        for (path, body) in conversations(words) {
            let answer = send(&all, path, &body).await;
            assert_eq!(answer.status, 400, "{path} {body}");
            let answer = send(&latest, path, &body).await;
            let expected = if place < 2 { 200 } else { 400 };
            assert_eq!(answer.status, expected, "{path} {body}");
        }
    }
    all.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    latest.drain().await;
    for line in latest.audit_lines("closed") {
        let prompt = &line["prompt"];
        let passed_over = prompt["passed_over"].as_u64().expect("it is said");
        let coverage = &prompt["coverage"];
        let (read, total) = (coverage["read"].as_u64(), coverage["total"].as_u64());
        assert_eq!(read.map(|read| read + passed_over), total, "{line}");
        assert_eq!(prompt["unscored"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_field_passes_where_the_policy_allows_it_and_is_judged_there() {
    let request = |field: &str, value: Value| json!({"model": "m", "messages": [{"role": "user", "content": "hello"}], field: value});
    let path = "/v1/chat/completions";
    let allowing = gateway("allow.fields = [\"chat_template\", \"logit_bias\"]").await;
    for (body, status, code) in [
        (request("chat_template", json!("{{ messages }}")), 200, "none"),
        (request("chat_template", json!("the canary")), 400, "content_filter"),
        // Allowed, and yet nobody can read it: the policy says what follows.
        (request("logit_bias", json!({"5": 100})), 400, "content_unreadable"),
        (request("logit_bias", json!({})), 200, "none"),
        (request("truncate_prompt_tokens", json!(1)), 400, "field_refused"),
    ] {
        let answer = send(&allowing, path, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    let open = TestGateway::start_with(upstream, |setup| {
        let allow = "allow.fields = [\"logit_bias\"]";
        setup.policy = setup.policy.replace("mode = \"enforce\"", allow);
        setup.policy = setup.policy.replace("prompt = \"block\"", "prompt = \"allow\"");
    })
    .await;
    let answer = send(&open, path, &request("logit_bias", json!({"5": 100}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-wardgate-decision"), Some("annotate"), "not in silence");
}
