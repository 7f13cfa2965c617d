//! Judging within a deadline.
//!
//! One thread owns the classifier. Everybody else holds a [`Guard`], hands it transcripts with a lane,
//! and gets a judgement by the deadline: a verdict, or the reason why there is none.

mod classifier;
mod handle;
mod scheduler;
mod scripted;
mod worker;

pub use classifier::{Classifier, Engine, GuardCard, LoadError};
pub use handle::{Guard, Judged, Settings};
pub use scheduler::Lane;
pub use scripted::{Scripted, Seen};
