//! Chat completions: what requests and answers say to a guard.
//!
//! A guard knows two speakers. Who counts as which:
//!
//! | text | turn that is judged | in the light of |
//! |---|---|---|
//! | messages of `system`, `developer`, `user`, `tool`, `function`, of an unknown role or none | User | nothing |
//! | messages of `assistant`, and everything in an answer | Agent | the end of the last text before it that a `user` message said |
//! | everything else in a request: tool definitions, schemas, stop words, unknown fields | User | nothing |
//!
//! The content of a message is one text, its parts joined by line feeds. The channels of an answer
//! (content, refusal, reasoning, each tool call) are judged apart; so is what a message says in
//! fields that are not its content, and each further field of the request. A text with JSON escapes in
//! it, as tools write them, is judged a second time without them.

mod fields;

mod request;

mod response;

#[cfg(test)]
mod canary;

pub(crate) use fields::ANSWER;
pub use request::ChatRequest;
pub(crate) use response::choice_index;
pub use response::{ChatResponse, ChoiceParts, judge_anything};
