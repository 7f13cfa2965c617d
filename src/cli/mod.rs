//! One file per subcommand. Results go to stdout, everything else to stderr; 0 is success, 1 a finding
//! or a failure, 2 wrong usage.

mod audit;
mod bench;
mod check;
mod classify;
mod demo;
mod engine;
mod eval;
mod output;
mod progress;
mod pull;
mod replay;
mod scoring;
mod serve;
mod tune;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A guardrail gateway for LLM endpoints.
#[derive(Parser)]
#[command(name = "wardgate", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything embedded: a small guard, a small model provider, two tenants. The first thing to try.
    Demo(demo::Demo),
    /// The gateway.
    Serve(serve::Serve),
    /// Reads a configuration and policies as `serve` would, and reports every problem.
    Check(check::Check),
    /// One verdict on a text or a conversation.
    Classify(classify::Classify),
    /// How good the guard is on labelled data.
    Eval(eval::Eval),
    /// Thresholds from labelled data, as a policy file.
    Tune(tune::Tune),
    /// What another policy would have decided on what the audit log recorded.
    Replay(replay::ReplayLog),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// A guard from the Hugging Face hub into a folder.
    Pull(pull::Pull),
    /// How fast it is here.
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Classify(classify) => classify.run(),
        Command::Eval(eval) => eval.run(),
        Command::Tune(tune) => tune.run(),
        Command::Replay(replay) => replay.run(),
        Command::Audit(audit) => audit.run(),
        Command::Pull(pull) => pull.run(),
        Command::Bench(bench) => bench.run(),
    }
}

/// Log lines go to stderr; `RUST_LOG` says which.
fn init_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("wardgate=info,warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second call, in tests, finds the first one's.
    let _ = log.try_init();
}
