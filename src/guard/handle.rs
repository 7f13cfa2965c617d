//! The guard as everybody else sees it: judge these texts, by the deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::guard::classifier::{Classifier, GuardCard, LoadError};
use crate::guard::scheduler::{Job, Lane};
use crate::guard::worker;
use crate::guard::worker::Shared;
use crate::reading::{Readings, readings};
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Unscored};

/// The bounds of a guard.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long one judgement may take, waiting included; past it the text is unscored.
    pub deadline: Duration,
    /// Bytes of text that may wait; above, new texts are unscored at once.
    pub queue_bytes: usize,
    /// Bytes of text that are judged together.
    pub batch_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(2), queue_bytes: 16 << 20, batch_bytes: 16 << 10 }
    }
}

/// A guard: one per process, shared by clones.
#[derive(Clone)]
pub struct Guard {
    shared: Arc<Shared>,
    deadline: Duration,
}

/// What came of asking.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judged {
    /// What is known of the texts.
    pub judgement: Judgement,
    /// How long they waited for their turn.
    pub waited: Duration,
    /// How long the classifier took over the batch they were in.
    pub ran: Duration,
}

/// Texts that wait for the classifier.
pub(crate) struct Request {
    pub(crate) transcripts: Vec<Transcript>,
    pub(crate) cost: usize,
    pub(crate) asked: Instant,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Judged>,
}

impl Request {
    /// Answers that there is no verdict.
    pub(crate) fn refuse(self, reason: Unscored) {
        let judgement = Judgement::unscored(reason, self.cost as u64);
        let waited = self.asked.elapsed();
        // Whoever asked may be gone; then nobody needs the answer.
        let _ = self.reply.send(Judged { judgement, waited, ran: Duration::ZERO });
    }
}

impl Job for Request {
    fn cost(&self) -> usize {
        self.cost
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }
}

impl Guard {
    /// Starts the thread that owns the classifier, and waits until `load` has given it one. The
    /// closure is called again when a classifier panics, to replace it.
    ///
    /// # Errors
    ///
    /// What `load` gives, or that no thread could be started.
    pub fn start(
        settings: &Settings,
        load: impl FnMut() -> Result<Box<dyn Classifier>, LoadError> + Send + 'static,
    ) -> Result<Self, LoadError> {
        let shared = worker::start(settings, Box::new(load))?;
        Ok(Self { shared, deadline: settings.deadline })
    }

    /// Judges texts together, in all their readings, by the deadline. Never fails: what has no verdict
    /// is unscored. Dropping the future cancels what has not begun.
    pub async fn judge(&self, transcripts: Vec<Transcript>, lane: Lane) -> Judged {
        let lengths: Vec<usize> = transcripts.iter().map(|each| each.judged().text.len()).collect();
        let Readings { transcripts, of, left_out } = readings(transcripts);
        let mut judged = self.judge_as_read(transcripts, lane).await;
        for span in &mut judged.judgement.spans {
            // What is found in a further reading stands nowhere in particular: all of the text is meant.
            let text = of.get(span.transcript).copied().unwrap_or_default();
            if text != span.transcript {
                (span.transcript, span.range) = (text, 0..lengths.get(text).copied().unwrap_or(0));
            }
        }
        if left_out > 0 {
            judged.judgement.absorb(Judgement::unscored(Unscored::TooLong, left_out));
        }
        judged
    }

    /// Judges texts together as they stand.
    async fn judge_as_read(&self, transcripts: Vec<Transcript>, lane: Lane) -> Judged {
        if transcripts.is_empty() {
            return Judged::default();
        }
        // Even an empty text costs a pass over the template.
        const TEMPLATE: usize = 64;
        let cost = transcripts.iter().map(|transcript| transcript.bytes() + TEMPLATE).sum();
        let asked = Instant::now();
        let deadline = asked + self.deadline;
        let (reply, answer) = oneshot::channel();
        let request = Request { transcripts, cost, asked, deadline, reply };
        self.shared.submit(lane, request);
        let unscored = |reason| Judged {
            judgement: Judgement::unscored(reason, cost as u64),
            waited: asked.elapsed(),
            ran: Duration::ZERO,
        };
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(judged)) => judged,
            Ok(Err(_)) => unscored(Unscored::GuardDown),
            Err(_) => unscored(Unscored::Deadline),
        }
    }

    /// What the guard is.
    pub fn card(&self) -> Arc<GuardCard> {
        self.shared.card()
    }

    /// Whether a classifier is loaded and answers.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready(self.deadline)
    }

    /// Bytes of text that wait.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued()
    }
}
