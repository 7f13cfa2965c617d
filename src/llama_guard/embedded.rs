//! The guard that is compiled into the binary.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::llama_guard::choice::DeviceChoice;
use crate::llama_guard::config::ModelConfig;
use crate::llama_guard::engine::{Files, LlamaGuard};
use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::settings::{Bos, Calibration, EngineSettings, Window};
use crate::llama_guard::weights::Weights;

const CONFIG: &[u8] = include_bytes!("../../models/embedded-guard/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../models/embedded-guard/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../../models/embedded-guard/model.safetensors");
const MANIFEST: &[u8] = include_bytes!("../../models/embedded-guard/manifest.json");

/// What a user must know before trusting it.
const WARNINGS: [&str; 5] = [
    "the embedded guard is small: it is no substitute for Llama Guard 2",
    "the embedded guard knows only English",
    "the embedded guard does not cover S5 (Specialized Advice) in prompts",
    "the embedded guard misses many unsafe answers",
    "the embedded guard's categories are only hints on anything but short requests",
];

#[derive(Deserialize)]
struct Manifest {
    window: Window,
}

/// The guard that is compiled into the binary, loaded and tested.
///
/// It is computed on the CPU, whatever there is: on a GPU it would be no quicker, and rounded.
pub fn embedded() -> Result<LlamaGuard, LoadFault> {
    embedded_with(Calibration::default())
}

/// The same guard, with its scores calibrated.
pub fn embedded_with(calibration: Calibration) -> Result<LlamaGuard, LoadFault> {
    let Manifest { window } = serde_json::from_slice(MANIFEST)
        .map_err(|error| LoadFault::file("manifest.json", error))?;
    let settings = EngineSettings {
        name: "embedded".to_owned(),
        bos: Bos::None,
        window,
        calibration,
        device: DeviceChoice::Cpu,
        // Its windows are shorter than what its answers are judged in.
        recall_bytes: Some(0),
        ..EngineSettings::default()
    };
    let mut digest = Sha256::new();
    let weights = Weights::from_bytes(WEIGHTS, &mut digest)?;
    digest.update(CONFIG);
    let config = ModelConfig::parse(CONFIG)?;
    let model = settings.name.clone();
    let files = Files { model, config, tokenizer: TOKENIZER, weights, digest };
    let warnings = WARNINGS.map(str::to_owned).to_vec();
    LlamaGuard::new(files, Family::llama_guard_2(), settings, warnings)
}
