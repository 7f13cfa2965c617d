//! OpenAI's Responses: a list of items in, a list of items out.
//!
//! A response stands or falls as a whole, like a message. In a stream the same text comes several
//! times: piece by piece, when its part is done, when its item is, and in the whole response at the
//! end. Every copy is held until what it says has been judged; `repeats` tells a copy from a text that
//! only claims to be one. Source: OpenAI's API reference, `POST /v1/responses` and "Streaming events".

mod fields;

mod frame;

mod repeats;

#[cfg(test)]
mod tests;

pub(super) use fields::{EVENT_TYPES, SHAPE};
pub use frame::ResponseFrame;
pub(crate) use repeats::{Copy, Ledger, Repeats};
