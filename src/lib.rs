//! Wardgate: a guardrail gateway for LLM endpoints.

// Ground first: a module names only those above it in this list, and `tests/layers.rs` holds it.
pub mod taxonomy;
pub mod telemetry;
pub mod transcript;

pub mod verdict;

pub mod guard;
pub mod policy;
pub mod wire;

pub mod audit;
pub mod enforce;
#[cfg(feature = "candle")]
pub mod llama_guard;
pub mod tenant;

pub mod admin;
pub mod config;
pub mod gateway;

pub mod server;

pub mod cli;
