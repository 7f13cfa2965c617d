//! What `eval` and `tune` have in common: labelled data through a guard, with a bar and a way to stop.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::engine::{self, WhichGuard};
use crate::cli::{check, output};
use crate::config::{self, GuardModel};
use crate::evaluate::data::{Dataset, Mapping};
use crate::evaluate::{self, Endpoint, Judge, Ran, Rows, Scores};
use crate::guard::{self, Lane};
use crate::llama_guard::EngineSettings;
use crate::reading;
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;

/// Where labelled data lies, and who judges it.
#[derive(Args)]
pub(super) struct Scoring {
    /// Labelled data as FORMAT:PATH, gzipped or not; may be given several times. Formats: xstest,
    /// openai-moderation, beavertails, toxicchat, harmbench, jailbreakbench, jailbreakbench-benign, jsonl.
    #[arg(long, value_name = "FORMAT:PATH", required = true, num_args = 1..)]
    data: Vec<Dataset>,
    /// A gateway.toml whose guard judges.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: WhichGuard,
    /// A running gateway, or any other API with /moderations, that judges instead.
    #[arg(long, conflicts_with_all = ["config", "guard"])]
    url: Option<String>,
    /// The environment variable that holds the key of --url.
    #[arg(long, value_name = "NAME", requires = "url")]
    key_env: Option<String>,
    /// The model to ask --url for.
    #[arg(long, requires = "url")]
    model: Option<String>,
    /// Labels of data sets in the guard's categories, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// A file that keeps the scores, so that a run goes on where another ended.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Takes a known data set with another number of rows than it is published with.
    #[arg(long)]
    partial: bool,
    /// Asks about every category by itself, which takes as many times as long: for guards made for it.
    #[arg(long, conflicts_with = "url")]
    exact: bool,
}

/// Labelled data with its scores.
pub(super) struct Scored {
    pub(super) sets: Vec<Rows>,
    pub(super) scores: Scores,
    pub(super) ran: Ran,
    judge: Judge,
}

impl Scored {
    /// What the guard says of a prompt without content; `None` for an endpoint, which takes none.
    pub(super) fn without_content(&self) -> Result<Option<f32>> {
        let Judge::Guard(guard) = &self.judge else { return Ok(None) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let judged = runtime.block_on(guard.judge(vec![Transcript::user(" ")], Lane::default()));
        Ok(judged.judgement.highest().map(|score| score.get()))
    }
}

impl Scoring {
    /// Reads all data, then judges what has no score yet. `beside` is where scores are kept unless
    /// --scores says otherwise. `None` where it was cancelled.
    pub(super) fn score(&self, beside: Option<&Path>) -> Result<Option<Scored>> {
        let settings = match &self.config {
            Some(path) => Some(config::load(path, &check::env)?.settings),
            None => None,
        };
        let model = self.which.model(settings.as_ref())?;
        let taxonomy =
            if self.url.is_some() { Taxonomy::llama_guard_2() } else { model.taxonomy() };
        let mapping = self.mapping(&taxonomy)?;
        // What is wrong with the data shows before a large guard is loaded.
        let read = |data| Rows::read(data, &mapping, &taxonomy, self.partial);
        let sets: Vec<Rows> = self.data.iter().map(read).collect::<Result<_, _>>()?;
        let judge = match &self.url {
            Some(url) => {
                let key = self.key()?;
                let model = self.model.clone();
                Judge::Endpoint(Endpoint::new(url, key, model, &mapping, &taxonomy)?)
            }
            None => {
                if self.exact && matches!(model, GuardModel::Embedded) {
                    bail!(
                        "the embedded guard was not made to be asked about one category at a time"
                    );
                }
                let (engine, mut bounds) = match settings {
                    Some(settings) => (settings.engine, settings.guard),
                    None => (EngineSettings::default(), guard::Settings::default()),
                };
                // Nobody waits for a single text here.
                bounds.deadline = Duration::from_secs(3600);
                let engine = EngineSettings { exact: self.exact, ..engine };
                Judge::Guard(engine::start(model, engine, &bounds)?)
            }
        };
        let name = match &judge {
            Judge::Guard(guard) => format!("{} reading {}", guard.card(), reading::VERSION),
            Judge::Endpoint(endpoint) => endpoint.label(),
        };
        let kept = self.scores.clone().or_else(|| beside.map(|out| out.join("scores.jsonl")));
        let mut scores = match &kept {
            Some(path) => Scores::kept(path, &name, &taxonomy)?,
            None => Scores::new(&name, &taxonomy),
        };
        let ran = self.run(&sets, &mapping, &mut scores, &judge)?;
        if ran.cancelled {
            match &kept {
                Some(path) => output::complain(&format!(
                    "cancelled; the scores of {} texts are in {}, and the same command goes on from there",
                    scores.len(),
                    path.display()
                )),
                None => {
                    output::complain("cancelled; with --scores FILE a run goes on where it was")
                }
            }
            return Ok(None);
        }
        Ok(Some(Scored { sets, scores, ran, judge }))
    }

    /// The files in words, for the head of a policy.
    pub(super) fn described(&self, sets: &[Rows]) -> Vec<String> {
        self.data
            .iter()
            .zip(sets)
            .map(|(data, set)| format!("{data}, {} rows", set.rows.len()))
            .collect()
    }

    fn run(
        &self,
        sets: &[Rows],
        mapping: &Mapping,
        scores: &mut Scores,
        judge: &Judge,
    ) -> Result<Ran> {
        let rows = || sets.iter().flat_map(|set| &set.rows);
        let missing: HashSet<_> =
            rows().map(|row| row.digest).filter(|digest| scores.find(*digest).is_none()).collect();
        let all = rows().count();
        if missing.is_empty() {
            output::complain(&format!("{all} texts, all with scores already"));
            return Ok(Ran::default());
        }
        output::complain(&format!("{all} texts, {} of them to judge", missing.len()));
        let bar = ProgressBar::new(missing.len() as u64);
        let look = "{wide_bar} {pos}/{len} {per_sec} {eta}";
        // The template is a constant; without it the bar has another look.
        if let Ok(style) = ProgressStyle::with_template(look) {
            bar.set_style(style);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ran = runtime.block_on(async {
            let cancel = async {
                // Where the signal cannot be listened for, it ends the process as ever.
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            evaluate::run(&self.data, mapping, scores, judge, |n| bar.inc(n), cancel).await
        });
        bar.finish_and_clear();
        let ran = ran?;
        output::complain(&throughput(&ran));
        Ok(ran)
    }

    fn mapping(&self, taxonomy: &Taxonomy) -> Result<Mapping> {
        let built_in = Mapping::for_guard(taxonomy)?;
        let Some(path) = &self.mapping else { return Ok(built_in) };
        let file = || path.display().to_string();
        let source = std::fs::read_to_string(path).with_context(file)?;
        built_in.overridden(&source, taxonomy).with_context(file)
    }

    fn key(&self) -> Result<Option<String>> {
        let Some(name) = &self.key_env else { return Ok(None) };
        match check::env(name).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Some(key)),
            None => bail!("the environment variable {name} of --key-env is not set"),
        }
    }
}

/// How fast it went.
fn throughput(ran: &Ran) -> String {
    let seconds = ran.time.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let (texts, kib) = (ran.texts as f64, ran.bytes as f64 / 1024.0);
    let rate = |number: f64| if seconds > 0.0 { number / seconds } else { 0.0 };
    format!(
        "judged {} texts in {seconds:.1} s: {:.1} texts/s, {:.1} KiB/s",
        ran.texts,
        rate(texts),
        rate(kib)
    )
}
