//! What may not pass is taken out, and the rest passes: in prompts and in answers, plain and streamed, of
//! every dialect; each as a strict client of the dialect reads it.

use serde_json::{Value, json};

use crate::support::client::{Client, KEY, post_to};
use crate::support::gateway::TestGateway;
use crate::support::speech::{SPOKEN, answer, asking, events, filtered, natural, sent};
use crate::support::strict::{Outcome, read, said};
use crate::support::upstream::{self, Step, Upstream};
use wardgate::wire::Dialect;

const POLICY: &str = r#"
name = "test"
[unsafe]
prompt = { redact = 0.5 }
response = { redact = 0.5 }
"#;

const SECRET: &str = "Here is a canary.";
const MARK: &str = "[redacted: S1]";

/// A gateway under a policy that redacts, in front of an upstream that answers with this.
async fn gateway(steps: Vec<upstream::Step>) -> TestGateway {
    let upstream = Upstream::answering(steps).await;
    TestGateway::start_with(upstream, |setup| setup.policy = POLICY.to_owned()).await
}

async fn ask(gateway: &TestGateway, path: &str, request: &Value) -> crate::support::client::Answer {
    let mut client = Client::connect(gateway.data).await;
    let key = format!("Authorization: Bearer {KEY}\r\n");
    client.send(post_to(path, &key, &request.to_string())).await;
    client.answer().await.expect("an answer")
}

/// Requests of every dialect that hold these words, and an answer to each.
fn requests(words: &str) -> Vec<(&'static str, Value, Value)> {
    let user = json!([{"role": "user", "content": words}]);
    vec![
        ("/v1/chat/completions", json!({"model": "m", "messages": user}), chat("Fine.")),
        ("/v1/completions", json!({"model": "m", "prompt": words}), completions("Fine.")),
        ("/v1/responses", json!({"model": "m", "input": user}), responses("Fine.")),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": user}),
            messages("Fine."),
        ),
        (
            "/v1/embeddings",
            json!({"model": "m", "input": [words, "fine"]}),
            json!({"object": "list", "data": [], "model": "m"}),
        ),
    ]
}

fn chat(words: &str) -> Value {
    let tokens = json!({"content": [{"token": words, "bytes": null, "logprob": -1.0,
        "top_logprobs": [{"token": words, "bytes": null, "logprob": -1.0}]}]});
    json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop",
         "logprobs": tokens}]})
}

fn completions(words: &str) -> Value {
    json!({"id": "c1", "object": "text_completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "text": words, "finish_reason": "stop", "logprobs": null}]})
}

fn responses(words: &str) -> Value {
    json!({"id": "r1", "object": "response", "created_at": 1, "model": "m", "status": "completed",
        "output": [{"id": "m1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": words, "annotations": [
                {"type": "url_citation", "start_index": 0, "end_index": 3, "title": "t", "url": "u"}]}]}]})
}

fn messages(words: &str) -> Value {
    json!({"id": "m1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": words, "citations": [
            {"type": "char_location", "cited_text": "t"}]}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 1}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_reaches_the_upstream_without_what_was_taken_out() {
    let words = format!("A first sentence. {SECRET} And a last one.");
    for (path, request, answer) in requests(&words) {
        let mut gateway = gateway(upstream::json(&answer.to_string())).await;
        let answered = ask(&gateway, path, &request).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.text());
        assert_eq!(answered.header("x-wardgate-decision"), Some("redact"), "{path}");
        assert!(!gateway.upstream.received("canary"), "{path}");
        let left = format!("A first sentence. {MARK} And a last one.");
        assert!(gateway.upstream.received(&left), "{path}");
        gateway.drain().await;
        let acted = gateway.audit_lines("acted");
        assert_eq!(acted[0]["prompt"]["decision"], "redact", "{path}");
        let closed = gateway.audit_lines("closed");
        assert_eq!(closed[0]["outcome"], "delivered", "{path}");
        assert!(!gateway.audit_text().contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_out_without_what_was_taken_out() {
    let words = format!("A first sentence. {SECRET} And a last one.");
    let answers = [chat(&words), completions(&words), responses(&words), messages(&words)];
    for ((path, request, _), answer) in requests("hello").into_iter().zip(answers) {
        let mut gateway = gateway(upstream::json(&answer.to_string())).await;
        let answered = ask(&gateway, path, &request).await;
        let text = answered.text();
        assert_eq!(answered.status, 200, "{path}: {text}");
        assert_eq!(answered.header("x-wardgate-decision"), Some("redact"), "{path}");
        assert!(!text.contains("canary"), "{path}: {text}");
        assert!(
            text.contains(&format!("A first sentence. {MARK} And a last one.")),
            "{path}: {text}"
        );
        assert!(!text.contains("url_citation") && !text.contains("cited_text"), "{path}: {text}");
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("acted")[0]["response"]["decision"], "redact", "{path}");
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "delivered", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_patterns_point_at_goes_byte_by_byte() {
    let policy = "name = \"test\"\n[category.\"PII.EMAIL\"]\nprompt = { redact = 0.5 }\n";
    let (path, request, answer) = requests("Write to jane.roe@example.org today.").swap_remove(0);
    let upstream = Upstream::answering(upstream::json(&answer.to_string())).await;
    let gateway = TestGateway::start_with(upstream, |setup| setup.policy = policy.to_owned()).await;
    let answered = ask(&gateway, path, &request).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert!(gateway.upstream.received("Write to [redacted: PII.EMAIL] today."));
    assert!(!gateway.upstream.received("jane.roe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_privacy_policy_takes_addresses_out_of_prompts() {
    let policy = include_str!("../../policies/privacy.toml");
    let said = "Call +49 30 901820 or write to jane.roe@example.org.";
    let (path, request, answer) = requests(said).swap_remove(0);
    let upstream = Upstream::answering(upstream::json(&answer.to_string())).await;
    let gateway = TestGateway::start_with(upstream, |setup| setup.policy = policy.to_owned()).await;
    let answered = ask(&gateway, path, &request).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(answered.header("x-wardgate-decision"), Some("redact"));
    assert!(gateway.upstream.received("[redacted: PII."));
    assert!(!gateway.upstream.received("jane.roe") && !gateway.upstream.received("901820"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_in_the_place_of_a_redaction_names_what_led_to_it() {
    let (path, mut request, answer) = requests("hello").swap_remove(0);
    request["metadata"] = json!({"a canary": 1});
    let gateway = gateway(upstream::json(&answer.to_string())).await;
    let refused: Value = serde_json::from_str(ask(&gateway, path, &request).await.text()).unwrap();
    let results = &refused["error"]["innererror"]["content_filter_result"];
    assert_eq!(results["S1"]["filtered"], true, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_tools_stay_json() {
    let arguments = json!({"to": "bob", "text": "First. Here is a \"canary\".\nLast.", "n": 1});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "x",
        "type": "function", "function": {"name": "send", "arguments": arguments.to_string()}}]});
    let answer = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    let gateway = gateway(upstream::json(&answer.to_string())).await;
    let (path, request, _) = requests("hello").swap_remove(0);
    let answered: Value = serde_json::from_str(ask(&gateway, path, &request).await.text()).unwrap();
    let call = &answered["choices"][0]["message"]["tool_calls"][0]["function"];
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert_eq!((&arguments["to"], &arguments["n"]), (&json!("bob"), &json!(1)));
    let text = arguments["text"].as_str().unwrap();
    assert!(text.starts_with("First. ") && text.contains(MARK), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_out_is_blocked() {
    let (path, mut request, answer) = requests("hello").swap_remove(0);
    request["metadata"] = json!({"a canary": 1});
    let mut gateway = gateway(upstream::json(&answer.to_string())).await;
    let answered = ask(&gateway, path, &request).await;
    assert_eq!(answered.status, 400, "{}", answered.text());
    assert!(answered.text().contains("content_filter"));
    gateway.upstream.seen(|seen| assert!(seen.requests.is_empty()));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["prompt"]["decision"], "block");
}

/// A gateway under this policy, and its answer in a dialect to these words.
async fn asked(
    policy: &str,
    steps: Vec<Step>,
    (dialect, stream): (Dialect, bool),
    words: &str,
) -> (TestGateway, crate::support::client::Answer) {
    let upstream = Upstream::answering(steps).await;
    let gateway = TestGateway::start_with(upstream, |setup| setup.policy = policy.to_owned()).await;
    let mut client = Client::connect(gateway.data).await;
    client.send(sent(dialect, &asking(dialect, words, stream))).await;
    let answer = client.answer().await.expect("an answer");
    (gateway, answer)
}

fn steps(dialect: Dialect, pieces: &[&str], stream: bool) -> Vec<Step> {
    if stream {
        upstream::events(&events(dialect, pieces))
    } else {
        upstream::json(&answer(dialect, &pieces.concat()))
    }
}

/// Long enough to be judged by itself, and harmless.
const LONG: &str = "This sentence is rather long, so that a window may well end with it or before it, \
                    and there is nothing in it that anybody could ever say anything against. ";

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_is_taken_out_of_prompt_or_answer_and_a_strict_client_reads_on() {
    let pieces =
        [LONG, "Here ", "is a can", "ary. ", LONG, "A ", "second canary sings. ", "The end."];
    let all = pieces.concat();
    let left = format!("{LONG}{MARK} {LONG}{MARK} The end.");
    for dialect in SPOKEN {
        for stream in [false, true] {
            let (mut gateway, answer) =
                asked(POLICY, steps(dialect, &pieces, stream), (dialect, stream), "hello").await;
            let case = format!("{dialect:?} {stream}: {}", answer.text());
            assert_eq!(read(dialect, &answer), said(&left, natural(dialect)), "{case}");
            assert!(!answer.text().contains("canary") && !answer.text().contains("ary."), "{case}");
            gateway.drain().await;
            assert_eq!(gateway.audit_lines("acted")[0]["response"]["decision"], "redact", "{case}");
            let closed = &gateway.audit_lines("closed")[0];
            assert_eq!(closed["outcome"], "delivered", "{case}");
            assert_eq!(closed["response"]["decision"], "redact", "{case}");

            let (gateway, answer) =
                asked(POLICY, steps(dialect, &["Fine."], stream), (dialect, stream), &all).await;
            let case = format!("{dialect:?} {stream}: {}", answer.text());
            assert_eq!(read(dialect, &answer), said("Fine.", natural(dialect)), "{case}");
            assert_eq!(answer.header("x-wardgate-decision"), Some("redact"), "{case}");
            assert!(gateway.upstream.received(&left), "{case}");
            assert!(!gateway.upstream.received("canary"), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_patterns_point_at_in_a_stream_goes_byte_by_byte_wherever_it_is_cut() {
    let policy = "name = \"test\"\n[category.\"PII.EMAIL\"]\nresponse = { redact = 0.5 }\n";
    let text = format!("{LONG}{LONG}Write to jane.roe@example.org today. {LONG}{LONG}");
    let pieces: Vec<&str> = text.split_inclusive(|each: char| !each.is_alphanumeric()).collect();
    let letters: Vec<&str> = text.split_inclusive(|_: char| true).collect();
    let left = text.replace("jane.roe@example.org", "[redacted: PII.EMAIL]");
    for dialect in SPOKEN {
        for pieces in [&pieces, &letters] {
            let steps = steps(dialect, pieces, true);
            let (_gateway, answer) = asked(policy, steps, (dialect, true), "hello").await;
            let case = format!("{dialect:?}: {}", answer.text());
            assert_eq!(read(dialect, &answer), said(&left, natural(dialect)), "{case}");
            assert!(!answer.text().contains("jane"), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_taken_out_of_a_stream_as_a_whole() {
    let policy = "name = \"test\"\n[unsafe]\nresponse = { redact = 0.5, grain = \"part\" }\n";
    for dialect in SPOKEN {
        let steps = steps(dialect, &[LONG, LONG, LONG, "A canary. ", LONG], true);
        let (_gateway, answer) = asked(policy, steps, (dialect, true), "hello").await;
        let case = format!("{dialect:?}: {}", answer.text());
        let Outcome::Said(choices) = read(dialect, &answer) else { panic!("{case}") };
        assert_eq!(choices[0].0.trim(), MARK, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_cut_where_a_stricter_rule_says_so() {
    let policy = "name = \"test\"\n[unsafe]\nresponse = { redact = 0.5, block = 0.99 }\n";
    let steps = steps(Dialect::Chat, &[LONG, "A canary. ", LONG], true);
    let (mut gateway, answer) = asked(policy, steps, (Dialect::Chat, true), "hello").await;
    let Outcome::Said(choices) = read(Dialect::Chat, &answer) else { panic!("{}", answer.text()) };
    assert_eq!(choices[0].1, filtered(Dialect::Chat), "{}", answer.text());
    assert!(!answer.text().contains("canary"));
    gateway.drain().await;
    assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_choice_that_says_it_is_redacted() {
    let answer = upstream::completion(&["Zero is fine.", SECRET, "Two is fine."]);
    let gateway = gateway(upstream::json(&answer)).await;
    let (path, request, _) = requests("hello").swap_remove(0);
    let answered: Value = serde_json::from_str(ask(&gateway, path, &request).await.text()).unwrap();
    let said: Vec<&str> =
        (0..3).filter_map(|at| answered["choices"][at]["message"]["content"].as_str()).collect();
    assert_eq!(said, ["Zero is fine.", MARK, "Two is fine."]);
    assert_eq!(answered["wardgate"]["response"]["decision"], "redact");
}
