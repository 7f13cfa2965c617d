//! The seam in front of every model: transcripts in, judgements out.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;
use crate::verdict::Judgement;

/// A model that judges. Owned by the guard's one worker thread, which is why it may be `!Sync`
/// and take `&mut self`.
pub trait Classifier: Send {
    /// What this classifier is called and can name.
    fn card(&self) -> GuardCard;

    /// Judges a batch: one judgement per transcript, in order.
    ///
    /// Never fails as a whole: what cannot be judged is unscored, with its reason.
    fn judge(&mut self, batch: &[Transcript]) -> Vec<Judgement>;
}

/// What a guard is, for records, metrics and people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuardCard {
    /// The family or product, such as `llama-guard-2` or `embedded`.
    pub name: String,
    /// The first hex digits of the digest over weights, tokenizer and settings.
    pub fingerprint: String,
    /// The categories it can name.
    pub taxonomy: Taxonomy,
    /// The model behind the name, where there is one.
    pub engine: Option<Engine>,
    /// What a user must be told at start: that it is small, knows only English, covers no S5.
    pub warnings: Vec<String>,
}

/// A model that is computed with in this process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Engine {
    /// Which weights: the name of their folder, or `embedded`.
    pub model: String,
    /// In whose words it is asked, such as `llama-guard-2`.
    pub family: String,
    /// What numbers it computes with.
    pub dtype: String,
    /// Where.
    pub device: String,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, family, dtype, device } = self;
        write!(f, "model {model}, family {family}, {dtype} on {device}")
    }
}

impl fmt::Display for GuardCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.fingerprint)
    }
}

/// Why a classifier could not be loaded.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct LoadError(#[from] pub Box<dyn std::error::Error + Send + Sync>);
