//! `wardgate audit`: is the log intact, and what does it say?

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::{self, VerifyError};
use crate::cli::output;

/// What to do with the log.
#[derive(Subcommand)]
pub(super) enum Audit {
    /// Checks the hash chain, and names exchanges that were interrupted.
    Verify(Verify),
    /// Shows the last lines in words, and those to come.
    Tail(Tail),
    /// Sums up: how exchanges ended, what was decided and why.
    Report(Report),
}

/// Checks the chain.
#[derive(Args)]
pub(super) struct Verify {
    /// The folder of the log, or one file of it.
    path: PathBuf,
    /// A file with the key of `[audit] key`, where the log has one.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Shows the log in words.
#[derive(Args)]
pub(super) struct Tail {
    /// The folder of the log, or one file of it.
    path: PathBuf,
    /// How many lines from the end.
    #[arg(short = 'n', long, default_value_t = 20)]
    lines: usize,
    /// Goes on with what is written from now on.
    #[arg(short, long)]
    follow: bool,
    /// Prints the lines as they are.
    #[arg(long)]
    json: bool,
}

/// Sums up the log.
#[derive(Args)]
pub(super) struct Report {
    /// The folder of the log, or one file of it.
    path: PathBuf,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Verify(verify) => verify.run(),
            Self::Tail(tail) => tail.run(),
            Self::Report(report) => report.run(),
        }
    }
}

impl Verify {
    fn run(self) -> Result<ExitCode> {
        let key = match &self.key_file {
            Some(file) => {
                let key = std::fs::read(file).with_context(|| file.display().to_string())?;
                Some(key.trim_ascii_end().to_owned())
            }
            None => None,
        };
        match audit::verify(&self.path, key.as_deref()) {
            Ok(report) if self.json => {
                output::say(
                    &json!({
                        "ok": true, "lines": report.lines, "exchanges": report.exchanges,
                        "interrupted": report.interrupted, "torn": report.torn, "head": report.head,
                    })
                    .to_string(),
                )?;
                Ok(ExitCode::SUCCESS)
            }
            Ok(report) => {
                output::say(&format!(
                    "the chain holds: {} lines, {} exchanges, head {}",
                    report.lines, report.exchanges, report.head
                ))?;
                if report.torn > 0 {
                    output::say(&format!("{} torn lines at the end of a file", report.torn))?;
                }
                for exchange in &report.interrupted {
                    output::say(&format!("interrupted: {exchange}"))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            // No log is not a broken one.
            Err(fault @ (VerifyError::Read { .. } | VerifyError::Empty(_))) => Err(fault.into()),
            Err(fault) => {
                if self.json {
                    output::say(&json!({"ok": false, "what": fault.to_string()}).to_string())?;
                } else {
                    output::say(&format!("the chain is broken: {fault}"))?;
                }
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

impl Report {
    fn run(self) -> Result<ExitCode> {
        let summary = audit::summary(&self.path)?;
        if self.json {
            output::say(&serde_json::to_string(&summary)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
        let (from, to) = (time(&summary.from), time(&summary.to));
        output::say(&format!("{} exchanges, {from} to {to}", summary.exchanges))?;
        tally("ended", &summary.outcomes)?;
        for (tenant, outcomes) in &summary.tenants {
            tally(&format!("ended, {}", tenant.escape_debug()), outcomes)?;
        }
        for (phase, decided) in [("prompts", &summary.prompt), ("answers", &summary.response)] {
            tally(phase, &decided.decisions)?;
            tally(&format!("{phase}, rules"), &decided.rules)?;
            tally(&format!("{phase}, no verdict"), &decided.unscored)?;
            let times = decided.guard_ms;
            if let (Some(p50), Some(p95), Some(p99)) = (times.p50, times.p95, times.p99) {
                let line = format!(
                    "{phase}, guard: {p50:.1} ms at the median, {p95:.1} at 95 %, {p99:.1} at 99 %"
                );
                output::say(&line)?;
            }
        }
        if summary.unreadable > 0 {
            let lines = summary.unreadable;
            output::say(&format!("{lines} lines are no JSON; `wardgate audit verify` says more"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How often each word came, the most frequent first.
fn tally(what: &str, tally: &audit::Tally) -> Result<()> {
    if tally.is_empty() {
        return Ok(());
    }
    let mut words: Vec<(&String, &u64)> = tally.iter().collect();
    words.sort_by_key(|(word, count)| (std::cmp::Reverse(**count), *word));
    let words: Vec<String> =
        words.iter().map(|(word, count)| format!("{} {count}", word.escape_debug())).collect();
    output::say(&format!("{what}: {}", words.join(", ")))
}

impl Tail {
    fn run(self) -> Result<ExitCode> {
        let mut files = audit::files(&self.path)?;
        let mut last = Vec::new();
        for file in &files {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            last.extend(text.lines().map(str::to_owned));
            last.drain(..last.len().saturating_sub(self.lines));
        }
        for line in &last {
            self.show(line)?;
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let mut at = match files.last() {
            Some(file) => std::fs::metadata(file)?.len(),
            None => 0,
        };
        loop {
            if let Some(file) = files.last() {
                at = self.show_from(file, at)?;
            }
            std::thread::sleep(Duration::from_millis(200));
            let found = audit::files(&self.path)?;
            if found.len() > files.len() {
                if let Some(file) = files.last() {
                    self.show_from(file, at)?;
                }
                (files, at) = (found, 0);
            }
        }
    }

    fn show_from(&self, file: &Path, from: u64) -> Result<u64> {
        let mut reader = BufReader::new(std::fs::File::open(file)?);
        reader.seek(SeekFrom::Start(from))?;
        let mut at = from;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            at += line.len() as u64;
            self.show(line.trim_end())?;
            line.clear();
        }
        Ok(at)
    }

    fn show(&self, line: &str) -> Result<()> {
        if self.json {
            return output::say(line);
        }
        match serde_json::from_str::<Value>(line) {
            Ok(value) => output::say(&in_words(&value)),
            Err(_) => output::say(&format!("? {}", line.escape_debug())),
        }
    }
}

/// One line of the log for people. Whatever came from a client is escaped for the terminal.
fn in_words(line: &Value) -> String {
    let word = |value: &Value, key: &str| -> String {
        match value.get(key) {
            Some(Value::String(text)) => text.escape_debug().to_string(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        }
    };
    let mut words = format!(
        "{} {:<8} {} {} {} {}",
        word(line, "time"),
        word(line, "kind"),
        word(line, "exchange"),
        word(line, "tenant"),
        word(line, "policy"),
        word(line, "model"),
    );
    for phase in ["prompt", "response"] {
        let Some(found) = line.get(phase).filter(|found| found.is_object()) else { continue };
        words.push_str(&format!(" {phase}={}", word(found, "decision")));
        match found.get("unsafe").and_then(Value::as_f64) {
            Some(score) => words.push_str(&format!("({score:.3})")),
            None => words.push_str(&format!("({})", word(found, "unscored"))),
        }
    }
    if line.get("outcome").is_some() {
        words.push_str(&format!(
            " {} {} {}ms",
            word(line, "outcome"),
            word(line, "status"),
            word(line, "duration_ms")
        ));
    }
    words
}
