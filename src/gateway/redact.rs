//! Asks the guard what has to go, so that the rest may pass. What follows from its answers is
//! [`enforce::redact`](crate::enforce::redact)'s to say; that the rest passes is judged once more by
//! whoever releases it.

use std::ops::Range;

use crate::enforce::redact::{Removal, Weighed, enough_alone, steps, units};
use crate::gateway::inspect::Inspector;
use crate::policy::{Phase, decide};
use crate::transcript::{Grain, Transcript};
use crate::wire::{Edit, Passage};

impl Inspector<'_> {
    /// What has to be taken out of these passages; `None` where taking out does not help.
    pub(super) async fn removals(
        &mut self,
        phase: Phase,
        passages: &[Passage],
    ) -> Option<Vec<Removal>> {
        let weighed = self.weigh(phase, passages.iter().map(Passage::transcripts)).await;
        let mut removals = Vec::new();
        for (number, (passage, weighed)) in passages.iter().zip(weighed).enumerate() {
            if !weighed.passes() {
                let words = self.policy().placeholder(&weighed.categories(self.taxonomy()));
                let ranges = self.ranges(phase, passage, &weighed, &words).await?;
                removals.push(Removal { passage: number, ranges, words });
            }
        }
        // What nobody can point at cannot be taken out.
        (!removals.is_empty()).then_some(removals)
    }

    /// Whether all of these pass as they are.
    pub(super) async fn all_pass(&mut self, phase: Phase, passages: &[Passage]) -> bool {
        let weighed = self.weigh(phase, passages.iter().map(Passage::transcripts)).await;
        weighed.iter().all(Weighed::passes)
    }

    /// What has to be taken out of one passage: of the finest grain that its rules ask for, of a coarser
    /// one where that is not enough.
    async fn ranges(
        &mut self,
        phase: Phase,
        passage: &Passage,
        weighed: &Weighed,
        words: &str,
    ) -> Option<Vec<Range<usize>>> {
        let finest = weighed.grain(self.taxonomy());
        let mut gone: Vec<Range<usize>> = Vec::new();
        for grain in Grain::ALL.into_iter().filter(|grain| *grain >= finest) {
            if grain == Grain::Span {
                gone = weighed.spans(self.taxonomy());
                let left = passage.transcripts_of(&passage.without(&gone, words));
                if self.weigh(phase, [left]).await.iter().all(Weighed::passes) {
                    return Some(gone);
                }
                continue;
            }
            let units = units(passage, grain, &gone);
            if let Some(ranges) = self.fewest(phase, passage, &units, &gone, words).await {
                return Some(ranges);
            }
        }
        None
    }

    /// The fewest units that have to go besides what is gone.
    async fn fewest(
        &mut self,
        phase: Phase,
        passage: &Passage,
        units: &[Range<usize>],
        gone: &[Range<usize>],
        words: &str,
    ) -> Option<Vec<Range<usize>>> {
        let besides = |chosen: &[usize]| -> Vec<Range<usize>> {
            let chosen = chosen.iter().filter_map(|unit| units.get(*unit));
            gone.iter().chain(chosen).cloned().collect()
        };
        let without =
            |chosen: &[usize]| passage.transcripts_of(&passage.without(&besides(chosen), words));
        let alone = units.iter().map(|unit| {
            passage.transcripts_of(passage.text().get(unit.clone()).unwrap_or_default())
        });
        let asked: Vec<Vec<Transcript>> =
            alone.chain((0..units.len()).map(|unit| without(&[unit]))).collect();
        let weighed = self.weigh(phase, asked).await;
        let (alone, left) = weighed.split_at_checked(units.len())?;
        if let Some(unit) = enough_alone(left) {
            return Some(besides(&[unit]));
        }
        let steps = steps(alone);
        let left = self.weigh(phase, steps.iter().map(|step| without(step))).await;
        let enough = left.iter().position(Weighed::passes)?;
        steps.get(enough).map(|step| besides(step))
    }

    /// Takes several sets of texts to the guard in one go, and says what would follow of each. For the
    /// record it is part of a judgement that has been counted.
    async fn weigh(
        &mut self,
        phase: Phase,
        sets: impl IntoIterator<Item = Vec<Transcript>>,
    ) -> Vec<Weighed> {
        let all = self.ask_each(phase, sets.into_iter().collect()).await;
        let weigh = |judgement| {
            let decision = decide(&judgement, self.policy(), phase);
            Weighed { judgement, decision }
        };
        all.into_iter().map(weigh).collect()
    }
}

/// What is to be replaced in the body for these removals.
pub(super) fn edits(passages: &[Passage], removals: &[Removal]) -> Vec<Edit> {
    let edits = removals.iter().filter_map(|removal| {
        Some(passages.get(removal.passage)?.edits(&removal.ranges, &removal.words))
    });
    edits.flatten().collect()
}
