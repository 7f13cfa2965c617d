//! How good a guard is, and what a policy would do: labelled data through the guard, curves, thresholds;
//! recorded scores under another policy.
//!
//! Labelled [`data`] is read twice, a row at a time: once to find every fault before a guard is loaded and
//! to learn the labels, once for the texts that have no score yet. What remains of a row is its label, the
//! digest of its text and where its scores stand, so that memory grows with the number of rows and never
//! with their texts.

pub mod data;
pub mod metrics;
