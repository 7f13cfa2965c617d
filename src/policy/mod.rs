//! Rules, and the decision they lead to. Knows no HTTP and no model.
//!
//! A policy is valid by construction: [`compile`] reads the TOML as written and reports everything
//! that is wrong with it at once. [`decide`] is the heart of the product, a pure function.

mod block;
mod compile;
mod decide;
mod file;
mod rule;
mod shipped;
mod wanted;

pub use block::{Block, Style};
pub use compile::{Compiled, Problem, Problems, compile};
pub use decide::{Decision, Fired, decide};
pub use rule::{
    Action, Annotate, CategoryRule, FailureMode, History, Hold, Mode, Phase, PhaseRules, Policy,
    Thresholds,
};
pub use shipped::{SHIPPED, shipped};
