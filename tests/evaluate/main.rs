//! `wardgate eval`, `tune` and `replay` as a user runs them. A moderation endpoint that scores by words
//! stands in for a guard, so that no engine is needed.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

mod endpoint;
mod eval;
mod replay;
mod support;
mod tune;
