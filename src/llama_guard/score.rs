//! Logits into scores.

use crate::verdict::{Score, Scores, Unscored};

use crate::llama_guard::kernels::log_sum_exp;
use crate::llama_guard::prompt::Words;

/// How much probability outside the two words means that something derailed the guard.
const MOST_RESIDUAL: f64 = 0.5;

/// The scores of one reading.
///
/// `verdict` are the logits of the whole vocabulary at the prompt's last token, `codes` those of the
/// category codes behind the forced beginning of the answer.
pub fn scores(verdict: &[f32], codes: &[f32], words: &Words) -> Result<Scores, Unscored> {
    let logit = |id: u32| {
        let index = usize::try_from(id).map_err(|_| Unscored::NotFinite)?;
        verdict.get(index).copied().ok_or(Unscored::NotFinite)
    };
    let (safe, unsafe_) = (f64::from(logit(words.safe)?), f64::from(logit(words.unsafe_)?));
    let (total, codes_total) = (log_sum_exp(verdict), log_sum_exp(codes));
    if !total.is_finite() || !codes_total.is_finite() {
        return Err(Unscored::NotFinite);
    }
    if 1.0 - (safe - total).exp() - (unsafe_ - total).exp() > MOST_RESIDUAL {
        return Err(Unscored::Derailed);
    }
    let p = 1.0 / (1.0 + (safe - unsafe_).exp());
    let first = codes.iter().map(|code| score(p * (f64::from(*code) - codes_total).exp()));
    Ok(Scores::new(score(p)?, first.collect::<Result<_, _>>()?))
}

#[expect(clippy::cast_possible_truncation, reason = "a probability is rounded")]
fn score(probability: f64) -> Result<Score, Unscored> {
    Score::new(probability as f32).ok_or(Unscored::NotFinite)
}

#[cfg(test)]
mod tests {
    use super::{Unscored, Words, scores};

    fn words() -> Words {
        Words { safe: 0, unsafe_: 1, codes: vec![2, 3] }
    }

    #[test]
    fn scores_are_those_of_the_two_words_and_sum_up() {
        let scores = scores(&[1.0, 3.0, -9.0, -9.0], &[2.0, 2.0], &words()).unwrap();
        assert!((scores.unsafe_.get() - 0.880_797).abs() < 1e-5);
        assert!(scores.first.iter().all(|first| (first.get() - 0.440_398_5).abs() < 1e-5));
    }

    #[test]
    fn an_answer_that_is_neither_word_is_no_verdict() {
        let outcome = scores(&[1.0, 1.0, 9.0, 0.0], &[0.0, 0.0], &words());
        assert_eq!(outcome, Err(Unscored::Derailed));
    }

    #[test]
    fn numbers_that_are_not_finite_are_no_verdict() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let outcome = scores(&[9.0, 1.0, bad, 0.0], &[0.0, 0.0], &words());
            assert_eq!(outcome, Err(Unscored::NotFinite));
            let outcome = scores(&[9.0, 1.0, 0.0, 0.0], &[0.0, bad], &words());
            assert_eq!(outcome, Err(Unscored::NotFinite));
        }
    }
}
