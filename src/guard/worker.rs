//! The one thread that owns the classifier: load, loop, health.
//!
//! A classifier that panics or returns nonsense takes its batch with it (unscored) and is replaced.
//! One that hangs cannot be stopped; whoever waits has a deadline of its own, and readiness goes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use crate::guard::classifier::{Classifier, GuardCard, LoadError};
use crate::guard::handle::{Judged, Request, Settings};
use crate::guard::scheduler::{Lane, Queue};
use crate::verdict::{Judgement, Unscored};

/// How a classifier is made, again and again if need be.
pub(crate) type Load = Box<dyn FnMut() -> Result<Box<dyn Classifier>, LoadError> + Send>;

/// The pause after a failed attempt to replace a classifier; doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// A batch that runs for this many deadlines has hung.
const HUNG: u32 = 10;

/// What the thread and the handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    card: Arc<GuardCard>,
    batch_bytes: usize,
}

struct State {
    queue: Queue<Request>,
    health: Health,
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
pub(crate) fn start(settings: &Settings, mut load: Load) -> Result<Arc<Shared>, LoadError> {
    let (ready, loaded) = mpsc::sync_channel(1);
    let settings = settings.clone();
    std::thread::Builder::new()
        .name("guard".to_owned())
        .spawn(move || {
            let classifier = match load() {
                Ok(classifier) => classifier,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let shared = Arc::new(Shared::new(&settings, classifier.card()));
            let weak = Arc::downgrade(&shared);
            if ready.send(Ok(shared)).is_ok() {
                run(&weak, classifier, load);
            }
        })
        .map_err(|error| LoadError(Box::new(error)))?;
    loaded.recv().map_err(|error| LoadError(Box::new(error)))?
}

impl Shared {
    fn new(settings: &Settings, card: GuardCard) -> Self {
        let quantum = settings.batch_bytes / 4;
        let queue = Queue::new(settings.queue_bytes, quantum);
        Self {
            state: Mutex::new(State { queue, health: Health::Idle }),
            work: Condvar::new(),
            card: Arc::new(card),
            batch_bytes: settings.batch_bytes,
        }
    }

    /// Puts texts into the queue, or answers at once that they cannot be judged.
    pub(crate) fn submit(&self, lane: Lane, request: Request) {
        let mut state = self.lock();
        if matches!(state.health, Health::Down) {
            drop(state);
            request.refuse(Unscored::GuardDown);
            return;
        }
        let admitted = state.queue.admit(lane, request);
        drop(state);
        match admitted {
            Ok(()) => self.work.notify_one(),
            Err(request) => request.refuse(Unscored::Overloaded),
        }
    }

    pub(crate) fn card(&self) -> Arc<GuardCard> {
        Arc::clone(&self.card)
    }

    pub(crate) fn is_ready(&self, deadline: Duration) -> bool {
        match self.lock().health {
            Health::Idle => true,
            Health::Busy(since) => since.elapsed() < deadline.saturating_mul(HUNG),
            Health::Down => false,
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.lock().queue.queued()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a while for work; what has become late meanwhile is answered on the way.
    fn next(&self) -> Vec<Request> {
        const WHILE: Duration = Duration::from_millis(500);
        let mut state = self.lock();
        state.health = Health::Idle;
        if state.queue.queued() == 0 {
            let waited = self.work.wait_timeout(state, WHILE);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let batch = state.queue.batch(self.batch_bytes, Instant::now());
        if !batch.run.is_empty() {
            state.health = Health::Busy(Instant::now());
        }
        drop(state);
        for late in batch.late {
            late.refuse(Unscored::Deadline);
        }
        batch.run
    }

    fn go_down(&self) {
        let waiting: Vec<Request> = {
            let mut state = self.lock();
            state.health = Health::Down;
            state.queue.drain().collect()
        };
        for request in waiting {
            request.refuse(Unscored::GuardDown);
        }
    }
}

/// Judges until nobody holds the guard any more.
fn run(shared: &Weak<Shared>, mut classifier: Box<dyn Classifier>, mut load: Load) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let requests = shared.next();
        if requests.is_empty() || judge(&mut *classifier, requests, &shared.card) {
            continue;
        }
        shared.go_down();
        let Some(replacement) = replace(&shared, &mut load) else { return };
        classifier = replacement;
    }
}

/// Judges one batch; says whether the classifier can be trusted with another.
fn judge(classifier: &mut dyn Classifier, requests: Vec<Request>, card: &GuardCard) -> bool {
    let begun = Instant::now();
    let batch: Vec<_> =
        requests.iter().flat_map(|request| request.transcripts.iter().cloned()).collect();
    let judged = catch_unwind(AssertUnwindSafe(|| classifier.judge(&batch)));
    let ran = begun.elapsed();
    let judgements = match judged {
        Ok(judgements) if is_sound(&judgements, batch.len(), card) => judgements,
        Ok(_) => {
            tracing::error!("the classifier returned nonsense; it is replaced");
            return refuse_all(requests);
        }
        Err(_) => {
            tracing::error!("the classifier panicked; it is replaced");
            return refuse_all(requests);
        }
    };
    let mut judgements = judgements.into_iter();
    for request in requests {
        let mut judgement = Judgement::default();
        let texts = request.transcripts.iter().enumerate();
        for ((number, transcript), mut of_one) in texts.zip(judgements.by_ref()) {
            for scores in &mut of_one.readings {
                scores.reading = transcript.reading();
            }
            judgement.absorb(of_one.of(number));
        }
        let waited = begun.saturating_duration_since(request.asked);
        let _ = request.reply.send(Judged { judgement, waited, ran });
    }
    true
}

/// One judgement per text, each either with readings over the whole taxonomy or with a reason.
fn is_sound(judgements: &[Judgement], texts: usize, card: &GuardCard) -> bool {
    judgements.len() == texts
        && judgements.iter().all(|judgement| {
            let known = judgement.unscored.is_some() || !judgement.readings.is_empty();
            known
                && judgement.readings.iter().all(|scores| scores.first.len() == card.taxonomy.len())
        })
}

fn refuse_all(requests: Vec<Request>) -> bool {
    for request in requests {
        request.refuse(Unscored::GuardDown);
    }
    false
}

/// Makes a new classifier, as often as it takes; `None` when nobody holds the guard any more.
fn replace(shared: &Arc<Shared>, load: &mut Load) -> Option<Box<dyn Classifier>> {
    let (mut pause, longest) = RETRY;
    loop {
        match catch_unwind(AssertUnwindSafe(&mut *load)) {
            Ok(Ok(classifier)) => return Some(classifier),
            Ok(Err(error)) => tracing::error!(%error, "the classifier could not be replaced"),
            Err(_) => tracing::error!("replacing the classifier panicked"),
        }
        if Arc::strong_count(shared) == 1 {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use crate::guard::{Classifier, Guard, GuardCard, Lane, LoadError, Scripted, Settings};
    use crate::transcript::Transcript;
    use crate::verdict::{Judgement, Unscored};
    use std::time::Duration;

    fn guard(deadline: Duration, scripted: Scripted) -> Guard {
        let settings = Settings { deadline, ..Settings::default() };
        Guard::start(&settings, move || Ok(Box::new(scripted.clone()))).expect("loads")
    }

    const AMPLE: Duration = Duration::from_secs(30);

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
    async fn a_panic_costs_its_batch_and_no_more() {
        let guard = guard(AMPLE, Scripted::blocking_on("canary", "S1").panicking_on("boom"));
        let judged = guard.judge(vec![Transcript::user("boom")], Lane(0)).await;
        assert_eq!(judged.judgement.unscored, Some(Unscored::GuardDown));
        loop {
            let judged = guard.judge(vec![Transcript::user("hello")], Lane(0)).await;
            match judged.judgement.unscored {
                None => break,
                reason => assert_eq!(reason, Some(Unscored::GuardDown)),
            }
        }
    }

    #[tokio::test]
    async fn a_deadline_is_kept_while_the_classifier_hangs() {
        let short = Duration::from_millis(20);
        let guard = guard(short, Scripted::safe().sleeping_on("sleep", Duration::from_secs(2)));
        let judged = guard.judge(vec![Transcript::user("sleep")], Lane(0)).await;
        assert_eq!(judged.judgement.unscored, Some(Unscored::Deadline));
    }

    #[tokio::test]
    async fn nonsense_is_no_verdict() {
        #[derive(Clone)]
        struct Nonsense;
        impl Classifier for Nonsense {
            fn card(&self) -> GuardCard {
                Scripted::safe().card()
            }
            fn judge(&mut self, _batch: &[Transcript]) -> Vec<Judgement> {
                vec![Judgement::default()]
            }
        }
        let guard = Guard::start(&Settings::default(), || Ok(Box::new(Nonsense))).expect("loads");
        let judged = guard.judge(vec![Transcript::user("hello")], Lane(0)).await;
        assert_eq!(judged.judgement.unscored, Some(Unscored::GuardDown));
    }

    #[test]
    fn a_guard_that_cannot_be_loaded_is_an_error() {
        let failed = Guard::start(&Settings::default(), || Err(LoadError("no weights".into())));
        assert_eq!(failed.err().map(|error| error.to_string()).as_deref(), Some("no weights"));
    }
}
