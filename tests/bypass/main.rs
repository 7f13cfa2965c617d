//! Nothing goes around the guard: generated attacks over real sockets, with a canary that a scripted
//! guard blocks whenever it is shown, an upstream and a client that keep every byte.
//!
//! `cargo run --release --example bypass_report` writes the same table as Markdown.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test says what it expects, and its mocks live as long as it does"
)]

#[path = "../gateway/support/mod.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod support;

mod suite;

/// How many cases there are at the least.
const LEAST: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_around_the_guard() {
    let report = suite::run(suite::Extent::Some).await;
    println!("{report}");
    for failure in report.failures() {
        println!("* {failure}");
    }
    assert_eq!(report.failures().count(), 0, "these went around the guard");
    assert!(report.cases() >= LEAST, "only {} cases", report.cases());
}
