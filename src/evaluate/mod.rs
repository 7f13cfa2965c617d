//! How good a guard is, and what a policy would do: labelled data through the guard, curves, thresholds;
//! recorded scores under another policy.
//!
//! Labelled [`data`] is read twice, a row at a time: once to find every fault before a guard is loaded and
//! to learn the labels, once for the texts that have no score yet. What remains of a row is its label, the
//! digest of its text and where its scores stand, so that memory grows with the number of rows and never
//! with their texts.

mod chart;
pub mod data;
pub mod metrics;

mod endpoint;
mod measure;
mod plots;
mod policy_file;
mod published;
mod recorded;
mod replay;
mod report;
mod rows;
mod run;
mod scores;
pub mod tables;
mod tune;

pub use chart::{Chart, ChartError, Form, Mark};
pub use endpoint::{Endpoint, EndpointError};
pub use measure::{AtHalf, Confusion, HALF, Measured, OfCategory, OfKind, STRETCHES, measure};
pub use plots::of_replay as plot_of_replay;
pub use policy_file::{Origin, PolicyFileError, write_policy};
pub use published::{Published, published, published_category};
pub use recorded::{Recorded, ReplayError, read as read_log};
pub use replay::{ACTIONS, Drift, Drifted, Group, Replay, Replaying, actions};
pub use report::{ReportError, write_chart, write_report};
pub use rows::{Row, Rows};
pub use run::{Judge, Ran, RunError, run};
pub use scores::{Digest, Scores, ScoresError};
pub use tune::{FEWEST, HELD_OUT, Outcome, Target, TunedPhase, expected, tune};
