//! What a guard is asked to judge, free of any wire format.
//!
//! A [`Transcript`] is a short conversation whose *last* turn is judged in the light of the turns
//! before it: Llama Guard 2 was trained on a question alone, or a question with its answer.

use std::sync::Arc;

/// Who speaks, in the only two words Llama Guard 2 knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Whoever writes to the model: people, applications, tools.
    User,
    /// The model.
    Agent,
}

/// One turn of a transcript.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said. Shared, since the windows of a stream repeat their context.
    pub text: Arc<str>,
}

/// Turns to be judged together: the last is judged, those before it are its context.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcript {
    context: Vec<Turn>,
    judged: Turn,
}

impl Transcript {
    /// A text from the user's side, judged by itself.
    pub fn user(text: impl Into<Arc<str>>) -> Self {
        Self { context: Vec::new(), judged: Turn { role: Role::User, text: text.into() } }
    }

    /// A text of the model, judged as the answer to `prompt` (an empty prompt where none is known:
    /// the template has no place for an answer to nothing).
    pub fn agent(prompt: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            context: vec![Turn { role: Role::User, text: prompt.into() }],
            judged: Turn { role: Role::Agent, text: text.into() },
        }
    }

    /// The turns before the judged one, oldest first.
    pub fn context(&self) -> &[Turn] {
        &self.context
    }

    /// The turn that is judged.
    pub fn judged(&self) -> &Turn {
        &self.judged
    }

    /// All turns in order, the judged one last.
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        self.context.iter().chain(std::iter::once(&self.judged))
    }

    /// Bytes of text in all turns: what queues are bounded by before anything is tokenised.
    pub fn bytes(&self) -> usize {
        self.turns().map(|turn| turn.text.len()).sum()
    }
}
