//! The seam between the dialects: what each of them answers to the same few questions.
//!
//! A [`Dialect`] is a name; its [`Shape`] is data in a file of its own. Requests, answers and streams
//! are read by one mechanism, which asks the shape: where does it stand what the model is asked, which
//! fields are known, into what is an answer divided that stands or falls by itself? What is said in a
//! dialect's own words (errors, endings, what stands in the place of something withheld) is found
//! by a `match` without a wildcard in `reply`, `frame` and `withhold`: a further dialect does not
//! compile until all of them know it.
//!
//! A guard knows two speakers. Whose turn each text is (`turns` holds it by a table of examples):
//!
//! | text | turn that is judged | in the light of |
//! |---|---|---|
//! | what people say: messages of `user`, of an unknown role or none | User | nothing |
//! | what the application says: messages of `system` and `developer`, `system` of Messages, `instructions` of Responses | User | nothing |
//! | what tools give back: messages of `tool` and `function`, `tool_result` blocks, outputs of calls | User | nothing |
//! | what is defined or handed along: tools, functions, schemas, documents, search results, stop words, fields nobody knows | User | nothing |
//! | what the model is said to have said, now or before: messages of `assistant`, items that a model makes (calls, reasoning), everything in an answer's choices | Agent | the end of the last text before it that a `user` message said, or of the prompt that the choice continues |
//! | each text of a prompt to be continued, or to be embedded | User | nothing |
//! | errors, and what an answer says outside its choices | User | nothing |
//!
//! The whole conversation is judged with every request, unless the terms leave out what was said
//! before (see [`History`](crate::wire::History)).
//!
//! The content of a message is one text, its parts joined by line feeds. The channels of an answer
//! (content, refusal, reasoning, each tool call) are judged apart; so is what a message says in
//! fields that are not its content, and each further field of the request.

use std::sync::LazyLock;

use crate::wire::field::Table;
use crate::wire::{chat, completions, embeddings, messages, responses};

/// An API that is spoken here. The client's and the upstream's are the same: nothing is translated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// `POST /v1/chat/completions` of OpenAI.
    Chat,
    /// `POST /v1/completions` of OpenAI: a text is continued.
    Completions,
    /// `POST /v1/embeddings` of OpenAI: texts in, numbers out.
    Embeddings,
    /// `POST /v1/messages` of Anthropic.
    Messages,
    /// `POST /v1/responses` of OpenAI.
    Responses,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::Completions, Self::Embeddings, Self::Messages, Self::Responses];

    /// The word for records and metrics.
    pub fn as_str(self) -> &'static str {
        self.shape().name
    }

    /// Where it is spoken, below an API's base such as `https://api.openai.com/v1`.
    pub fn path(self) -> &'static str {
        self.shape().path
    }

    /// The field of a request that holds what the model is asked.
    pub fn asked(self) -> &'static str {
        self.shape().asked
    }

    /// The header that may hold a client's key in the place of `Authorization`.
    pub fn key_header(self) -> Option<&'static str> {
        self.shape().key_header
    }

    /// Headers of a request that go along to the provider: versions and names, not words.
    pub fn headers(self) -> &'static [&'static str] {
        self.shape().headers
    }

    /// What is known of the dialect's bodies.
    pub(crate) fn shape(self) -> &'static Shape {
        match self {
            Self::Chat => &chat::SHAPE,
            Self::Completions => &completions::SHAPE,
            Self::Embeddings => &embeddings::SHAPE,
            Self::Messages => &messages::SHAPE,
            Self::Responses => &responses::SHAPE,
        }
    }
}

/// A dialect's bodies, and the headers that belong to them, as data.
pub(crate) struct Shape {
    /// The word for records and metrics.
    pub(crate) name: &'static str,
    /// Where it is spoken, below an API's base.
    pub(crate) path: &'static str,
    /// The field of a request that holds what the model is asked.
    pub(crate) asked: &'static str,
    /// What stands there.
    pub(crate) asking: Asking,
    /// Into what an answer is divided.
    pub(crate) said: Said,
    /// Whether a request may ask for moderation in a field of its own.
    pub(crate) moderates: bool,
    /// The header that may hold a client's key in the place of `Authorization`.
    pub(crate) key_header: Option<&'static str>,
    /// Headers of a request that go along to the provider.
    pub(crate) headers: &'static [&'static str],
    /// The known fields of requests.
    pub(crate) requests: LazyLock<Table>,
    /// The known fields of answers, and of the events of a streamed one.
    pub(crate) answers: LazyLock<Table>,
}

/// What the model is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// A list of messages, each of somebody.
    Messages,
    /// A text, or a list of texts, each of them judged and answered by itself; or their token ids.
    Texts,
    /// A text, or a list of messages and other items.
    Items(Items),
}

/// The kinds of items that a model may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Items {
    /// Those of which everything that can be read is read; others count as unread.
    pub(crate) known: &'static [&'static str],
    /// Those that the model has said, where no role says who did.
    pub(crate) agent: &'static [&'static str],
}

/// What of an answer stands or falls by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// Each item of the list in this field.
    Choices(&'static str),
    /// The whole.
    Whole {
        /// It is known by the list in this field.
        list: &'static str,
        /// The field of a stream's event in which the whole stands.
        event: &'static str,
    },
    /// Nothing is said: there is a list of numbers in this field.
    Numbers(&'static str),
}

impl Said {
    /// The field with the list of choices, if there are any.
    pub(crate) fn choices(self) -> Option<&'static str> {
        match self {
            Self::Choices(list) => Some(list),
            Self::Whole { .. } | Self::Numbers(_) => None,
        }
    }

    /// The field that an answer has, and an error has not.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Choices(list) | Self::Whole { list, .. } | Self::Numbers(list) => list,
        }
    }
}
