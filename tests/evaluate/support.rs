//! Running the program, and data made of scores.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs the program to its end.
pub(crate) fn wardgate(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_wardgate");
    Command::new(program).args(arguments).env("WARDGATE_TEST_KEY", "sk-test").output().unwrap()
}

/// What a run that succeeded said.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out
}

/// What a run that did not said, with its exit code.
pub(crate) fn complained(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn json_of(output: &Output) -> Value {
    serde_json::from_str(&said(output)).unwrap()
}

/// A row of our own format that the endpoint gives `score`, in a category of its own words.
pub(crate) fn row(at: usize, score: f64, named: &str, label: Option<&str>) -> Value {
    let content = format!("text {at} score={score} in={named}");
    let categories: Vec<&str> = label.into_iter().filter(|code| !code.is_empty()).collect();
    json!({
        "id": at.to_string(),
        "messages": [{"role": "user", "content": content}],
        "unsafe": label.is_some(),
        "categories": categories,
    })
}

/// Writes rows as a file of JSON lines.
pub(crate) fn write(folder: &Path, name: &str, rows: impl IntoIterator<Item = Value>) -> PathBuf {
    let mut lines = String::new();
    for row in rows {
        writeln!(lines, "{row}").unwrap();
    }
    let path = folder.join(name);
    std::fs::write(&path, lines).unwrap();
    path
}
