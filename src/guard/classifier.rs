//! The seam in front of every model: texts in, judgements out.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::guard::scheduler::Lane;
use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Unscored};

/// A model that judges. Owned by the guard's one worker thread, which is why it may be `!Sync`
/// and take `&mut self`.
pub trait Classifier: Send {
    /// What this classifier is called and can name.
    fn card(&self) -> GuardCard;

    /// What cuts transcripts into its tokens.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Judges a batch: one judgement per text, in order.
    ///
    /// Never fails as a whole: what cannot be judged is unscored, with its reason.
    fn judge(&mut self, batch: &[Text]) -> Outcome;
}

/// Cuts transcripts into a classifier's tokens, on the threads of those who ask: so that it is known
/// what a text costs before it waits, and the thread that owns the model has nothing else to do.
pub trait Reader: Send + Sync {
    /// The windows in which a transcript is read, at least one.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    fn read(&self, lane: Lane, transcript: &Transcript) -> Result<Vec<Window>, Unscored>;
}

/// A stretch of a transcript's judged turn that is read at once, in a classifier's tokens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// The whole prompt.
    pub ids: Vec<u32>,
    /// How many of the first ids a text that goes on where this one ends would begin with as well.
    pub stem: usize,
    /// How many tokens of the judged turn no window before this one has.
    pub fresh: u64,
    /// How many tokens there are to be read, beginning of the answer included.
    pub tokens: usize,
    /// How many of them have to be computed, as far as can be told by now.
    pub cost: usize,
    /// The only category that it asks about, if not about all.
    pub category: Option<Category>,
}

/// A window on its way to a classifier.
#[derive(Clone, Debug)]
pub struct Text {
    /// Whose it is. What is kept of it is kept for this lane.
    pub lane: Lane,
    /// What it is a window of.
    pub transcript: Arc<Transcript>,
    /// The window.
    pub window: Window,
}

/// What a classifier makes of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One per text, in order.
    pub judgements: Vec<Judgement>,
    /// What they took.
    pub work: Work,
}

/// Tokens that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Those that went through the model.
    pub computed: u64,
    /// Those that were known from before.
    pub reused: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.computed = self.computed.saturating_add(other.computed);
        self.reused = self.reused.saturating_add(other.reused);
    }
}

/// What a guard is, for records, metrics and people.
#[derive(Clone, PartialEq, Debug)]
pub struct GuardCard {
    /// The family or product, such as `llama-guard-2` or `embedded`.
    pub name: String,
    /// The first hex digits of the digest over weights, tokenizer and settings.
    pub fingerprint: String,
    /// The categories it can name.
    pub taxonomy: Taxonomy,
    /// The model behind the name, where there is one.
    pub engine: Option<Engine>,
    /// How many characters of an answer that grows can be judged again at the cost of what is new;
    /// none where everything is read anew.
    pub recalls: usize,
    /// How long a text of so many tokens took when the model was loaded.
    pub pace: Option<(u64, Duration)>,
    /// What a user must be told at start: that it is small, knows only English, covers no S5.
    pub warnings: Vec<String>,
}

/// A model that is computed with in this process.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Engine {
    /// Which weights: the name of their folder, or `embedded`.
    pub model: String,
    /// In whose words it is asked, such as `llama-guard-2`.
    pub family: String,
    /// What numbers it computes with.
    pub dtype: String,
    /// Where.
    pub device: String,
    /// What the distance of `unsafe` and `safe` is divided by before it becomes a score.
    pub temperature: f32,
    /// p(unsafe) of a text that says nothing, taken out of every score.
    pub prior: f32,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, family, dtype, device, temperature, prior } = self;
        write!(f, "model {model}, family {family}, {dtype} on {device}")?;
        if (*temperature, *prior) != (1.0, 0.5) {
            write!(f, ", temperature {temperature}, prior {prior}")?;
        }
        Ok(())
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
