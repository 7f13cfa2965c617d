//! How far a streamed answer has come, and how it is closed in its dialect.
//!
//! A [`Frame`] takes from the upstream's events what our own need to look like their neighbours, and
//! says what has to follow when an answer ends before its time.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::wire::dialect::Dialect;
use crate::wire::farewell::{End, Farewell};
use crate::wire::messages::MessageFrame;
use crate::wire::reply::{DONE, Error, Stamp};
use crate::wire::responses::ResponseFrame;

/// A stream as a client sees it.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame {
    /// Chunks of choices, ended by `[DONE]`.
    Chunks(Stamp),
    /// Events of one message, ended by `message_stop`.
    Message(MessageFrame),
    /// Numbered events of one response, ended by the response itself.
    Response(ResponseFrame),
}

impl Frame {
    /// A stream of which nothing has been seen.
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Chat | Dialect::Completions | Dialect::Embeddings => {
                Self::Chunks(Stamp::chunk_of(dialect))
            }
            Dialect::Messages => Self::Message(MessageFrame::default()),
            Dialect::Responses => Self::Response(ResponseFrame::default()),
        }
    }

    /// Takes what it can from the upstream's first event, which nobody has judged: ids and numbers.
    pub fn note(&mut self, event: &Value) {
        match self {
            Self::Chunks(stamp) => stamp.note(event),
            Self::Message(frame) => frame.note(event),
            Self::Response(frame) => frame.note(event),
        }
    }

    /// Whether it matters which events have gone out.
    pub fn follows(&self) -> bool {
        match self {
            Self::Chunks(_) => false,
            Self::Message(_) | Self::Response(_) => true,
        }
    }

    /// Follows an event that has gone out.
    pub fn pass(&mut self, event: &Value) {
        match self {
            Self::Chunks(_) => {}
            Self::Message(frame) => frame.pass(event),
            Self::Response(frame) => frame.pass(event),
        }
    }

    /// What begins a choice of ours.
    pub(super) fn opening(&self, choice: u32) -> Bytes {
        match self {
            Self::Chunks(stamp) => stamp.opening_chunk(choice),
            // They begin when they are closed.
            Self::Message(_) | Self::Response(_) => Bytes::new(),
        }
    }

    /// What ends a choice before its time.
    pub fn closing(&mut self, choice: u32, farewell: &Farewell) -> Bytes {
        if farewell.end == End::Error {
            return self.failing(&farewell.words);
        }
        match self {
            Self::Chunks(stamp) => stamp.closing_chunks(choice, farewell),
            Self::Message(frame) => frame.closing(farewell),
            Self::Response(frame) => frame.closing(farewell),
        }
    }

    /// The error that ends a stream because of what it said. Nothing is to follow it.
    fn failing(&self, words: &str) -> Bytes {
        let kind = "invalid_request_error";
        let error = Error { message: words, kind, param: None, code: "content_filter" };
        let dialect = match self {
            Self::Chunks(_) => Dialect::Chat,
            Self::Message(_) => Dialect::Messages,
            Self::Response(_) => Dialect::Responses,
        };
        error.event(dialect, self.next())
    }

    /// The number of the next event, where the dialect numbers them.
    pub fn next(&self) -> u64 {
        match self {
            Self::Chunks(_) | Self::Message(_) => 0,
            Self::Response(frame) => frame.next(),
        }
    }

    /// What ends the stream once every choice has ended.
    pub fn done(&mut self) -> Bytes {
        match self {
            Self::Chunks(_) => Bytes::from_static(DONE),
            Self::Message(frame) => frame.done(),
            Self::Response(frame) => frame.done(),
        }
    }

    /// An event that says nothing but these further fields, of choices and beside them.
    pub fn beside(
        &self,
        choices: &[(u32, Map<String, Value>)],
        further: Map<String, Value>,
    ) -> Bytes {
        match self {
            Self::Chunks(stamp) => stamp.aside(choices, further),
            Self::Message(frame) => frame.beside(further),
            Self::Response(frame) => frame.beside(further),
        }
    }

    /// A whole answer that says these words only; `None` where answers are divided into choices.
    pub(super) fn whole(&self, farewell: &Farewell) -> Option<Value> {
        match self {
            Self::Chunks(_) => None,
            Self::Message(frame) => Some(frame.whole(farewell)),
            Self::Response(frame) => Some(frame.whole(farewell)),
        }
    }
}
