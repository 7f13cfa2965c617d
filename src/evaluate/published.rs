//! What Meta's card of Llama Guard 2 publishes on public sets, to be set beside what was measured.
//!
//! The card rounds to three digits; on sets of known size only one pair of counts rounds to what it says,
//! so these are given too. (XSTest: all 450 prompts in the User role, positive is the label *unsafe*, 200 of
//! them. OpenAI's set: all 1,680 texts in the User role, positive is any of the eight flags, 522 of them.)
//! Meta cut BeaverTails anew for its card, so that one cannot be met exactly.

use serde::Serialize;

/// A row of the card's Table 3.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Published {
    /// Whose figures they are.
    pub guard: &'static str,
    /// F1, at the threshold 0.5.
    pub f1: f64,
    /// False positive rate, at the threshold 0.5.
    pub fpr: f64,
    /// Unsafe and flagged, where the rounded figures leave one solution.
    pub tp: Option<u64>,
    /// Safe and flagged, likewise.
    pub fp: Option<u64>,
}

const LLAMA_GUARD_2: &str = "Llama Guard 2 (published)";

/// The card's figures for a set, by the name the set has here.
pub fn published(set: &str) -> Option<Published> {
    let guard = LLAMA_GUARD_2;
    match set {
        "xstest" => Some(Published { guard, f1: 0.884, fpr: 0.084, tp: Some(175), fp: Some(21) }),
        "openai-moderation" => {
            Some(Published { guard, f1: 0.807, fpr: 0.060, tp: Some(400), fp: Some(69) })
        }
        "beavertails" => Some(Published { guard, f1: 0.736, fpr: 0.059, tp: None, fp: None }),
        _ => None,
    }
}

/// The card's Table 2, miss rate and false positive rate of a category of Llama Guard 2, on answers of
/// Meta's own set.
pub fn published_category(code: &str) -> Option<(f64, f64)> {
    let row = match code {
        "S1" => (0.042, 0.002),
        "S2" => (0.082, 0.009),
        "S3" => (0.275, 0.002),
        "S4" => (0.267, 0.000),
        "S5" => (0.192, 0.009),
        "S6" => (0.057, 0.004),
        "S7" => (0.099, 0.004),
        "S8" => (0.263, 0.001),
        "S9" => (0.190, 0.005),
        "S10" => (0.277, 0.002),
        "S11" => (0.229, 0.004),
        _ => return None,
    };
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::published;
    use crate::evaluate::metrics::Counts;

    #[test]
    fn the_counts_are_the_only_ones_that_round_to_the_cards_figures() {
        for (set, positives, negatives) in [("xstest", 200, 250), ("openai-moderation", 522, 1158)]
        {
            let card = published(set).unwrap();
            let rounded = |value: f64| (value * 1000.0).round();
            let mut solutions = Vec::new();
            for fp in 0..=negatives {
                for tp in 0..=positives {
                    let counts = Counts { tp, fp, fn_: positives - tp, tn: negatives - fp };
                    let same = rounded(counts.f1()) == rounded(card.f1)
                        && rounded(counts.fpr().unwrap()) == rounded(card.fpr);
                    if same {
                        solutions.push((Some(tp), Some(fp)));
                    }
                }
            }
            assert_eq!(solutions, [(card.tp, card.fp)], "{set}");
        }
    }
}
