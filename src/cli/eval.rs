//! `wardgate eval`: how good the guard is on labelled data.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::output;
use crate::cli::scoring::{Scored, Scoring};
use crate::evaluate::metrics::Bootstrap;
use crate::evaluate::{Measured, Rows, measure, tables, write_report};

/// Labelled data through the guard.
#[derive(Args)]
pub(super) struct Eval {
    #[command(flatten)]
    scoring: Scoring,
    /// From which p(unsafe) on a text counts as flagged; 0.5 is shown beside it.
    #[arg(long, default_value_t = 0.5, value_parser = threshold)]
    threshold: f32,
    /// Cuts each file into several sets.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// How often texts are drawn anew for the intervals.
    #[arg(long, value_name = "DRAWS", default_value_t = 1000)]
    bootstrap: usize,
    /// A folder for scores, result.json, report.html, report.md and plots.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Prompts and answers apart.
    Phase,
    /// Each type of text by itself: what the data calls `type`, `set` or `source`.
    Type,
}

impl Eval {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        }
        let Some(scored) = self.scoring.score(self.out.as_deref())? else {
            return Ok(ExitCode::FAILURE);
        };
        let Scored { sets, scores, ran, .. } = scored;
        let described = self.scoring.described(&sets);
        let cut = |rows: Rows| match self.by {
            None => vec![rows],
            Some(By::Phase) => rows.by_phase(),
            Some(By::Type) => rows.by_kind(),
        };
        let bootstrap = Bootstrap { draws: self.bootstrap, ..Bootstrap::default() };
        let measured: Vec<Measured> = sets
            .into_iter()
            .flat_map(cut)
            .map(|rows| measure(&rows, &scores, self.threshold, bootstrap))
            .collect();
        let result = json!({
            "guard": scores.guard(),
            "judged": {"texts": ran.texts, "bytes": ran.bytes, "seconds": ran.time.as_secs_f64()},
            "sets": measured,
        });
        if let Some(out) = &self.out {
            let file = out.join("result.json");
            let text = format!("{}\n", serde_json::to_string_pretty(&result)?);
            std::fs::write(&file, text).with_context(|| file.display().to_string())?;
            write_report(out, scores.guard(), &described, &measured)?;
            output::complain(&format!("{}: report.html, report.md and plots", out.display()));
        }
        for set in measured.iter().filter(|set| set.unscored > 0) {
            output::complain(&format!(
                "{}: {} texts have no verdict and are counted nowhere",
                set.name, set.unscored
            ));
        }
        self.report(&result, &measured)?;
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self, result: &Value, measured: &[Measured]) -> Result<()> {
        if self.json {
            return output::say(&result.to_string());
        }
        for table in tables::of_sets(measured) {
            output::say(&table.markdown())?;
        }
        Ok(())
    }
}

/// A probability.
pub(super) fn threshold(written: &str) -> Result<f32, String> {
    match written.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("write a number from 0 to 1".to_owned()),
    }
}
