//! What is said beside an answer, in every dialect, plain and streamed, of prompts and of answers; each
//! as a strict client of the dialect reads it.

use serde_json::{Value, json};
use wardgate::wire::Dialect;

use crate::support::client::{Answer, Client};
use crate::support::gateway::TestGateway;
use crate::support::speech::{SPOKEN, answer, asking, events, natural, sent};
use crate::support::strict::{read, said};
use crate::support::upstream;
use crate::support::upstream::Upstream;

/// An answer to these words, with these words, under a policy with this line.
async fn asked(
    (dialect, stream): (Dialect, bool),
    prompt: &str,
    words: &str,
    policy: &str,
) -> (Answer, String) {
    let (whole, steps) = if stream {
        let events = events(dialect, &[words]);
        (events.concat(), upstream::events(&events))
    } else {
        let body = answer(dialect, words);
        (body.clone(), upstream::json(&body))
    };
    let gateway = TestGateway::start_with(Upstream::answering(steps).await, |setup| {
        setup.policy = format!("{policy}\n{}", setup.policy);
    })
    .await;
    let mut client = Client::connect(gateway.data).await;
    client.send(sent(dialect, &asking(dialect, prompt, stream))).await;
    (client.answer().await.expect("an answer"), whole)
}

/// All JSON objects of an answer, one a line where it is streamed.
fn objects(answer: &Answer) -> Vec<Value> {
    if answer.header("content-type") == Some("application/json") {
        return vec![answer.json()];
    }
    let data = answer.text().lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// The one value there is at this place in any of the objects.
#[track_caller]
fn only<'v>(objects: &'v [Value], at: &str) -> &'v Value {
    let found: Vec<&Value> = objects.iter().filter_map(|object| object.pointer(at)).collect();
    assert_eq!(found.len(), 1, "{at} in {objects:?}");
    found[0]
}

/// 0.4 of the test's guard, for a category without one of Azure's words, and nothing else.
fn in_doubt() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"S2": {"filtered": false, "severity": "low"}, "violence": safe, "hate": safe,
        "sexual": safe, "self_harm": safe})
}

#[track_caller]
fn says(results: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&results[key], value, "{key} in {results}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_prompt_or_answer_says_so_where_its_clients_look() {
    for dialect in SPOKEN {
        for stream in [false, true] {
            for (prompt, words, of) in [
                ("a doubtful thing", "fine. ", "prompt"),
                ("hello", "a doubtful thing. ", "response"),
            ] {
                let (answer, _) = asked((dialect, stream), prompt, words, "").await;
                let case = format!("{dialect:?} {stream} {of}: {}", answer.text());
                assert_eq!(read(dialect, &answer), said(words, natural(dialect)), "{case}");
                let objects = objects(&answer);
                let ours = only(&objects, "/wardgate");
                assert_eq!(ours[of]["decision"], "annotate", "{case}");
                let score = ours[of]["scores"]["S2"].as_f64().expect("a score");
                assert!((score - 0.4).abs() < 1e-6, "{case}");
                let doubt = in_doubt();
                match dialect {
                    Dialect::Chat | Dialect::Completions => {
                        let prompt =
                            only(&objects, "/prompt_filter_results/0/content_filter_results");
                        let choice = only(&objects, "/choices/0/content_filter_results");
                        says(if of == "prompt" { prompt } else { choice }, &doubt);
                    }
                    Dialect::Responses => {
                        let at = if of == "prompt" { 0 } else { 1 };
                        let filter = only(&objects, &format!("/content_filters/{at}"));
                        let source = if of == "prompt" { "prompt" } else { "completion" };
                        assert_eq!(filter["source_type"], source, "{case}");
                        assert_eq!(filter["blocked"], false, "{case}");
                        says(&filter["content_filter_results"], &doubt);
                    }
                    Dialect::Messages | Dialect::Embeddings => {}
                }
                if of == "prompt" || !stream {
                    let header = answer.header(&format!("x-wardgate-{of}"));
                    assert_eq!(header, Some("annotate; unsafe=0.400; S2=0.400"), "{case}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_annotated_before_the_first_chunk_of_its_answer() {
    for dialect in [Dialect::Chat, Dialect::Completions] {
        let (answer, whole) = asked((dialect, true), "a doubtful thing", "fine. ", "").await;
        let first = &objects(&answer)[0];
        assert_eq!(first["choices"], json!([]));
        assert!(first["prompt_filter_results"].is_array(), "{first}");
        let (events, _) = whole.rsplit_once("data: [DONE]").expect("an end");
        assert!(answer.text().contains(events), "the answer keeps its bytes: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_annotate_in_headers_only_or_not_at_all() {
    for dialect in SPOKEN {
        for stream in [false, true] {
            for level in ["headers", "off"] {
                let policy = format!("annotate = \"{level}\"");
                let doubtful = "a doubtful thing. ";
                let (answer, whole) = asked((dialect, stream), doubtful, doubtful, &policy).await;
                assert_eq!(answer.text(), whole, "{dialect:?} {stream} {level}");
                assert_eq!(answer.header("x-wardgate-decision"), Some("annotate"));
                let is_told = answer.header("x-wardgate-prompt").is_some();
                assert_eq!(is_told, level == "headers", "{dialect:?} {stream} {level}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_was_cut_says_for_what() {
    for dialect in [Dialect::Chat, Dialect::Completions] {
        for stream in [false, true] {
            let (answer, _) = asked((dialect, stream), "hello", "the canary. ", "").await;
            let objects = objects(&answer);
            let results = only(&objects, "/choices/0/content_filter_results");
            let high = json!({"filtered": true, "severity": "high"});
            says(results, &json!({"S1": high, "violence": high}));
            let closing = objects.iter().find_map(|object| {
                let choice = object.pointer("/choices/0")?;
                (choice["finish_reason"] == "content_filter").then_some(choice)
            });
            assert_eq!(&closing.expect("a closing")["content_filter_results"], results);
        }
    }
}
