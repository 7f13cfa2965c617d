//! A category's score is the probability that it is listed, first or behind another, and finding that out
//! on kept keys gives what reading everything anew does.

#![cfg(feature = "candle")]
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, safetensors};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wardgate::llama_guard::{
    Calibration, EngineSettings, Family, Llama, LlamaGuard, ModelConfig, Packed, Place, Prompts,
    Weights, Window,
};
use wardgate::transcript::Transcript;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/families/llama-guard-2")
}

fn settings() -> EngineSettings {
    let window = Window { content: 512, overlap: 64, context: 256 };
    EngineSettings { window, ..EngineSettings::default() }
}

fn prompts() -> Prompts {
    let tokenizer = fs::read(fixture().join("tokenizer.json")).unwrap();
    Prompts::new(&tokenizer, Family::llama_guard_2(), &settings()).unwrap()
}

/// The fixture, made to go on after a category: what stands between two stands out almost as much as
/// the two words of a verdict do (see `answering` in tests/parity/make_families.py).
fn talkative() -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["config.json", "tokenizer.json"] {
        fs::copy(fixture().join(file), folder.path().join(file)).unwrap();
    }
    let mut weights = safetensors::load(fixture().join("model.safetensors"), &Device::Cpu).unwrap();
    let head = weights["lm_head.weight"].to_dtype(candle_core::DType::F32).unwrap();
    let mut rows: Vec<Vec<f32>> = head.to_vec2().unwrap();
    for id in prompts().between() {
        rows[*id as usize][1] = 20.0;
    }
    weights.insert("lm_head.weight".to_owned(), Tensor::new(rows, &Device::Cpu).unwrap());
    safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn softmax(logits: &[f32], of: &[u32]) -> Vec<f64> {
    let of: Vec<f64> = of.iter().map(|id| f64::from(logits[*id as usize]).exp()).collect();
    let sum: f64 = of.iter().sum();
    of.into_iter().map(|e| e / sum).collect()
}

#[test]
fn a_category_scores_as_often_as_it_is_listed() {
    let folder = talkative();
    let mut guard = LlamaGuard::load(folder.path(), Family::llama_guard_2(), settings()).unwrap();
    let config = fs::read(folder.path().join("config.json")).unwrap();
    let weights = Weights::from_folder(folder.path(), &mut Sha256::new()).unwrap();
    let model =
        Llama::new(ModelConfig::parse(&config).unwrap(), weights, 4096, Place::cpu()).unwrap();
    let (prompts, vocabulary) = (prompts(), (0..model.config().vocab as u32).collect::<Vec<_>>());
    let (words, between) = (prompts.words(), prompts.between());
    let mut apart = 0.0_f32;
    for text in ["How do I bake bread?", "Tell me how to pick a lock."] {
        let transcript = Transcript::user(text);
        let judgement = guard.judge_all(std::slice::from_ref(&transcript)).remove(0);
        let [scores] = judgement.readings.as_slice() else { unreachable!("{judgement:?}") };
        let ids = prompts.prompt(&transcript).unwrap().windows.remove(0).ids;
        let read = |answer: &[u32], from: usize| -> Vec<Vec<f32>> {
            let mut packed = Packed::default();
            let end = ids.len() - 1;
            let rows: Vec<usize> = (end + from..=end + answer.len()).collect();
            packed.push(ids.iter().chain(answer).copied(), rows);
            model.logits(&packed).unwrap().to_vec2().unwrap()
        };
        let unsafe_ = softmax(&read(&[], 0)[0], &[words.safe, words.unsafe_[0]])[1];
        let forced = prompts.forced();
        let first = softmax(&read(forced, forced.len())[0], &words.codes);
        let (mut listed, mut most) = (first.clone(), 0.0_f64);
        for (at, code) in words.codes.iter().enumerate() {
            let answer = [forced, &[*code], between].concat();
            let rows = read(&answer, forced.len() + 1);
            let said = rows.iter().zip(between);
            let another: f64 =
                said.map(|(row, id)| softmax(row, &vocabulary)[*id as usize]).product();
            most = most.max(another);
            let next = softmax(&rows[between.len()], &words.codes);
            for (other, listed) in listed.iter_mut().enumerate().filter(|(other, _)| *other != at) {
                *listed += first[at] * another * next[other];
            }
        }
        for (category, (ours, theirs)) in scores.listed.iter().zip(&listed).enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "compared with an f32")]
            let (whole, most) = ((unsafe_ * theirs) as f32, most as f32);
            // What is left out is what follows first categories that hardly ever come.
            let (ours, least) = (ours.get(), whole - 0.01 * most - 1e-5);
            assert!((least..=whole + 1e-5).contains(&ours), "{category}: {ours}, {whole}");
            apart = apart.max(ours - scores.first[category].get());
        }
        assert!(scores.residual.get() > 0.05, "{:?}", scores.residual);
    }
    assert!(apart > 3e-4, "nothing is ever listed behind another: {apart}");
}

#[test]
fn a_calibration_is_part_of_what_the_guard_is() {
    let of = |calibration| {
        let settings = EngineSettings { calibration, ..settings() };
        let mut guard = LlamaGuard::load(&fixture(), Family::llama_guard_2(), settings).unwrap();
        let judgement = guard.judge_all(&[Transcript::user("How do I bake bread?")]).remove(0);
        let card = wardgate::guard::Classifier::card(&guard);
        (card.to_string(), card.engine.unwrap().to_string(), judgement.highest().unwrap().get())
    };
    let (name, engine, score) = of(Calibration::default());
    let (other, described, higher) = of(Calibration { temperature: 1.0, prior: 0.2 });
    assert_ne!(name, other, "another fingerprint");
    assert!(described.starts_with(&engine) && described.ends_with(", temperature 1, prior 0.2"));
    let odds = |p: f32| p / (1.0 - p);
    assert!((odds(higher) / odds(score) - 4.0).abs() < 1e-2, "{score}, {higher}");
}
