//! What a candidate policy would have decided on recorded scores. No text is needed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evaluate::metrics::{Interval, share, wilson};
use crate::evaluate::recorded::Recorded;
use crate::policy::{Action, Phase, Policy, decide};
use crate::taxonomy::{Category, Taxonomy};

/// Actions, mildest first.
pub const ACTIONS: [Action; 4] = [Action::Allow, Action::Annotate, Action::Redact, Action::Block];

/// What a policy would have decided, beside what was.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The candidate.
    pub policy: String,
    /// All of it, and then by what it falls into.
    pub groups: Vec<Group>,
}

/// One part of the records.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// By what the records are parted: `all`, `tenant`, `phase` or `category`.
    pub by: &'static str,
    /// Which part.
    pub name: String,
    /// How many decisions.
    pub n: u64,
    /// How many would have been others.
    pub changed: u64,
    /// Those that would have been stricter.
    pub stricter: u64,
    /// Those that would have been milder.
    pub milder: u64,
    /// The share that would have been others.
    pub rate: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// From which decision to which, and how often: a row for each recorded action, mildest first.
    pub moves: [[u64; 4]; 4],
}

/// Collects decisions as records are read.
pub struct Replaying<'a> {
    policy: &'a Policy,
    taxonomy: &'a Taxonomy,
    /// What the candidate is held against: another policy, or what was decided then.
    against: Option<&'a Policy>,
    groups: BTreeMap<(usize, String), [[u64; 4]; 4]>,
}

const BY: [&str; 4] = ["all", "phase", "tenant", "category"];
/// The category of a text that is in none: its every score is zero, or there are none.
const NO_CATEGORY: &str = "none";

impl<'a> Replaying<'a> {
    /// Holds `policy` against what was decided.
    pub fn new(policy: &'a Policy, taxonomy: &'a Taxonomy) -> Self {
        Self { policy, taxonomy, against: None, groups: BTreeMap::new() }
    }

    /// Holds `policy` against another on the same scores.
    pub fn against(policy: &'a Policy, other: &'a Policy, taxonomy: &'a Taxonomy) -> Self {
        Self { against: Some(other), ..Self::new(policy, taxonomy) }
    }

    /// Takes in a record.
    pub fn add(&mut self, recorded: &Recorded) {
        let phase = recorded.phase;
        let then = match self.against {
            Some(other) => decide(&recorded.under(other), other, phase).action,
            None => recorded.decision,
        };
        let now = decide(&recorded.under(self.policy), self.policy, phase).action;
        let category = self.category(recorded);
        let names = ["".to_owned(), phase.as_str().to_owned(), recorded.tenant.clone(), category];
        for (by, name) in names.into_iter().enumerate() {
            let moves = self.groups.entry((by, name)).or_default();
            if let Some(cell) = moves.get_mut(place(then)).and_then(|row| row.get_mut(place(now))) {
                *cell += 1;
            }
        }
    }

    /// The category with the highest score.
    fn category(&self, recorded: &Recorded) -> String {
        let score = |category: &Category| {
            recorded.judgement.highest_of(*category).map_or(0.0, |score| score.get())
        };
        self.taxonomy
            .categories()
            .filter(|category| score(category) > 0.0)
            .reduce(|best, next| if score(&next) > score(&best) { next } else { best })
            .map_or_else(|| NO_CATEGORY.to_owned(), |best| self.taxonomy.code(best).to_owned())
    }

    /// What came of it.
    pub fn finish(self) -> Replay {
        let order = |name: &str| -> (usize, String) {
            let known = self.taxonomy.by_code(name).map_or(usize::MAX, Category::index);
            (known, name.to_owned())
        };
        let mut groups: Vec<Group> = self
            .groups
            .iter()
            .filter_map(|((by, name), moves)| Some(group(BY.get(*by)?, name, *moves)))
            .collect();
        groups.sort_by_key(|group| (BY.iter().position(|by| *by == group.by), order(&group.name)));
        Replay { policy: self.policy.label().to_owned(), groups }
    }
}

fn place(action: Action) -> usize {
    ACTIONS.iter().position(|known| *known == action).unwrap_or_default()
}

fn group(by: &'static str, name: &str, moves: [[u64; 4]; 4]) -> Group {
    let (mut n, mut stricter, mut milder) = (0, 0, 0);
    for (then, row) in moves.iter().enumerate() {
        for (now, count) in row.iter().enumerate() {
            n += count;
            match now.cmp(&then) {
                std::cmp::Ordering::Greater => stricter += count,
                std::cmp::Ordering::Less => milder += count,
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    let changed = stricter + milder;
    Group {
        by,
        name: name.to_owned(),
        n,
        changed,
        stricter,
        milder,
        rate: share(changed, n),
        interval: wilson(changed, n),
        moves,
    }
}

/// How many of a phase's records each action would have been taken on.
pub fn actions(group: &Group) -> [(Action, u64, u64); 4] {
    let mut actions = ACTIONS.map(|action| (action, 0, 0));
    for (then, row) in group.moves.iter().enumerate() {
        for (now, count) in row.iter().enumerate() {
            if let Some(entry) = actions.get_mut(then) {
                entry.1 += count;
            }
            if let Some(entry) = actions.get_mut(now) {
                entry.2 += count;
            }
        }
    }
    actions
}

/// Score drift between two stretches of a log, by the population stability index.
///
/// Scores fall into fixed bins, narrow where most scores are. Below 0.1 the two stretches are taken for
/// alike, above 0.25 for different; between, it is worth a look.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    counts: BTreeMap<(usize, usize), [[u64; BINS]; 2]>,
}

/// The drift of one number in one phase.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Drifted {
    /// `prompt` or `response`.
    pub phase: &'static str,
    /// `unsafe`, or a category's code.
    pub on: String,
    /// How many records the first stretch has.
    pub before: u64,
    /// How many the second.
    pub after: u64,
    /// The index; `None` where a stretch has too few records to tell.
    pub psi: Option<f64>,
}

const EDGES: [f32; 9] = [0.001, 0.005, 0.02, 0.05, 0.15, 0.3, 0.5, 0.7, 0.9];
const BINS: usize = EDGES.len() + 1;
/// Fewer records than this in a stretch say nothing.
const FEWEST: u64 = 50;

impl Drift {
    /// Takes in a record of the first or of the second stretch.
    pub fn add(&mut self, recorded: &Recorded, second: bool, taxonomy: &Taxonomy) {
        let Some(unsafe_) = recorded.judgement.highest() else { return };
        let phase = usize::from(recorded.phase == Phase::Response);
        self.count(phase, 0, unsafe_.get(), second);
        for category in taxonomy.categories() {
            let score = recorded.judgement.highest_of(category).map_or(0.0, |score| score.get());
            self.count(phase, 1 + category.index(), score, second);
        }
    }

    fn count(&mut self, phase: usize, on: usize, score: f32, second: bool) {
        let bin = EDGES.partition_point(|edge| score >= *edge);
        let sides = self.counts.entry((phase, on)).or_default();
        let cell = sides.get_mut(usize::from(second)).and_then(|side| side.get_mut(bin));
        if let Some(cell) = cell {
            *cell += 1;
        }
    }

    /// The indices.
    pub fn finish(&self, taxonomy: &Taxonomy) -> Vec<Drifted> {
        let drifted = |(&(phase, on), sides): (&(usize, usize), &[[u64; BINS]; 2])| {
            let [before, after] = sides.map(|side| side.iter().sum::<u64>());
            let code = on.checked_sub(1).and_then(|at| taxonomy.categories().nth(at));
            Drifted {
                phase: Phase::ALL.get(phase).map_or("", |phase| phase.as_str()),
                on: code.map_or("unsafe", |category| taxonomy.code(category)).to_owned(),
                before,
                after,
                psi: (before.min(after) >= FEWEST).then(|| psi(sides, before, after)),
            }
        };
        self.counts.iter().map(drifted).collect()
    }
}

/// Sum over bins of (q − p) ln(q / p); half a record is added to every bin, so that an empty one does
/// not make it infinite.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 records")]
fn psi(sides: &[[u64; BINS]; 2], before: u64, after: u64) -> f64 {
    let [first, second] = sides;
    let share = |count: u64, all: u64| (count as f64 + 0.5) / (all as f64 + 0.5 * BINS as f64);
    first
        .iter()
        .zip(second)
        .map(|(p, q)| (share(*p, before), share(*q, after)))
        .map(|(p, q)| (q - p) * (q / p).ln())
        .sum()
}
