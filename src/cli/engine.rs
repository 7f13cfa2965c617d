//! Which model judges, brought up as a guard.

use anyhow::Result;

use crate::config::GuardModel;
use crate::guard::{Guard, Settings};

/// Loads a model and starts its guard; says on stderr what the guard is not.
#[cfg(feature = "candle")]
pub(super) fn start(model: GuardModel, prepend_bos: bool, settings: &Settings) -> Result<Guard> {
    use anyhow::Context;

    use crate::cli::output;
    use crate::guard::{Classifier, LoadError};
    use crate::llama_guard::{self, Bos, EngineSettings, Family, LlamaGuard};

    let place = match &model {
        GuardModel::Embedded => "the embedded guard".to_owned(),
        GuardModel::Folder { path, .. } => format!("the guard in {}", path.display()),
    };
    let guard = Guard::start(settings, move || {
        let loaded = match &model {
            GuardModel::Embedded => llama_guard::embedded(),
            GuardModel::Folder { path, family } => {
                let bos = if prepend_bos { Bos::Prepend } else { Bos::None };
                let name = family.name.to_owned();
                let settings = EngineSettings { name, bos, ..EngineSettings::default() };
                LlamaGuard::load(path, Family::clone(family), settings)
            }
        };
        match loaded {
            Ok(guard) => Ok(Box::new(guard) as Box<dyn Classifier>),
            Err(fault) => Err(LoadError(Box::new(fault))),
        }
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

/// Says that there is no engine in this build.
#[cfg(not(feature = "candle"))]
pub(super) fn start(_model: GuardModel, _prepend_bos: bool, _settings: &Settings) -> Result<Guard> {
    anyhow::bail!("this build has no engine; build it with its default features")
}
