//! `wardgate tune`: thresholds from labelled data, as a policy file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::scoring::{Scored, Scoring};
use crate::cli::{eval, output};
use crate::config;
use crate::evaluate::metrics::{Counts, wilson};
use crate::evaluate::tables::with_interval;
use crate::evaluate::{
    Origin, Outcome, Rows, Scores, Target, TunedPhase, expected, tune, write_policy,
};
use crate::policy::{self, Phase, Policy};
use crate::taxonomy::Taxonomy;

/// Thresholds from labelled data.
#[derive(Args)]
pub(super) struct Tune {
    #[command(flatten)]
    scoring: Scoring,
    /// Block at most this share of safe texts.
    #[arg(long, value_parser = eval::threshold, required_unless_present_any = ["recall", "f1"])]
    fpr: Option<f32>,
    /// Block at least this share of unsafe texts, in every category.
    #[arg(long, value_parser = eval::threshold, conflicts_with = "fpr")]
    recall: Option<f32>,
    /// Block at the best F1.
    #[arg(long, conflicts_with_all = ["fpr", "recall"])]
    f1: bool,
    /// The policy to begin with: a shipped one by name, or a file.
    #[arg(long, default_value = "default")]
    policy: String,
    /// What the new policy is called.
    #[arg(long, default_value = "tuned")]
    name: String,
    /// Where the policy is written; without it, to stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints one JSON object; the policy goes to --out.
    #[arg(long, requires = "out")]
    json: bool,
}

impl Tune {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Some(scored) = self.scoring.score(None)? else { return Ok(ExitCode::FAILURE) };
        let prior = scored.without_content()?;
        let Scored { sets, scores, .. } = scored;
        let (source, base) = self.base(scores.taxonomy())?;
        let (target, wanted) = self.target();
        let tuned: Vec<TunedPhase> = Phase::ALL
            .into_iter()
            .map(|phase| tune(&sets, &scores, &base, phase, target))
            .collect();
        if tuned.iter().all(|phase| phase.unsafe_.is_none()) {
            bail!(
                "there is too little data for {wanted}: at least {} unsafe and as many safe prompts, or \
                 answers, must be left when one text in {} is held out; a small false positive rate needs \
                 more safe ones",
                crate::evaluate::FEWEST,
                crate::evaluate::HELD_OUT
            );
        }
        let mut origin = Origin {
            name: self.name.clone(),
            guard: scores.guard().to_owned(),
            data: self.scoring.described(&sets),
            wanted,
            expected: Vec::new(),
        };
        // What is written is what is measured: the file, as a gateway would read it.
        let draft = write_policy(&source, &base, scores.taxonomy(), &tuned, &origin)?;
        let policy = compiled(&draft, &self.name, scores.taxonomy())?;
        let outlook = Outlook::of(&sets, &scores, &base, &policy);
        origin.expected = outlook.lines(&tuned);
        let source = write_policy(&source, &base, scores.taxonomy(), &tuned, &origin)?;
        compiled(&source, &self.name, scores.taxonomy())?;
        match &self.out {
            Some(path) => {
                std::fs::write(path, &source).with_context(|| path.display().to_string())?;
                output::complain(&format!("{}: written", path.display()));
                for line in &origin.expected {
                    output::complain(&format!("  {line}"));
                }
            }
            None => output::say(source.trim_end())?,
        }
        for phase in &tuned {
            if let Some(temperature) = phase.temperature {
                output::complain(&format!(
                    "{}s: best calibrated at `temperature = {temperature:.2}`, over what [guard] has now",
                    phase.phase.as_str()
                ));
            }
        }
        if let Some(prior) = prior {
            output::complain(&format!(
                "a prompt without content scores {prior:.4}: as `prior` in [guard] it is taken out of every score"
            ));
        }
        if self.json {
            output::say(&outlook.json(&tuned, &scores, &policy).to_string())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> (Target, String) {
        match (self.fpr, self.recall) {
            (Some(fpr), _) => {
                (Target::Fpr(fpr.into()), format!("a false positive rate of at most {fpr}"))
            }
            (None, Some(recall)) => {
                (Target::Recall(recall.into()), format!("a recall of at least {recall}"))
            }
            (None, None) => (Target::F1, "the best F1".to_owned()),
        }
    }

    /// The policy to begin with, as written and as used.
    fn base(&self, taxonomy: &Taxonomy) -> Result<(String, Policy)> {
        let named = self.policy.as_str();
        if let Some((name, source)) = policy::shipped(taxonomy).find(|(name, _)| *name == named) {
            return Ok((source.to_owned(), policy::compile(source, name, taxonomy)?.policy));
        }
        let policy = config::check_policy(named.as_ref(), taxonomy)?.0;
        Ok((std::fs::read_to_string(named)?, policy))
    }
}

fn compiled(source: &str, name: &str, taxonomy: &Taxonomy) -> Result<Policy> {
    let compiled = policy::compile(source, &format!("{name}.toml"), taxonomy)
        .context("the tuned policy is none; --name wants a plain word")?;
    Ok(compiled.policy)
}

/// What policies do to the held-out texts.
struct Outlook {
    phases: Vec<(Phase, Counts, Counts)>,
    categories: Vec<(Phase, String, Counts, Counts)>,
}

impl Outlook {
    fn of(sets: &[Rows], scores: &Scores, base: &Policy, tuned: &Policy) -> Self {
        let mut outlook = Self { phases: Vec::new(), categories: Vec::new() };
        for phase in Phase::ALL {
            let (now, now_by) = expected(sets, scores, tuned, phase);
            let (then, then_by) = expected(sets, scores, base, phase);
            outlook.phases.push((phase, now, then));
            for ((category, now), (_, then)) in now_by.into_iter().zip(then_by) {
                let code = scores.taxonomy().code(category).to_owned();
                outlook.categories.push((phase, code, now, then));
            }
        }
        outlook
    }

    fn lines(&self, tuned: &[TunedPhase]) -> Vec<String> {
        let of_phase = |(phase, now, then): &(Phase, Counts, Counts)| -> Option<String> {
            let found = tuned.iter().find(|tuned| tuned.phase == *phase)?;
            found.unsafe_?;
            let fpr = with_interval(now.fpr(), wilson(now.fp, now.fp + now.tn));
            let recall = with_interval(now.recall(), wilson(now.tp, now.tp + now.fn_));
            Some(format!(
                "{}s: false positive rate {fpr} of {} safe, recall {recall} of {} unsafe (before: {}, {})",
                phase.as_str(),
                now.fp + now.tn,
                now.tp + now.fn_,
                with_interval(then.fpr(), None),
                with_interval(then.recall(), None),
            ))
        };
        self.phases.iter().filter_map(of_phase).collect()
    }

    fn json(&self, tuned: &[TunedPhase], scores: &Scores, policy: &Policy) -> Value {
        let counts = |counts: &Counts| {
            json!({
                "counts": counts, "fpr": counts.fpr(), "recall": counts.recall(), "f1": counts.f1(),
                "fpr_interval": wilson(counts.fp, counts.fp + counts.tn),
                "recall_interval": wilson(counts.tp, counts.tp + counts.fn_),
            })
        };
        let categories = |tuned: &TunedPhase| -> Vec<Value> {
            let of_category = |(category, n, outcome): &(_, usize, Outcome)| {
                let (word, threshold) = match outcome {
                    Outcome::Threshold(threshold) => ("threshold", Some(*threshold)),
                    Outcome::Covered => ("covered", None),
                    Outcome::TooFew => ("too_few", None),
                    Outcome::Inseparable => ("inseparable", None),
                };
                let code = scores.taxonomy().code(*category);
                let held_out = self
                    .categories
                    .iter()
                    .find(|(phase, own, _, _)| *phase == tuned.phase && own == code);
                json!({
                    "code": code, "n": n, "outcome": word, "threshold": threshold,
                    "held_out": held_out.map(|(_, _, now, _)| counts(now)),
                })
            };
            tuned.categories.iter().map(of_category).collect()
        };
        let of_phase = |tuned: &TunedPhase| {
            let held_out = self.phases.iter().find(|(phase, _, _)| *phase == tuned.phase);
            json!({
                "phase": tuned.phase.as_str(),
                "unsafe": tuned.tuned_on.0, "safe": tuned.tuned_on.1,
                "threshold": tuned.unsafe_,
                "temperature": tuned.temperature,
                "categories": categories(tuned),
                "held_out": held_out.map(|(_, now, _)| counts(now)),
                "held_out_before": held_out.map(|(_, _, then)| counts(then)),
            })
        };
        json!({
            "guard": scores.guard(),
            "policy": policy.label(),
            "phases": tuned.iter().map(of_phase).collect::<Vec<_>>(),
        })
    }
}
