//! What a guard found. It never says what to do.

use std::fmt;
use std::ops::{AddAssign, Range};

use serde::Serialize;

use crate::taxonomy::Category;
use crate::transcript::Reading;

/// A probability: finite, in 0..=1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Score(f32);

impl Score {
    /// No probability at all.
    pub const ZERO: Self = Self(0.0);
    /// Certainty.
    pub const ONE: Self = Self(1.0);

    /// The score for `value`; `None` unless it is finite and, but for rounding, in 0..=1.
    pub fn new(value: f32) -> Option<Self> {
        const ROUNDING: f32 = 1e-4;
        let near = value.is_finite() && (-ROUNDING..=1.0 + ROUNDING).contains(&value);
        near.then(|| Self(value.clamp(0.0, 1.0)))
    }

    /// The probability as a number.
    pub fn get(self) -> f32 {
        self.0
    }

    /// The larger of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one reading of one text gave: p(unsafe), and how it falls to the categories.
#[derive(Clone, PartialEq, Debug)]
pub struct Scores {
    /// p(unsafe), whatever the category.
    pub unsafe_: Score,
    /// Per category, in the taxonomy's order: p(unsafe) times the probability that this category is
    /// the *first* one listed. Sums to at most `unsafe_`.
    pub first: Vec<Score>,
    /// Per category: p(unsafe) times the probability that this category is listed, first or later.
    pub listed: Vec<Score>,
    /// The probability of an answer that is neither `safe` nor `unsafe`: how far the guard is from what
    /// it was asked.
    pub residual: Score,
    /// As what the text was taken.
    pub reading: Reading,
}

impl Scores {
    /// The scores of a text as it stands, by a guard that lists one category at most.
    pub fn new(unsafe_: Score, first: Vec<Score>) -> Self {
        let (listed, residual) = (first.clone(), Score::ZERO);
        Self { unsafe_, first, listed, residual, reading: Reading::Faithful }
    }

    /// The score of one category; zero for a category of another taxonomy.
    pub fn category(&self, category: Category) -> Score {
        self.listed.get(category.index()).copied().unwrap_or(Score::ZERO)
    }

    /// The category's share of p(unsafe): as the first one listed.
    pub fn share(&self, category: Category) -> Score {
        self.first.get(category.index()).copied().unwrap_or(Score::ZERO)
    }
}

/// How much of the text the guard read, in tokens (characters where no tokens are known, as for a
/// text nobody tokenised).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Coverage {
    /// Units read.
    pub read: u64,
    /// Units there were. A part nobody can read counts as one.
    pub total: u64,
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.read = self.read.saturating_add(other.read);
        self.total = self.total.saturating_add(other.total);
    }
}

/// Why some or all of a text has no verdict. An input to the policy, not an exception around it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// A part nobody here can read: an image, audio, a file elsewhere, token ids.
    Unreadable,
    /// The text is longer than the guard takes.
    TooLong,
    /// The guard's queue is full.
    Overloaded,
    /// The guard did not answer in time.
    Deadline,
    /// The guard's answer was neither `safe` nor `unsafe`: something derailed it.
    Derailed,
    /// The guard's numbers were not finite.
    NotFinite,
    /// The guard is not there: still loading, failed its self-test, or died.
    GuardDown,
}

impl Unscored {
    /// The stable word for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooLong => "too_long",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
            Self::Derailed => "derailed",
            Self::NotFinite => "not_finite",
            Self::GuardDown => "guard_down",
        }
    }

    /// Whether the text itself is the reason, so that sending it again cannot help.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::Unreadable | Self::TooLong | Self::Derailed | Self::NotFinite => true,
            Self::Overloaded | Self::Deadline | Self::GuardDown => false,
        }
    }
}

/// A stretch of a text that a classifier points at. Llama Guard points at none; patterns do.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// Which of the texts that were judged together, from 0.
    pub transcript: usize,
    /// Bytes of that text's judged turn.
    pub range: Range<usize>,
    /// What was found there.
    pub category: Category,
    /// How sure it is: no share of p(unsafe).
    pub score: Score,
}

/// What is known about one or several texts: readings, how much was read, and why not all of it.
///
/// The readings stay apart, because a rule looks at one reading at a time (`[unsafe]` minus the
/// shares of its `except`), and the maximum of every number over several texts is the scores of
/// none.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judgement {
    /// One per text, reading of it and window read.
    pub readings: Vec<Scores>,
    /// What was pointed at.
    pub spans: Vec<Span>,
    /// How much was read.
    pub coverage: Coverage,
    /// Why something was not read; the first reason where there are several.
    pub unscored: Option<Unscored>,
}

impl Judgement {
    /// The judgement over one reading that covers everything.
    pub fn read(scores: Scores, tokens: u64) -> Self {
        Self {
            readings: vec![scores],
            spans: Vec::new(),
            coverage: Coverage { read: tokens, total: tokens },
            unscored: None,
        }
    }

    /// No verdict on a text of `total` units.
    pub fn unscored(reason: Unscored, total: u64) -> Self {
        let coverage = Coverage { read: 0, total };
        Self { readings: Vec::new(), spans: Vec::new(), coverage, unscored: Some(reason) }
    }

    /// The same judgement, of the text with this number.
    #[must_use]
    pub fn of(mut self, transcript: usize) -> Self {
        self.spans.iter_mut().for_each(|span| span.transcript = transcript);
        self
    }

    /// Takes in what is known of another text.
    pub fn absorb(&mut self, other: Self) {
        self.readings.extend(other.readings);
        self.spans.extend(other.spans);
        self.coverage += other.coverage;
        self.unscored = self.unscored.or(other.unscored);
    }

    /// Keeps only the highest of every number, for an account that grows with a stream. Rules are not to
    /// be held against what is left: it is the scores of no text. What was pointed at is forgotten, but
    /// for the surest of each category, whose place means nothing any more.
    pub fn condense(&mut self) {
        self.spans.sort_by(|one, other| {
            let surer = other.score.get().total_cmp(&one.score.get());
            one.category.cmp(&other.category).then(surer)
        });
        self.spans.dedup_by_key(|span| span.category);
        let mut readings = std::mem::take(&mut self.readings).into_iter();
        let Some(mut highest) = readings.next() else { return };
        for reading in readings {
            highest.unsafe_ = highest.unsafe_.max(reading.unsafe_);
            highest.residual = highest.residual.max(reading.residual);
            let firsts = highest.first.iter_mut().zip(reading.first);
            for (high, score) in firsts.chain(highest.listed.iter_mut().zip(reading.listed)) {
                *high = high.max(score);
            }
        }
        self.readings.push(highest);
    }

    /// The highest p(unsafe) of any reading, if there is one.
    pub fn highest(&self) -> Option<Score> {
        self.readings.iter().map(|scores| scores.unsafe_).reduce(Score::max)
    }

    /// The highest probability of an answer that is no verdict, of any reading, if there is one.
    pub fn residual(&self) -> Option<Score> {
        self.readings.iter().map(|scores| scores.residual).reduce(Score::max)
    }

    /// The highest score of a category over all readings and all that was pointed at, if there is any.
    pub fn highest_of(&self, category: Category) -> Option<Score> {
        let spans = self.spans.iter().filter(|span| span.category == category);
        let readings = self.readings.iter().map(|scores| scores.category(category));
        readings.chain(spans.map(|span| span.score)).reduce(Score::max)
    }
}
