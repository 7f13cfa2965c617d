//! The command as it is typed: words, JSON, exit codes, and where the token is not.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::hub::{COMMIT, Fault};
use crate::{WEIGHTS, a_guard};

fn wardgate(hub: &str, arguments: &[&str], to: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardgate"));
    command.args(["pull"]).args(arguments).arg("--to").arg(to);
    for proxy in
        ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
    {
        command.env_remove(proxy);
    }
    command.env("HF_ENDPOINT", hub).env("HF_TOKEN", "hf_secret").output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_came_and_the_next_command_are_printed() {
    let (hub, parent) = (a_guard(), TempDir::new().unwrap());
    let folder = parent.path().join("my guard");
    let output = wardgate(&hub.address, &["acme/guard"], &folder);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let (said, quoted) = (out(&output), format!("--guard '{}' ", folder.display()));
    for words in ["300.0 kB  fetched  sha256:", "holds 300.0 kB", COMMIT, &quoted] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    let lines = err(&output);
    assert!(lines.contains("fetching model.safetensors, 300.0 kB"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "no terminal, no bar: {lines}");
    let again = wardgate(&hub.address, &["acme/guard", "--json"], &folder);
    let result: serde_json::Value = serde_json::from_str(&out(&again)).unwrap();
    assert_eq!((&result["ok"], &result["commit"]), (&true.into(), &COMMIT.into()));
    assert_eq!(result["files"][2]["name"], WEIGHTS);
    assert_eq!(result["files"][2]["how"], "present");
    for output in [output, again] {
        assert!(!(out(&output) + &err(&output)).contains("hf_secret"));
    }
}

#[test]
fn a_refusal_is_a_failure_and_shows_no_token() {
    let (hub, folder) = (a_guard(), TempDir::new().unwrap());
    for arguments in [&["acme/guard"][..], &["acme/guard", "--json"]] {
        hub.faults("config.json", [Fault::Status(403, "X-Error-Code: GatedRepo")]);
        let output = wardgate(&hub.address, arguments, folder.path());
        assert_eq!(output.status.code(), Some(1));
        let said = out(&output) + &err(&output);
        assert!(said.contains("accept its licence") && !said.contains("hf_secret"), "{said}");
        if arguments.contains(&"--json") {
            let result: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
            assert_eq!(result["ok"], false);
        }
    }
}

#[test]
fn wrong_usage_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let check = |hub: &str, repository: &str, words: &str| {
        let output = wardgate(hub, &[repository], folder.path());
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(words), "{}", err(&output));
    };
    let hub = "http://127.0.0.1:1";
    check(hub, "https://huggingface.co/acme/guard", "a repository is named owner/name");
    check("huggingface.co", "acme/guard", "HF_ENDPOINT: not the address of a hub");
}
