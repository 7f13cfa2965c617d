//! `wardgate classify`: one verdict, and the decision under a policy.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::{check, engine, output};
use crate::config::{self, GuardModel};
use crate::guard::{Guard, Lane, Settings};
use crate::policy::{self, Phase, Policy, SHIPPED, decide};
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;
use crate::verdict::Judgement;
use crate::wire::ChatRequest;

/// How long one verdict may take here: longer than behind a gateway.
const PATIENCE: Duration = Duration::from_secs(600);

/// Judges a text or a conversation.
#[derive(Args)]
pub(super) struct Classify {
    /// The text; read from stdin where neither a text nor a file is given.
    #[arg(conflicts_with = "file")]
    text: Option<String>,
    /// A conversation: {"messages": [...]} as in a chat request.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// A gateway.toml whose guard judges.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The guard: `embedded`, or a folder with config.json, *.safetensors and tokenizer.json.
    #[arg(long)]
    guard: Option<String>,
    /// The policy that decides: a shipped one by name, or a file.
    #[arg(long, default_value = "default")]
    policy: String,
    /// Whether the text is a prompt or an answer.
    #[arg(long, value_enum, default_value = "user")]
    role: Role,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// A prompt.
    User,
    /// An answer of a model.
    Agent,
}

impl Classify {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (guard, policies) = self.guard()?;
        let policy = self.policy(policies)?;
        let (transcripts, phase) = self.transcripts()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let begun = Instant::now();
        let judged = runtime.block_on(guard.judge(transcripts, Lane::default()));
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        self.report(&guard, &judged.judgement, &policy, phase, ms)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The guard of --guard, or of --config, or the embedded one; and the policies beside the config.
    fn guard(&self) -> Result<(Guard, Option<PathBuf>)> {
        let (mut model, mut bos, mut settings) = (GuardModel::Embedded, false, Settings::default());
        if let Some(path) = &self.config {
            let loaded = config::load(path, &check::env)?;
            (model, bos, settings) =
                (loaded.settings.model, loaded.settings.prepend_bos, loaded.settings.guard);
        }
        match self.guard.as_deref() {
            None => {}
            Some("embedded") => model = GuardModel::Embedded,
            Some(folder) => model = GuardModel::Folder(PathBuf::from(folder)),
        }
        settings.deadline = PATIENCE;
        let beside = self.config.as_deref().and_then(Path::parent).map(Path::to_owned);
        Ok((engine::start(model, bos, &settings)?, beside))
    }

    fn policy(&self, beside: Option<PathBuf>) -> Result<Policy> {
        if let Some((name, source)) = SHIPPED.iter().find(|(name, _)| *name == self.policy) {
            let compiled = policy::compile(source, name, &Taxonomy::llama_guard_2())?;
            return Ok(compiled.policy);
        }
        let path = Path::new(&self.policy);
        let path = if path.exists() {
            path.to_owned()
        } else {
            let known: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            let Some(path) = beside
                .map(|folder| folder.join("policies").join(format!("{}.toml", self.policy)))
                .filter(|path| path.exists())
            else {
                bail!(
                    "there is no policy `{}`; give a file, or one of: {}",
                    self.policy,
                    known.join(", ")
                );
            };
            path
        };
        Ok(config::check_policy(&path)?.0)
    }

    fn transcripts(&self) -> Result<(Vec<Transcript>, Phase)> {
        if let Some(file) = &self.file {
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            return conversation(&bytes).with_context(|| file.display().to_string());
        }
        let text = match &self.text {
            Some(text) => text.clone(),
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("stdin")?;
                text
            }
        };
        Ok(match self.role {
            Role::User => (vec![Transcript::user(text)], Phase::Prompt),
            Role::Agent => (vec![Transcript::agent("", text)], Phase::Response),
        })
    }

    fn report(
        &self,
        guard: &Guard,
        judgement: &Judgement,
        policy: &Policy,
        phase: Phase,
        ms: f64,
    ) -> Result<()> {
        let card = guard.card();
        let decision = decide(judgement, policy, phase);
        let scores: Map<String, Value> = card
            .taxonomy
            .categories()
            .filter_map(|category| {
                let score = judgement.highest_of(category)?;
                Some((card.taxonomy.code(category).to_owned(), json!(score)))
            })
            .collect();
        if self.json {
            let verdict = json!({
                "guard": card.to_string(),
                "unsafe": judgement.highest(),
                "scores": scores,
                "coverage": judgement.coverage,
                "unscored": judgement.unscored,
                "decision": decision.action.as_str(),
                "policy": policy.label(),
                "ms": (ms * 100.0).round() / 100.0,
            });
            return output::say(&verdict.to_string());
        }
        match judgement.highest() {
            Some(score) => output::say(&format!("unsafe    {:.3}", score.get()))?,
            None => output::say("unsafe    no verdict")?,
        }
        if let Some(reason) = judgement.unscored {
            output::say(&format!("unscored  {}", reason.code()))?;
        }
        for category in card.taxonomy.categories() {
            if let Some(score) = judgement.highest_of(category).filter(|score| score.get() >= 0.01)
            {
                let (code, name) = (card.taxonomy.code(category), card.taxonomy.name(category));
                output::say(&format!("  {code:<4}    {:.3}  {name}", score.get()))?;
            }
        }
        let coverage = judgement.coverage;
        output::say(&format!("coverage  {} of {} tokens", coverage.read, coverage.total))?;
        output::say(&format!("decision  {} ({})", decision.action.as_str(), policy.label()))?;
        for fired in &decision.rules {
            let (action, threshold) = (fired.action.as_str(), fired.threshold);
            output::say(&format!("  {} reached {action} at {threshold}", fired.on))?;
        }
        output::say(&format!("time      {ms:.1} ms"))
    }
}

/// A conversation as the gateway would read it: everything judged, as an answer where the last message
/// is the model's.
fn conversation(bytes: &[u8]) -> Result<(Vec<Transcript>, Phase)> {
    let mut value: Value = crate::wire::json::parse(bytes)?;
    let Some(object) = value.as_object_mut() else { bail!("it must be an object with `messages`") };
    object.entry("model").or_insert_with(|| "none".into());
    let last = object
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| messages.last())
        .and_then(|message| message.get("role")?.as_str());
    let phase = if last == Some("assistant") { Phase::Response } else { Phase::Prompt };
    let request = ChatRequest::parse(Bytes::from(value.to_string()))?;
    Ok((request.transcripts(), phase))
}
