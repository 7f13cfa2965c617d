//! The record of an exchange, and where it goes.
//!
//! JSON lines, two an exchange (`opened`, `closed`), a third where an action was carried out before
//! its exchange had ended (`acted`). Each line holds the hash of the line before and of itself, so that
//! a line that was changed, taken out or put in shows. Lines that were taken off the very end do not
//! show: ship the log elsewhere, or keep the head hash.
//!
//! A line is acknowledged when `write` has returned: then it outlives the process. Lines about actions
//! are acknowledged when `fdatasync` has returned, one for as many lines as wait for it: then they
//! outlive the machine. There is no queue in memory, which is what loses records when a process is
//! killed.

mod chain;
mod draft;
mod log;
mod record;
mod summary;
mod verify;

pub use draft::{AuditDraft, Opening};
pub use log::{AuditError, AuditLog, Durability, Settings};
pub use record::{Outcome, PhaseRecord};
pub use summary::{Decided, Summary, Tally, Times, summary};
pub use verify::{Report, VerifyError, files, verify};
