//! A classifier that reads its verdicts from a script: for tests and benches, ours and yours. Records
//! say so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::guard::classifier::{Classifier, GuardCard, Outcome, Reader, Text, Window, Work};
use crate::guard::scheduler::Lane;
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Score, Scores, Unscored};

/// Everything a scripted classifier was shown, in order.
pub type Seen = Arc<Mutex<Vec<Transcript>>>;

/// Calls safe whatever it has no rule for. Rules look for words in the judged turn, the first that
/// matches counts.
#[derive(Clone)]
pub struct Scripted {
    name: String,
    rules: Vec<(String, Act)>,
    taxonomy: Taxonomy,
    seen: Seen,
}

#[derive(Clone)]
enum Act {
    Score { unsafe_: f32, category: usize },
    Leave(Unscored),
    Sleep(Duration),
    Panic,
}

impl Scripted {
    /// Calls everything safe.
    pub fn safe() -> Self {
        let (name, taxonomy) = ("scripted".to_owned(), Taxonomy::llama_guard_2());
        Self { name, rules: Vec::new(), taxonomy, seen: Seen::default() }
    }

    /// Goes by another name.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Calls unsafe, in this category, whatever holds these words.
    pub fn blocking_on(words: &str, code: &str) -> Self {
        Self::safe().scoring_on(words, 0.99, code)
    }

    /// Gives p(unsafe) `unsafe_`, all of it in this category, to whatever holds these words.
    #[must_use]
    pub fn scoring_on(self, words: &str, unsafe_: f32, code: &str) -> Self {
        let category = self.taxonomy.by_code(code).map_or(0, |category| category.index());
        self.on(words, Act::Score { unsafe_, category })
    }

    /// Has no verdict on whatever holds these words.
    #[must_use]
    pub fn leaving(self, words: &str, reason: Unscored) -> Self {
        self.on(words, Act::Leave(reason))
    }

    /// Takes its time over whatever holds these words, and calls it safe.
    #[must_use]
    pub fn sleeping_on(self, words: &str, time: Duration) -> Self {
        self.on(words, Act::Sleep(time))
    }

    /// Panics on whatever holds these words.
    #[must_use]
    pub fn panicking_on(self, words: &str) -> Self {
        self.on(words, Act::Panic)
    }

    /// What it has been shown so far, by all its clones.
    pub fn seen(&self) -> Seen {
        Arc::clone(&self.seen)
    }

    fn on(mut self, words: &str, act: Act) -> Self {
        self.rules.push((words.to_owned(), act));
        self
    }

    fn read(&self, transcript: &Transcript) -> Judgement {
        let text = &transcript.judged().text;
        let act = self.rules.iter().find(|(words, _)| text.contains(words.as_str()));
        let tokens = words(transcript);
        match act.map(|(_, act)| act) {
            None => self.judgement(0.0, 0, tokens),
            Some(Act::Score { unsafe_, category }) => self.judgement(*unsafe_, *category, tokens),
            Some(Act::Leave(reason)) => Judgement::unscored(*reason, tokens),
            Some(Act::Sleep(time)) => {
                std::thread::sleep(*time);
                self.judgement(0.0, 0, tokens)
            }
            #[expect(clippy::panic, reason = "what the script asks for")]
            Some(Act::Panic) => panic!("as scripted"),
        }
    }

    fn judgement(&self, unsafe_: f32, category: usize, tokens: u64) -> Judgement {
        let unsafe_ = Score::new(unsafe_).unwrap_or_default();
        let mut first = vec![Score::ZERO; self.taxonomy.len()];
        if let Some(of_category) = first.get_mut(category) {
            *of_category = unsafe_;
        }
        Judgement::read(Scores::new(unsafe_, first), tokens)
    }
}

impl Classifier for Scripted {
    fn card(&self) -> GuardCard {
        GuardCard {
            name: self.name.clone(),
            fingerprint: "0".to_owned(),
            taxonomy: self.taxonomy.clone(),
            engine: None,
            recalls: 0,
            pace: None,
            warnings: vec!["this guard reads from a script: it is for tests".to_owned()],
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(Words)
    }

    fn judge(&mut self, batch: &[Text]) -> Outcome {
        let transcripts = batch.iter().map(|text| Transcript::clone(&text.transcript));
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(transcripts);
        let judgements = batch.iter().map(|text| self.read(&text.transcript)).collect();
        let computed = batch.iter().map(|text| text.window.fresh).sum();
        Outcome { judgements, work: Work { computed, reused: 0 } }
    }
}

/// Takes words for tokens, and every text for one window.
struct Words;

impl Reader for Words {
    fn read(&self, _lane: Lane, transcript: &Transcript) -> Result<Vec<Window>, Unscored> {
        let fresh = words(transcript);
        let tokens = usize::try_from(fresh).unwrap_or(usize::MAX);
        Ok(vec![Window { fresh, tokens, cost: tokens, ..Window::default() }])
    }
}

fn words(transcript: &Transcript) -> u64 {
    transcript.judged().text.split_whitespace().count() as u64
}
