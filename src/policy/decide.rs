//! What follows from a judgement under a policy. Pure; the heart of the product.
//!
//! Every rule looks at every reading and at every span by itself, and the strictest action that any of them reaches is
//! the decision. Having no verdict is an input like any other: the failure mode says what follows.

use serde::{Serialize, Serializer};

use crate::policy::rule::{Action, FailureMode, Mode, Phase, PhaseRules, Policy};
use crate::transcript::{Grain, Reading};
use crate::verdict::{Judgement, Score, Scores, Unscored};

/// The strictest action that applies, and what led to it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    /// What is to be done.
    pub action: Action,
    /// The rules that applied, each with the strictest threshold reached and the highest score.
    pub rules: Vec<Fired>,
    /// Set when the want of a verdict, and no score, is why it is blocked.
    pub unscored: Option<Unscored>,
}

/// A rule that applied.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Fired {
    /// What the rule is on: `unsafe`, or the code of a category.
    pub on: String,
    /// The strictest action it reached.
    #[serde(serialize_with = "word")]
    pub action: Action,
    /// The threshold of that action.
    pub threshold: Score,
    /// The highest score it was held against.
    pub score: Score,
    /// In which reading of the text that score was found.
    #[serde(skip_serializing_if = "Reading::is_faithful")]
    pub reading: Reading,
    /// What the rule has redacted together, where it says so.
    #[serde(skip)]
    pub grain: Option<Grain>,
}

fn word<S: Serializer>(action: &Action, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(action.as_str())
}

impl Decision {
    /// What is done about it under a policy of this mode.
    pub fn enforced(&self, mode: Mode) -> Action {
        match mode {
            Mode::Enforce => self.action,
            Mode::Observe => Action::Allow,
        }
    }

    /// Takes in a decision on a further text of the same phase.
    pub fn absorb(&mut self, other: Self) {
        for fired in other.rules {
            self.note(fired);
        }
        let scores_block = self.rules.iter().any(|fired| fired.action == Action::Block);
        self.unscored = self.unscored.or(other.unscored).filter(|_| !scores_block);
        self.action = self.action.max(other.action);
    }

    fn note(&mut self, fired: Fired) {
        self.action = self.action.max(fired.action);
        match self.rules.iter_mut().find(|known| known.on == fired.on) {
            Some(known) => {
                if fired.score > known.score {
                    known.score = fired.score;
                    known.reading = fired.reading;
                }
                if fired.action > known.action {
                    known.action = fired.action;
                    known.threshold = fired.threshold;
                }
            }
            None => self.rules.push(fired),
        }
    }
}

/// Holds a judgement against the rules of one phase.
pub fn decide(judgement: &Judgement, policy: &Policy, phase: Phase) -> Decision {
    let rules = policy.rules(phase);
    let mut decision = Decision::default();
    for scores in &judgement.readings {
        let reading = scores.reading;
        let excepted = without_excepted(scores, rules);
        if let Some((action, threshold)) = rules.unsafe_.reached(excepted) {
            let (on, score, grain) = ("unsafe".to_owned(), excepted, rules.unsafe_.grain);
            decision.note(Fired { on, action, threshold, score, reading, grain });
        }
        for rule in &rules.categories {
            let score = scores.category(rule.category);
            if let Some((action, threshold)) = rule.thresholds.reached(score) {
                let (on, grain) = (rule.code.clone(), rule.thresholds.grain);
                decision.note(Fired { on, action, threshold, score, reading, grain });
            }
        }
    }
    for span in &judgement.spans {
        let rules = rules.categories.iter().filter(|rule| rule.category == span.category);
        for rule in rules {
            let (score, reading) = (span.score, Reading::default());
            if let Some((action, threshold)) = rule.thresholds.reached(score) {
                let (on, grain) = (rule.code.clone(), rule.thresholds.grain);
                decision.note(Fired { on, action, threshold, score, reading, grain });
            }
        }
    }
    if let Some(reason) = judgement.unscored {
        match rules.unscored {
            FailureMode::Closed if decision.action < Action::Block => {
                decision.action = Action::Block;
                decision.unscored = Some(reason);
            }
            FailureMode::Closed => {}
            FailureMode::Open => decision.action = decision.action.max(Action::Annotate),
        }
    }
    decision
}

/// p(unsafe) times (1 − the first-category shares of what is excepted): the shares sum to p(unsafe),
/// so this is p(unsafe) minus those of the excepted categories.
fn without_excepted(scores: &Scores, rules: &PhaseRules) -> Score {
    let left_out: f32 = rules.excepted.iter().map(|category| scores.share(*category).get()).sum();
    Score::new((scores.unsafe_.get() - left_out).clamp(0.0, 1.0)).unwrap_or(Score::ONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decision, decide};
    use crate::policy::{Action, Mode, Phase, Policy, compile};
    use crate::taxonomy::Taxonomy;
    use crate::verdict::{Coverage, Judgement, Score, Scores, Span, Unscored};

    fn policy(source: &str) -> Policy {
        let source = format!("name = \"test\"\n{source}");
        compile(&source, "test.toml", &Taxonomy::llama_guard_2()).expect("compiles").policy
    }

    fn scores(unsafe_: f32, of: &[(usize, f32)]) -> Scores {
        let mut first = vec![Score::ZERO; 11];
        for (index, share) in of {
            first[*index] = Score::new(unsafe_ * share).expect("a probability");
        }
        Scores::new(Score::new(unsafe_).expect("a probability"), first)
    }

    fn prompt(judgement: &Judgement, policy: &Policy) -> Decision {
        decide(judgement, policy, Phase::Prompt)
    }

    #[test]
    fn what_is_pointed_at_is_held_against_the_rules_of_its_category() {
        let policy = policy(
            "[unsafe]\nprompt = { annotate = 0.01 }\n\
             [category.\"PII.EMAIL\"]\nprompt = { annotate = 0.5, block = 0.9 }\n\
             [category.\"PII.PHONE\"]\nprompt = { block = 0.5 }\n",
        );
        let span = |code: &str, score: f32| Span {
            transcript: 0,
            range: 0..1,
            category: policy.taxonomy().by_code(code).expect("known"),
            score: Score::new(score).expect("a probability"),
        };
        let check = |spans: Vec<Span>, action: Action, on: &[&str]| {
            let judgement = Judgement { spans, ..Judgement::default() };
            let decision = prompt(&judgement, &policy);
            let rules: Vec<&str> = decision.rules.iter().map(|fired| fired.on.as_str()).collect();
            assert_eq!((decision.action, rules.as_slice()), (action, on));
        };
        check(vec![span("PII.EMAIL", 0.6)], Action::Annotate, &["PII.EMAIL"]);
        check(vec![span("PII.EMAIL", 0.6), span("PII.EMAIL", 1.0)], Action::Block, &["PII.EMAIL"]);
        check(vec![span("PII.PHONE", 0.4), span("PII.EMAIL", 0.4)], Action::Allow, &[]);
        let both = [span("PII.PHONE", 0.7), span("PII.EMAIL", 0.6)];
        check(both.to_vec(), Action::Block, &["PII.PHONE", "PII.EMAIL"]);
    }

    const RULES: &str = "[unsafe]\nprompt = { annotate = 0.3, block = 0.5 }\nexcept = [\"S5\"]\n\
                         [category.S9]\nprompt = { block = 0.2 }\n\
                         [category.S7]\nprompt = \"allow\"\n";

    #[test]
    fn the_strictest_rule_that_applies_decides() {
        let policy = policy(RULES);
        for (unsafe_, of, expected) in [
            (0.29, &[(0, 1.0)][..], Action::Allow),
            (0.30, &[(0, 1.0)], Action::Annotate),
            (0.50, &[(0, 1.0)], Action::Block),
            (0.90, &[(4, 1.0)], Action::Allow),
            (0.90, &[(6, 1.0)], Action::Allow),
            (0.90, &[(4, 0.6), (0, 0.4)], Action::Annotate),
            (0.25, &[(8, 1.0)], Action::Block),
            (0.25, &[(8, 0.5)], Action::Allow),
        ] {
            let decision = prompt(&Judgement::read(scores(unsafe_, of), 1), &policy);
            assert_eq!(decision.action, expected, "{unsafe_} {of:?}");
        }
    }

    #[test]
    fn readings_are_held_against_the_rules_one_by_one() {
        let policy = policy(RULES);
        let mut judgement = Judgement::read(scores(0.9, &[(4, 1.0)]), 1);
        judgement.absorb(Judgement::read(scores(0.8, &[(0, 1.0)]), 1));
        let decision = prompt(&judgement, &policy);
        assert_eq!(decision.action, Action::Block);
        assert_eq!(decision.rules.len(), 1);
        assert_eq!(decision.rules[0].score.get(), 0.8);
    }

    #[test]
    fn no_verdict_is_decided_by_the_failure_mode() {
        let closed = policy("");
        let open = policy("[unscored]\nprompt = \"allow\"\n[unsafe]\nprompt = { block = 0.5 }\n");
        let none = Judgement::unscored(Unscored::Deadline, 5);
        let decision = prompt(&none, &closed);
        assert_eq!((decision.action, decision.unscored), (Action::Block, Some(Unscored::Deadline)));
        assert_eq!(decision.enforced(Mode::Observe), Action::Allow);
        let decision = prompt(&none, &open);
        assert_eq!((decision.action, decision.unscored), (Action::Annotate, None));
        let mut partial = none;
        partial.absorb(Judgement::read(scores(0.9, &[(0, 1.0)]), 1));
        let decision = prompt(&partial, &open);
        assert_eq!((decision.action, decision.unscored), (Action::Block, None));
        assert_eq!(partial.coverage, Coverage { read: 1, total: 6 });
    }

    fn any_judgement() -> impl Strategy<Value = Judgement> {
        let reading = (0.0_f32..=1.0, proptest::collection::vec(0.0_f32..1.0, 11)).prop_map(
            |(unsafe_, weights)| {
                let sum: f32 = weights.iter().sum::<f32>().max(1.0);
                let of: Vec<_> =
                    weights.iter().enumerate().map(|(at, weight)| (at, weight / sum)).collect();
                scores(unsafe_, &of)
            },
        );
        let reason = proptest::option::of(Just(Unscored::Overloaded));
        (proptest::collection::vec(reading, 0..4), reason).prop_map(|(readings, unscored)| {
            Judgement { readings, unscored, ..Judgement::default() }
        })
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let thresholds = (0.0_f32..=1.0, 0.0_f32..=1.0).prop_map(|(a, b)| {
            format!("{{ annotate = {:.3}, block = {:.3} }}", a.min(b), a.max(b))
        });
        let excepted = proptest::collection::vec(1_usize..=11, 0..3);
        let closed = proptest::bool::ANY;
        let per_category = proptest::collection::btree_map(1_usize..=11, thresholds.clone(), 0..4);
        (thresholds, excepted, closed, per_category).prop_map(
            |(unsafe_, excepted, closed, per_category)| {
                let excepted: Vec<_> =
                    std::collections::BTreeSet::from_iter(excepted).into_iter().collect();
                let except: Vec<_> = excepted.iter().map(|code| format!("\"S{code}\"")).collect();
                let unscored = if closed { "block" } else { "allow" };
                let mut source = format!(
                    "[unscored]\nprompt = \"{unscored}\"\n[unsafe]\nprompt = {unsafe_}\n\
                     except = [{}]\n",
                    except.join(", ")
                );
                for (code, thresholds) in per_category {
                    source.push_str(&format!("[category.S{code}]\nprompt = {thresholds}\n"));
                }
                policy(&source)
            },
        )
    }

    proptest! {
        /// A higher score never leads to a milder action. p(unsafe) rises along with the category
        /// whose share rises, as it does in a verdict.
        #[test]
        fn a_higher_score_never_leads_to_a_milder_action(
            judgement in any_judgement(),
            policy in any_policy(),
            at in 0_usize..4,
            category in 0_usize..11,
            more in 0.0_f32..0.5,
        ) {
            let mut higher = judgement.clone();
            if let Some(reading) = higher.readings.get_mut(at) {
                let more = more.min(1.0 - reading.unsafe_.get());
                let raise = |score: Score| Score::new(score.get() + more).expect("at most one");
                reading.unsafe_ = raise(reading.unsafe_);
                reading.first[category] = raise(reading.first[category]);
            }
            let (before, after) = (prompt(&judgement, &policy), prompt(&higher, &policy));
            prop_assert!(after.action >= before.action, "{before:?} {after:?}");
        }

        #[test]
        fn the_action_is_the_strictest_of_its_rules(
            judgement in any_judgement(),
            policy in any_policy(),
        ) {
            let decision = prompt(&judgement, &policy);
            let strictest = decision.rules.iter().map(|fired| fired.action).max();
            prop_assert!(decision.action >= strictest.unwrap_or_default());
            if judgement.unscored.is_none() {
                prop_assert_eq!(decision.action, strictest.unwrap_or_default());
            }
            prop_assert!(decision.rules.iter().all(|fired| fired.score >= fired.threshold));
        }

        #[test]
        fn absorbing_is_deciding_together(
            one in any_judgement(),
            other in any_judgement(),
            policy in any_policy(),
        ) {
            let mut apart = prompt(&one, &policy);
            apart.absorb(prompt(&other, &policy));
            let mut both = one;
            both.absorb(other);
            let together = prompt(&both, &policy);
            prop_assert_eq!(apart.action, together.action);
            prop_assert_eq!(apart.unscored.is_some(), together.unscored.is_some());
        }
    }
}
