//! The one thread that owns the classifier: load, loop, health.
//!
//! A classifier that panics or returns nonsense takes its batch with it (unscored) and is replaced. One
//! that hangs cannot be stopped: its thread is left to itself and another takes its place, once, since
//! nothing frees the memory of the first. Whoever waits has a deadline of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use crate::guard::classifier::{Classifier, GuardCard, LoadError, Outcome, Reader, Text, Work};
use crate::guard::docket::{Asker, Cut, Docket, Job};
use crate::guard::handle::Settings;
use crate::guard::verdicts::Key;
use crate::verdict::{Judgement, Unscored};

/// How a classifier is made, again and again if need be.
pub(super) type Load = Box<dyn FnMut() -> Result<Box<dyn Classifier>, LoadError> + Send>;

/// The pause after a failed attempt to replace a classifier; doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// A batch that runs for this many deadlines has hung.
const HUNG: u32 = 10;
/// How long a thread without work waits before it looks whether anybody holds the guard.
const WHILE: Duration = Duration::from_millis(500);

/// What the thread and the handles share.
pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    card: Arc<GuardCard>,
    load: Mutex<Load>,
    /// A batch that runs for longer has hung.
    patience: Duration,
}

struct State {
    docket: Docket,
    health: Health,
    reader: Arc<dyn Reader>,
    /// Counts the threads; whatever an earlier one still does is of no interest.
    generation: u32,
    /// Threads that have hung and not come back.
    lost: u32,
}

enum Health {
    /// Waits for work.
    Idle,
    /// Judges since then.
    Busy(Instant),
    /// Has no classifier.
    Down,
}

/// Starts the thread and waits for its first classifier.
pub(super) fn start(settings: &Settings, mut load: Load) -> Result<Arc<Shared>, LoadError> {
    let (ready, loaded) = mpsc::sync_channel(1);
    let settings = settings.clone();
    let thread = move || {
        let classifier = match load() {
            Ok(classifier) => classifier,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let shared = Arc::new(Shared::new(&settings, &*classifier, load));
        let weak = Arc::downgrade(&shared);
        if ready.send(Ok(shared)).is_ok() {
            run(&weak, classifier, 0);
        }
    };
    spawn(thread).map_err(|error| LoadError(Box::new(error)))?;
    loaded.recv().map_err(|error| LoadError(Box::new(error)))?
}

fn spawn(thread: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name("guard".to_owned()).spawn(thread).map(drop)
}

impl Shared {
    fn new(settings: &Settings, classifier: &dyn Classifier, load: Load) -> Self {
        let Settings { queue_tokens, batch_tokens, verdict_bytes, .. } = *settings;
        let docket = Docket::new(queue_tokens, batch_tokens, verdict_bytes);
        let (health, reader) = (Health::Idle, classifier.reader());
        Self {
            state: Mutex::new(State { docket, health, reader, generation: 0, lost: 0 }),
            work: Condvar::new(),
            card: Arc::new(classifier.card()),
            load: Mutex::new(load),
            patience: settings.deadline.saturating_mul(HUNG),
        }
    }

    /// Answers what is known and joins what is being judged already; gives back the others.
    pub(super) fn join(self: &Arc<Self>, mut texts: Vec<(Key, Asker)>) -> Vec<(Key, Asker)> {
        let mut state = self.lock();
        if state.has_hung(Instant::now(), self.patience) {
            self.leave(&mut state);
        }
        texts.retain(|(key, asker)| !state.docket.joins(key, asker));
        texts
    }

    /// Has texts judged, or answers at once that they cannot be.
    pub(super) fn submit(&self, texts: Vec<(Cut, Asker)>) {
        let now = Instant::now();
        let mut state = self.lock();
        for (cut, asker) in texts {
            // Somebody may have asked for the same while this was tokenised.
            if state.docket.joins(&cut.key, &asker) {
                continue;
            }
            if matches!(state.health, Health::Down) {
                asker.tell(Judgement::unscored(Unscored::GuardDown, 1));
                continue;
            }
            state.docket.open(cut, asker, now);
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn card(&self) -> Arc<GuardCard> {
        Arc::clone(&self.card)
    }

    pub(super) fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.lock().reader)
    }

    pub(super) fn is_ready(&self) -> bool {
        let state = self.lock();
        !matches!(state.health, Health::Down) && !state.has_hung(Instant::now(), self.patience)
    }

    pub(super) fn queued(&self) -> usize {
        self.lock().docket.queued()
    }

    pub(super) fn work(&self) -> Work {
        self.lock().docket.work()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a while for work; `None` when another thread has taken over.
    fn next(&self, generation: u32) -> Option<Vec<Job>> {
        let mut state = self.lock();
        if state.generation == generation && state.docket.queued() == 0 {
            state.health = Health::Idle;
            let waited = self.work.wait_timeout(state, WHILE);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.generation != generation {
            state.lost = state.lost.saturating_sub(1);
            return None;
        }
        let now = Instant::now();
        let jobs = state.docket.batch(now);
        state.health = if jobs.is_empty() { Health::Idle } else { Health::Busy(now) };
        Some(jobs)
    }

    fn settle(&self, generation: u32, jobs: &[Job], outcome: Outcome) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.generation == generation {
            state.docket.settle(jobs, outcome.judgements, outcome.work, now);
        }
    }

    /// Gives up the classifier; false when another thread has taken over.
    fn go_down(&self, generation: u32) -> bool {
        let mut state = self.lock();
        let is_mine = state.generation == generation;
        if is_mine {
            state.health = Health::Down;
            state.docket.refuse_all(Unscored::GuardDown);
        }
        is_mine
    }

    /// Leaves a thread that has hung to itself, and starts another.
    fn leave(self: &Arc<Self>, state: &mut State) {
        if state.lost > 0 {
            return;
        }
        tracing::error!("the classifier has hung; it is replaced");
        state.generation = state.generation.wrapping_add(1);
        state.lost += 1;
        state.health = Health::Down;
        state.docket.refuse_all(Unscored::GuardDown);
        let (shared, generation) = (Arc::downgrade(self), state.generation);
        let thread = move || {
            let replacement = shared.upgrade().and_then(|shared| replace(&shared, generation));
            if let Some(classifier) = replacement {
                run(&shared, classifier, generation);
            }
        };
        if let Err(error) = spawn(thread) {
            tracing::error!(%error, "the guard has no thread left");
        }
    }
}

impl State {
    fn has_hung(&self, now: Instant, patience: Duration) -> bool {
        match self.health {
            Health::Busy(since) => now.saturating_duration_since(since) >= patience,
            Health::Idle | Health::Down => false,
        }
    }
}

/// Judges until nobody holds the guard any more, or another thread has taken over.
fn run(shared: &Weak<Shared>, mut classifier: Box<dyn Classifier>, generation: u32) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let Some(jobs) = shared.next(generation) else { return };
        if jobs.is_empty() {
            continue;
        }
        if let Some(outcome) = judge(&mut *classifier, &jobs, &shared.card) {
            shared.settle(generation, &jobs, outcome);
        } else if shared.go_down(generation) {
            let Some(replacement) = replace(&shared, generation) else { return };
            classifier = replacement;
        }
    }
}

/// Judges one batch; `None` if the classifier cannot be trusted with another.
fn judge(classifier: &mut dyn Classifier, jobs: &[Job], card: &GuardCard) -> Option<Outcome> {
    let batch: Vec<Text> = jobs.iter().map(|job| job.text.clone()).collect();
    match catch_unwind(AssertUnwindSafe(|| classifier.judge(&batch))) {
        Ok(outcome) if is_sound(&outcome.judgements, batch.len(), card) => Some(outcome),
        Ok(_) => {
            tracing::error!("the classifier returned nonsense; it is replaced");
            None
        }
        Err(_) => {
            tracing::error!("the classifier panicked; it is replaced");
            None
        }
    }
}

/// One judgement per text, each either with readings over the whole taxonomy or with a reason.
fn is_sound(judgements: &[Judgement], texts: usize, card: &GuardCard) -> bool {
    judgements.len() == texts
        && judgements.iter().all(|judgement| {
            let known = judgement.unscored.is_some() || !judgement.readings.is_empty();
            known
                && judgement.readings.iter().all(|scores| {
                    let wanted = card.taxonomy.len();
                    scores.first.len() == wanted && scores.listed.len() == wanted
                })
        })
}

/// Makes a new classifier, as often as it takes; `None` when nobody holds the guard any more.
fn replace(shared: &Arc<Shared>, generation: u32) -> Option<Box<dyn Classifier>> {
    let (mut pause, longest) = RETRY;
    loop {
        match load(shared) {
            Ok(classifier) => {
                let mut state = shared.lock();
                if state.generation == generation {
                    state.reader = classifier.reader();
                    state.health = Health::Idle;
                }
                return Some(classifier);
            }
            Err(error) => tracing::error!(%error, "the classifier could not be replaced"),
        }
        if Arc::strong_count(shared) == 1 {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

fn load(shared: &Shared) -> Result<Box<dyn Classifier>, LoadError> {
    let mut load = shared.load.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = catch_unwind(AssertUnwindSafe(&mut *load));
    let classifier = loaded.unwrap_or_else(|_| Err(LoadError("loading it panicked".into())))?;
    // Records and kept verdicts name the guard that was started.
    let card = classifier.card();
    if card == *shared.card {
        return Ok(classifier);
    }
    let what = format!("its files are now those of {card}; start again to use them");
    Err(LoadError(what.into()))
}

#[cfg(test)]
mod tests {
    use crate::guard::{
        Classifier, Guard, GuardCard, Lane, LoadError, Outcome, Reader, Scripted, Settings, Text,
    };
    use crate::transcript::Transcript;
    use crate::verdict::{Judgement, Unscored};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    fn guard(deadline: Duration, scripted: Scripted) -> Guard {
        let settings = Settings { deadline, ..Settings::default() };
        Guard::start(&settings, move || Ok(Box::new(scripted.clone()))).expect("loads")
    }

    const AMPLE: Duration = Duration::from_secs(30);

    async fn unscored(guard: &Guard, text: &str) -> Option<Unscored> {
        guard.judge(vec![Transcript::user(text)], Lane(0)).await.judgement.unscored
    }

    #[tokio::test]
    async fn texts_are_judged_together_and_the_judgements_stay_apart() {
        let guard = guard(AMPLE, Scripted::blocking_on("canary", "S1"));
        let texts = vec![Transcript::user("hello"), Transcript::user("a canary")];
        let judged = guard.judge(texts, Lane(0)).await;
        assert_eq!(judged.judgement.readings.len(), 2);
        assert!(judged.judgement.highest().is_some_and(|highest| highest.get() > 0.9));
        assert_eq!(guard.judge(Vec::new(), Lane(0)).await.judgement, Judgement::default());
        assert!(guard.is_ready());
    }

    #[tokio::test]
    async fn a_text_is_read_once_and_known_to_its_own_lane_only() {
        let script = Scripted::safe();
        let seen = script.seen();
        let guard = guard(AMPLE, script);
        let ask = async |lane: u32| {
            let twice = vec![Transcript::user("hello you"), Transcript::user("hello you")];
            let judged = guard.judge(twice, Lane(lane)).await;
            (judged.judgement.readings.len(), seen.lock().expect("no panic").len())
        };
        assert_eq!(ask(0).await, (2, 1));
        assert_eq!(ask(0).await, (2, 1));
        assert_eq!(ask(1).await, (2, 2));
        let work = guard.work();
        assert_eq!((work.computed, work.reused), (4, 4));
    }

    #[tokio::test]
    async fn a_panic_costs_its_batch_and_no_more() {
        let guard = guard(AMPLE, Scripted::blocking_on("canary", "S1").panicking_on("boom"));
        assert_eq!(unscored(&guard, "boom").await, Some(Unscored::GuardDown));
        loop {
            match unscored(&guard, "hello").await {
                None => break,
                reason => assert_eq!(reason, Some(Unscored::GuardDown)),
            }
        }
    }

    #[tokio::test]
    async fn a_deadline_is_kept_while_the_classifier_hangs() {
        let short = Duration::from_millis(20);
        let guard = guard(short, Scripted::safe().sleeping_on("sleep", Duration::from_secs(2)));
        assert_eq!(unscored(&guard, "sleep").await, Some(Unscored::Deadline));
    }

    #[tokio::test]
    async fn a_classifier_that_hangs_is_replaced() {
        let short = Duration::from_millis(20);
        let guard = guard(short, Scripted::safe().sleeping_on("sleep", Duration::from_secs(60)));
        assert_eq!(unscored(&guard, "sleep").await, Some(Unscored::Deadline));
        // Nobody but another thread can judge this.
        while unscored(&guard, "hello").await.is_some() {}
        assert!(guard.is_ready());
        // A second one is not left behind as well.
        assert!(unscored(&guard, "sleep again").await.is_some());
        while guard.is_ready() {
            assert!(unscored(&guard, "hello again").await.is_some());
        }
    }

    #[tokio::test]
    async fn nonsense_is_no_verdict() {
        #[derive(Clone)]
        struct Nonsense;
        impl Classifier for Nonsense {
            fn card(&self) -> GuardCard {
                Scripted::safe().card()
            }
            fn reader(&self) -> Arc<dyn Reader> {
                Scripted::safe().reader()
            }
            fn judge(&mut self, _batch: &[Text]) -> Outcome {
                Outcome { judgements: vec![Judgement::default()], ..Outcome::default() }
            }
        }
        let guard = Guard::start(&Settings::default(), || Ok(Box::new(Nonsense))).expect("loads");
        assert_eq!(unscored(&guard, "hello").await, Some(Unscored::GuardDown));
    }

    #[tokio::test]
    async fn another_guard_does_not_take_the_place_of_the_first() {
        let changed = Arc::new(AtomicBool::new(false));
        let is_changed = Arc::clone(&changed);
        let load = move || {
            let script = Scripted::safe().panicking_on("boom");
            let script =
                if is_changed.load(Ordering::Relaxed) { script.called("other") } else { script };
            Ok(Box::new(script) as Box<dyn Classifier>)
        };
        let guard = Guard::start(&Settings::default(), load).expect("loads");
        changed.store(true, Ordering::Relaxed);
        assert_eq!(unscored(&guard, "boom").await, Some(Unscored::GuardDown));
        assert_eq!(unscored(&guard, "hello").await, Some(Unscored::GuardDown));
        changed.store(false, Ordering::Relaxed);
        while unscored(&guard, "hello").await.is_some() {}
    }

    #[test]
    fn a_guard_that_cannot_be_loaded_is_an_error() {
        let failed = Guard::start(&Settings::default(), || Err(LoadError("no weights".into())));
        assert_eq!(failed.err().map(|error| error.to_string()).as_deref(), Some("no weights"));
    }
}
