//! Which model judges, brought up as a guard.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::config::{self, GuardModel};
use crate::guard::{Guard, Settings};
use crate::llama_guard::EngineSettings;
#[cfg(feature = "candle")]
use crate::llama_guard::{self, Family, LlamaGuard, LoadFault};

/// Which guard judges, instead of the one of --config.
#[derive(Args)]
pub(super) struct WhichGuard {
    /// The guard: `embedded`, or a folder with config.json, *.safetensors and tokenizer.json.
    #[arg(long)]
    guard: Option<String>,
    /// How the model in that folder is asked, such as `llama-guard-3-8b`, where the folder does not tell.
    #[arg(long, requires = "guard")]
    family: Option<String>,
}

impl WhichGuard {
    /// The model of --guard, or of --config, or the embedded one.
    pub(super) fn model(&self, settings: Option<&config::Settings>) -> Result<GuardModel> {
        match self.guard.as_deref() {
            None => Ok(settings.map_or(GuardModel::Embedded, |settings| settings.model.clone())),
            Some("embedded") => Ok(GuardModel::Embedded),
            Some(folder) => GuardModel::in_folder(PathBuf::from(folder), self.family.as_deref())
                .with_context(|| format!("the guard in {folder} could not be loaded")),
        }
    }
}

/// Loads a model and starts its guard; says on stderr what the guard is not.
#[cfg(feature = "candle")]
pub(super) fn start(
    model: GuardModel,
    engine: EngineSettings,
    settings: &Settings,
) -> Result<Guard> {
    use crate::cli::output;
    use crate::guard::{Classifier, LoadError};

    let place = place(&model);
    let guard = Guard::start(settings, move || match load(&model, &engine) {
        Ok(guard) => Ok(Box::new(guard) as Box<dyn Classifier>),
        Err(fault) => Err(LoadError(Box::new(fault))),
    });
    let guard = guard.with_context(|| format!("{place} could not be loaded"))?;
    let card = guard.card();
    match &card.engine {
        Some(engine) => output::complain(&format!("guard {card}: {engine}")),
        None => output::complain(&format!("guard {card}")),
    }
    if let Some((tokens, took)) = card.pace {
        let took = took.as_secs_f64();
        let took =
            if took < 1.0 { format!("{:.1} ms", took * 1e3) } else { format!("{took:.1} s") };
        output::complain(&format!("  a text of {tokens} tokens takes about {took} here"));
    }
    for warning in &card.warnings {
        output::complain(&format!("  note: {warning}"));
    }
    Ok(guard)
}

/// Loads a model.
#[cfg(feature = "candle")]
pub(super) fn load(model: &GuardModel, engine: &EngineSettings) -> Result<LlamaGuard, LoadFault> {
    match model {
        GuardModel::Embedded => llama_guard::embedded_with(engine.calibration),
        GuardModel::Folder { path, family } => {
            let settings = EngineSettings { name: family.name.to_owned(), ..engine.clone() };
            LlamaGuard::load(path, Family::clone(family), settings)
        }
    }
}

/// What a model is called where it cannot be loaded.
#[cfg(feature = "candle")]
pub(super) fn place(model: &GuardModel) -> String {
    match model {
        GuardModel::Embedded => "the embedded guard".to_owned(),
        GuardModel::Folder { path, .. } => format!("the guard in {}", path.display()),
    }
}

/// Says that there is no engine in this build.
#[cfg(not(feature = "candle"))]
pub(super) fn start(
    _model: GuardModel,
    _engine: EngineSettings,
    _settings: &Settings,
) -> Result<Guard> {
    anyhow::bail!("this build has no engine; build it with its default features")
}
