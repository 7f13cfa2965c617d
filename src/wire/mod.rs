//! The dialects: bytes to what they say, and back. Knows no policy and no model.
//!
//! What is read and how, in the order of reading:
//!
//! * [`json`] is the one strict reading of JSON: bytes that two parsers could read differently are
//!   refused, so that the very bytes that were judged may be sent on.
//! * `field` walks a value along a dialect's table of known fields. Every string and every key is
//!   either on the table as free of content, or handed out to be judged, or noted as unread. A
//!   further dialect is a further table.
//! * `chat` is the table of chat completions, and what its requests and answers say to a guard.
//! * [`sse`] cuts a stream into events, `delta` reads what an event says, and [`reply`] holds what
//!   we say ourselves.

pub mod json;

pub(crate) mod field;

mod chat;

pub mod sse;

pub(crate) mod delta;

pub mod reply;

mod malformed;

pub(crate) mod unescape;

pub(crate) use chat::choice_index;
pub use chat::{ChatRequest, ChatResponse, ChoiceParts, judge_anything};
pub use field::{Channel, PartPath};
pub use malformed::Malformed;
