//! `wardgate classify`: one verdict, and the decision under a policy.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::engine::WhichGuard;
use crate::cli::{check, engine, output};
use crate::config::{self, GuardModel, Settings};
use crate::guard::{self, Guard, Lane};
use crate::llama_guard::EngineSettings;
use crate::policy::{self, Phase, Policy, decide};
use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::{Reading, Transcript};
use crate::verdict::{Judgement, Unscored};
use crate::wire::{Dialect, Request};

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
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: WhichGuard,
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

/// What is to be judged.
struct Asked {
    transcripts: Vec<Transcript>,
    /// How many parts nobody can read.
    unread: u64,
    phase: Phase,
}

impl Classify {
    pub(super) fn run(self) -> Result<ExitCode> {
        let settings = match &self.config {
            Some(path) => Some(config::load(path, &check::env)?.settings),
            None => None,
        };
        // What is wrong with the question shows before a large guard is loaded.
        let model = self.which.model(settings.as_ref())?;
        let policy = self.policy(settings.as_ref(), &model.taxonomy())?;
        let asked = self.asked()?;
        let guard = start(model, settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let begun = Instant::now();
        let looks = policy.rules(asked.phase).patterns.as_ref();
        let found = looks.map(|patterns| patterns.judge(&asked.transcripts)).unwrap_or_default();
        let judged = runtime.block_on(guard.judge(asked.transcripts, Lane::default()));
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let mut judgement = judged.judgement;
        judgement.absorb(found);
        if asked.unread > 0 {
            judgement.absorb(Judgement::unscored(Unscored::Unreadable, asked.unread));
        }
        self.report(&guard, &judgement, &policy, asked.phase, ms)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The policy of this name, of --config or shipped, or the one in this file.
    fn policy(&self, settings: Option<&Settings>, taxonomy: &Taxonomy) -> Result<Arc<Policy>> {
        let named = self.policy.as_str();
        let mut known: Vec<&str> = policy::shipped(taxonomy).map(|(name, _)| name).collect();
        // The policies of --config are in the categories of its own guard.
        let own = settings.filter(|settings| settings.model.taxonomy() == *taxonomy);
        if let Some(settings) = own {
            if let Some(policy) = settings.policies.get(named) {
                return Ok(Arc::clone(policy));
            }
            known = settings.policies.keys().map(String::as_str).collect();
        } else if let Some((name, source)) =
            policy::shipped(taxonomy).find(|(name, _)| *name == named)
        {
            let compiled = policy::compile(source, name, taxonomy)?;
            return Ok(Arc::new(compiled.policy));
        }
        let path = Path::new(named);
        if !path.exists() {
            bail!("there is no policy `{named}`; give a file, or one of: {}", known.join(", "));
        }
        Ok(Arc::new(config::check_policy(path, taxonomy)?.0))
    }

    fn asked(&self) -> Result<Asked> {
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
        let (transcript, phase) = match self.role {
            Role::User => (Transcript::user(text), Phase::Prompt),
            Role::Agent => (Transcript::agent("", text), Phase::Response),
        };
        Ok(Asked { transcripts: vec![transcript], unread: 0, phase })
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
        let taxonomy = policy.taxonomy();
        // Of what patterns look for, what they found; of the guard's, all.
        let says = |category: &Category| {
            taxonomy.is_share(*category)
                || judgement.spans.iter().any(|it| it.category == *category)
        };
        let scores: Map<String, Value> = taxonomy
            .categories()
            .filter(says)
            .filter_map(|category| {
                let score = judgement.highest_of(category)?;
                Some((taxonomy.code(category).to_owned(), json!(score)))
            })
            .collect();
        if self.json {
            let verdict = json!({
                "guard": card.to_string(),
                "engine": card.engine,
                "unsafe": judgement.highest(),
                "residual": judgement.residual(),
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
        for category in taxonomy.categories() {
            if let Some(score) = judgement.highest_of(category).filter(|score| score.get() >= 0.01)
            {
                let (code, name) = (taxonomy.code(category), taxonomy.name(category));
                output::say(&format!("  {code:<4}    {:.3}  {name}", score.get()))?;
            }
        }
        let coverage = judgement.coverage;
        output::say(&format!("coverage  {} of {} tokens", coverage.read, coverage.total))?;
        output::say(&format!("decision  {} ({})", decision.action.as_str(), policy.label()))?;
        for fired in &decision.rules {
            let (action, threshold) = (fired.action.as_str(), fired.threshold);
            let reading = match fired.reading {
                Reading::Faithful => String::new(),
                reading => format!(" ({})", reading.as_str()),
            };
            output::say(&format!("  {} reached {action} at {threshold}{reading}", fired.on))?;
        }
        output::say(&format!("time      {ms:.1} ms"))
    }
}

/// The guard, with the bounds of --config but for its deadline.
fn start(model: GuardModel, settings: Option<Settings>) -> Result<Guard> {
    let (engine, mut bounds) = match settings {
        Some(settings) => (settings.engine, settings.guard),
        None => (EngineSettings::default(), guard::Settings::default()),
    };
    bounds.deadline = PATIENCE;
    engine::start(model, engine, &bounds)
}

/// A conversation as the gateway would read it: everything judged, as an answer where the last message
/// is the model's.
fn conversation(bytes: &[u8]) -> Result<Asked> {
    let mut value: Value = crate::wire::json::parse(bytes)?;
    let Some(object) = value.as_object_mut() else { bail!("it must be an object with `messages`") };
    object.entry("model").or_insert_with(|| "none".into());
    let last = object
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| messages.last())
        .and_then(|message| message.get("role")?.as_str());
    let phase = if last == Some("assistant") { Phase::Response } else { Phase::Prompt };
    let request = Request::parse(Dialect::Chat, Bytes::from(value.to_string()))?;
    let unread = request.unread().len() as u64;
    Ok(Asked { transcripts: request.transcripts(), unread, phase })
}
