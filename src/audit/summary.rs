//! What a log comes to: how exchanges ended, what was decided and why, how long the guard took.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::audit::verify::{VerifyError, files};

/// How often, by word.
pub type Tally = BTreeMap<String, u64>;

/// The sums of a log.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Summary {
    /// When the first line was written.
    pub from: Option<String>,
    /// When the last was.
    pub to: Option<String>,
    /// Exchanges that were closed.
    pub exchanges: u64,
    /// How they ended.
    pub outcomes: Tally,
    /// How they ended, tenant by tenant.
    pub tenants: BTreeMap<String, Tally>,
    /// What was decided on prompts.
    pub prompt: Decided,
    /// What was decided on answers.
    pub response: Decided,
    /// Lines that are none.
    pub unreadable: u64,
}

/// What was decided in one phase.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Decided {
    /// By action.
    pub decisions: Tally,
    /// The rules that led there, by what they are on and their action, such as `S9 block`.
    pub rules: Tally,
    /// Why there was no verdict.
    pub unscored: Tally,
    /// The guard's milliseconds, waiting included.
    pub guard_ms: Times,
    #[serde(skip)]
    times: Vec<f32>,
}

/// A distribution of times in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Times {
    /// Half took no longer.
    pub p50: Option<f32>,
    /// Nor did 95 in 100.
    pub p95: Option<f32>,
    /// Nor did 99 in 100.
    pub p99: Option<f32>,
}

/// Sums up a log, the folder of one or one file. Lines that are no JSON are counted and passed over:
/// `verify` is there to judge them.
///
/// # Errors
///
/// When it cannot be read.
pub fn summary(path: &Path) -> Result<Summary, VerifyError> {
    let mut summary = Summary::default();
    for file in files(path)? {
        let read = |cause| VerifyError::Read { path: file.clone(), cause };
        let mut reader = BufReader::new(File::open(&file).map_err(read)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(read)? > 0 {
            match serde_json::from_slice::<Value>(&line) {
                Ok(value) => summary.add(&value),
                Err(_) => summary.unreadable += 1,
            }
            line.clear();
        }
    }
    summary.prompt.settle();
    summary.response.settle();
    Ok(summary)
}

impl Summary {
    fn add(&mut self, line: &Value) {
        let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let time = word("time");
        self.from.get_or_insert_with(|| time.clone());
        self.to = Some(time);
        if word("kind") != "closed" {
            return;
        }
        self.exchanges += 1;
        let outcome = word("outcome");
        *self.tenants.entry(word("tenant")).or_default().entry(outcome.clone()).or_default() += 1;
        *self.outcomes.entry(outcome).or_default() += 1;
        for (phase, decided) in [("prompt", &mut self.prompt), ("response", &mut self.response)] {
            if let Some(found) = line.get(phase).filter(|found| found.is_object()) {
                decided.add(found);
            }
        }
    }
}

impl Decided {
    fn add(&mut self, found: &Value) {
        let word = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
        if let Some(decision) = word(found, "decision") {
            *self.decisions.entry(decision).or_default() += 1;
        }
        if let Some(reason) = word(found, "unscored") {
            *self.unscored.entry(reason).or_default() += 1;
        }
        for rule in found.get("rules").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(on), Some(action)) = (word(rule, "on"), word(rule, "action")) {
                *self.rules.entry(format!("{on} {action}")).or_default() += 1;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a time for people to read")]
        self.times.extend(found.get("guard_ms").and_then(Value::as_f64).map(|ms| ms as f32));
    }

    fn settle(&mut self) {
        self.times.sort_unstable_by(f32::total_cmp);
        let at = |percent: usize| {
            let last = self.times.len().checked_sub(1)?;
            self.times.get(last * percent / 100).copied()
        };
        self.guard_ms = Times { p50: at(50), p95: at(95), p99: at(99) };
    }
}
