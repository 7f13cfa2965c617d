//! Rules, and the decision they lead to. Knows no HTTP and no model.
//!
//! A policy is valid by construction: [`compile`] reads the TOML as written and reports everything
//! that is wrong with it at once. [`decide`] is the heart of the product, a pure function.

mod compile;
mod decide;
mod file;
mod rule;

pub use compile::{Compiled, Problem, Problems, compile};
pub use decide::{Decision, Fired, decide};
pub use rule::{Action, CategoryRule, FailureMode, Mode, Phase, PhaseRules, Policy, Thresholds};

/// The policies that ship, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    ("default", include_str!("../../policies/default.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
    ("permissive", include_str!("../../policies/permissive.toml")),
    ("observe", include_str!("../../policies/observe.toml")),
];
