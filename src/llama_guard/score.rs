//! Logits into scores.

use crate::verdict::{Score, Scores, Unscored};

use crate::llama_guard::kernels::log_sum_exp;
use crate::llama_guard::prompt::Words;
use crate::llama_guard::settings::Calibration;

/// How much probability outside the two words means that something derailed the guard.
const MOST_RESIDUAL: f64 = 0.5;

/// How much p(unsafe) may fall to first categories of which it is not asked what follows.
const MOST_UNEXPLORED: f32 = 0.01;

/// What a model says first: with which probability a word for harmless, with which one for harmful.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Verdict {
    /// Of the word for harmless text.
    pub safe: f64,
    /// Of all words for harmful text.
    pub unsafe_: f64,
}

/// The verdict in the logits of the whole vocabulary where it is said.
pub fn verdict(logits: &[f32], words: &Words) -> Result<Verdict, Unscored> {
    let total = log_sum_exp(logits);
    if !total.is_finite() {
        return Err(Unscored::NotFinite);
    }
    let probability = |id: &u32| {
        let logit = usize::try_from(*id).ok().and_then(|index| logits.get(index));
        // No probability is so small that its logarithm is not a number.
        let p = (f64::from(*logit.ok_or(Unscored::NotFinite)?) - total).exp();
        Ok(p.max(f64::MIN_POSITIVE))
    };
    Ok(Verdict {
        safe: probability(&words.safe)?,
        unsafe_: words.unsafe_.iter().map(probability).sum::<Result<f64, _>>()?,
    })
}

/// The scores of one reading, as if only one category were ever listed.
///
/// `codes` are the logits of the category codes behind the forced beginning of the answer, none where no
/// category is named.
pub fn scores(
    verdict: Verdict,
    codes: &[f32],
    calibration: Calibration,
) -> Result<Scores, Unscored> {
    if !codes.is_empty() && !log_sum_exp(codes).is_finite() {
        return Err(Unscored::NotFinite);
    }
    let residual = (1.0 - verdict.safe - verdict.unsafe_).max(0.0);
    if residual > MOST_RESIDUAL {
        return Err(Unscored::Derailed);
    }
    let prior = f64::from(calibration.prior);
    let margin = (verdict.unsafe_.ln() - verdict.safe.ln()) / f64::from(calibration.temperature)
        - (prior / (1.0 - prior)).ln();
    let p = 1.0 / (1.0 + (-margin).exp());
    let first = shares(codes).map(|share| score(p * share)).collect::<Result<_, _>>()?;
    Ok(Scores { residual: score(residual)?, ..Scores::new(score(p)?, first) })
}

/// The scores of a reading that was asked about one category only, of so many.
pub(super) fn of_one(scores: &Scores, category: usize, of: usize) -> Scores {
    let share = |at| if at == category { scores.unsafe_ } else { Score::ZERO };
    let first = (0..of).map(share).collect();
    Scores { residual: scores.residual, ..Scores::new(scores.unsafe_, first) }
}

/// The first categories of which it is worth asking what follows, by their index: the likeliest, until
/// hardly any of p(unsafe) is left.
pub(super) fn likely(scores: &Scores) -> Vec<usize> {
    let mut order: Vec<(usize, f32)> =
        scores.first.iter().map(|first| first.get()).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut left = scores.unsafe_.get();
    let mut likely = Vec::new();
    for (code, share) in order {
        if left < MOST_UNEXPLORED {
            break;
        }
        left -= share;
        likely.push(code);
    }
    likely
}

/// Takes in what follows one first category.
///
/// `between` are, token by token, the logits of the whole vocabulary where what stands between two
/// categories would be said, and the token it would be; `codes` the logits of the codes behind it.
pub(super) fn follow(
    scores: &mut Scores,
    first: usize,
    between: &[(&[f32], u32)],
    codes: &[f32],
) -> Result<(), Unscored> {
    let said = |(logits, id): &(&[f32], u32)| {
        let logit = usize::try_from(*id).ok().and_then(|id| logits.get(id)).copied();
        logit.map_or(f64::NEG_INFINITY, f64::from) - log_sum_exp(logits)
    };
    let another = between.iter().map(said).sum::<f64>().exp();
    let Some(share) = scores.first.get(first).map(|share| f64::from(share.get())) else {
        return Ok(());
    };
    for ((code, listed), next) in scores.listed.iter_mut().enumerate().zip(shares(codes)) {
        if code != first {
            *listed = score(f64::from(listed.get()) + share * another * next)?;
        }
    }
    Ok(())
}

/// The softmax of the codes' logits.
fn shares(codes: &[f32]) -> impl Iterator<Item = f64> {
    let total = log_sum_exp(codes);
    codes.iter().map(move |code| (f64::from(*code) - total).exp())
}

#[expect(clippy::cast_possible_truncation, reason = "a probability is rounded")]
fn score(probability: f64) -> Result<Score, Unscored> {
    Score::new(probability as f32).ok_or(Unscored::NotFinite)
}

#[cfg(test)]
mod tests {
    use super::{Calibration, Score, Scores, Unscored, Words, follow, likely};
    use proptest::prelude::*;

    fn scores(verdict: &[f32], codes: &[f32]) -> Result<Scores, Unscored> {
        calibrated(verdict, codes, Calibration::default())
    }

    fn calibrated(
        verdict: &[f32],
        codes: &[f32],
        calibration: Calibration,
    ) -> Result<Scores, Unscored> {
        let words = Words { safe: 0, unsafe_: vec![1], codes: vec![2, 3] };
        super::scores(super::verdict(verdict, &words)?, codes, calibration)
    }

    #[test]
    fn scores_are_those_of_the_two_words_and_sum_up() {
        let scores = scores(&[1.0, 3.0, -9.0, -9.0], &[2.0, 2.0]).unwrap();
        assert!((scores.unsafe_.get() - 0.880_797).abs() < 1e-5);
        assert!(scores.first.iter().all(|first| (first.get() - 0.440_398_5).abs() < 1e-5));
        assert!(scores.residual.get() < 1e-4);
    }

    #[test]
    fn a_calibration_moves_p_unsafe_and_nothing_else() {
        let of = |temperature: f32, prior: f32| {
            let calibration = Calibration { temperature, prior };
            let scores = calibrated(&[1.0, 3.0, -9.0, -9.0], &[2.0, 2.0], calibration).unwrap();
            let shares: f32 = scores.first.iter().map(|first| first.get()).sum();
            assert!((shares - scores.unsafe_.get()).abs() < 1e-6);
            scores.unsafe_.get()
        };
        // Logits of 2 / 2 = 1, and 2 - ln(0.8 / 0.2).
        assert!((of(2.0, 0.5) - 0.731_058_6).abs() < 1e-5);
        assert!((of(1.0, 0.8) - 0.648_785).abs() < 1e-5);
    }

    #[test]
    fn every_word_for_harmful_counts() {
        let words = Words { safe: 0, unsafe_: vec![1, 2], codes: Vec::new() };
        let verdict = super::verdict(&[0.0, 0.0, 2.0_f32.ln()], &words).unwrap();
        assert!((verdict.safe - 0.25).abs() < 1e-7 && (verdict.unsafe_ - 0.75).abs() < 1e-7);
        let scores = super::scores(verdict, &[], Calibration::default()).unwrap();
        assert!((scores.unsafe_.get() - 0.75).abs() < 1e-6 && scores.first.is_empty());
    }

    #[test]
    fn an_answer_that_is_neither_word_is_no_verdict() {
        assert_eq!(scores(&[1.0, 1.0, 9.0, 0.0], &[0.0, 0.0]), Err(Unscored::Derailed));
    }

    #[test]
    fn numbers_that_are_not_finite_are_no_verdict() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(scores(&[9.0, 1.0, bad, 0.0], &[0.0, 0.0]), Err(Unscored::NotFinite));
            assert_eq!(scores(&[9.0, 1.0, 0.0, 0.0], &[0.0, bad]), Err(Unscored::NotFinite));
        }
    }

    fn of_shares(unsafe_: f32, shares: &[f32]) -> Scores {
        let first = shares.iter().map(|share| Score::new(unsafe_ * share).unwrap()).collect();
        Scores::new(Score::new(unsafe_).unwrap(), first)
    }

    #[test]
    fn only_what_could_matter_is_asked_what_follows() {
        assert_eq!(likely(&of_shares(0.009, &[0.5, 0.5])), [0_usize; 0]);
        assert_eq!(likely(&of_shares(0.9, &[0.004, 0.99, 0.006])), [1]);
        assert_eq!(likely(&of_shares(0.9, &[0.5, 0.1, 0.4])), [0, 2, 1]);
    }

    #[test]
    fn a_category_is_listed_first_or_behind_another() {
        let mut scores = of_shares(0.8, &[0.75, 0.25]);
        // One chance in two that another follows the first, and it is the other one.
        let between = [(&[0.0_f32, 0.0][..], 1)];
        follow(&mut scores, 0, &between, &[f32::MIN / 2.0, 0.0]).unwrap();
        let listed: Vec<f32> = scores.listed.iter().map(|score| score.get()).collect();
        assert!((listed[0] - 0.6).abs() < 1e-6);
        assert!((listed[1] - (0.2 + 0.6 * 0.5)).abs() < 1e-6, "{listed:?}");
        assert!((scores.first[1].get() - 0.2).abs() < 1e-6, "the shares stay");
    }

    proptest! {
        /// Whatever follows what, a category is listed at least as often as first, and at most as often
        /// as the text is unsafe.
        #[test]
        fn listed_lies_between_first_and_unsafe(
            unsafe_ in 0.0_f32..=1.0,
            codes in proptest::collection::vec(-9.0_f32..9.0, 3..=3),
            after in proptest::collection::vec(proptest::collection::vec(-9.0_f32..9.0, 5..=5), 3..=3),
        ) {
            let shares: Vec<f32> = super::shares(&codes).map(|share| share as f32).collect();
            let mut scores = of_shares(unsafe_, &shares);
            for (code, after) in after.iter().enumerate() {
                follow(&mut scores, code, &[(&after[..2], 0)], &after[2..]).unwrap();
            }
            for (listed, first) in scores.listed.iter().zip(&scores.first) {
                prop_assert!(listed >= first && listed.get() <= unsafe_ + 1e-5, "{scores:?}");
            }
        }
    }
}
