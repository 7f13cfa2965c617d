//! How an answer ends that we end.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The end of an answer, or of one of its choices, that was blocked: what it says last, and which
/// reason it gives.
#[derive(Clone, PartialEq, Debug)]
pub struct Farewell {
    /// What stands in the place of what was blocked.
    pub words: Arc<str>,
    /// Which reason is given.
    pub end: End,
    /// Further fields of the choice that ends; of the answer, where it is not divided into choices.
    pub further: Map<String, Value>,
}

/// Which reason an answer of ours gives for its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// None: the words are the answer, as if the model had said them.
    Natural,
    /// The content policy, in the dialect's own word for it. In a stream, where what came before has
    /// gone out, it says enough without the words.
    Filtered,
    /// There is no answer, but an error with these words.
    Error,
}

impl Farewell {
    /// One without further fields.
    pub fn new(words: impl Into<Arc<str>>, end: End) -> Self {
        Self { words: words.into(), end, further: Map::new() }
    }

    /// Whether nothing of the answer can stand beside it.
    pub fn ends_all(&self) -> bool {
        self.end == End::Error
    }

    /// Of several reasons, the one with this end.
    pub(super) fn reason(&self, natural: &'static str, filtered: &'static str) -> &'static str {
        match self.end {
            End::Natural => natural,
            End::Filtered | End::Error => filtered,
        }
    }

    /// What is still said in a stream.
    pub(super) fn last_words(&self) -> Option<&str> {
        Some(&*self.words).filter(|words| self.end == End::Natural && !words.is_empty())
    }
}

impl Default for Farewell {
    /// A choice that ends in silence, for what it said.
    fn default() -> Self {
        Self::new("", End::Filtered)
    }
}
