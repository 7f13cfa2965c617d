//! `wardgate serve`: the gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{check, engine, output};
use crate::config::{self, Settings};
use crate::server::Server;

/// Serves until it is told to stop.
#[derive(Args)]
pub(super) struct Serve {
    /// The gateway.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode> {
        super::init_log();
        let loaded = config::load(&self.config, &check::env)?;
        for warning in &loaded.warnings {
            output::complain(&format!("warning: {warning}"));
        }
        serve(loaded.settings, |server| {
            output::complain(&format!(
                "listening on {}, admin on http://{}",
                server.url(),
                server.admin
            ));
            Ok(())
        })
    }
}

/// Brings up the guard and the listeners, says so, and serves until SIGINT or SIGTERM.
pub(super) fn serve(
    settings: Settings,
    announce: impl FnOnce(&Server) -> Result<()>,
) -> Result<ExitCode> {
    let guard = engine::start(settings.model.clone(), settings.engine.clone(), &settings.guard)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::of(settings, guard)?;
        announce(&server)?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stop = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        stop().await;
        output::complain(
            "stopping: no new connections, exchanges end within their grace period; stop again to cut \
             them",
        );
        let ended = tokio::select! {
            ended = server.drain() => ended,
            () = stop() => false,
        };
        if !ended {
            output::complain("some exchanges did not end by themselves and were cut");
        }
        Ok(ExitCode::SUCCESS)
    })
}
