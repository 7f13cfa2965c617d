//! OpenAI's field `moderation`: asked of the provider, answered by the guard of this gateway.

use serde_json::{Value, json};
use wardgate::wire::Dialect;

use crate::support::client::{Answer, Client};
use crate::support::gateway::TestGateway;
use crate::support::speech::{answer, asking, events, sent};
use crate::support::strict::read;
use crate::support::upstream;
use crate::support::upstream::Upstream;

const MODERATING: [Dialect; 2] = [Dialect::Chat, Dialect::Responses];

async fn asked(
    dialect: Dialect,
    request: &Value,
    words: &str,
    observe: bool,
) -> (Answer, TestGateway) {
    let steps = if request["stream"] == true {
        upstream::events(&events(dialect, &[words]))
    } else {
        upstream::json(&answer(dialect, words))
    };
    let gateway = TestGateway::start_with(Upstream::answering(steps).await, |setup| {
        if observe {
            setup.policy = setup.policy.replace("\"enforce\"", "\"observe\"");
        }
    })
    .await;
    let mut client = Client::connect(gateway.data).await;
    client.send(sent(dialect, request)).await;
    (client.answer().await.expect("an answer"), gateway)
}

fn moderated(dialect: Dialect, words: &str, stream: bool, policy: Value) -> Value {
    let mut request = asking(dialect, words, stream);
    request["moderation"] = json!({"model": "omni-moderation-latest", "policy": policy});
    request
}

/// What is said of one side.
fn result(dialect: Dialect, answer: &Answer, side: &str) -> Value {
    let moderation = if answer.header("content-type") == Some("application/json") {
        answer.json()["moderation"].take()
    } else {
        let data = answer.text().lines().filter_map(|line| line.strip_prefix("data: "));
        let mut chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let found = chunks.find(|chunk| !chunk["moderation"].is_null());
        found.expect("a chunk with it")["moderation"].take()
    };
    match dialect {
        Dialect::Responses => moderation[side].clone(),
        _ => {
            assert_eq!(moderation[side]["type"], "moderation_results", "{moderation}");
            assert_eq!(moderation[side]["results"].as_array().map(Vec::len), Some(1));
            moderation[side]["results"][0].clone()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_scores_gets_them_from_this_guard() {
    for dialect in MODERATING {
        for stream in [false, true] {
            let plain = asking(dialect, "a doubtful thing", stream);
            let request = moderated(dialect, "a doubtful thing", stream, Value::Null);
            let (answer, gateway) = asked(dialect, &request, "fine. ", false).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            read(dialect, &answer);
            let input = result(dialect, &answer, "input");
            assert_eq!(input["type"], "moderation_result");
            assert_eq!(
                (&input["flagged"], &input["categories"]["illicit"]),
                (&json!(false), &json!(false))
            );
            assert!(input["category_scores"]["illicit"].as_f64().is_some_and(|score| score > 0.39));
            let output = result(dialect, &answer, "output");
            assert_eq!(output["category_scores"]["illicit"], 0.0, "{output}");
            // The provider is not asked to do it again.
            gateway
                .upstream
                .seen(|seen| assert_eq!(seen.requests[0].1, plain.to_string().as_bytes()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_wants_blocked_is_blocked_also_where_the_policy_observes() {
    let block = json!({"input": {"mode": "block"}, "output": {"mode": "block"}});
    for dialect in MODERATING {
        for stream in [false, true] {
            let request = moderated(dialect, "the canary", stream, block.clone());
            let (answer, gateway) = asked(dialect, &request, "fine. ", true).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"));
            gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));

            let request = moderated(dialect, "hello", stream, block.clone());
            let (answer, _gateway) = asked(dialect, &request, "the canary. ", true).await;
            assert!(!answer.text().contains("canary"), "{}", answer.text());
            read(dialect, &answer);
            assert_eq!(result(dialect, &answer, "output")["flagged"], true);

            let request = moderated(dialect, "the canary", stream, Value::Null);
            let (answer, _gateway) = asked(dialect, &request, "the canary. ", true).await;
            assert!(answer.text().contains("canary"), "it was only asked for scores");
            assert_eq!(result(dialect, &answer, "input")["flagged"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_nobody_understands_is_refused() {
    for dialect in MODERATING {
        let mut request = asking(dialect, "hello", false);
        request["moderation"] = json!({"model": "x", "policy": {"input": {"mode": "the canary"}}});
        let (answer, gateway) = asked(dialect, &request, "fine", false).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"));
        assert_eq!(answer.json()["error"]["param"], "moderation.policy.input");
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
    }
}
