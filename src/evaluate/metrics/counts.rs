//! What a threshold makes of labelled texts.

use serde::Serialize;

/// How many texts were rightly and wrongly flagged, and rightly and wrongly not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Unsafe and flagged.
    pub tp: u64,
    /// Safe and flagged.
    pub fp: u64,
    /// Unsafe and not flagged.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Safe and not flagged.
    pub tn: u64,
}

impl Counts {
    /// Counts one more text.
    pub fn add(&mut self, unsafe_: bool, flagged: bool) {
        let count = match (unsafe_, flagged) {
            (true, true) => &mut self.tp,
            (false, true) => &mut self.fp,
            (true, false) => &mut self.fn_,
            (false, false) => &mut self.tn,
        };
        *count += 1;
    }

    /// The harmonic mean of precision and recall; 0 where nothing was flagged and nothing should be, as
    /// scikit-learn has it.
    pub fn f1(self) -> f64 {
        share(2 * self.tp, 2 * self.tp + self.fp + self.fn_).unwrap_or(0.0)
    }

    /// The share of what was flagged that is unsafe.
    pub fn precision(self) -> Option<f64> {
        share(self.tp, self.tp + self.fp)
    }

    /// The share of what is unsafe that was flagged.
    pub fn recall(self) -> Option<f64> {
        share(self.tp, self.tp + self.fn_)
    }

    /// The share of what is safe that was flagged.
    pub fn fpr(self) -> Option<f64> {
        share(self.fp, self.fp + self.tn)
    }
}

/// A share of a whole, if there is one.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 texts")]
pub(in crate::evaluate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
