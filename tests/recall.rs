//! What was read before is not read again, and that changes no score.

#![cfg(feature = "candle")]
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use wardgate::enforce::{Holdback, Ruling, holdback};
use wardgate::guard::{Guard, Lane, Settings, Work};
use wardgate::llama_guard::{EngineSettings, Family, LlamaGuard, Prompts, Window};
use wardgate::transcript::Transcript;
use wardgate::wire::{Asked, Dialect, Request};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/families/llama-guard-2")
}

/// Windows for a tokenizer that has a token for almost every letter.
fn settings(recall_bytes: usize) -> EngineSettings {
    let window = Window { content: 2600, overlap: 64, context: 256 };
    let recall_bytes = Some(recall_bytes);
    EngineSettings { window, recall_bytes, max_tokens: 8192, ..EngineSettings::default() }
}

fn engine(recall_bytes: usize) -> LlamaGuard {
    LlamaGuard::load(&folder(), Family::llama_guard_2(), settings(recall_bytes)).unwrap()
}

fn guard(recall_bytes: usize) -> Guard {
    let deadline = Duration::from_secs(600);
    let settings = Settings { deadline, ..Settings::default() };
    Guard::start(&settings, move || Ok(Box::new(engine(recall_bytes)))).unwrap()
}

const AMPLE: usize = 64 << 20;

/// What every window costs that has nothing new in it: the end of the prompt, and of the answer.
fn tail() -> u64 {
    let tokenizer = fs::read(folder().join("tokenizer.json")).unwrap();
    let prompts = Prompts::new(&tokenizer, Family::llama_guard_2(), &settings(0)).unwrap();
    let window = prompts.prompt(&Transcript::agent("a", "b")).unwrap().windows.remove(0);
    (window.ids.len() - window.stem + prompts.forced().len()) as u64
}

/// Words that repeat themselves only seldom.
fn words(from: usize, count: usize) -> String {
    let word = |number: usize| format!("w{} ", (number * 7919) % 10_007);
    (from..from + count).map(word).collect()
}

/// Judges an answer as it streams; how many windows it took.
async fn stream(guard: &Guard, answer: &str) -> u64 {
    let settings =
        holdback::Settings { recall_chars: guard.card().recalls, ..holdback::Settings::default() };
    let mut hold = Holdback::new(settings, Asked::new(Dialect::Chat, "Tell me of words.", 1));
    let mut windows = 0;
    let end = [json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })];
    let delta = |piece: &str| json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] });
    for event in answer.split_inclusive(' ').map(delta).chain(end) {
        hold.push(format!("data: {event}\n\n").as_bytes()).unwrap();
        while let Some(window) = hold.due() {
            let judged = guard.judge(window.transcripts(), Lane(0)).await;
            assert_eq!(judged.judgement.unscored, None);
            windows += 1;
            hold.settle(window, Ruling::Pass);
        }
    }
    windows
}

#[tokio::test]
async fn a_streamed_answer_costs_its_tokens_once() {
    let answer = words(0, 400);
    let guard = guard(AMPLE);
    let before = guard.work();
    let windows = stream(&guard, &answer).await;
    let Work { computed, reused } = guard.work();
    let (computed, tokens) = (computed - before.computed, answer.len() as u64);
    assert!(tokens >= 2000 && windows >= 5, "{tokens} tokens in {windows} windows");
    // One letter, one token, or nearly so.
    let most = 13 * tokens / 10 + windows * tail();
    assert!(computed <= most, "{computed} tokens were computed for {tokens}, at most {most}");
    assert!(reused > computed, "{reused} tokens were known");
}

#[tokio::test]
async fn a_guard_without_memory_reads_an_answer_with_its_overlaps_only() {
    let guard = guard(0);
    assert_eq!(guard.card().recalls, 0);
    let answer = words(0, 100);
    let windows = stream(&guard, &answer).await;
    // 160 letters are read once more with every window, and the question.
    let most = answer.len() as u64 + windows * (160 + 40 + tail());
    assert!(guard.work().computed <= most, "{:?}", guard.work());
}

#[tokio::test]
async fn a_turn_costs_what_it_says_however_long_the_conversation() {
    let guard = guard(AMPLE);
    let mut messages: Vec<Value> = Vec::new();
    let mut costs = Vec::new();
    for turn in 0..20 {
        let before = guard.work().computed;
        let (question, answer) = (words(40 * turn, 10), words(40 * turn + 20, 20));
        messages.push(json!({ "role": "user", "content": question }));
        let body = json!({ "model": "m", "messages": messages }).to_string();
        let request = Request::parse(Dialect::Chat, Bytes::from(body)).unwrap();
        let prompt = guard.judge(request.transcripts(), Lane(0)).await;
        assert_eq!(prompt.judgement.unscored, None);
        let said = Transcript::agent(question.as_str(), answer.as_str());
        guard.judge(vec![said], Lane(0)).await;
        messages.push(json!({ "role": "assistant", "content": answer }));
        costs.push(guard.work().computed - before);
    }
    // From the second turn on, each has one question, one answer, and the answer before it to read.
    let (first, rest) = costs[1..].split_first().unwrap();
    for cost in rest {
        assert!(10 * cost <= 11 * first, "a turn costs {cost} tokens, the second cost {first}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Conversations that grow, stop, come again and begin alike, in any order.
    #[test]
    fn what_is_kept_changes_no_score(
        asked in proptest::collection::vec((0_usize..3, 0_usize..3, 1_usize..30), 1..12),
        memory in prop_oneof![Just(AMPLE), Just(24 << 20)],
    ) {
        let (mut remembers, mut forgets) = (engine(memory), engine(0));
        for (question, answer, length) in asked {
            let question = words(100 * question, 5 + question);
            let transcript = Transcript::agent(question, words(1000 * answer, length));
            let with = remembers.judge_all(std::slice::from_ref(&transcript)).remove(0);
            let without = forgets.judge_all(std::slice::from_ref(&transcript)).remove(0);
            prop_assert_eq!(with.unscored, without.unscored);
            prop_assert_eq!(with.readings.len(), without.readings.len());
            for (a, b) in with.readings.iter().zip(&without.readings) {
                prop_assert!((a.unsafe_.get() - b.unsafe_.get()).abs() < 1e-5);
                for (a, b) in a.first.iter().zip(&b.first) {
                    prop_assert!((a.get() - b.get()).abs() < 1e-5);
                }
            }
        }
    }
}
