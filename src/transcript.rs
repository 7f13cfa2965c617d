//! What a guard is asked to judge, free of any wire format.
//!
//! A [`Transcript`] is a short conversation whose *last* turn is judged in the light of the turns
//! before it: Llama Guard 2 was trained on a question alone, or a question with its answer.

use std::sync::Arc;

use serde::Serialize;

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

/// As what the judged text was taken, of the ways in which a model might.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// As it stands.
    #[default]
    Faithful,
    /// Without JSON's escapes.
    Unescaped,
    /// In plain letters: nothing invisible, nothing that only looks like a letter.
    Normalised,
    /// With what imitates the frame of a guard's prompt made blunt.
    Defanged,
    /// Without what imitates that frame, and by itself.
    Bare,
    /// With base64, hex and rot13 decoded.
    Decoded,
}

impl Reading {
    /// The word for records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::Unescaped => "unescaped",
            Self::Normalised => "normalised",
            Self::Defanged => "defanged",
            Self::Bare => "bare",
            Self::Decoded => "decoded",
        }
    }

    /// Whether the text was taken as it stands.
    pub fn is_faithful(&self) -> bool {
        *self == Self::Faithful
    }
}

/// Turns to be judged together: the last is judged, those before it are its context.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcript {
    context: Vec<Turn>,
    judged: Turn,
    reading: Reading,
}

/// What of a text is replaced together, finest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Grain {
    /// The bytes that somebody points at.
    Span,
    /// Whole sentences.
    Sentence,
    /// Whole parts.
    Part,
}

impl Grain {
    /// All of them, finest first.
    pub const ALL: [Self; 3] = [Self::Span, Self::Sentence, Self::Part];

    /// The word for files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Sentence => "sentence",
            Self::Part => "part",
        }
    }
}

impl Transcript {
    /// A text from the user's side, judged by itself.
    pub fn user(text: impl Into<Arc<str>>) -> Self {
        let judged = Turn { role: Role::User, text: text.into() };
        Self { context: Vec::new(), judged, reading: Reading::Faithful }
    }

    /// A text of the model, judged as the answer to `prompt` (an empty prompt where none is known:
    /// the template has no place for an answer to nothing).
    pub fn agent(prompt: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            context: vec![Turn { role: Role::User, text: prompt.into() }],
            judged: Turn { role: Role::Agent, text: text.into() },
            reading: Reading::Faithful,
        }
    }

    /// The same conversation with the judged turn in another reading.
    #[must_use]
    pub fn read_as(&self, reading: Reading, text: impl Into<Arc<str>>) -> Self {
        let judged = Turn { role: self.judged.role, text: text.into() };
        Self { context: self.context.clone(), judged, reading }
    }

    /// The same with other words in the turns before the judged one.
    #[must_use]
    pub fn with_context(self, reword: impl Fn(&str) -> String) -> Self {
        let reworded = self
            .context
            .into_iter()
            .map(|turn| Turn { role: turn.role, text: reword(&turn.text).into() });
        Self { context: reworded.collect(), ..self }
    }

    /// A reading of the judged turn by itself, as something that a user says: the only thing that a
    /// guard judges without context.
    #[must_use]
    pub fn alone(reading: Reading, text: impl Into<Arc<str>>) -> Self {
        Self { reading, ..Self::user(text) }
    }

    /// The turns before the judged one, oldest first.
    pub fn context(&self) -> &[Turn] {
        &self.context
    }

    /// The turn that is judged.
    pub fn judged(&self) -> &Turn {
        &self.judged
    }

    /// As what the judged turn is taken.
    pub fn reading(&self) -> Reading {
        self.reading
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
