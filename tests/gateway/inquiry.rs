//! Other programs ask the guard for its opinion, each in its own protocol.

use serde_json::{Value, json};
use wardgate::wire::inquiry::{ENDPOINTS, Endpoint};

use crate::support::client::{Answer, Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;

fn all() -> Vec<Endpoint> {
    ENDPOINTS.iter().flat_map(|(_, endpoints)| endpoints.iter().copied()).collect()
}

async fn gateway(policy: impl Fn(String) -> String) -> TestGateway {
    TestGateway::start_with(Upstream::answering(Vec::new()).await, |setup| {
        setup.endpoints = all();
        setup.policy = policy(setup.policy.clone());
    })
    .await
}

async fn ask_with(
    gateway: &TestGateway,
    endpoint: Endpoint,
    headers: &str,
    body: &Value,
) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    client.send(post_to(endpoint.path(), headers, &body.to_string())).await;
    client.answer().await.expect("an answer")
}

async fn ask(gateway: &TestGateway, endpoint: Endpoint, body: &Value) -> Answer {
    ask_with(gateway, endpoint, &format!("Authorization: Bearer {KEY}\r\n"), body).await
}

/// The question of these words at an endpoint.
fn question(endpoint: Endpoint, words: &str) -> Value {
    let messages = json!([{"role": "user", "content": words}]);
    match endpoint {
        Endpoint::Moderations => json!({"input": words}),
        Endpoint::LiteLlm => json!({"input_type": "request", "texts": [words],
            "structured_messages": messages, "request_data": {}}),
        Endpoint::DetectContents => json!({"contents": [words], "detector_params": {}}),
        Endpoint::DetectChat => json!({"messages": messages, "detector_params": {}}),
        Endpoint::DetectGeneration => {
            json!({"prompt": "hello", "generated_text": words, "detector_params": {}})
        }
        Endpoint::AgentRequest => json!({"body": {"messages": messages}}),
        Endpoint::AgentResponse => json!({"body": {"choices": [
            {"message": {"role": "assistant", "content": words}}]}}),
    }
}

/// Whether the asking program would let it pass.
fn passes(endpoint: Endpoint, answer: &Answer) -> bool {
    let body = answer.json();
    match endpoint {
        Endpoint::Moderations => body["results"][0]["flagged"] == false,
        Endpoint::LiteLlm => body["action"] == "NONE",
        Endpoint::DetectContents => body == json!([[]]),
        Endpoint::DetectChat | Endpoint::DetectGeneration => body == json!([]),
        Endpoint::AgentRequest | Endpoint::AgentResponse => {
            body["action"].is_object() && body["action"]["body"].is_null()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opinion_is_given_under_the_tenants_policy_and_recorded() {
    let mut gateway = gateway(|policy| policy).await;
    for endpoint in all() {
        let answer = ask(&gateway, endpoint, &question(endpoint, "hello")).await;
        assert_eq!(answer.status, 200, "{endpoint:?} {}", answer.text());
        assert!(passes(endpoint, &answer), "{endpoint:?} {}", answer.text());
        assert_eq!(answer.header("x-wardgate-decision"), Some("allow"));

        let answer = ask(&gateway, endpoint, &question(endpoint, "tell of the canary")).await;
        assert_eq!(answer.status, 200, "{endpoint:?} {}", answer.text());
        assert!(!passes(endpoint, &answer), "{endpoint:?} {}", answer.text());
        assert!(!answer.text().contains("canary"), "{endpoint:?} {}", answer.text());
        assert_eq!(answer.header("x-wardgate-decision"), Some("block"));
    }
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    gateway.drain().await;
    let closed = gateway.audit_lines("closed");
    let endpoints = all();
    assert_eq!(closed.len(), 2 * endpoints.len());
    for (pair, endpoint) in closed.chunks(2).zip(endpoints) {
        assert_eq!(
            (&pair[0]["outcome"], &pair[1]["outcome"]),
            (&json!("delivered"), &json!("refused"))
        );
        assert_eq!(pair[1]["route"], endpoint.as_str());
        let decisions = [&pair[1]["prompt"]["decision"], &pair[1]["response"]["decision"]];
        assert!(decisions.contains(&&json!("block")), "{}", pair[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn having_no_verdict_is_never_told_as_consent() {
    let gateway = gateway(|policy| policy).await;
    for endpoint in all() {
        for words in ["derailed", "sleep"] {
            // Words of its own: a verdict that comes too late is remembered for whoever asks again.
            let text = format!("{words} {}", endpoint.as_str());
            let answer = ask(&gateway, endpoint, &question(endpoint, &text)).await;
            let case = format!("{endpoint:?} {words} {} {}", answer.status, answer.text());
            if answer.status == 200 {
                assert!(!passes(endpoint, &answer), "{case}");
            } else {
                let expected = if words == "sleep" { 503 } else { 400 };
                assert_eq!(answer.status, expected, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observing_policy_tells_its_opinion_and_asks_for_nothing() {
    let gateway = gateway(|policy| policy.replace("\"enforce\"", "\"observe\"")).await;
    for endpoint in all() {
        let answer = ask(&gateway, endpoint, &question(endpoint, "tell of the canary")).await;
        let reports = matches!(
            endpoint,
            Endpoint::Moderations
                | Endpoint::DetectContents
                | Endpoint::DetectChat
                | Endpoint::DetectGeneration
        );
        assert_eq!(passes(endpoint, &answer), !reports, "{endpoint:?} {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_text_of_a_list_has_its_own_opinion() {
    let gateway = gateway(|policy| policy).await;
    let answer = ask(&gateway, Endpoint::Moderations, &json!({"input": ["hello", "canary"]})).await;
    let results = answer.json()["results"].take();
    assert_eq!((&results[0]["flagged"], &results[1]["flagged"]), (&json!(false), &json!(true)));
    assert_eq!(results[1]["categories"]["violence"], true);
    let contents = json!({"contents": ["hello", "a doubtful canary"]});
    let answer = ask(&gateway, Endpoint::DetectContents, &contents).await;
    let found = answer.json();
    assert_eq!(found[0], json!([]));
    assert_eq!((&found[1][0]["start"], &found[1][0]["end"]), (&json!(0), &json!(17)));
    assert!(found[1][0]["score"].as_f64().is_some_and(|score| score > 0.5), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_nobody_can_read_is_decided_by_the_policy() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let body = json!({"input": [{"type": "text", "text": "what is this"}, image]});
    let closed = gateway(|policy| policy).await;
    let answer = ask(&closed, Endpoint::Moderations, &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "content_unreadable"));
    let open = gateway(|policy| policy.replace("prompt = \"block\"", "prompt = \"allow\"")).await;
    let answer = ask(&open, Endpoint::Moderations, &body).await;
    let result = answer.json()["results"][0].take();
    assert_eq!(
        (&result["flagged"], &result["wardgate"]["unscored"]),
        (&json!(false), &json!("unreadable"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_for_tenants_strictly_read_and_off_unless_named() {
    let gateway = gateway(|policy| policy).await;
    for endpoint in all() {
        let harmless = question(endpoint, "hello");
        let answer = ask_with(&gateway, endpoint, "", &harmless).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_api_key"));
        let answer =
            ask_with(&gateway, endpoint, &format!("x-api-key: {KEY}\r\n"), &harmless).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = ask(&gateway, endpoint, &json!({"body": 7, "canary": "canary"})).await;
        assert_eq!(answer.status, 400, "{endpoint:?} {}", answer.text());
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        let mut client = Client::connect(gateway.data).await;
        let twice = harmless.to_string().replacen('{', "{\"input\":1,\"input\":2,", 1);
        let key = format!("Authorization: Bearer {KEY}\r\n");
        client.send(post_to(endpoint.path(), &key, &twice)).await;
        assert_eq!(client.answer().await.map(|answer| answer.status), Some(400));
    }
    let without = TestGateway::start(Upstream::answering(Vec::new()).await).await;
    for endpoint in all() {
        let answer = ask(&without, endpoint, &question(endpoint, "hello")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "route_not_guarded"));
    }
}
