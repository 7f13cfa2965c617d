//! Judging within a deadline.

mod classifier;

pub use classifier::{Classifier, GuardCard};
