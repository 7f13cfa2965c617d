//! `wardgate eval`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::Endpoint;
use crate::support::{complained, json_of, row, said, text, wardgate, write};

/// Five unsafe texts and five safe ones, with ties.
fn rows() -> Vec<Value> {
    vec![
        row(0, 0.9, "violence", Some("S1")),
        row(1, 0.9, "hate", Some("S9")),
        row(2, 0.6, "hate", Some("S1")),
        row(3, 0.4, "violence", Some("S1")),
        row(4, 0.2, "violence", Some("")),
        row(5, 0.9, "sexual", None),
        row(6, 0.4, "violence", None),
        row(7, 0.2, "violence", None),
        row(8, 0.0, "violence", None),
        row(9, 0.0, "violence", None),
    ]
}

fn data(folder: &Path) -> String {
    format!("jsonl:{}", write(folder, "mine.jsonl", rows()).display())
}

#[test]
fn the_numbers_of_a_set_are_those_of_the_contract() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = data(folder.path());
    let result = json_of(&wardgate(&["eval", "--data", &data, "--url", &endpoint.url, "--json"]));
    let set = &result["sets"][0];
    for (key, expected) in [
        ("name", json!("mine")),
        ("n", json!(10)),
        ("positives", json!(5)),
        ("tp", json!(3)),
        ("fp", json!(1)),
        ("fn", json!(2)),
        ("tn", json!(4)),
        ("f1", json!(0.666_667)),
        // scikit-learn's average_precision_score and roc_auc_score of the same labels and scores.
        ("auprc", json!(0.675)),
        ("auroc", json!(0.76)),
        ("fpr", json!(0.2)),
        ("threshold", json!(0.5)),
        ("recall", json!(0.6)),
        ("unscored", json!(0)),
    ] {
        assert_eq!(set[key], expected, "{key} of {set}");
    }
    let category = |code: &str| {
        let categories = set["categories"].as_array().unwrap();
        categories.iter().find(|category| category["code"] == code).unwrap().clone()
    };
    let violent = category("S1");
    // Three texts are violent; one was not flagged, one was flagged as hateful.
    assert_eq!((&violent["n"], &violent["missed"]), (&json!(3), &json!(1)));
    assert_eq!(violent["missed_by_name"], 2);
    assert_eq!(violent["fnr"], 0.333_333);
    assert_eq!(category("S11")["false_alarms"], 1);
    assert_eq!(category("S11")["fpr"], 0.2);
}

#[test]
fn a_gateways_verdict_on_the_whole_counts_and_what_it_has_none_on_is_unscored() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let row = |text: &str, unsafe_: bool| json!({"messages": [{"role": "user", "content": text}], "unsafe": unsafe_});
    let rows = [
        row("score=0.3 unsafe=0.9", true),
        row("score=0.3", true),
        row("score=0.9 unscored=derailed", true),
        row("an image", false),
    ];
    let data = format!("jsonl:{}", write(folder.path(), "mine.jsonl", rows).display());
    let set = &json_of(&wardgate(&["eval", "--data", &data, "--url", &endpoint.url, "--json"]))["sets"]
        [0];
    assert_eq!((&set["tp"], &set["fn"], &set["unscored"]), (&json!(1), &json!(1), &json!(2)));
}

#[test]
fn another_threshold_is_shown_beside_the_cards() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = data(folder.path());
    let arguments =
        ["eval", "--data", &data, "--url", &endpoint.url, "--threshold", "0.3", "--json"];
    let set = &json_of(&wardgate(&arguments))["sets"][0];
    assert_eq!((&set["tp"], &set["fp"], &set["threshold"]), (&json!(4), &json!(2), &json!(0.3)));
    assert_eq!((&set["at_half"]["tp"], &set["at_half"]["fp"]), (&json!(3), &json!(1)));
}

#[test]
fn a_second_run_asks_only_for_what_has_no_score_yet() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let scores = folder.path().join("scores.jsonl");
    let scores = scores.to_str().unwrap();
    let first = write(folder.path(), "first.jsonl", rows().into_iter().take(4));
    let first = format!("jsonl:{}", first.display());
    let all = data(folder.path());
    let run = |data: &str| {
        let url = &endpoint.url;
        wardgate(&["eval", "--data", data, "--url", url, "--scores", scores, "--json"])
    };
    said(&run(&first));
    assert_eq!(endpoint.asked(), 4);
    // A process that was killed leaves the beginning of a line.
    let mut kept = fs::read_to_string(scores).unwrap();
    assert!(!kept.contains("text 0"), "the texts are in the file: {kept}");
    let torn = kept.len() - 20;
    kept.truncate(torn);
    fs::write(scores, &kept).unwrap();
    let result = json_of(&run(&all));
    assert_eq!(endpoint.asked(), 4 + 7);
    assert_eq!(result["sets"][0]["tp"], 3);
    let again = run(&all);
    assert_eq!(json_of(&again)["sets"], result["sets"]);
    assert_eq!(endpoint.asked(), 11);
    assert!(text(&again.stderr).contains("10 texts, all with scores already"));
}

#[test]
fn a_file_that_holds_no_scores_is_not_written_to() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = data(folder.path());
    let other = folder.path().join("mine.jsonl");
    let before = fs::read_to_string(&other).unwrap();
    let scores = other.to_str().unwrap();
    let url = &endpoint.url;
    let (code, said) =
        complained(&wardgate(&["eval", "--data", &data, "--url", url, "--scores", scores]));
    assert_eq!(code, Some(1));
    assert!(said.contains("mine.jsonl:1: is no line of scores; name another file"), "{said}");
    assert_eq!(fs::read_to_string(&other).unwrap(), before);
}

#[test]
fn an_endpoint_gets_its_key_and_its_refusals_say_what_to_do() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let data = data(folder.path());
    let keyed = ["eval", "--data", &data, "--url", &endpoint.url, "--key-env", "WARDGATE_TEST_KEY"];
    said(&wardgate(&keyed));
    assert_eq!(endpoint.key.lock().unwrap().as_deref(), Some("Bearer sk-test"));
    for (status, hint) in [(401, "--key-env"), (404, "is it the base URL of an API?")] {
        let refusing = Endpoint::start(Some(status));
        let (code, said) =
            complained(&wardgate(&["eval", "--data", &data, "--url", &refusing.url]));
        assert_eq!(code, Some(1));
        assert!(said.contains(&format!("answered {status}")) && said.contains(hint), "{said}");
    }
}

#[test]
fn faults_of_the_data_show_before_anything_is_judged() {
    let endpoint = Endpoint::start(None);
    let url = &endpoint.url;
    let good = "jsonl:tests/data/own.jsonl";
    let bad = "jsonl:tests/data/bad/jsonl-no-label.jsonl";
    let (code, said) = complained(&wardgate(&["eval", "--data", good, bad, "--url", url]));
    assert_eq!(code, Some(1));
    assert!(said.contains("tests/data/bad/jsonl-no-label.jsonl:3: has no `unsafe`"), "{said}");
    assert_eq!(endpoint.asked(), 0);
    let (code, said) = complained(&wardgate(&["eval", "--data", "nonsense", "--url", url]));
    assert_eq!(code, Some(2));
    assert!(said.contains("write FORMAT:PATH"), "{said}");
}

#[test]
fn a_known_set_of_another_size_is_refused_unless_that_is_meant() {
    let endpoint = Endpoint::start(None);
    let url = &endpoint.url;
    let part = "xstest:tests/data/xstest.csv";
    let (code, complaint) = complained(&wardgate(&["eval", "--data", part, "--url", url]));
    assert_eq!(code, Some(1));
    assert!(complaint.contains("holds 3 rows, and xstest as published has 450"), "{complaint}");
    let report = said(&wardgate(&["eval", "--data", part, "--url", url, "--partial"]));
    // The card's figures stand beside, with the counts they come from, and the types apart.
    for words in ["Llama Guard 2 (published)", "0.884", "175", "contrast_homonyms"] {
        assert!(report.contains(words), "{words} is not in {report}");
    }
}

#[test]
fn a_file_is_cut_into_sets_by_phase_or_type() {
    let endpoint = Endpoint::start(None);
    let names = |by: &str| -> Vec<String> {
        let url = &endpoint.url;
        let data = "jsonl:tests/data/own.jsonl.gz";
        let result =
            json_of(&wardgate(&["eval", "--data", data, "--url", url, "--by", by, "--json"]));
        let sets = result["sets"].as_array().unwrap();
        sets.iter().map(|set| format!("{} {}", set["name"], set["n"])).collect()
    };
    assert_eq!(names("phase"), ["\"own prompts\" 2", "\"own responses\" 1"]);
    assert_eq!(names("type"), ["\"own crime\" 1"]);
}

#[test]
fn a_report_stands_alone_with_its_plots() {
    let (folder, endpoint) = (TempDir::new().unwrap(), Endpoint::start(None));
    let (data, out) = (data(folder.path()), folder.path().join("out"));
    let name = out.to_str().unwrap();
    said(&wardgate(&["eval", "--data", &data, "--url", &endpoint.url, "--out", name]));
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    for words in [
        "<svg",
        "precision over recall",
        "are scores what they say?",
        "0.675",
        "mine.jsonl, 10 rows",
    ] {
        assert!(html.contains(words), "{words} is not in the report");
    }
    assert!(!html.contains("src="), "the page needs something beside it");
    let markdown = fs::read_to_string(out.join("report.md")).unwrap();
    for word in ["precision-recall", "roc", "reliability", "scores", "categories"] {
        assert!(markdown.contains(&format!("(mine-{word}.png)")), "{markdown}");
        let png = fs::read(out.join(format!("mine-{word}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{word}");
        assert!(
            fs::read_to_string(out.join(format!("mine-{word}.svg"))).unwrap().starts_with("<svg")
        );
    }
    let result: Value =
        serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["sets"][0]["tp"], 3);
    assert!(out.join("scores.jsonl").exists());
}

#[test]
fn labels_without_a_category_are_counted_and_said() {
    let endpoint = Endpoint::start(None);
    let data = "harmbench:tests/data/harmbench.csv";
    let report = said(&wardgate(&["eval", "--data", data, "--url", &endpoint.url]));
    assert!(report.contains("labels without a category"), "{report}");
    assert!(report.lines().any(|line| line.starts_with("| harmful")), "{report}");
}
