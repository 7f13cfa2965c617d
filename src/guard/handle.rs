//! The guard as everybody else sees it: judge these texts, by the deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::guard::classifier::{Classifier, GuardCard, LoadError, Reader, Window, Work};
use crate::guard::docket::{Answer, Asker, Cut};
use crate::guard::scheduler::Lane;
use crate::guard::verdicts::Key;
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
    /// Tokens that may wait to be computed; above, new texts are unscored at once.
    pub queue_tokens: usize,
    /// Tokens that are computed together.
    pub batch_tokens: usize,
    /// Bytes of verdicts that are kept, for texts that are asked about again.
    pub verdict_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(2),
            queue_tokens: 1 << 20,
            batch_tokens: 2048,
            verdict_bytes: 16 << 20,
        }
    }
}

/// Up to this many bytes are tokenised where they are asked for; more would hold up the others on that
/// thread for too long.
const INLINE: usize = 16 << 10;

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
    /// How long they waited for their turn: the text that took longest.
    pub waited: Duration,
    /// How long the classifier took over it.
    pub ran: Duration,
}

impl Guard {
    /// Starts the thread that owns the classifier, and waits until `load` has given it one. The
    /// closure is called again when a classifier panics or hangs, to replace it.
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
        let asked = Instant::now();
        let deadline = asked + self.deadline;
        let transcripts: Vec<_> = transcripts.into_iter().map(Arc::new).collect();
        let (reply, mut answers) = mpsc::unbounded_channel();
        let texts = transcripts.iter().enumerate().map(|(index, transcript)| {
            let asker = Asker { index, reply: reply.clone(), asked, deadline };
            (Key::of(lane, transcript), asker)
        });
        let mut unknown = self.shared.join(texts.collect());
        drop(reply);
        if !unknown.is_empty() {
            let wanted = unknown.iter().filter_map(|(_, asker)| transcripts.get(asker.index));
            let cuts = self.cut(wanted.cloned().collect(), lane).await;
            let cuts = unknown.drain(..).zip(cuts).filter_map(
                |((key, asker), (transcript, cut))| match cut {
                    Ok(windows) => Some((Cut { key, lane, transcript, windows }, asker)),
                    Err(reason) => {
                        asker.tell(Judgement::unscored(reason, length(&transcript)));
                        None
                    }
                },
            );
            self.shared.submit(cuts.collect());
        }
        let mut known: Vec<Option<Answer>> = transcripts.iter().map(|_| None).collect();
        let missing = loop {
            if known.iter().all(Option::is_some) {
                break Unscored::GuardDown;
            }
            match tokio::time::timeout_at(deadline.into(), answers.recv()).await {
                Ok(Some((index, answer))) => {
                    if let Some(slot) = known.get_mut(index) {
                        *slot = Some(answer);
                    }
                }
                Ok(None) => break Unscored::GuardDown,
                Err(_) => break Unscored::Deadline,
            }
        };
        let unanswered = |transcript: &Arc<Transcript>| Answer {
            judgement: Judgement::unscored(missing, length(transcript)),
            waited: asked.elapsed(),
            ran: Duration::ZERO,
        };
        let answers = known
            .into_iter()
            .zip(&transcripts)
            .map(|(answer, transcript)| answer.unwrap_or_else(|| unanswered(transcript)));
        let mut judged = Judged::default();
        for (index, Answer { mut judgement, waited, ran }) in answers.enumerate() {
            // Two disguises of the same words are one text to the guard.
            let reading = transcripts.get(index).map(|transcript| transcript.reading());
            for scores in &mut judgement.readings {
                scores.reading = reading.unwrap_or(scores.reading);
            }
            judged.judgement.absorb(judgement.of(index));
            if waited + ran > judged.waited + judged.ran {
                (judged.waited, judged.ran) = (waited, ran);
            }
        }
        judged
    }

    /// Cuts transcripts into windows.
    async fn cut(
        &self,
        transcripts: Vec<Arc<Transcript>>,
        lane: Lane,
    ) -> Vec<(Arc<Transcript>, Read)> {
        let reader = self.shared.reader();
        let bytes: usize = transcripts.iter().map(|transcript| transcript.bytes()).sum();
        let read = move |transcripts: Vec<Arc<Transcript>>| {
            let read = |transcript: Arc<Transcript>| {
                let windows = read(&*reader, lane, &transcript);
                (transcript, windows)
            };
            transcripts.into_iter().map(read).collect()
        };
        if bytes <= INLINE {
            return read(transcripts);
        }
        let lost = transcripts.clone();
        match tokio::task::spawn_blocking(move || read(transcripts)).await {
            Ok(windows) => windows,
            // The runtime is shutting down.
            Err(_) => lost.into_iter().map(|each| (each, Err(Unscored::GuardDown))).collect(),
        }
    }

    /// Judges several sets of texts beside one another, each with a judgement of its own.
    pub async fn judge_each(&self, sets: Vec<Vec<Transcript>>, lane: Lane) -> Vec<Judged> {
        join_all(sets.into_iter().map(|set| self.judge(set, lane))).await
    }

    /// What the guard is.
    pub fn card(&self) -> Arc<GuardCard> {
        self.shared.card()
    }

    /// Whether a classifier is loaded and answers.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready()
    }

    /// Tokens that wait to be computed.
    pub fn queued_tokens(&self) -> usize {
        self.shared.queued()
    }

    /// Tokens that were computed so far, and that did not have to be.
    pub fn work(&self) -> Work {
        self.shared.work()
    }
}

type Read = Result<Vec<Window>, Unscored>;

/// The windows of a transcript. A tokenizer that panics costs its text and no more.
fn read(reader: &dyn Reader, lane: Lane, transcript: &Transcript) -> Read {
    catch_unwind(AssertUnwindSafe(|| reader.read(lane, transcript))).unwrap_or_else(|_| {
        tracing::error!("the guard's tokenizer panicked");
        Err(Unscored::Unreadable)
    })
}

/// How long a text is, where nobody has tokenised it.
fn length(transcript: &Transcript) -> u64 {
    u64::try_from(transcript.judged().text.chars().count()).unwrap_or(u64::MAX)
}
