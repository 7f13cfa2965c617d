//! Judging within a deadline.
//!
//! One thread owns the classifier. Everybody else holds a [`Guard`], hands it transcripts with a lane,
//! and gets a judgement by the deadline: a verdict, or the reason why there is none. A text that is
//! known, or being judged for somebody else, is not judged again.

mod classifier;
mod docket;
mod handle;
mod scheduler;
mod scripted;
mod verdicts;
mod worker;

pub use classifier::{
    Classifier, Engine, GuardCard, LoadError, Outcome, Reader, Text, Window, Work,
};
pub use handle::{Guard, Judged, Settings};
pub use scheduler::Lane;
pub use scripted::{Scripted, Seen};
