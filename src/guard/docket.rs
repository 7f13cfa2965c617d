//! What is to be judged, and for whom: each text once, however many ask for it.
//!
//! A text that is known is answered at once; one that is being judged for somebody else is waited for
//! together; any other becomes a case, with a job for each of its windows. What could not be answered
//! by its deadline is refused when it comes, not after it has waited. No thread and no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::guard::classifier::{Text, Window, Work};
use crate::guard::scheduler::{Fate, Lane, Pace, Queue};
use crate::guard::verdicts::{Key, Known, Verdicts};
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Unscored};

/// What somebody who asked about a text is told.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) judgement: Judgement,
    /// How long the text waited for its turn.
    pub(super) waited: Duration,
    /// How long the classifier took over it.
    pub(super) ran: Duration,
}

/// Somebody who waits for the judgement of a text.
#[derive(Clone)]
pub(super) struct Asker {
    /// Which of the texts asked for together it is.
    pub(super) index: usize,
    pub(super) reply: UnboundedSender<(usize, Answer)>,
    pub(super) asked: Instant,
    pub(super) deadline: Instant,
}

impl Asker {
    /// Says what is known without the classifier.
    pub(super) fn tell(&self, judgement: Judgement) {
        self.answer(judgement, Duration::ZERO, Duration::ZERO);
    }

    fn answer(&self, judgement: Judgement, waited: Duration, ran: Duration) {
        // Whoever asked may be gone; then nobody needs the answer.
        let _ = self.reply.send((self.index, Answer { judgement, waited, ran }));
    }
}

/// A text to be judged, cut into windows.
pub(super) struct Cut {
    pub(super) key: Key,
    pub(super) lane: Lane,
    pub(super) transcript: Arc<Transcript>,
    pub(super) windows: Vec<Window>,
}

/// One window of a case, on its way to the classifier.
pub(super) struct Job {
    key: Key,
    case: u64,
    pub(super) text: Text,
}

/// A text that is being judged.
struct Case {
    /// Tells it from an earlier case on the same text, of which jobs may be left.
    number: u64,
    askers: Vec<Asker>,
    /// Windows without a judgement.
    open: usize,
    judgement: Judgement,
    tokens: u64,
    begun: Option<Instant>,
}

impl Case {
    fn fate(&self, now: Instant) -> Fate {
        let waiting = self.askers.iter().filter(|asker| !asker.reply.is_closed());
        match waiting.map(|asker| asker.deadline).max() {
            None => Fate::Dropped,
            Some(latest) if latest <= now => Fate::Late,
            Some(_) => Fate::Run,
        }
    }
}

/// Everything that is to be judged.
pub(super) struct Docket {
    queue: Queue<Job>,
    cases: HashMap<Key, Case>,
    known: Verdicts,
    pace: Pace,
    work: Work,
    /// Since when the classifier runs, and what that costs.
    running: Option<(Instant, usize)>,
    budget: usize,
    numbers: u64,
}

impl Docket {
    /// At most `bound` tokens wait, about `budget` of them are judged together, and verdicts are known
    /// as long as they fit into `memory` bytes.
    pub(super) fn new(bound: usize, budget: usize, memory: usize) -> Self {
        Self {
            queue: Queue::new(bound, budget / 4),
            cases: HashMap::new(),
            known: Verdicts::new(memory),
            pace: Pace::default(),
            work: Work::default(),
            running: None,
            budget,
            numbers: 0,
        }
    }

    /// Tokens that wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.queued()
    }

    /// Tokens that were computed so far, and that did not have to be.
    pub(super) fn work(&self) -> Work {
        self.work
    }

    /// Answers what is known, or waits with those who have asked already. Whether it did either.
    pub(super) fn joins(&mut self, key: &Key, asker: &Asker) -> bool {
        if let Some(Known { judgement, tokens }) = self.known.get(key) {
            self.work.reused = self.work.reused.saturating_add(*tokens);
            asker.tell(judgement.clone());
            return true;
        }
        let case = self.cases.get_mut(key);
        let joined = case.map(|case| case.askers.push(asker.clone()));
        joined.is_some()
    }

    /// Opens a case on a text that has none, or says at once that it will not be judged in time.
    pub(super) fn open(&mut self, cut: Cut, asker: Asker, now: Instant) {
        let Cut { key, lane, transcript, windows } = cut;
        let sum = |of: fn(&Window) -> usize| windows.iter().map(of).fold(0, usize::saturating_add);
        let cost = sum(|window| window.cost);
        if let Err(reason) = self.admits(cost, asker.deadline, now) {
            let total = windows.iter().map(|window| window.fresh).sum();
            asker.tell(Judgement::unscored(reason, total));
            return;
        }
        self.numbers += 1;
        let case = Case {
            number: self.numbers,
            askers: vec![asker],
            open: windows.len(),
            judgement: Judgement::default(),
            tokens: u64::try_from(sum(|window| window.tokens)).unwrap_or(u64::MAX),
            begun: None,
        };
        for window in windows {
            let cost = window.cost;
            let text = Text { lane, transcript: Arc::clone(&transcript), window };
            self.queue.push(lane, Job { key, case: case.number, text }, cost);
        }
        self.cases.insert(key, case);
    }

    fn admits(&self, cost: usize, deadline: Instant, now: Instant) -> Result<(), Unscored> {
        if !self.queue.takes(cost) {
            return Err(Unscored::Overloaded);
        }
        let left = deadline.saturating_duration_since(now);
        let is_idle = self.queue.queued() == 0 && self.running.is_none();
        // What was measured may be out of date: something small is always tried, and measured.
        if is_idle && cost <= self.budget {
            return Ok(());
        }
        if self.pace.estimate(cost) > left {
            return Err(Unscored::Deadline);
        }
        let ahead = self.pace.estimate(self.queue.queued().saturating_add(cost));
        let under_way = self.running.map_or(Duration::ZERO, |(since, cost)| {
            self.pace.estimate(cost).saturating_sub(now.saturating_duration_since(since))
        });
        if ahead.saturating_add(under_way) > left { Err(Unscored::Overloaded) } else { Ok(()) }
    }

    /// What is to be judged next. What has become late meanwhile is answered on the way.
    pub(super) fn batch(&mut self, now: Instant) -> Vec<Job> {
        let cases = &self.cases;
        let fate = |job: &Job| {
            let case = cases.get(&job.key).filter(|case| case.number == job.case);
            case.map_or(Fate::Dropped, |case| case.fate(now))
        };
        let batch = self.queue.batch(self.budget, fate);
        // A case nobody waits for is closed as a whole, so that nobody joins what is left of it.
        self.cases.retain(|_, case| case.fate(now) != Fate::Dropped);
        for job in batch.late {
            let judgement = Judgement::unscored(Unscored::Deadline, job.text.window.fresh);
            self.take(&job, judgement, now);
        }
        for job in &batch.run {
            if let Some(case) = self.cases.get_mut(&job.key) {
                case.begun.get_or_insert(now);
            }
        }
        self.running = (!batch.run.is_empty()).then_some((now, batch.cost));
        batch.run
    }

    /// Takes in what became of a batch.
    pub(super) fn settle(
        &mut self,
        jobs: &[Job],
        judgements: impl IntoIterator<Item = Judgement>,
        work: Work,
        now: Instant,
    ) {
        if let Some((since, cost)) = self.running.take() {
            self.pace.measured(cost, now.saturating_duration_since(since));
        }
        self.work += work;
        for (job, judgement) in jobs.iter().zip(judgements) {
            self.take(job, judgement, now);
        }
    }

    /// Takes in the judgement of one window; with the last one, the case is closed.
    fn take(&mut self, job: &Job, judgement: Judgement, now: Instant) {
        let Some(case) = self.cases.get_mut(&job.key) else { return };
        if case.number != job.case {
            return;
        }
        case.judgement.absorb(judgement);
        case.open = case.open.saturating_sub(1);
        if case.open > 0 {
            return;
        }
        let Some(case) = self.cases.remove(&job.key) else { return };
        let begun = case.begun.unwrap_or(now);
        for asker in case.askers {
            let waited = begun.saturating_duration_since(asker.asked);
            let ran = now.saturating_duration_since(begun.max(asker.asked));
            asker.answer(case.judgement.clone(), waited, ran);
        }
        if case.judgement.unscored.is_none_or(Unscored::is_lasting) {
            let Case { judgement, tokens, .. } = case;
            self.known.keep(job.key, Known { judgement, tokens });
        }
    }

    /// Answers everybody that there will be no verdict.
    pub(super) fn refuse_all(&mut self, reason: Unscored) {
        self.queue.clear();
        self.running = None;
        for (_, case) in self.cases.drain() {
            for asker in case.askers {
                let mut judgement = case.judgement.clone();
                judgement.absorb(Judgement::unscored(reason, 1));
                asker.tell(judgement);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Asker, Cut, Docket, Job};
    use crate::guard::classifier::{Window, Work};
    use crate::guard::scheduler::Lane;
    use crate::guard::verdicts::Key;
    use crate::transcript::Transcript;
    use crate::verdict::{Judgement, Score, Scores, Unscored};
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    type Answers = UnboundedReceiver<(usize, Answer)>;

    /// Asks for a text whose windows cost this much.
    fn ask(docket: &mut Docket, text: &str, costs: &[usize], now: Instant, left: u64) -> Answers {
        let (reply, answers) = unbounded_channel();
        let deadline = now + Duration::from_millis(left);
        let asker = Asker { index: 7, reply, asked: now, deadline };
        let transcript = Transcript::user(text);
        let key = Key::of(Lane(0), &transcript);
        if !docket.joins(&key, &asker) {
            let window = |cost: &usize| Window {
                fresh: 1,
                tokens: 10 * cost,
                cost: *cost,
                ..Window::default()
            };
            let windows = costs.iter().map(window).collect();
            let cut = Cut { key, lane: Lane(0), transcript: Arc::new(transcript), windows };
            docket.open(cut, asker, now);
        }
        answers
    }

    fn judgement() -> Judgement {
        Judgement::read(Scores::new(Score::ONE, Vec::new()), 1)
    }

    fn settle(docket: &mut Docket, jobs: &[Job], now: Instant) {
        docket.settle(jobs, jobs.iter().map(|_| judgement()), Work::default(), now);
    }

    fn reason(answers: &mut Answers) -> Option<Unscored> {
        let (index, answer) = answers.try_recv().expect("an answer");
        assert_eq!(index, 7);
        answer.judgement.unscored
    }

    #[test]
    fn two_who_ask_the_same_at_once_cost_one_reading_and_a_third_none() {
        let (mut docket, now) = (Docket::new(100, 100, 1 << 20), Instant::now());
        let mut first = ask(&mut docket, "a", &[5, 5], now, 1000);
        let jobs = docket.batch(now);
        let mut second = ask(&mut docket, "a", &[5, 5], now, 1000);
        assert_eq!((jobs.len(), docket.queued()), (2, 0));
        settle(&mut docket, &jobs, now);
        assert_eq!((reason(&mut first), reason(&mut second)), (None, None));
        let mut third = ask(&mut docket, "a", &[5, 5], now, 1000);
        let (_, answer) = third.try_recv().expect("it is known");
        assert_eq!(answer.judgement.readings.len(), 2);
        assert_eq!(docket.work().reused, 100);
    }

    #[test]
    fn who_leaves_takes_nothing_from_those_who_stay() {
        let (mut docket, now) = (Docket::new(100, 10, 0), Instant::now());
        let first = ask(&mut docket, "a", &[10, 10], now, 1000);
        let jobs = docket.batch(now);
        assert_eq!(jobs.len(), 1);
        drop(first);
        // Nobody waits: the case is closed, and what is left of it never runs.
        assert!(docket.batch(now).is_empty());
        let mut second = ask(&mut docket, "a", &[10, 10], now, 1000);
        settle(&mut docket, &jobs, now);
        assert!(second.try_recv().is_err(), "half of an earlier case is no judgement");
        for _ in 0..2 {
            let jobs = docket.batch(now);
            settle(&mut docket, &jobs, now);
        }
        assert_eq!(reason(&mut second), None);
    }

    #[test]
    fn what_cannot_be_done_in_time_is_refused_at_once() {
        let (mut docket, now) = (Docket::new(1000, 100, 0), Instant::now());
        let mut first = ask(&mut docket, "a", &[100], now, 2000);
        let jobs = docket.batch(now);
        // A hundred tokens a second.
        settle(&mut docket, &jobs, now + Duration::from_secs(1));
        assert_eq!(reason(&mut first), None);
        let mut long = ask(&mut docket, "b", &[100, 100, 100], now, 2000);
        assert_eq!(reason(&mut long), Some(Unscored::Deadline));
        let mut next = ask(&mut docket, "c", &[100], now, 1000);
        let mut behind = ask(&mut docket, "d", &[100], now, 1500);
        assert_eq!(reason(&mut behind), Some(Unscored::Overloaded));
        let mut patient = ask(&mut docket, "e", &[100], now, 2500);
        assert!(next.try_recv().is_err() && patient.try_recv().is_err(), "these two wait");
    }

    #[test]
    fn an_idle_guard_tries_whatever_is_small() {
        let (mut docket, now) = (Docket::new(1000, 100, 0), Instant::now());
        let _slow = ask(&mut docket, "a", &[1], now, 1000);
        let jobs = docket.batch(now);
        settle(&mut docket, &jobs, now + Duration::from_secs(60));
        let mut next = ask(&mut docket, "b", &[50], now, 1000);
        assert!(next.try_recv().is_err(), "it is tried");
        assert_eq!(docket.batch(now).len(), 1);
    }

    #[test]
    fn what_has_become_late_is_answered_and_no_verdict_of_it_is_kept() {
        let (mut docket, now) = (Docket::new(100, 100, 1 << 20), Instant::now());
        let mut late = ask(&mut docket, "a", &[1], now, 10);
        assert!(docket.batch(now + Duration::from_millis(10)).is_empty());
        assert_eq!(reason(&mut late), Some(Unscored::Deadline));
        let mut again = ask(&mut docket, "a", &[1], now, 10);
        assert!(again.try_recv().is_err());
        docket.refuse_all(Unscored::GuardDown);
        assert_eq!(reason(&mut again), Some(Unscored::GuardDown));
        assert_eq!(docket.queued(), 0);
    }

    proptest! {
        /// Whoever asks is answered exactly once, with as many readings as the text has windows or with
        /// a reason, whoever else comes and goes; and nothing runs after its deadline.
        #[test]
        fn everybody_is_answered_once(
            steps in proptest::collection::vec((0_usize..4, 1_usize..4, 1_u64..400, 0_u8..4), 1..60),
            memory in 0_usize..2000,
        ) {
            let (mut docket, begun) = (Docket::new(60, 12, memory), Instant::now());
            let mut now = begun;
            let mut asked = Vec::new();
            for (text, cost, left, step) in steps {
                now += Duration::from_millis(20);
                match step {
                    0 | 1 => {
                        let costs = vec![cost; text + 1];
                        let name = format!("{text}-{cost}");
                        let answers = ask(&mut docket, &name, &costs, now, left);
                        asked.push((text + 1, answers));
                    }
                    2 => drop(asked.pop()),
                    _ => {
                        let jobs = docket.batch(now);
                        now += Duration::from_millis(cost as u64);
                        settle(&mut docket, &jobs, now);
                    }
                }
            }
            while docket.queued() > 0 {
                let jobs = docket.batch(now);
                settle(&mut docket, &jobs, now);
            }
            for (windows, mut answers) in asked {
                let (_, answer) = answers.try_recv().expect("an answer");
                let judgement = answer.judgement;
                prop_assert!(
                    judgement.readings.len() == windows || judgement.unscored.is_some(),
                    "{judgement:?}"
                );
                prop_assert!(answers.try_recv().is_err(), "only one answer");
            }
        }
    }
}
