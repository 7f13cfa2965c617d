//! Texts through a guard: those that have no score yet, several at a time, until done or cancelled.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::JoinSet;

use crate::evaluate::data::{DataFault, Dataset, Mapping};
use crate::evaluate::endpoint::{Endpoint, EndpointError};
use crate::evaluate::scores::{Digest, Scores, ScoresError};
use crate::guard::{Guard, Lane};
use crate::transcript::Transcript;
use crate::verdict::Judgement;

/// Who judges.
#[derive(Clone)]
pub enum Judge {
    /// A guard in this process.
    Guard(Guard),
    /// A moderation endpoint.
    Endpoint(Endpoint),
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError {
    /// The data, which was whole a moment ago.
    #[error(transparent)]
    Data(#[from] DataFault),
    /// The scores cannot be written.
    #[error(transparent)]
    Scores(#[from] ScoresError),
    /// The endpoint does not answer as it should.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Ran {
    /// Texts that were judged.
    pub texts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took.
    pub time: Duration,
    /// Whether it was cancelled before the end.
    pub cancelled: bool,
}

/// How many bytes of text are under way together: enough for the guard's batches to be full, far less
/// than its queue takes.
const UNDER_WAY: usize = 128 << 10;
/// How many texts are under way together.
const TEXTS: usize = 256;
/// How many requests an endpoint gets at a time.
const REQUESTS: usize = 8;

impl Judge {
    async fn judge(&self, transcript: Transcript) -> Result<Judgement, EndpointError> {
        match self {
            Self::Guard(guard) => {
                Ok(guard.judge(vec![transcript], Lane::default()).await.judgement)
            }
            Self::Endpoint(endpoint) => endpoint.judge(transcript).await,
        }
    }

    fn texts(&self) -> usize {
        match self {
            Self::Guard(_) => TEXTS,
            Self::Endpoint(_) => REQUESTS,
        }
    }
}

/// Judges every text of these files that has no score yet. `done` hears of each; when `cancel` is ready
/// the run ends, and what was judged until then is kept.
///
/// # Errors
///
/// When texts cannot be read, judged or their scores written down.
pub async fn run(
    datasets: &[Dataset],
    mapping: &Mapping,
    scores: &mut Scores,
    judge: &Judge,
    mut done: impl FnMut(u64),
    cancel: impl Future<Output = ()>,
) -> Result<Ran, RunError> {
    let begun = Instant::now();
    let mut ran = Ran::default();
    let mut under_way = UnderWay::default();
    let mut cancel = std::pin::pin!(cancel);
    let taxonomy = scores.taxonomy().clone();
    let mut waiting: VecDeque<&Dataset> = datasets.iter().collect();
    let mut examples = None;
    loop {
        let next = match &mut examples {
            Some(reading) => Iterator::next(reading),
            None => match waiting.pop_front() {
                Some(dataset) => {
                    examples = Some(dataset.examples(mapping, &taxonomy)?);
                    continue;
                }
                None => break,
            },
        };
        let Some(example) = next else {
            examples = None;
            continue;
        };
        let transcript = example?.transcript;
        let digest = Digest::of(&transcript);
        if scores.find(digest).is_some() || under_way.digests.contains(&digest) {
            continue;
        }
        let bytes = transcript.bytes();
        while under_way.is_full(bytes, judge.texts()) {
            if under_way.settle(scores, &mut ran, &mut done, cancel.as_mut()).await? {
                ran.time = begun.elapsed();
                return Ok(ran);
            }
        }
        under_way.begin(digest, bytes, transcript, judge.clone());
    }
    while !under_way.digests.is_empty() {
        if under_way.settle(scores, &mut ran, &mut done, cancel.as_mut()).await? {
            break;
        }
    }
    scores.flush()?;
    ran.time = begun.elapsed();
    Ok(ran)
}

/// The texts that are being judged.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<(Digest, usize, Result<Judgement, EndpointError>)>,
    digests: HashSet<Digest>,
    bytes: usize,
}

impl UnderWay {
    fn is_full(&self, bytes: usize, texts: usize) -> bool {
        !self.digests.is_empty()
            && (self.bytes.saturating_add(bytes) > UNDER_WAY || self.digests.len() >= texts)
    }

    fn begin(&mut self, digest: Digest, bytes: usize, transcript: Transcript, judge: Judge) {
        self.digests.insert(digest);
        self.bytes += bytes;
        self.tasks.spawn(async move { (digest, bytes, judge.judge(transcript).await) });
    }

    /// Waits for one text and records it; says whether the run was cancelled instead.
    async fn settle(
        &mut self,
        scores: &mut Scores,
        ran: &mut Ran,
        done: &mut impl FnMut(u64),
        cancel: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<bool, RunError> {
        let finished = tokio::select! {
            biased;
            () = cancel => None,
            finished = self.tasks.join_next() => finished,
        };
        let Some(finished) = finished else {
            ran.cancelled = true;
            scores.flush()?;
            return Ok(true);
        };
        let (digest, bytes, judged) = match finished {
            Ok(finished) => finished,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody aborts them.
                Err(_) => return Ok(false),
            },
        };
        self.digests.remove(&digest);
        self.bytes = self.bytes.saturating_sub(bytes);
        let judgement = match judged {
            Ok(judgement) => judgement,
            Err(error) => {
                scores.flush()?;
                return Err(error.into());
            }
        };
        scores.record(digest, &judgement)?;
        ran.texts += 1;
        ran.bytes += bytes as u64;
        // What is on disk is what a cancelled run has to show.
        const EVERY: u64 = 64;
        if ran.texts.is_multiple_of(EVERY) {
            scores.flush()?;
        }
        done(1);
        Ok(false)
    }
}
