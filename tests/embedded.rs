//! The guard that ships: its files are those of the manifest, and it scores as Hugging Face transformers
//! does from the same files.

#![cfg(feature = "candle")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test says what it expects")]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wardgate::guard::Classifier;
use wardgate::llama_guard::{LlamaGuard, embedded};
use wardgate::taxonomy::Taxonomy;
use wardgate::transcript::Transcript;

/// How far a score may be from the expected one.
const TOLERANCE: f64 = 1e-3;
/// The weights and the vocabulary, together.
const LARGEST: u64 = 16 << 20;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/embedded-guard").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&fs::read(path(name)).unwrap()).unwrap()
}

fn guard() -> LlamaGuard {
    embedded().expect("the embedded guard loads")
}

#[test]
fn the_files_are_those_of_the_manifest() {
    let manifest = read("manifest.json");
    let files = manifest["files"].as_object().unwrap();
    assert_eq!(files.len(), 3);
    let mut size = 0;
    for (name, expected) in files {
        let bytes = fs::read(path(name)).unwrap();
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(expected["digest"].as_str().unwrap(), format!("sha256:{hex}"), "{name}");
        assert_eq!(expected["bytes"], bytes.len(), "{name}");
        size += bytes.len() as u64;
    }
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
fn scores_are_those_of_transformers() {
    let golden = read("golden.json");
    let golden = golden.as_array().unwrap();
    assert!(golden.len() >= 12);
    let transcripts: Vec<Transcript> = golden.iter().map(transcript).collect();
    let mut guard = guard();
    let together = guard.judge_all(&transcripts);
    for (at, expected) in golden.iter().enumerate() {
        let alone = guard.judge_all(&transcripts[at..=at]);
        for judgement in [&together[at], &alone[0]] {
            let near = |found: f32, wanted: &Value, what: &str| {
                let wanted = wanted.as_f64().unwrap();
                let apart = (f64::from(found) - wanted).abs();
                assert!(apart < TOLERANCE, "{what} of {expected}: {found}, not {wanted}");
            };
            assert_eq!(judgement.unscored, None, "{expected}");
            near(judgement.highest().unwrap().get(), &expected["unsafe"], "p(unsafe)");
            let taxonomy = Taxonomy::llama_guard_2();
            for category in taxonomy.categories() {
                let code = taxonomy.code(category);
                let found = judgement.highest_of(category).unwrap().get();
                near(found, &expected["scores"][code], code);
            }
        }
    }
}

fn transcript(golden: &Value) -> Transcript {
    let turns: Vec<&str> =
        golden["turns"].as_array().unwrap().iter().map(|turn| turn.as_str().unwrap()).collect();
    match turns.as_slice() {
        [prompt] => Transcript::user(*prompt),
        [prompt, answer] => Transcript::agent(*prompt, *answer),
        _ => unreachable!("one turn or two"),
    }
}

#[test]
fn it_says_what_it_is_not() {
    let guard = guard();
    let card = guard.card();
    assert_eq!((card.name.as_str(), card.fingerprint.len()), ("embedded", 12));
    let said = card.warnings.join("\n");
    for word in ["no substitute for Llama Guard 2", "English", "S5", "hints", "answers"] {
        assert!(said.contains(word), "{word} is not said in: {said}");
    }
    let readme = fs::read_to_string(path("README.md")).unwrap();
    assert!(readme.contains("no substitute for Llama Guard 2"), "the card does not say it");
}
