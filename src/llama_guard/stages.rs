//! Where the time of a check goes.

use std::time::{Duration, Instant};

use candle_core::{IndexOp, Result};

use crate::guard::Lane;
use crate::transcript::Transcript;

use crate::llama_guard::engine::LlamaGuard;
use crate::llama_guard::floor::Floor;
use crate::llama_guard::forward::Packed;
use crate::llama_guard::score::scores;

/// The parts of one check, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stages {
    /// The text becomes tokens and prompts.
    pub cutting: Duration,
    /// The prompts go through the model's layers.
    pub layers: Duration,
    /// The output head is read for the verdict.
    pub head: Duration,
    /// Logits become scores.
    pub scoring: Duration,
}

impl LlamaGuard {
    /// Checks a text, and says how long each part took.
    ///
    /// # Errors
    ///
    /// The text cannot be tokenised, or the forward pass fails.
    pub fn stages(&self, transcript: &Transcript) -> Result<Stages> {
        let device = &self.model.place().device;
        let lane = Lane::default();
        let started = Instant::now();
        let windows = self.cutter.windows(lane, transcript).map_err(candle_core::Error::wrap)?;
        let forced = self.cutter.prompts.forced();
        let mut packed = Packed::default();
        for window in &windows {
            let end = window.ids.len().saturating_sub(1);
            let behind = self.cutter.behind(lane, &window.ids);
            let known = behind.as_ref().map_or(0, |behind| behind.tokens);
            let rest = window.ids.iter().skip(known).chain(forced).copied();
            packed.push_behind(behind, rest, [end, end + forced.len()]);
        }
        let cut = Instant::now();
        let hidden = self.model.hidden(&packed)?.reshape((windows.len(), 2, ()))?;
        device.synchronize()?;
        let through = Instant::now();
        let verdicts = self.model.head().logits(&hidden.i((.., 0))?)?;
        let read = Instant::now();
        for verdict in verdicts.to_vec2::<f32>()? {
            // What it finds does not matter here, nor that it found nothing.
            let _ = scores(&verdict, &[], self.cutter.prompts.words(), self.calibration);
        }
        Ok(Stages {
            cutting: cut - started,
            layers: through - cut,
            head: read - through,
            scoring: read.elapsed(),
        })
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
