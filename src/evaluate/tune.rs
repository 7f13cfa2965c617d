//! Thresholds from labelled data, for a wanted false positive rate, recall or F1.
//!
//! Per phase the rule `[unsafe]` gets a threshold, and each category one of its own where that catches
//! more: below the threshold of `[unsafe]`, which holds for every category anyway. One text in three is
//! held out, and what the finished policy does to those is what to expect of it.
//!
//! With a wanted false positive rate it is the whole policy that keeps to it: rules that each keep to a
//! rate would exceed it together, so all are held to one lower rate, as high as it may be.

use crate::evaluate::metrics::{Counts, Point, Ranked, fit_temperature};
use crate::evaluate::rows::{Row, Rows};
use crate::evaluate::scores::Scores;
use crate::policy::{Action, Phase, PhaseRules, Policy, decide};
use crate::taxonomy::Category;
use crate::verdict::{Judgement, Score, Scores as Reading};

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// At most this share of safe texts blocked.
    Fpr(f64),
    /// At least this share of unsafe texts blocked, in every category.
    Recall(f64),
    /// The best balance of the two.
    F1,
}

/// One text in so many is held out.
pub const HELD_OUT: u128 = 3;
/// A rule is tuned on at least so many unsafe texts and so many safe ones.
pub const FEWEST: usize = 30;
/// And, for a wanted false positive rate, on so many safe texts that this many may be false alarms: a
/// rate of one in a thousand is not to be seen in a hundred texts.
const FEWEST_ALARMS: f64 = 3.0;

/// What came of one phase.
#[derive(Clone, Debug)]
pub struct TunedPhase {
    /// Which.
    pub phase: Phase,
    /// How many texts were tuned on: unsafe ones and safe ones.
    pub tuned_on: (usize, usize),
    /// The threshold of `[unsafe]`, if there was data enough.
    pub unsafe_: Option<f32>,
    /// Per category how many unsafe texts there were, and what follows.
    pub categories: Vec<(Category, usize, Outcome)>,
    /// The temperature that the scores would be best calibrated with.
    pub temperature: Option<f64>,
}

/// What follows for a category.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// A threshold of its own.
    Threshold(f32),
    /// None: `[unsafe]` alone does as well.
    Covered,
    /// The one it has: there are too few texts to tell.
    TooFew,
    /// None can be found: unsafe and safe texts have the same scores.
    Inseparable,
}

/// A row with what tuning looks at.
struct Sample {
    row: Row,
    /// p(unsafe) without what the policy excepts.
    unsafe_: f32,
    place: u32,
}

/// Finds thresholds for one phase. `base` says which categories are left out of p(unsafe).
pub fn tune(
    sets: &[Rows],
    scores: &Scores,
    base: &Policy,
    phase: Phase,
    target: Target,
) -> TunedPhase {
    let rules = base.rules(phase);
    let samples: Vec<Sample> = rows(sets, phase)
        .filter(|row| !row.digest.held_out(HELD_OUT))
        .filter_map(|row| sample(row, scores, rules))
        .collect();
    let positives = samples.iter().filter(|sample| sample.row.unsafe_).count();
    let tuned_on = (positives, samples.len() - positives);
    let categories: Vec<Category> = scores.taxonomy().categories().collect();
    let tuning = Tuning { samples: &samples, scores, safe: tuned_on.1 };
    let (unsafe_, outcomes) = match target {
        Target::Fpr(wanted) => tuning.within(wanted, &categories),
        Target::Recall(_) | Target::F1 => tuning.by(target, &categories),
    };
    let counts = categories.iter().map(|category| tuning.in_category(*category));
    let categories = categories
        .iter()
        .zip(counts)
        .zip(outcomes)
        // What the policy switches off stays off.
        .map(|((category, count), outcome)| match rules.excepted.contains(category) {
            true => (*category, count, Outcome::Covered),
            false => (*category, count, outcome),
        })
        .collect();
    let labelled: Vec<(bool, f32)> =
        samples.iter().map(|s| (s.row.unsafe_, scores.unsafe_at(s.place))).collect();
    let temperature = fit_temperature(&labelled).filter(|_| tuning.is_enough(positives, target));
    TunedPhase { phase, tuned_on, unsafe_, categories, temperature }
}

/// What a policy does to the held-out texts of a phase: on the whole, and to each category's.
pub fn expected(
    sets: &[Rows],
    scores: &Scores,
    policy: &Policy,
    phase: Phase,
) -> (Counts, Vec<(Category, Counts)>) {
    let mut all = Counts::default();
    let mut by_category: Vec<(Category, Counts)> =
        scores.taxonomy().categories().map(|category| (category, Counts::default())).collect();
    for row in rows(sets, phase).filter(|row| row.digest.held_out(HELD_OUT)) {
        let Some(place) = row.place(scores) else { continue };
        let Some(judgement) = judgement(scores, place) else { continue };
        let blocked = decide(&judgement, policy, phase).action == Action::Block;
        all.add(row.unsafe_, blocked);
        for (category, counts) in &mut by_category {
            if row.unsafe_ && row.is_in(*category) {
                counts.add(true, blocked);
            }
        }
    }
    (all, by_category)
}

fn rows(sets: &[Rows], phase: Phase) -> impl Iterator<Item = Row> {
    sets.iter().flat_map(|set| &set.rows).copied().filter(move |row| row.phase == phase)
}

fn sample(row: Row, scores: &Scores, rules: &PhaseRules) -> Option<Sample> {
    let place = row.place(scores)?;
    let whole = scores.unsafe_at(place);
    let excepted: f32 =
        rules.excepted.iter().map(|category| scores.category_at(place, *category)).sum();
    let unsafe_ = (whole - excepted).clamp(0.0, 1.0);
    (!whole.is_nan()).then_some(Sample { row, unsafe_, place })
}

/// The judgement that kept scores stand for.
fn judgement(scores: &Scores, place: u32) -> Option<Judgement> {
    let unsafe_ = Score::new(scores.unsafe_at(place))?;
    let first = scores
        .taxonomy()
        .categories()
        .map(|category| Score::new(scores.category_at(place, category)).unwrap_or_default())
        .collect();
    Some(Judgement::read(Reading::new(unsafe_, first), 1))
}

struct Tuning<'a> {
    samples: &'a [Sample],
    scores: &'a Scores,
    safe: usize,
}

impl Tuning<'_> {
    fn in_category(&self, category: Category) -> usize {
        self.samples.iter().filter(|s| s.row.unsafe_ && s.row.is_in(category)).count()
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of texts")]
    fn is_enough(&self, positives: usize, target: Target) -> bool {
        let seen = match target {
            Target::Fpr(wanted) => self.safe as f64 * wanted >= FEWEST_ALARMS,
            Target::Recall(_) | Target::F1 => true,
        };
        positives >= FEWEST && self.safe >= FEWEST && seen
    }

    fn whole(&self) -> Ranked {
        Ranked::new(self.samples.iter().map(|sample| (sample.row.unsafe_, sample.unsafe_)))
    }

    /// A category's unsafe texts and all safe ones, by the category's score. What `[unsafe]` flags
    /// already comes first: it is flagged whatever the category's threshold is.
    fn of_category(&self, category: Category, flagged: Option<f32>) -> Ranked {
        let own = |sample: &&Sample| !sample.row.unsafe_ || sample.row.is_in(category);
        Ranked::new(self.samples.iter().filter(own).map(|sample| {
            let score = self.scores.category_at(sample.place, category);
            let already = flagged.is_some_and(|flagged| sample.unsafe_ >= flagged);
            (sample.row.unsafe_, if already { f32::INFINITY } else { score })
        }))
    }

    /// Each rule by itself.
    fn by(&self, target: Target, categories: &[Category]) -> (Option<f32>, Vec<Outcome>) {
        let positives = self.samples.len() - self.safe;
        let unsafe_ = match self.is_enough(positives, target) {
            true => threshold(&self.whole(), target),
            false => None,
        };
        let outcome = |category: &Category| {
            if !self.is_enough(self.in_category(*category), target) {
                return Outcome::TooFew;
            }
            match threshold(&self.of_category(*category, unsafe_), target) {
                Some(found) if found.is_infinite() => Outcome::Covered,
                found => outcome(found, unsafe_),
            }
        };
        (unsafe_, categories.iter().map(outcome).collect())
    }

    /// All rules together within a false positive rate.
    fn within(&self, wanted: f64, categories: &[Category]) -> (Option<f32>, Vec<Outcome>) {
        let whole = self.whole();
        let ranked: Vec<Option<Ranked>> = categories
            .iter()
            .map(|category| {
                let enough = self.is_enough(self.in_category(*category), Target::Fpr(wanted));
                enough.then(|| self.of_category(*category, None))
            })
            .collect();
        let at = |level: f64| -> (Option<f32>, Vec<Outcome>) {
            let target = Target::Fpr(level);
            let enough = self.is_enough(self.samples.len() - self.safe, Target::Fpr(wanted));
            let unsafe_ = if enough { threshold(&whole, target) } else { None };
            let outcomes = ranked.iter().map(|ranked| match ranked {
                None => Outcome::TooFew,
                Some(ranked) => outcome(threshold(ranked, target), unsafe_),
            });
            (unsafe_, outcomes.collect())
        };
        let rate = |(unsafe_, outcomes): &(Option<f32>, Vec<Outcome>)| -> f64 {
            let mut counts = Counts::default();
            for sample in self.samples.iter().filter(|sample| !sample.row.unsafe_) {
                let by_category = categories.iter().zip(outcomes).any(|(category, outcome)| {
                    let score = self.scores.category_at(sample.place, *category);
                    matches!(outcome, Outcome::Threshold(from) if score >= *from)
                });
                let flagged = by_category || unsafe_.is_some_and(|from| sample.unsafe_ >= from);
                counts.add(false, flagged);
            }
            counts.fpr().unwrap_or(0.0)
        };
        let (mut kept, mut low, mut high) = (at(0.0), 0.0, wanted);
        let widest = at(wanted);
        if rate(&widest) <= wanted {
            return widest;
        }
        for _ in 0..16 {
            let middle = f64::midpoint(low, high);
            let found = at(middle);
            if rate(&found) <= wanted {
                (kept, low) = (found, middle);
            } else {
                high = middle;
            }
        }
        kept
    }
}

fn outcome(found: Option<f32>, unsafe_: Option<f32>) -> Outcome {
    match (found, unsafe_) {
        (None, _) => Outcome::Inseparable,
        (Some(found), Some(unsafe_)) if found >= unsafe_ => Outcome::Covered,
        (Some(found), _) => Outcome::Threshold(found),
    }
}

/// The threshold that a target asks for, half-way down to the next score, so that texts a little below
/// the last one flagged are flagged too.
fn threshold(ranked: &Ranked, target: Target) -> Option<f32> {
    let points = ranked.curve().points;
    let fpr = |point: &Point| point.counts.fpr().unwrap_or(0.0);
    let recall = |point: &Point| point.counts.recall().unwrap_or(0.0);
    let chosen = match target {
        Target::Fpr(wanted) => points.iter().rposition(|point| fpr(point) <= wanted)?,
        Target::Recall(wanted) => points.iter().position(|point| recall(point) >= wanted)?,
        Target::F1 => {
            let f1 = |at: &usize| points.get(*at).map_or(0.0, |point| point.counts.f1());
            (0..points.len()).max_by(|a, b| f1(a).total_cmp(&f1(b)).then(b.cmp(a)))?
        }
    };
    let here = points.get(chosen)?.threshold;
    let below = points.get(chosen + 1).map_or(0.0, |point| point.threshold);
    // Six digits, as policies and records have them.
    let middle = (f32::midpoint(here, below) * 1e6).round() / 1e6;
    let least = 1e-6;
    Some(if middle > below && middle <= here { middle } else { here }.max(least))
}
