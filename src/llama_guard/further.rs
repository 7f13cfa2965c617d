//! Verdicts behind other answers: WildGuard says of an answer first whether what it answers is harmful,
//! and whether it refuses, and only then whether it is harmful itself.

use std::sync::Arc;

use crate::guard::Text;
use crate::transcript::Role;
use crate::verdict::Unscored;

use crate::llama_guard::engine::LlamaGuard;
use crate::llama_guard::forward::Packed;
use crate::llama_guard::prefix::{Behind, Prefix};
use crate::llama_guard::prompt::Words;
use crate::llama_guard::score::{Verdict, verdict};

impl LlamaGuard {
    /// Has the answers behind the first one given, of which the last is the verdict. Every way there
    /// counts as much as it is likely; how many tokens they all take.
    pub(super) fn further(
        &self,
        texts: &[Text],
        verdicts: &mut [Result<Verdict, Unscored>],
        kept: &[Arc<Prefix>],
    ) -> candle_core::Result<usize> {
        let (fields, words) = (self.cutter.prompts.further(), self.cutter.prompts.words());
        let (answers, ways) =
            ([Some(words.safe), words.unsafe_.first().copied()], 1 << fields.len());
        let mut packed = Packed::default();
        let mut asked = Vec::new();
        for (at, (text, prefix)) in texts.iter().zip(kept).enumerate() {
            if fields.is_empty() || text.transcript.judged().role == Role::User {
                continue;
            }
            let known = prefix.ids().len();
            for way in 0..ways {
                let (mut ids, mut reads) = (Vec::new(), Vec::new());
                for (number, field) in fields.iter().enumerate() {
                    ids.extend(answers.get(answer(way, number)).copied().flatten());
                    ids.extend(field);
                    reads.push(known + ids.len() - 1);
                }
                packed.push_behind(Behind::new(Arc::clone(prefix), known), ids, reads);
            }
            asked.push(at);
        }
        if asked.is_empty() {
            return Ok(0);
        }
        let logits = self.model.head().logits(&self.model.hidden(&packed)?)?;
        let logits: Vec<Vec<f32>> = logits.to_vec2()?;
        for (at, logits) in asked.into_iter().zip(logits.chunks(ways * fields.len())) {
            let Some(first) = verdicts.get_mut(at) else { continue };
            *first = first.and_then(|first| through(first, logits, fields.len(), words));
        }
        Ok(packed.tokens())
    }
}

/// Which of the two words the answer with this number is on this of all ways through several answers.
fn answer(way: usize, number: usize) -> usize {
    way >> number & 1
}

/// The last of several verdicts in a row. `logits` has, for every way through the answers, a row for each
/// of the `further` ones.
fn through(
    first: Verdict,
    logits: &[Vec<f32>],
    further: usize,
    words: &Words,
) -> Result<Verdict, Unscored> {
    let mut last = Verdict::default();
    for (way, rows) in logits.chunks(further.max(1)).enumerate() {
        let (mut likely, mut now) = (1.0, first);
        for (number, row) in rows.iter().enumerate() {
            likely *= if answer(way, number) == 0 { now.safe } else { now.unsafe_ };
            now = verdict(row, words)?;
        }
        last.safe += likely * now.safe;
        last.unsafe_ += likely * now.unsafe_;
    }
    Ok(last)
}
