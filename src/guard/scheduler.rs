//! Admission, fairness between lanes, batches by a budget. No clock, no thread: time is passed in.
//!
//! Fairness is deficit round robin (Shreedhar and Varghese, 1995): each lane in turn earns a quantum
//! of bytes and spends it on its own queue, so that a lane that floods waits for itself. Cost is bytes
//! of text, which is known before anything is tokenised and proportional to the tokens.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// An opaque fairness class: jobs of one lane are served in order, lanes in turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lane(pub u32);

/// What a queue needs to know of a job.
pub(crate) trait Job {
    /// What it costs, in bytes of text.
    fn cost(&self) -> usize;
    /// When its answer stops being of use.
    fn deadline(&self) -> Instant;
    /// Whether nobody waits for it any more.
    fn is_cancelled(&self) -> bool;
}

/// What becomes of the jobs that leave the queue.
pub(crate) struct Batch<J> {
    /// To be run now, at least one if there was any.
    pub(crate) run: Vec<J>,
    /// Too late to be run.
    pub(crate) late: Vec<J>,
}

/// The jobs that wait, by lane.
pub(crate) struct Queue<J> {
    lanes: HashMap<Lane, VecDeque<J>>,
    /// Lanes with jobs, in turn, each with what it may still spend.
    turns: VecDeque<(Lane, usize)>,
    queued: usize,
    bound: usize,
    quantum: usize,
}

impl<J: Job> Queue<J> {
    /// A queue that holds at most `bound` bytes, and gives each lane `quantum` of them a turn.
    pub(crate) fn new(bound: usize, quantum: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            queued: 0,
            bound,
            quantum: quantum.max(1),
        }
    }

    /// Takes a job in, or gives it back when the queue is full. An empty queue takes any one job.
    pub(crate) fn admit(&mut self, lane: Lane, job: J) -> Result<(), J> {
        let cost = job.cost();
        if self.queued > 0 && self.queued.saturating_add(cost) > self.bound {
            return Err(job);
        }
        self.queued = self.queued.saturating_add(cost);
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back((lane, self.quantum));
        }
        waiting.push_back(job);
        Ok(())
    }

    /// Bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// The next batch of at most `budget` bytes, or of a single job that is larger. What was cancelled
    /// is dropped, what is late is handed out apart.
    pub(crate) fn batch(&mut self, budget: usize, now: Instant) -> Batch<J> {
        let mut batch = Batch { run: Vec::new(), late: Vec::new() };
        let mut spent = 0_usize;
        while let Some((lane, mut purse)) = self.turns.pop_front() {
            let Some(waiting) = self.lanes.get_mut(&lane) else { continue };
            let mut full = false;
            while let Some(job) = waiting.pop_front() {
                let cost = job.cost();
                if job.is_cancelled() || job.deadline() <= now {
                    self.queued = self.queued.saturating_sub(cost);
                    if !job.is_cancelled() {
                        batch.late.push(job);
                    }
                    continue;
                }
                full = spent > 0 && spent.saturating_add(cost) > budget;
                if full || cost > purse {
                    waiting.push_front(job);
                    break;
                }
                self.queued = self.queued.saturating_sub(cost);
                purse -= cost;
                spent = spent.saturating_add(cost);
                batch.run.push(job);
            }
            if waiting.is_empty() {
                self.lanes.remove(&lane);
            } else if full {
                // It keeps what it earned and its place.
                self.turns.push_front((lane, purse));
            } else {
                self.turns.push_back((lane, purse.saturating_add(self.quantum)));
            }
            if full || spent >= budget {
                break;
            }
        }
        batch
    }

    /// Everything that waits, at once.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = J> + use<J> {
        self.queued = 0;
        self.turns.clear();
        std::mem::take(&mut self.lanes).into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Lane, Queue};
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[derive(Clone, Debug, PartialEq)]
    struct Work {
        lane: u32,
        turn: usize,
        cost: usize,
        due: Instant,
        cancelled: bool,
    }

    impl Job for Work {
        fn cost(&self) -> usize {
            self.cost
        }
        fn deadline(&self) -> Instant {
            self.due
        }
        fn is_cancelled(&self) -> bool {
            self.cancelled
        }
    }

    const LATER: Duration = Duration::from_secs(10);

    fn work(lane: u32, turn: usize, cost: usize, now: Instant) -> Work {
        Work { lane, turn, cost, due: now + LATER, cancelled: false }
    }

    #[test]
    fn a_flood_does_not_starve_the_others() {
        let now = Instant::now();
        let mut queue = Queue::new(1 << 20, 100);
        for turn in 0..100 {
            queue.admit(Lane(0), work(0, turn, 50, now)).expect("room");
        }
        queue.admit(Lane(1), work(1, 0, 50, now)).expect("room");
        let batch = queue.batch(200, now);
        assert!(batch.run.iter().any(|job| job.lane == 1), "the second lane gets its turn at once");
    }

    #[test]
    fn a_full_queue_refuses_and_an_empty_one_takes_anything() {
        let now = Instant::now();
        let mut queue = Queue::new(100, 10);
        assert!(queue.admit(Lane(0), work(0, 0, 500, now)).is_ok());
        assert!(queue.admit(Lane(0), work(0, 1, 1, now)).is_err());
        while queue.queued() > 0 {
            queue.batch(10, now);
        }
        assert!(queue.admit(Lane(0), work(0, 1, 60, now)).is_ok());
        assert!(queue.admit(Lane(1), work(1, 0, 60, now)).is_err());
    }

    #[test]
    fn cancelled_and_late_jobs_never_run() {
        let now = Instant::now();
        let mut queue = Queue::new(1000, 1000);
        let cancelled = Work { cancelled: true, ..work(0, 0, 1, now) };
        let late = Work { due: now, ..work(0, 1, 1, now) };
        for job in [cancelled, late.clone(), work(0, 2, 1, now)] {
            queue.admit(Lane(0), job).expect("room");
        }
        let batch = queue.batch(1000, now);
        assert_eq!(batch.run.iter().map(|job| job.turn).collect::<Vec<_>>(), [2]);
        assert_eq!(batch.late, [late]);
        assert_eq!(queue.queued(), 0);
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
            let now = Instant::now();
            let mut queue = Queue::new(usize::MAX, quantum);
            for (turn, (lane, cost)) in jobs.iter().enumerate() {
                queue.admit(Lane(*lane), work(*lane, turn, *cost, now)).expect("room");
            }
            let mut order = Vec::new();
            while queue.queued() > 0 {
                let batch = queue.batch(budget, now);
                prop_assert!(batch.late.is_empty());
                prop_assert!(!batch.run.is_empty(), "a batch makes progress");
                let spent: usize = batch.run.iter().map(|job| job.cost).sum();
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
    }
}
