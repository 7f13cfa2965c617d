//! Anthropic's Messages: a conversation of content blocks.
//!
//! An answer is one message, and stands or falls as a whole: the blocks of a message go on from each
//! other, and so do the events of a streamed one. `system` and the results of tools are the user's
//! side, like everything else that is not the assistant's; the question of an answer is the text a
//! user said last, not what a tool gave back. Source: Anthropic's API reference, `POST /v1/messages`
//! and "Streaming messages".

mod fields;

mod frame;

#[cfg(test)]
mod tests;

pub(super) use fields::SHAPE;
pub use frame::MessageFrame;
