//! Which model judges, brought up as a guard.

use anyhow::Result;

use crate::config::GuardModel;
use crate::guard::{Guard, Settings};
use crate::llama_guard::EngineSettings;
#[cfg(feature = "candle")]
use crate::llama_guard::{self, Family, LlamaGuard, LoadFault};

/// Loads a model and starts its guard; says on stderr what the guard is not.
#[cfg(feature = "candle")]
pub(super) fn start(
    model: GuardModel,
    engine: EngineSettings,
    settings: &Settings,
) -> Result<Guard> {
    use anyhow::Context;

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
