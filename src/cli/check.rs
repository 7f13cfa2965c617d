//! `wardgate check`: reads as `serve` would, reports every problem, starts nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::cli::output;
use crate::config::{self, Problem};
use crate::taxonomy::Taxonomy;

/// Reads a configuration and policies.
#[derive(Args)]
pub(super) struct Check {
    /// A gateway.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A policy file, for the guard of --config or else for Llama Guard 2; may be given several times.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.config.is_none() && self.policy.is_empty() {
            output::complain("nothing to check; give --config FILE or --policy FILE");
            return Ok(ExitCode::from(2));
        }
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut read = Vec::new();
        let mut taxonomy = Taxonomy::llama_guard_2();
        if let Some(path) = &self.config {
            match config::load(path, &env) {
                Ok(loaded) => {
                    taxonomy = loaded.settings.model.taxonomy();
                    warnings.extend(loaded.warnings);
                }
                Err(found) => problems.extend(found.0),
            }
            read.push(path);
        }
        for path in &self.policy {
            match config::check_policy(path, &taxonomy) {
                Ok((_, odd)) => warnings.extend(odd),
                Err(found) => problems.extend(found.0),
            }
            read.push(path);
        }
        if self.json {
            let list = |problems: &[Problem]| -> Vec<_> {
                problems
                    .iter()
                    .map(|problem| {
                        json!({"file": problem.file, "line": problem.line, "what": problem.what})
                    })
                    .collect()
            };
            let result = json!({
                "ok": problems.is_empty(),
                "problems": list(&problems),
                "warnings": list(&warnings),
            });
            output::say(&result.to_string())?;
        } else {
            for warning in &warnings {
                output::say(&format!("warning: {warning}"))?;
            }
            for problem in &problems {
                output::say(&format!("error: {problem}"))?;
            }
            if problems.is_empty() {
                for path in read {
                    output::say(&format!("{}: ok", path.display()))?;
                }
            }
        }
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Looks up a secret in the environment.
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
