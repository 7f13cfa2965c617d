//! `wardgate tune`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::Endpoint;
use crate::support::{complained, json_of, row, said, wardgate, write};

/// Many safe texts with low scores, violent ones with high scores, hateful ones with middling scores: the
/// last are what a category's own threshold is for.
fn rows() -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(3);
    let mut rows = Vec::new();
    let mut push = |n: usize, from: f64, to: f64, named: &str, label: Option<&str>| {
        for _ in 0..n {
            let score = from + (to - from) * random.f64();
            rows.push(row(rows.len(), (score * 1e4).round() / 1e4, named, label));
        }
    };
    push(600, 0.0, 0.4, "violence", None);
    push(30, 0.4, 0.9, "violence", None);
    push(300, 0.0, 0.1, "hate", None);
    push(200, 0.6, 1.0, "violence", Some("S1"));
    push(150, 0.2, 0.6, "hate", Some("S9"));
    push(5, 0.5, 0.9, "sexual", Some("S11"));
    rows
}

struct Tuned {
    folder: TempDir,
    result: Value,
    policy: String,
}

fn tune(arguments: &[&str]) -> Tuned {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = format!("jsonl:{}", write(folder.path(), "labelled.jsonl", rows()).display());
    let out = folder.path().join("tuned.toml");
    let common =
        ["tune", "--data", &data, "--url", &endpoint.url, "--json", "--out", out.to_str().unwrap()];
    let result = json_of(&wardgate(&[&common[..], arguments].concat()));
    let policy = fs::read_to_string(&out).unwrap();
    Tuned { folder, result, policy }
}

fn category<'a>(result: &'a Value, code: &str) -> &'a Value {
    let categories = result["phases"][0]["categories"].as_array().unwrap();
    categories.iter().find(|category| category["code"] == code).unwrap()
}

#[test]
fn a_policy_for_a_false_positive_rate_keeps_to_it_on_texts_it_has_not_seen() {
    let tuned = tune(&["--fpr", "0.04"]);
    let prompts = &tuned.result["phases"][0];
    let held_out = &prompts["held_out"];
    assert!(held_out["fpr"].as_f64().unwrap() < 0.08, "{held_out}");
    // At 0.5 hateful texts pass; with a threshold of their own they do not.
    assert!(prompts["held_out_before"]["recall"].as_f64().unwrap() < 0.75, "{prompts}");
    assert!(held_out["recall"].as_f64().unwrap() > 0.85, "{prompts}");
    assert_eq!(category(&tuned.result, "S9")["outcome"], "threshold");
    // Five texts are too few for a category, and no answer is there at all.
    assert_eq!(category(&tuned.result, "S11")["outcome"], "too_few");
    assert_eq!(tuned.result["phases"][1]["threshold"], Value::Null);
    for words in [
        "# Thresholds for a false positive rate of at most 0.04",
        "labelled.jsonl, 1285 rows",
        "fewer than 30",
        "0 unsafe and 0 safe responses: too few; kept as it was",
    ] {
        assert!(tuned.policy.contains(words), "{words} is not in\n{}", tuned.policy);
    }
}

#[test]
fn the_policy_is_one_that_check_takes_without_a_warning() {
    for arguments in [["--fpr", "0.04"], ["--recall", "0.95"], ["--f1", "--name=mine"]] {
        let tuned = tune(&arguments);
        let out = tuned.folder.path().join("tuned.toml");
        let checked = json_of(&wardgate(&["check", "--policy", out.to_str().unwrap(), "--json"]));
        assert_eq!(
            checked,
            json!({"ok": true, "problems": [], "warnings": []}),
            "{}",
            tuned.policy
        );
    }
}

#[test]
fn a_wanted_recall_is_reached_in_every_category() {
    let tuned = tune(&["--recall", "0.9"]);
    for code in ["S1", "S9"] {
        let held_out = &category(&tuned.result, code)["held_out"];
        assert!(held_out["recall"].as_f64().unwrap() > 0.8, "{code}: {held_out}");
    }
}

#[test]
fn what_the_base_policy_says_otherwise_is_kept() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base.toml");
    let rules = "name = \"base\"\nmode = \"observe\"\n[unscored]\nprompt = \"allow\"\n\
                 [unsafe]\nprompt = { annotate = 0.9, block = 0.95 }\nexcept = [\"S5\"]\n\
                 [category.S9]\nprompt = \"allow\"\n[category.S11]\nprompt = { block = 0.7 }\n\
                 [category.S6]\npatterns = [\"PII.EMAIL\"]\n[category.\"PII.PHONE\"]\nprompt = { block = 0.5 }\n";
    fs::write(&base, rules).unwrap();
    let tuned = tune(&["--f1", "--policy", base.to_str().unwrap()]);
    for words in [
        "mode = \"observe\"",
        "[unscored]\nprompt = \"allow\"",
        "except = [\"S5\"]",
        "[category.S9]\nprompt = \"allow\"",
        "[category.S11.prompt]\nblock = 0.7",
        "patterns = [\"PII.EMAIL\"]",
        "[category.\"PII.PHONE\".prompt]\nblock = 0.5",
    ] {
        assert!(tuned.policy.contains(words), "{words} is not in\n{}", tuned.policy);
    }
}

#[test]
fn too_little_data_is_said() {
    let endpoint = Endpoint::start(None);
    let url = &endpoint.url;
    let data = "jsonl:tests/data/own.jsonl";
    let (code, complaint) = complained(&wardgate(&["tune", "--data", data, "--url", url, "--f1"]));
    assert_eq!(code, Some(1));
    assert!(complaint.contains("there is too little data for the best F1"), "{complaint}");
    let (code, _) = complained(&wardgate(&["tune", "--data", data, "--url", url]));
    assert_eq!(code, Some(2), "nothing is wanted");
}

#[test]
fn without_a_file_the_policy_goes_to_stdout() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = format!("jsonl:{}", write(folder.path(), "labelled.jsonl", rows()).display());
    let policy = said(&wardgate(&["tune", "--data", &data, "--url", &endpoint.url, "--f1"]));
    assert!(policy.starts_with("# Thresholds for the best F1"), "{policy}");
    assert!(!Path::new("tuned.toml").exists());
}
