//! One labelled text.

use crate::policy::Phase;
use crate::transcript::{Role, Transcript};

/// A text that people have labelled.
#[derive(Clone, PartialEq, Debug)]
pub struct Example {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What is judged.
    pub transcript: Transcript,
    /// What people said of it.
    pub label: Label,
}

/// What people said of a text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Label {
    /// Whether it is unsafe.
    pub unsafe_: bool,
    /// Codes of the categories it is in, where that is known.
    pub categories: Vec<String>,
    /// Labels of its data set that are no category of the guard.
    pub unmapped: Vec<String>,
    /// What kind of text it is, in its data set's own words: a type, a source.
    pub kind: Option<String>,
}

impl Example {
    /// Whether it is a prompt or an answer.
    pub fn phase(&self) -> Phase {
        match self.transcript.judged().role {
            Role::User => Phase::Prompt,
            Role::Agent => Phase::Response,
        }
    }
}
