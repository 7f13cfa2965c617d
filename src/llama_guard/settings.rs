//! What an operator can set about the engine.

use serde::Deserialize;

use crate::llama_guard::choice::{DeviceChoice, Quantization};

/// Whether a prompt begins with the begin-of-text token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bos {
    /// It does not: the checkpoint's own template has none.
    #[default]
    None,
    /// It does, as in the prompt format Meta printed.
    Prepend,
}

/// How long texts are cut, in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// The longest stretch of the judged turn in one prompt.
    pub content: usize,
    /// How much two neighbouring stretches share.
    pub overlap: usize,
    /// How much of the turns before it goes along.
    pub context: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { content: 2048, overlap: 256, context: 1024 }
    }
}

/// How raw logits become p(unsafe).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Calibration {
    /// What the distance of the two words is divided by: above 1 for guards that are too sure.
    pub temperature: f32,
    /// p(unsafe) of a text that says nothing, which is taken out of every other.
    pub prior: f32,
}

impl Default for Calibration {
    /// As published: the two words' softmax.
    fn default() -> Self {
        Self { temperature: 1.0, prior: 0.5 }
    }
}

/// Settings of one engine; the defaults are those of Llama Guard 2.
#[derive(Clone, PartialEq, Debug)]
pub struct EngineSettings {
    /// What the guard is called on its card.
    pub name: String,
    /// Whether prompts begin with the begin-of-text token.
    pub bos: Bos,
    /// How long texts are cut.
    pub window: Window,
    /// How logits become scores.
    pub calibration: Calibration,
    /// Whether every category is asked about by itself: slow, and only for guards that were made for it.
    /// A category's score is then p(unsafe) under a policy of nothing else.
    pub exact: bool,
    /// The longest prompt, with everything in it. Meta gives 4096 for Llama Guard 2, half of what
    /// its base model takes.
    pub max_tokens: usize,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In how few bits its matrices are kept, on the CPU; as its files have them, where nothing is said.
    pub quantize: Option<Quantization>,
    /// Bytes of keys and values that are kept of conversations; a quarter of the model's own, where
    /// nothing else is said.
    pub recall_bytes: Option<usize>,
}

#[cfg(feature = "candle")]
impl EngineSettings {
    /// Everything that has a bearing on scores, for the guard's fingerprint.
    pub(super) fn digested(&self) -> String {
        let Self { name, bos, window, calibration, max_tokens, exact, .. } = self;
        let exact = if *exact { " exact" } else { "" };
        format!("{name} {bos:?} {window:?} {calibration:?} {max_tokens}{exact}")
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            name: "llama-guard-2".to_owned(),
            bos: Bos::default(),
            window: Window::default(),
            calibration: Calibration::default(),
            exact: false,
            max_tokens: 4096,
            device: DeviceChoice::default(),
            quantize: None,
            recall_bytes: None,
        }
    }
}
