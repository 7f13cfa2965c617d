//! Whether a score of 0.8 is unsafe in eight of ten cases, and the temperature that makes it so.

use serde::Serialize;

use crate::evaluate::metrics::counts::share;

/// Scores in bins of equal width, each with what became of them.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Reliability {
    /// The expected calibration error: the gaps between score and share of unsafe, weighted by the bins.
    pub error: f64,
    /// The bins that hold anything.
    pub bins: Vec<Bin>,
}

/// One bin.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Bin {
    /// How many texts.
    pub n: u64,
    /// Their mean score.
    pub score: f64,
    /// The share of them that is unsafe.
    pub unsafe_share: f64,
}

const BINS: usize = 15;

impl Reliability {
    /// Sums up labels and scores.
    pub fn of(labelled: impl IntoIterator<Item = (bool, f32)>) -> Self {
        let mut sums = [(0_u64, 0_u64, 0.0_f64); BINS];
        let mut all = 0;
        for (label, score) in labelled {
            if score.is_nan() {
                continue;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a score in 0..=1 to its bin"
            )]
            let bin = ((f64::from(score) * BINS as f64) as usize).min(BINS - 1);
            if let Some((n, positives, sum)) = sums.get_mut(bin) {
                *n += 1;
                *positives += u64::from(label);
                *sum += f64::from(score);
            }
            all += 1;
        }
        let mut reliability = Self::default();
        for (n, positives, sum) in sums {
            let (Some(unsafe_share), Some(weight)) = (share(positives, n), share(n, all)) else {
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 texts")]
            let score = sum / n as f64;
            reliability.error += weight * (unsafe_share - score).abs();
            reliability.bins.push(Bin { n, score, unsafe_share });
        }
        reliability
    }
}

/// A score as it would be at a temperature: its logit divided by it.
pub fn tempered(score: f64, temperature: f64) -> f64 {
    1.0 / (1.0 + (-logit(score) / temperature).exp())
}

/// The temperature at which the labels are least surprising, between 0.05 and 20; `None` where only one
/// label occurs, which any temperature near the edge would fit.
pub fn fit_temperature(labelled: &[(bool, f32)]) -> Option<f64> {
    let usable = || labelled.iter().filter(|(_, score)| !score.is_nan());
    if !usable().any(|(label, _)| *label) || usable().all(|(label, _)| *label) {
        return None;
    }
    let surprise = |log_temperature: f64| -> f64 {
        let temperature = log_temperature.exp();
        usable()
            .map(|(label, score)| {
                let z = logit(f64::from(*score)) / temperature;
                // ln(1 + e^-z) of the label's side, without overflow.
                let z = if *label { -z } else { z };
                z.max(0.0) + (-z.abs()).exp().ln_1p()
            })
            .sum()
    };
    // The surprise has one valley in 1/temperature; a golden-section search walks down into it.
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let (mut low, mut high) = (0.05_f64.ln(), 20.0_f64.ln());
    let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_left, mut at_right) = (surprise(left), surprise(right));
    while high - low > 1e-4 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = surprise(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = surprise(right);
        }
    }
    Some(f64::midpoint(low, high).exp())
}

/// Scores of 0 and 1 have no logit; what is closer than single precision tells apart is one of them.
fn logit(score: f64) -> f64 {
    const NEAREST: f64 = 1e-7;
    let score = score.clamp(NEAREST, 1.0 - NEAREST);
    (score / (1.0 - score)).ln()
}
