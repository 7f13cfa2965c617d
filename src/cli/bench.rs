//! How fast a guard is on this machine, beside what the machine does at best.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cli::engine::WhichGuard;

/// Times a part of the gateway on this machine.
#[derive(Subcommand)]
pub(super) enum Bench {
    /// The guard: how long a check takes by the length of its text, how many it does together, where the
    /// time goes, and what the device does at best.
    Guard(Guard),
}

/// Which guard, and in which words it is told.
#[derive(Args)]
pub(super) struct Guard {
    /// The guard of this gateway.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: WhichGuard,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self::Guard(guard) = self;
        guard.run()
    }
}

impl Guard {
    #[cfg(not(feature = "candle"))]
    fn run(self) -> Result<ExitCode> {
        let Self { config: _, which: _, json: _ } = self;
        anyhow::bail!("this build has no engine; build it with its default features")
    }

    #[cfg(feature = "candle")]
    fn run(self) -> Result<ExitCode> {
        use anyhow::Context;

        use crate::cli::{check, engine};
        use crate::config;
        use crate::llama_guard::EngineSettings;

        let settings = match &self.config {
            Some(path) => Some(config::load(path, &check::env)?.settings),
            None => None,
        };
        let model = self.which.model(settings.as_ref())?;
        let settings = settings.map_or_else(EngineSettings::default, |settings| settings.engine);
        let guard = engine::load(&model, &settings)
            .with_context(|| format!("{} could not be loaded", engine::place(&model)))?;
        timed::report(guard, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(feature = "candle")]
mod timed {
    use std::time::{Duration, Instant};

    use anyhow::Result;
    use serde_json::{Value, json};

    use crate::cli::output::{complain, say};
    use crate::guard::Classifier as _;
    use crate::llama_guard::{Floor, LlamaGuard};
    use crate::transcript::Transcript;

    /// Words of the texts that are checked alone; a word is about one token.
    const LENGTHS: [usize; 6] = [10, 50, 100, 400, 1000, 2000];
    /// How many short texts are checked together.
    const TOGETHER: usize = 64;
    /// Each line takes about as long as this, and at least a few checks.
    const TRIAL: Duration = Duration::from_secs(2);
    const FEWEST: usize = 5;
    /// Words of the texts whose stages are told apart, and how many of them there are.
    const STAGED: usize = 100;
    const TIMES: usize = 15;

    /// What was measured of one length.
    struct Line {
        texts: usize,
        /// Tokens of the texts, without the prompt around them.
        tokens: u64,
        p50: f64,
        p99: f64,
        /// What the layers take at best, if nothing around the texts had to be read.
        best: f64,
    }

    pub(super) fn report(mut guard: LlamaGuard, as_json: bool) -> Result<()> {
        let card = guard.card();
        let engine = card.engine.as_ref().map(ToString::to_string).unwrap_or_default();
        complain("measuring what the device does at best, then the guard: half a minute or more");
        let floor = guard.floor()?;
        let mut texts = Texts(0);
        let mut lines = Vec::new();
        for words in LENGTHS {
            lines.push(time(&mut guard, &floor, &mut texts, words, 1));
        }
        lines.push(time(&mut guard, &floor, &mut texts, 50, TOGETHER));
        let stages = stages(&guard, &mut texts)?;
        if as_json {
            let lines: Vec<Value> = lines.iter().map(Line::json).collect();
            let stages: Value =
                stages.iter().map(|(name, ms)| ((*name).to_owned(), json!(ms))).collect();
            let floor =
                json!({"operations_per_second": floor.operations, "bytes_per_second": floor.bytes});
            let all = json!({"guard": card.to_string(), "engine": engine, "floor": floor,
                "checks": lines, "stages_ms": stages});
            return say(&all.to_string());
        }
        say(&format!("guard   {card}: {engine}"))?;
        say(&format!(
            "device  {:.0} GFLOP/s in a matrix product, {:.1} GB/s in a copy",
            floor.operations / 1e9,
            floor.bytes / 1e9
        ))?;
        say("")?;
        say(&format!(
            "{:>6} {:>8} {:>10} {:>10} {:>10} {:>10} {:>12}",
            "texts", "tokens", "p50 ms", "p99 ms", "best ms", "of best", "tokens/s"
        ))?;
        for line in &lines {
            say(&line.to_string())?;
        }
        say("")?;
        let stages: Vec<String> =
            stages.iter().map(|(name, ms)| format!("{name} {ms:.2} ms")).collect();
        say(&format!("a text of {STAGED} words: {}", stages.join(", ")))
    }

    /// The stages of a text of [`STAGED`] words, by name, in milliseconds: the median of each.
    fn stages(guard: &LlamaGuard, texts: &mut Texts) -> Result<Vec<(&'static str, f64)>> {
        let mut stages: Vec<(&str, Vec<f64>)> = Vec::new();
        for _ in 0..TIMES {
            for (at, (stage, took)) in guard.stages(&texts.next(STAGED))?.into_iter().enumerate() {
                match stages.get_mut(at) {
                    Some((_, times)) => times.push(took.as_secs_f64()),
                    None => stages.push((stage.as_str(), vec![took.as_secs_f64()])),
                }
            }
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or_default() * 1e3
        };
        Ok(stages.into_iter().map(|(name, times)| (name, median(times))).collect())
    }

    fn time(
        guard: &mut LlamaGuard,
        floor: &Floor,
        texts: &mut Texts,
        words: usize,
        together: usize,
    ) -> Line {
        let began = Instant::now();
        let (mut times, mut tokens) = (Vec::new(), 0);
        while times.len() < FEWEST || began.elapsed() < TRIAL {
            let batch: Vec<Transcript> = (0..together).map(|_| texts.next(words)).collect();
            let started = Instant::now();
            let judgements = guard.judge_all(&batch);
            times.push(started.elapsed().as_secs_f64());
            tokens = judgements.iter().map(|judgement| judgement.coverage.read).sum();
        }
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let best = floor.seconds(guard.operations() * count(tokens), guard.weights());
        Line { texts: together, tokens, p50: at(50) * 1e3, p99: at(99) * 1e3, best: best * 1e3 }
    }

    impl Line {
        fn json(&self) -> Value {
            json!({"texts": self.texts, "tokens": self.tokens, "p50_ms": self.p50,
                "p99_ms": self.p99, "best_ms": self.best, "tokens_per_second": self.rate()})
        }

        fn rate(&self) -> f64 {
            count(self.tokens) / self.p50 * 1e3
        }
    }

    impl std::fmt::Display for Line {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Self { texts, tokens, p50, p99, best } = self;
            let (of_best, rate) = (p50 / best, self.rate());
            write!(
                f,
                "{texts:>6} {tokens:>8} {p50:>10.2} {p99:>10.2} {best:>10.2} {of_best:>9.1}x {rate:>12.0}"
            )
        }
    }

    /// Texts of which no two begin alike, so that nothing is remembered of one for another.
    struct Texts(usize);

    impl Texts {
        fn next(&mut self, words: usize) -> Transcript {
            self.0 += 1;
            let mut text = format!("{} times I asked", self.0);
            let sentence =
                " how bread is made at home, and when the shop opens".split_inclusive(' ');
            text.extend(sentence.cycle().take(words.saturating_sub(4)));
            Transcript::user(text)
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn count(number: u64) -> f64 {
        number as f64
    }
}
