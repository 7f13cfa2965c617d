//! What of a request matters to its answer.

use std::sync::Arc;

use crate::wire::dialect::Dialect;

/// How an answer will be spoken, in the light of what it is judged, and how many choices it may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    dialect: Dialect,
    questions: Vec<Arc<str>>,
    choices: u32,
}

impl Asked {
    /// One question, to which `choices` answers were asked for.
    pub fn new(dialect: Dialect, question: impl Into<Arc<str>>, choices: u32) -> Self {
        Self { dialect, questions: vec![question.into()], choices }
    }

    /// The dialect of the answer.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many choices were asked for, over all questions.
    pub fn choices(&self) -> u32 {
        self.choices
    }

    /// The question that a choice answers: the context in which it is judged.
    pub fn question(&self, choice: u32) -> Arc<str> {
        let _ = choice;
        self.questions.first().cloned().unwrap_or_else(|| Arc::from(""))
    }
}
