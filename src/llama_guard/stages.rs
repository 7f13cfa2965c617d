//! Where the time of a check goes.

use std::time::{Duration, Instant};

use candle_core::Result;

use crate::transcript::Transcript;

use crate::llama_guard::engine::LlamaGuard;
use crate::llama_guard::floor::Floor;

/// A part of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The text becomes windows of tokens.
    Cutting,
    /// The prompts go through the model's layers.
    Layers,
    /// The output head is read for the verdict and the categories.
    Head,
    /// Logits become scores.
    Scoring,
    /// It is asked which categories would follow the likely first ones.
    Following,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cutting => "cutting",
            Self::Layers => "layers",
            Self::Head => "head",
            Self::Scoring => "scoring",
            Self::Following => "following",
        }
    }
}

impl LlamaGuard {
    /// Checks a text, and says how long each part took, in their order.
    ///
    /// # Errors
    ///
    /// The text cannot be tokenised, or the forward pass fails.
    pub fn stages(&self, transcript: &Transcript) -> Result<Vec<(Stage, Duration)>> {
        let device = &self.model.place().device;
        let mut began = Instant::now();
        let mut stages = Vec::new();
        let mut done = |stage| {
            // A device that fails here fails the stage that comes next.
            let _ = device.synchronize();
            stages.push((stage, began.elapsed()));
            began = Instant::now();
        };
        let texts = self.texts(transcript).map_err(candle_core::Error::wrap)?;
        done(Stage::Cutting);
        self.read(&texts, &mut done)?;
        Ok(stages)
    }

    /// What its device does at best.
    ///
    /// # Errors
    ///
    /// The device fails.
    pub fn floor(&self) -> Result<Floor> {
        Floor::measure(self.model.place())
    }

    /// Multiplications and additions for a token in the layers.
    pub fn operations(&self) -> f64 {
        self.model.config().operations()
    }

    /// Bytes of weights that a pass reads.
    pub fn weights(&self) -> f64 {
        self.model.config().operations() / 2.0 * self.model.place().bytes()
    }
}
