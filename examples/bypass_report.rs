//! Tries everything that `tests/bypass` tries, and writes its table as Markdown.
//!
//! `cargo run --release --example bypass_report`

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it trusts what it has built, and prints its result"
)]

#[path = "../tests/gateway/support/mod.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod support;

#[path = "../tests/bypass/suite/mod.rs"]
mod suite;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let report = suite::run(suite::Extent::All).await;
    println!("{report}");
    let failures: Vec<&String> = report.failures().collect();
    for failure in &failures {
        println!("\n* {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
