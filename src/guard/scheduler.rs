//! Admission, fairness between lanes, batches by a budget. No clock, no thread: time is passed in.
//!
//! Fairness is deficit round robin (Shreedhar and Varghese, 1995): each lane in turn earns a quantum
//! of tokens and spends it on its own queue, so that a lane that floods waits for itself. Cost is the
//! tokens that have to be computed, which is known exactly: texts are tokenised before they wait.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// An opaque fairness class: jobs of one lane are served in order, lanes in turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lane(pub u32);

/// What is to become of a job whose turn has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is run.
    Run,
    /// It is too late for it.
    Late,
    /// Nobody waits for it any more.
    Dropped,
}

/// What becomes of the jobs that leave the queue.
pub(super) struct Batch<J> {
    /// To be run now, at least one if there was any.
    pub(super) run: Vec<J>,
    /// Too late to be run.
    pub(super) late: Vec<J>,
    /// What `run` costs.
    pub(super) cost: usize,
}

/// The jobs that wait, by lane.
pub(super) struct Queue<J> {
    lanes: HashMap<Lane, VecDeque<(J, usize)>>,
    /// Lanes with jobs, in turn, each with what it may still spend.
    turns: VecDeque<(Lane, usize)>,
    queued: usize,
    bound: usize,
    quantum: usize,
}

impl<J> Queue<J> {
    /// A queue that holds at most `bound` tokens, and gives each lane `quantum` of them a turn.
    pub(super) fn new(bound: usize, quantum: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            queued: 0,
            bound,
            quantum: quantum.max(1),
        }
    }

    /// Whether jobs of `cost` tokens together may come in. An empty queue takes anything.
    pub(super) fn takes(&self, cost: usize) -> bool {
        self.queued == 0 || self.queued.saturating_add(cost) <= self.bound
    }

    /// Takes a job in.
    pub(super) fn push(&mut self, lane: Lane, job: J, cost: usize) {
        // What costs nothing would never be counted as waiting.
        let cost = cost.max(1);
        self.queued = self.queued.saturating_add(cost);
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back((lane, self.quantum));
        }
        waiting.push_back((job, cost));
    }

    /// Tokens that wait.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// The next batch of at most `budget` tokens, or of a single job that is larger. What nobody waits
    /// for is dropped, what is late is handed out apart.
    pub(super) fn batch(&mut self, budget: usize, fate: impl Fn(&J) -> Fate) -> Batch<J> {
        let mut batch = Batch { run: Vec::new(), late: Vec::new(), cost: 0 };
        while let Some((lane, mut purse)) = self.turns.pop_front() {
            let Some(waiting) = self.lanes.get_mut(&lane) else { continue };
            let mut full = false;
            while let Some((job, cost)) = waiting.pop_front() {
                let fate = fate(&job);
                if fate == Fate::Run {
                    full = batch.cost > 0 && batch.cost.saturating_add(cost) > budget;
                    if full || cost > purse {
                        waiting.push_front((job, cost));
                        break;
                    }
                    purse -= cost;
                    batch.cost = batch.cost.saturating_add(cost);
                    batch.run.push(job);
                } else if fate == Fate::Late {
                    batch.late.push(job);
                }
                self.queued = self.queued.saturating_sub(cost);
            }
            if waiting.is_empty() {
                self.lanes.remove(&lane);
            } else if full {
                // It keeps what it earned and its place.
                self.turns.push_front((lane, purse));
            } else {
                self.turns.push_back((lane, purse.saturating_add(self.quantum)));
            }
            if full || batch.cost >= budget {
                break;
            }
        }
        batch
    }

    /// Forgets everything that waits.
    pub(super) fn clear(&mut self) {
        self.queued = 0;
        self.turns.clear();
        self.lanes.clear();
    }
}

/// How fast the classifier is, by what it did lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    tokens: f64,
    seconds: f64,
}

impl Pace {
    /// Takes in how long a batch took. Every batch makes those before it count for less.
    #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^52")]
    pub(super) fn measured(&mut self, tokens: usize, took: Duration) {
        const KEPT: f64 = 0.9;
        self.tokens = self.tokens * KEPT + tokens as f64;
        self.seconds = self.seconds * KEPT + took.as_secs_f64();
    }

    /// How long so many tokens will take; no time at all as long as nothing was measured.
    #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^52")]
    pub(super) fn estimate(&self, tokens: usize) -> Duration {
        if self.tokens <= 0.0 {
            return Duration::ZERO;
        }
        let seconds = tokens as f64 * self.seconds / self.tokens;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Lane, Pace, Queue};
    use proptest::prelude::*;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Work {
        lane: u32,
        turn: usize,
        cost: usize,
        fate: Fate,
    }

    fn push(queue: &mut Queue<Work>, lane: u32, turn: usize, cost: usize, fate: Fate) {
        queue.push(Lane(lane), Work { lane, turn, cost, fate }, cost);
    }

    #[test]
    fn a_flood_does_not_starve_the_others() {
        let mut queue = Queue::new(1 << 20, 100);
        for turn in 0..100 {
            push(&mut queue, 0, turn, 50, Fate::Run);
        }
        push(&mut queue, 1, 0, 50, Fate::Run);
        let batch = queue.batch(200, |job| job.fate);
        assert!(batch.run.iter().any(|job| job.lane == 1), "the second lane gets its turn at once");
    }

    #[test]
    fn a_full_queue_refuses_and_an_empty_one_takes_anything() {
        let mut queue = Queue::new(100, 10);
        assert!(queue.takes(500));
        push(&mut queue, 0, 0, 500, Fate::Run);
        assert!(!queue.takes(1));
        while queue.queued() > 0 {
            queue.batch(10, |job| job.fate);
        }
        push(&mut queue, 0, 1, 60, Fate::Run);
        assert!(queue.takes(40) && !queue.takes(41));
    }

    #[test]
    fn dropped_and_late_jobs_never_run() {
        let mut queue = Queue::new(1000, 1000);
        for (turn, fate) in [Fate::Dropped, Fate::Late, Fate::Run].into_iter().enumerate() {
            push(&mut queue, 0, turn, 1, fate);
        }
        let batch = queue.batch(1000, |job| job.fate);
        assert_eq!(batch.run.iter().map(|job| job.turn).collect::<Vec<_>>(), [2]);
        assert_eq!(batch.late.iter().map(|job| job.turn).collect::<Vec<_>>(), [1]);
        assert_eq!((queue.queued(), batch.cost), (0, 1));
    }

    #[test]
    fn the_pace_follows_what_is_measured() {
        let mut pace = Pace::default();
        assert_eq!(pace.estimate(1_000_000), Duration::ZERO);
        pace.measured(100, Duration::from_secs(1));
        assert_eq!(pace.estimate(50), Duration::from_millis(500));
        for _ in 0..100 {
            pace.measured(1000, Duration::from_secs(1));
        }
        let estimate = pace.estimate(1000).as_secs_f64();
        assert!((estimate - 1.0).abs() < 0.01, "{estimate}");
    }

    proptest! {
        /// Every job leaves once, in the order of its lane; no batch is over its budget unless it is
        /// a single job; while a lane waits, no other gets more than a bounded lead.
        #[test]
        fn every_job_leaves_in_turn(
            jobs in proptest::collection::vec((0_u32..4, 1_usize..200), 1..80),
            budget in 1_usize..400,
            quantum in 1_usize..300,
        ) {
            let mut queue = Queue::new(usize::MAX, quantum);
            for (turn, (lane, cost)) in jobs.iter().enumerate() {
                push(&mut queue, *lane, turn, *cost, Fate::Run);
            }
            let mut order = Vec::new();
            while queue.queued() > 0 {
                let batch = queue.batch(budget, |job| job.fate);
                prop_assert!(batch.late.is_empty());
                prop_assert!(!batch.run.is_empty(), "a batch makes progress");
                let spent: usize = batch.run.iter().map(|job| job.cost).sum();
                prop_assert_eq!(spent, batch.cost);
                prop_assert!(spent <= budget || batch.run.len() == 1);
                order.extend(batch.run);
            }
            prop_assert_eq!(order.len(), jobs.len());
            for lane in 0..4 {
                let turns: Vec<_> =
                    order.iter().filter(|job| job.lane == lane).map(|job| job.turn).collect();
                prop_assert!(turns.is_sorted());
            }
            let mut served = [0_usize; 4];
            for (at, job) in order.iter().enumerate() {
                served[job.lane as usize] += job.cost;
                for other in 0..4_u32 {
                    let waits = order[at..].iter().any(|later| later.lane == other);
                    let lead = served[job.lane as usize].saturating_sub(served[other as usize]);
                    prop_assert!(
                        !waits || lead <= 2 * quantum + 400,
                        "lane {} leads a waiting lane {} by {}", job.lane, other, lead
                    );
                }
            }
        }

        /// Whatever the mixture, what is late or dropped never runs, and the account of what waits
        /// comes out even.
        #[test]
        fn only_what_is_awaited_and_in_time_runs(
            jobs in proptest::collection::vec((0_u32..3, 0_usize..90, 0_u8..3), 0..60),
            budget in 1_usize..200,
        ) {
            let mut queue = Queue::new(usize::MAX, 50);
            let fates = [Fate::Run, Fate::Late, Fate::Dropped];
            for (turn, (lane, cost, fate)) in jobs.iter().enumerate() {
                push(&mut queue, *lane, turn, *cost, fates[usize::from(*fate)]);
            }
            let (mut run, mut late) = (0, 0);
            while queue.queued() > 0 {
                let batch = queue.batch(budget, |job| job.fate);
                prop_assert!(batch.run.iter().all(|job| job.fate == Fate::Run));
                prop_assert!(batch.late.iter().all(|job| job.fate == Fate::Late));
                run += batch.run.len();
                late += batch.late.len();
            }
            let of = |wanted| jobs.iter().filter(|job| job.2 == wanted).count();
            prop_assert_eq!((run, late), (of(0), of(1)));
        }
    }
}
