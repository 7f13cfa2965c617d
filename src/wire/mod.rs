//! The dialects: bytes to what they say, and back. Knows no policy and no model.
//!
//! What is read and how, in the order of reading:
//!
//! * [`json`] is the one strict reading of JSON: bytes that two parsers could read differently are
//!   refused, so that the very bytes that were judged may be sent on.
//! * `field` walks a value along a dialect's table of known fields. Every string and every key is
//!   either on the table as free of content, or handed out to be judged, or noted as unread. A
//!   further dialect is a further table.
//! * `dialect` is the seam between the dialects: what each of them is, as data. `chat`, `completions`,
//!   `embeddings`, `messages` and `responses` are the dialects, `shared` holds rows that several have.
//! * `passage` is the seam between what is judged and what is sent: a text to be judged knows the
//!   strings of the body it is made of, and so how any part of it is replaced. `nested` says what of JSON
//!   inside a string may be, `sentences` where sentences end, `rewrite` does it.
//! * `request` and `answer` read bodies in any dialect; `asked` is what the one tells the other, `terms`
//!   what a policy leaves to the reading.
//! * [`sse`] cuts a stream into events, and `delta` reads what an event says.
//! * [`reply`] holds what we say ourselves, `withhold` what stands in the place of an answer, `frame`
//!   how a stream is closed, `farewell` in which words, and `spoken` whole answers of ours.
//! * `finding` is what may be told of a judgement, `vocabulary` what others call our categories,
//!   `moderation` how OpenAI asks for it and is told, and [`inquiry`] who else may ask.

pub mod json;

pub(crate) mod nested;

pub(crate) mod sentences;

pub(crate) mod passage;

pub(crate) mod rewrite;

pub(crate) mod field;

mod floats;

mod dialect;

mod shared;

mod chat;

mod completions;

mod embeddings;

mod messages;

mod responses;

mod request;

mod asked;

mod terms;

mod answer;

pub mod sse;

pub(crate) mod delta;

pub mod reply;

mod withhold;

mod frame;

mod farewell;

mod vocabulary;

mod finding;

mod moderation;

pub mod inquiry;

mod spoken;

mod malformed;

#[cfg(test)]
mod canary;

#[cfg(test)]
mod turns;

pub(crate) use answer::choice_index;
pub use answer::{Answer, ChoiceParts};
pub use asked::Asked;
pub use dialect::Dialect;
pub use farewell::{End, Farewell};
pub use field::{Channel, PartPath};
pub use finding::{Finding, Severity, findings, results};
pub use frame::Frame;
pub use malformed::Malformed;
pub use messages::MessageFrame;
pub use moderation::{Moderation, ModerationMode, moderated, moderation_error, moderation_result};
pub use passage::{Edit, Passage};
pub use request::Request;
pub use responses::ResponseFrame;
pub(crate) use responses::{Copy, Ledger, Repeats};
pub use spoken::Spoken;
pub use terms::{History, Terms};
