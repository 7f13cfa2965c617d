//! Which stretches of a text have to go, so that the rest may pass.
//!
//! A classifier that points at bytes is taken at its word. A guard that judges whole texts is asked: of
//! each sentence by itself, and of the text without it. One sentence whose absence is enough is all that
//! goes; else they go in the order of their own scores, as few as will do. Who asks the guard is
//! [`gateway`](crate::gateway)'s business; here is what to ask and what follows from the answers.

use std::ops::Range;

use crate::policy::{Action, Decision};
use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::Grain;
use crate::verdict::{Judgement, Score, Span};
use crate::wire::Passage;

/// How many units of a text are asked about.
const MOST_UNITS: usize = 24;

/// How much text is asked about to find the units of one: it bounds what a long text costs.
const MOST_BYTES: usize = 256 << 10;

/// How many units are taken out one after another, before all are.
const MOST_STEPS: usize = 8;

/// What is to be taken out of a passage, and the words for its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removal {
    /// Which of the passages that were judged together, from 0.
    pub passage: usize,
    /// Bytes of its text.
    pub ranges: Vec<Range<usize>>,
    /// What stands there instead.
    pub words: String,
}

/// A judgement with what follows from it.
#[derive(Clone, PartialEq, Debug)]
pub struct Weighed {
    /// What was found.
    pub judgement: Judgement,
    /// What follows.
    pub decision: Decision,
}

impl Weighed {
    /// Whether it may pass as it is. Without a verdict it may not, whatever the policy says of the want of
    /// one: there was a verdict that something has to go.
    pub fn passes(&self) -> bool {
        self.decision.action < Action::Redact && self.judgement.unscored.is_none()
    }

    /// How bad it is: first what follows, then how sure the guard is.
    fn badness(&self) -> (Action, f32) {
        (self.decision.action, self.judgement.highest().map_or(1.0, Score::get))
    }

    fn worse(&self, other: &Self) -> std::cmp::Ordering {
        let ((action, score), (others, other)) = (self.badness(), other.badness());
        action.cmp(&others).then(score.total_cmp(&other))
    }

    /// The codes of the categories for which something is taken out; for a rule on p(unsafe) that is the
    /// category with the highest score.
    pub fn categories(&self, taxonomy: &Taxonomy) -> String {
        let highest = || {
            let score =
                |category: &Category| self.judgement.highest_of(*category).map_or(0.0, Score::get);
            let shares = taxonomy.categories().filter(|category| taxonomy.is_share(*category));
            let highest = shares.max_by(|one, other| score(one).total_cmp(&score(other)));
            highest.map_or("unsafe", |category| taxonomy.code(category))
        };
        let mut codes: Vec<&str> = Vec::new();
        for fired in self.decision.rules.iter().filter(|fired| fired.action >= Action::Redact) {
            let code = if fired.on == "unsafe" { highest() } else { fired.on.as_str() };
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        if codes.is_empty() {
            codes.push(highest());
        }
        codes.join(", ")
    }

    /// What is pointed at for the rules that have something redacted, as surely as they ask for. For a rule
    /// on p(unsafe) that is nothing: no span is a share of it.
    pub fn spans(&self, taxonomy: &Taxonomy) -> Vec<Range<usize>> {
        let is_wanted = |span: &&Span| {
            let mut redacting =
                self.decision.rules.iter().filter(|fired| fired.action >= Action::Redact);
            redacting.any(|fired| {
                fired.on == taxonomy.code(span.category) && span.score >= fired.threshold
            })
        };
        // Each passage is weighed by itself, so the first text is the passage.
        let spans = self.judgement.spans.iter().filter(|span| span.transcript == 0);
        spans.filter(is_wanted).map(|span| span.range.clone()).collect()
    }

    /// The grain to begin with: the coarsest that a rule asks for.
    pub fn grain(&self, taxonomy: &Taxonomy) -> Grain {
        let usual = if self.spans(taxonomy).is_empty() { Grain::Sentence } else { Grain::Span };
        let redacting = self.decision.rules.iter().filter(|fired| fired.action >= Action::Redact);
        redacting.map(|fired| fired.grain.unwrap_or(usual)).max().unwrap_or(usual)
    }
}

/// What of a passage may go, in pieces of this grain, but for what goes already: neighbours together
/// where there are too many to ask about.
pub fn units(passage: &Passage, grain: Grain, gone: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut units = passage.units(grain);
    units.retain(|unit| !gone.iter().any(|gone| gone.start <= unit.start && unit.end <= gone.end));
    let affordable = (MOST_BYTES / passage.text().len().max(1)).clamp(1, MOST_UNITS);
    let together = units.len().div_ceil(affordable).max(1);
    let groups = units
        .chunks(together)
        .filter_map(|group| Some(trimmed(passage.text(), group.first()?.start..group.last()?.end)));
    groups.filter(|unit| !unit.is_empty()).collect()
}

/// A range without the blanks around it, which stay.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(inside) = text.get(range.clone()) else { return range };
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}

/// Sets of units to take out, the smallest first, given what each unit by itself was found to be: the
/// worst one or two or more, and at last all.
pub fn steps(alone: &[Weighed]) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, &Weighed)> = alone.iter().enumerate().collect();
    order.sort_by(|(_, one), (_, other)| other.worse(one));
    let order: Vec<usize> = order.into_iter().map(|(unit, _)| unit).collect();
    let few = order.len().min(MOST_STEPS);
    let mut steps: Vec<Vec<usize>> =
        (2..=few).filter_map(|count| Some(order.get(..count)?.to_vec())).collect();
    if order.len() > few {
        steps.push(order);
    }
    steps
}

/// The one unit without which the text passes, and passes best.
pub fn enough_alone(without: &[Weighed]) -> Option<usize> {
    let passing = without.iter().enumerate().filter(|(_, weighed)| weighed.passes());
    passing.min_by(|(_, one), (_, other)| one.worse(other)).map(|(unit, _)| unit)
}

#[cfg(test)]
mod tests {
    use super::{Weighed, enough_alone, steps};
    use crate::policy::{Action, Decision, Fired};
    use crate::taxonomy::Taxonomy;
    use crate::transcript::Reading;
    use crate::verdict::{Judgement, Score, Scores, Span, Unscored};

    fn weighed(score: f32, action: Action) -> Weighed {
        let score = Score::new(score).unwrap();
        let first = vec![Score::ZERO, score];
        let judgement = Judgement::read(Scores::new(score, first), 1);
        Weighed { judgement, decision: Decision { action, ..Decision::default() } }
    }

    #[test]
    fn as_few_units_go_as_will_do() {
        use Action::{Allow, Block, Redact};
        let without = [weighed(0.9, Redact), weighed(0.2, Allow), weighed(0.1, Allow)];
        assert_eq!(enough_alone(&without), Some(2));
        assert_eq!(enough_alone(&without[..1]), None);
        let alone = [weighed(0.1, Allow), weighed(0.9, Redact), weighed(0.3, Block)];
        assert_eq!(steps(&alone), [vec![2, 1], vec![2, 1, 0]]);
        let many: Vec<Weighed> = (0..10).map(|_| weighed(0.5, Redact)).collect();
        assert_eq!(steps(&many).last().map(Vec::len), Some(10));
        assert!(steps(&alone[..1]).is_empty());
    }

    #[test]
    fn a_rule_on_unsafe_names_the_likeliest_category() {
        let taxonomy = Taxonomy::new([("A", "a"), ("B", "b")]);
        assert_eq!(weighed(0.9, Action::Redact).categories(&taxonomy), "B");
    }

    fn fired(on: &str, threshold: f32) -> Fired {
        let (threshold, score) = (Score::new(threshold).unwrap(), Score::ONE);
        let (action, reading) = (Action::Redact, Reading::default());
        Fired { on: on.to_owned(), action, threshold, score, reading, grain: None }
    }

    #[test]
    fn only_what_is_sure_enough_for_its_own_rule_is_pointed_at() {
        let taxonomy = Taxonomy::new([("A", "a"), ("B", "b")]);
        let mut weighed = weighed(0.9, Action::Redact);
        for (category, score, range) in [("A", 0.9, 0..1), ("A", 0.4, 2..3), ("B", 0.9, 4..5)] {
            let (category, score) = (taxonomy.by_code(category).unwrap(), Score::new(score));
            weighed.judgement.spans.push(Span {
                transcript: 0,
                range,
                category,
                score: score.unwrap(),
            });
        }
        weighed.decision.rules = vec![fired("unsafe", 0.1), fired("A", 0.5)];
        let (spans, sure) = (weighed.spans(&taxonomy), 0..1);
        assert_eq!(spans, std::slice::from_ref(&sure));
    }

    #[test]
    fn what_has_no_verdict_does_not_pass() {
        let mut weighed = weighed(0.1, Action::Annotate);
        assert!(weighed.passes());
        weighed.judgement.absorb(Judgement::unscored(Unscored::Deadline, 1));
        assert!(!weighed.passes());
    }
}
