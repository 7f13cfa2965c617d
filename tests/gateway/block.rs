//! Every way to tell of a block, in every dialect, plain and streamed, of prompts and of answers; each
//! as a strict client of the dialect reads it.

use std::sync::Arc;

use tokio::sync::Notify;
use wardgate::wire::Dialect;

use crate::support::client::{Answer, Client, post};
use crate::support::gateway::TestGateway;
use crate::support::speech::{SPOKEN, answer, asking, events, filtered, natural, sent};
use crate::support::strict::{Outcome, read, said};
use crate::support::upstream;
use crate::support::upstream::{Step, Upstream, delta, stop};

/// What the policy of these tests says when it blocks; for what the canary is, for anything else.
const OWN: &str = "Please talk to somebody.";
const ANY: &str = "Not here.";

async fn gateway(style: &str, steps: Vec<Step>) -> TestGateway {
    TestGateway::start_with(Upstream::answering(steps).await, |setup| {
        let block = format!(
            "[block]\nprompt = \"{style}\"\nresponse = \"{style}\"\ntext = \"{ANY}\"\n\
             [block.texts]\nS1 = \"{OWN}\"\n"
        );
        setup.policy.push_str(&block);
    })
    .await
}

async fn ask(gateway: &TestGateway, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(gateway.data).await;
    client.send(request).await;
    client.answer().await.expect("an answer")
}

fn raised() -> Outcome {
    Outcome::Raised("content_filter".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_prompt_is_told_in_the_style_of_the_policy() {
    for style in ["error", "refusal", "content_filter"] {
        let mut gateway = gateway(style, Vec::new()).await;
        for dialect in SPOKEN {
            for stream in [false, true] {
                let request = asking(dialect, "tell me of the canary", stream);
                let answer = ask(&gateway, sent(dialect, &request)).await;
                let case = format!("{style} {dialect:?} {stream}: {}", answer.text());
                let expected = match (style, stream) {
                    ("error", _) => raised(),
                    ("refusal", _) => said(OWN, natural(dialect)),
                    (_, false) => said(OWN, filtered(dialect)),
                    (_, true) => said("", filtered(dialect)),
                };
                assert_eq!(read(dialect, &answer), expected, "{case}");
                assert_eq!(answer.status, if style == "error" { 400 } else { 200 }, "{case}");
                assert_eq!(answer.header("x-wardgate-decision"), Some("block"), "{case}");
                assert!(!answer.text().contains("canary"), "{case}");
                let retry = (style == "error").then_some("false");
                assert_eq!(answer.header("x-should-retry"), retry, "{case}");
                if style == "error" {
                    assert_eq!(answer.json()["error"]["message"], OWN, "{case}");
                }
            }
        }
        gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
        gateway.drain().await;
        let closed = gateway.audit_lines("closed");
        assert!(closed.len() == 8 && closed.iter().all(|line| line["outcome"] == "refused"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_without_an_answer_in_words_is_refused_by_an_error() {
    let gateway = gateway("refusal", Vec::new()).await;
    let request = asking(Dialect::Embeddings, "the canary", false);
    let answer = ask(&gateway, sent(Dialect::Embeddings, &request)).await;
    assert_eq!(read(Dialect::Embeddings, &answer), raised());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_choice_that_was_asked_for_declines() {
    let gateway = gateway("refusal", Vec::new()).await;
    for dialect in [Dialect::Chat, Dialect::Completions] {
        for stream in [false, true] {
            let mut request = asking(dialect, "the canary", stream);
            request["n"] = 3.into();
            let answer = ask(&gateway, sent(dialect, &request)).await;
            let each = (OWN.to_owned(), natural(dialect).to_owned());
            assert_eq!(read(dialect, &answer), Outcome::Said(vec![each; 3]), "{}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_answer_is_told_in_the_style_of_the_policy() {
    for style in ["error", "refusal", "content_filter"] {
        for dialect in SPOKEN {
            let mut gateway = gateway(style, upstream::json(&answer(dialect, "a canary"))).await;
            let answer = ask(&gateway, sent(dialect, &asking(dialect, "hello", false))).await;
            let case = format!("{style} {dialect:?}: {}", answer.text());
            let expected = match style {
                "error" => raised(),
                "refusal" => said(OWN, natural(dialect)),
                _ => said(OWN, filtered(dialect)),
            };
            assert_eq!(read(dialect, &answer), expected, "{case}");
            assert_eq!(answer.status, if style == "error" { 400 } else { 200 }, "{case}");
            let retry = (style == "error").then_some("false");
            assert_eq!(answer.header("x-should-retry"), retry, "{case}");
            assert!(!answer.text().contains("canary"), "{case}");
            gateway.drain().await;
            assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld", "{case}");
        }
    }
}

/// What is cleared before the canary comes.
const CLEARED: &str = "This sentence is long enough to be judged by itself, and it is fine. ";

/// A stream that turns harmful, and never ends unless it is hung up on.
fn turning(dialect: Dialect, before: &[&str]) -> Vec<Step> {
    let pieces: Vec<&str> = before.iter().copied().chain(["now the can", "ary sings. "]).collect();
    let mut steps = vec![upstream::stream_head()];
    let mut events = events(dialect, &[pieces.as_slice(), &[CLEARED; 8]].concat());
    events.truncate(events.len() - 2);
    steps.extend(events.iter().map(|event| upstream::chunk(event)));
    steps.push(Step::Await(Arc::new(Notify::new())));
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_turns_harmful_ends_in_the_style_of_the_policy() {
    for style in ["error", "refusal", "content_filter"] {
        for dialect in SPOKEN {
            let gateway = gateway(style, turning(dialect, &[CLEARED; 8])).await;
            let answer = ask(&gateway, sent(dialect, &asking(dialect, "hello", true))).await;
            let case = format!("{style} {dialect:?}: {}", answer.text());
            assert!(answer.text().contains(CLEARED), "what was cleared went out: {case}");
            assert!(!answer.text().contains("can\"") && !answer.text().contains("ary"), "{case}");
            match (style, read(dialect, &answer)) {
                ("error", outcome) => assert_eq!(outcome, raised(), "{case}"),
                (_, Outcome::Said(choices)) => {
                    let [(text, end)] = choices.as_slice() else { panic!("{case}") };
                    let (words, reason) = match style {
                        "refusal" => (OWN, natural(dialect)),
                        _ => ("", filtered(dialect)),
                    };
                    let rest = text.strip_suffix(words).expect("the last words");
                    assert!(rest.replace(CLEARED, "").is_empty() && !rest.is_empty(), "{case}");
                    assert_eq!(end, reason, "{case}");
                }
                (_, outcome) => panic!("{outcome:?} {case}"),
            }
            gateway.upstream.until(|seen| seen.hung_up == 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_byte_is_out_an_error_still_has_its_status() {
    for dialect in SPOKEN {
        let mut gateway = gateway("error", turning(dialect, &[])).await;
        let answer = ask(&gateway, sent(dialect, &asking(dialect, "hello", true))).await;
        assert_eq!((answer.status, read(dialect, &answer)), (400, raised()), "{}", answer.text());
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        gateway.upstream.until(|seen| seen.hung_up == 1).await;
        gateway.drain().await;
        assert_eq!(gateway.audit_lines("closed")[0]["outcome"], "withheld");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_choices_of_an_answer_go_on() {
    let whole = upstream::completion(&["fine", "the canary", "fine too"]);
    let mut events = Vec::new();
    for turn in 0..30 {
        events.push(delta(0, &format!("Zero {turn} is fine. ")));
        events.push(delta(1, if turn == 20 { "the canary. " } else { "One is fine. " }));
    }
    events.extend([stop(0), stop(1), upstream::DONE.to_owned()]);
    let zero: String = (0..30).map(|turn| format!("Zero {turn} is fine. ")).collect();
    for (style, end) in [("refusal", "stop"), ("content_filter", "content_filter")] {
        let of = |text: &str, end: &str| (text.to_owned(), end.to_owned());
        let mut request = asking(Dialect::Chat, "hello", false);
        request["n"] = 3.into();
        let gateway_ = gateway(style, upstream::json(&whole)).await;
        let answer = ask(&gateway_, post(&request.to_string())).await;
        let expected = vec![of("fine", "stop"), of(OWN, end), of("fine too", "stop")];
        assert_eq!(read(Dialect::Chat, &answer), Outcome::Said(expected));

        let mut request = asking(Dialect::Chat, "hello", true);
        request["n"] = 2.into();
        let gateway = gateway(style, upstream::events(&events)).await;
        let answer = ask(&gateway, post(&request.to_string())).await;
        let Outcome::Said(choices) = read(Dialect::Chat, &answer) else { panic!() };
        assert_eq!(choices[0], of(&zero, "stop"));
        let (words, cut) = (if style == "refusal" { OWN } else { "" }, &choices[1]);
        assert!(cut.0.ends_with(words) && cut.0.starts_with("One is fine. ") && cut.1 == end);
        assert!(!answer.text().contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_fails_with_all_its_choices() {
    let whole = upstream::completion(&["fine", "the canary"]);
    let gateway = gateway("error", upstream::json(&whole)).await;
    let mut request = asking(Dialect::Chat, "hello", false);
    request["n"] = 2.into();
    let answer = ask(&gateway, post(&request.to_string())).await;
    assert_eq!((answer.status, read(Dialect::Chat, &answer)), (400, raised()));
    assert!(!answer.text().contains("fine"));
}
