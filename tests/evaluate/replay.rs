//! `wardgate replay` and `wardgate audit report`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{complained, json_of, said, wardgate, write};

/// A closed exchange whose prompt got `unsafe_`, all of it in `code`, and whose answer passed.
fn closed(day: u32, tenant: &str, unsafe_: f64, code: &str, decision: &str) -> Value {
    let phase = |unsafe_: f64, decision: &str| {
        json!({
            "decision": decision, "unsafe": unsafe_, "scores": {code: unsafe_}, "rules": [],
            "coverage": {"read": 5, "total": 5}, "unscored": null, "guard_ms": 2.0,
        })
    };
    json!({
        "seq": 1, "kind": "closed", "time": format!("2026-11-{day:02}T10:00:00.000Z"),
        "exchange": "e", "tenant": tenant, "policy": "default@1", "route": "chat.completions",
        "model": "m", "stream": false, "prompt": phase(unsafe_, decision),
        "response": if decision == "block" { Value::Null } else { phase(0.01, "allow") },
        "outcome": if decision == "block" { "refused" } else { "delivered" },
        "status": 200, "duration_ms": 1.0, "guard": "scripted@0", "prev": "", "hash": "",
    })
}

fn log(folder: &Path) -> PathBuf {
    let mut lines = vec![json!({
        "kind": "opened", "time": "2026-11-01T10:00:00.000Z", "tenant": "acme", "policy": "p"
    })];
    lines.push(closed(1, "acme", 0.9, "S9", "block"));
    lines.push(closed(2, "acme", 0.4, "S9", "annotate"));
    lines.push(closed(3, "bell", 0.4, "S1", "annotate"));
    lines.push(closed(4, "bell", 0.1, "S1", "allow"));
    write(folder, "audit-1.jsonl", lines)
}

fn policy(folder: &Path, name: &str, rules: &str) -> String {
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, format!("name = \"{name}\"\n{rules}")).unwrap();
    path.to_str().unwrap().to_owned()
}

const STRICTER_ON_HATE: &str = "[unsafe]\nprompt = { annotate = 0.3, block = 0.5 }\n\
                                response = { annotate = 0.3, block = 0.5 }\n\
                                [category.S9]\nprompt = { block = 0.35 }\n";
const MILDER: &str = "[unsafe]\nprompt = { annotate = 0.95 }\n";

fn group<'a>(replay: &'a Value, by: &str, name: &str) -> &'a Value {
    let groups = replay["groups"].as_array().unwrap();
    groups.iter().find(|group| group["by"] == by && group["name"] == name).unwrap()
}

#[test]
fn changed_decisions_are_told_by_tenant_category_and_phase() {
    let folder = TempDir::new().unwrap();
    let log = log(folder.path());
    let candidate = policy(folder.path(), "candidate", STRICTER_ON_HATE);
    let log = log.to_str().unwrap();
    let result = json_of(&wardgate(&["replay", "--policy", &candidate, log, "--json"]));
    assert_eq!(result["decisions"], 7);
    let replay = &result["replays"][0];
    for (by, name, n, changed) in [
        ("all", "", 7, 1),
        ("phase", "prompt", 4, 1),
        ("phase", "response", 3, 0),
        ("tenant", "acme", 3, 1),
        ("tenant", "bell", 4, 0),
        ("category", "S9", 3, 1),
        ("category", "S1", 4, 0),
    ] {
        let group = group(replay, by, name);
        assert_eq!((&group["n"], &group["changed"]), (&json!(n), &json!(changed)), "{by} {name}");
    }
    let prompts = group(replay, "phase", "prompt");
    assert_eq!((&prompts["stricter"], &prompts["rate"]), (&json!(1), &json!(0.25)));
    // One prompt moves from annotate to block.
    assert_eq!(prompts["moves"][1][3], 1);
    assert!(prompts["interval"][0].as_f64().unwrap() > 0.0);
    let out = folder.path().join("out");
    let name = out.to_str().unwrap();
    let report = said(&wardgate(&["replay", "--policy", &candidate, log, "--out", name]));
    assert!(fs::read_to_string(out.join("replay-1.svg")).unwrap().contains("under the candidate"));
    assert!(fs::read(out.join("replay-1.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(report.contains("tenant acme"), "{report}");
}

#[test]
fn two_policies_stand_side_by_side() {
    let folder = TempDir::new().unwrap();
    let log = log(folder.path());
    let first = policy(folder.path(), "first", STRICTER_ON_HATE);
    let second = policy(folder.path(), "second", MILDER);
    let log = log.to_str().unwrap();
    let arguments = ["replay", "--policy", &first, "--policy", &second, log, "--json"];
    let result = json_of(&wardgate(&arguments));
    let replays = result["replays"].as_array().unwrap();
    assert_eq!(replays.len(), 3);
    // Against each other: three prompts that `first` blocks or annotates pass under `second`.
    let all = group(&replays[2], "all", "");
    assert_eq!((&all["milder"], &all["stricter"]), (&json!(3), &json!(0)));
}

#[test]
fn what_patterns_had_found_is_decided_anew_too() {
    let folder = TempDir::new().unwrap();
    let mut line = closed(1, "acme", 0.1, "S1", "allow");
    line["prompt"]["scores"]["PII.EMAIL"] = json!(0.95);
    let log = write(folder.path(), "audit-1.jsonl", [line]);
    let log = log.to_str().unwrap();
    let rules = "[category.\"PII.EMAIL\"]\nprompt = { block = 0.9 }\n";
    let candidate = policy(folder.path(), "candidate", rules);
    let result = json_of(&wardgate(&["replay", "--policy", &candidate, log, "--json"]));
    assert_eq!(group(&result["replays"][0], "phase", "prompt")["stricter"], 1);
}

#[test]
fn drift_between_two_stretches_is_seen_where_there_is_some() {
    let folder = TempDir::new().unwrap();
    let mut lines = Vec::new();
    for at in 0..200 {
        let low = f64::from(at % 10) / 20.0;
        lines.push(closed(1, "acme", low, "S1", "allow"));
        lines.push(closed(20, "acme", low + 0.5, "S1", "allow"));
    }
    let log = write(folder.path(), "audit-1.jsonl", lines);
    let candidate = policy(folder.path(), "candidate", MILDER);
    let log = log.to_str().unwrap();
    let drift = |since: &str| -> Vec<Value> {
        let arguments = ["replay", "--policy", &candidate, log, "--since", since, "--json"];
        json_of(&wardgate(&arguments))["drift"].as_array().unwrap().clone()
    };
    let psi = |drift: &[Value], phase: &str, on: &str| {
        let found = drift.iter().find(|drift| drift["phase"] == phase && drift["on"] == on);
        found.unwrap()["psi"].as_f64()
    };
    let found = drift("2026-11-10");
    assert!(psi(&found, "prompt", "unsafe").unwrap() > 0.25);
    assert!(psi(&found, "prompt", "S1").unwrap() > 0.25);
    assert!(psi(&found, "response", "unsafe").unwrap() < 0.1);
    assert!(psi(&found, "prompt", "S2").unwrap() < 0.1);
    // A stretch without records says nothing.
    assert_eq!(psi(&drift("2027-01-01T00:00:00Z"), "prompt", "unsafe"), None);
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let folder = TempDir::new().unwrap();
    let log = log(folder.path());
    let log = log.to_str().unwrap();
    let candidate = policy(folder.path(), "candidate", MILDER);
    let bad = policy(folder.path(), "bad", "[unsafe]\nprompt = { block = 7 }\n");
    let broken = write(folder.path(), "broken.jsonl", [json!({"kind": "closed"})]);
    let foreign = write(folder.path(), "foreign.jsonl", [closed(1, "a", 0.5, "O3", "allow")]);
    let empty = write(folder.path(), "empty.jsonl", []);
    for (arguments, said) in [
        (vec!["--policy", &bad, log], "bad.toml:3: "),
        (
            vec!["--policy", &candidate, broken.to_str().unwrap()],
            "broken.jsonl:1: is no line of an audit log",
        ),
        (vec!["--policy", &candidate, foreign.to_str().unwrap()], "names the category `O3`"),
        (
            vec!["--policy", &candidate, empty.to_str().unwrap()],
            "nothing was decided in these logs yet",
        ),
        (vec!["--policy", &candidate, "nowhere"], "nowhere: cannot be read"),
        (vec!["--policy", &candidate, log, "--since", "last week"], "`last week` is no time"),
    ] {
        let (code, complaint) = complained(&wardgate(&[&["replay"], &arguments[..]].concat()));
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(complaint.contains(said), "{complaint}");
    }
    let three =
        ["replay", "--policy", &candidate, "--policy", &candidate, "--policy", &candidate, log];
    assert_eq!(complained(&wardgate(&three)).0, Some(2));
}

#[test]
fn a_report_sums_up_a_log() {
    let folder = TempDir::new().unwrap();
    let log = log(folder.path());
    let folder = folder.path().to_str().unwrap();
    let report = json_of(&wardgate(&["audit", "report", folder, "--json"]));
    assert_eq!(report["exchanges"], 4);
    assert_eq!(report["outcomes"], json!({"delivered": 3, "refused": 1}));
    assert_eq!(report["tenants"]["acme"], json!({"delivered": 1, "refused": 1}));
    assert_eq!(report["prompt"]["decisions"], json!({"allow": 1, "annotate": 2, "block": 1}));
    assert_eq!(report["response"]["guard_ms"]["p95"], 2.0);
    let words = said(&wardgate(&["audit", "report", log.to_str().unwrap()]));
    assert!(words.contains("4 exchanges, 2026-11-01"), "{words}");
    assert!(words.contains("prompts: annotate 2, allow 1, block 1"), "{words}");
}
