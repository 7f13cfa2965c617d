//! `wardgate demo`: everything embedded, to see it at work.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::{output, serve};
use crate::config::{self, Settings};
use crate::server::{DEMO_MODELS, DemoServer, Server};
use crate::wire::inquiry::ENDPOINTS;

/// The tenants of the demo, each under the policy of its name, with its key.
const TENANTS: [(&str, &str); 2] = [("default", "wg-demo-default"), ("strict", "wg-demo-strict")];

/// Serves a demonstration until it is told to stop.
#[derive(Args)]
pub(super) struct Demo {
    /// Where the guarded API listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the admin plane listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode> {
        super::init_log();
        let upstream = DemoServer::start().context("the demo's model provider cannot listen")?;
        let folder = std::env::temp_dir().join(format!("wardgate-demo-{}", ulid::Ulid::new()));
        let settings = settings(self.listen, self.admin, upstream.address, &folder)?;
        let log = folder.join("audit").display().to_string();
        serve::serve(settings, move |server| introduce(server, &log))
    }
}

/// The demo's settings, by way of a file like everybody's.
fn settings(
    listen: SocketAddr,
    admin: SocketAddr,
    upstream: SocketAddr,
    folder: &std::path::Path,
) -> Result<Settings> {
    let models = DEMO_MODELS.map(|model| format!("\"{model}\"")).join(", ");
    let tenants: String = TENANTS
        .iter()
        .map(|(name, key)| {
            let digest = crate::tenant::KeyDigest::of(key);
            format!("[[tenant]]\nname = \"{name}\"\nkeys = [\"{digest}\"]\npolicy = \"{name}\"\n")
        })
        .collect();
    let endpoints = ENDPOINTS.map(|(name, _)| format!("\"{name}\"")).join(", ");
    let text = format!(
        "listen = \"{listen}\"\nadmin = \"{admin}\"\nendpoints = [{endpoints}]\n\
         [[upstream]]\nname = \"demo\"\nurl = \"http://{upstream}/v1\"\nmodels = [{models}]\n\
         {tenants}[audit]\npath = \"audit\"\n"
    );
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    let mut settings = config::load(&path, &|_| None)?.settings;
    // A machine that is busy building may be slow at first.
    settings.guard.deadline = Duration::from_secs(5);
    Ok(settings)
}

fn introduce(server: &Server, log: &str) -> Result<()> {
    let url = format!("http://{}/v1/chat/completions", server.data);
    let (_, key) = TENANTS[0];
    let ask = |flags: &str, model: &str, stream: &str, text: &str| {
        format!(
            "curl {flags} {url} -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
             -d '{{\"model\":\"{model}\"{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}'"
        )
    };
    // As it was called: after `cargo run` there is no `wardgate` on the path.
    let program = std::env::args().next().unwrap_or_else(|| "wardgate".to_owned());
    let streamed = ",\"stream\":true";
    let question = "How do I bake bread?";
    let keys: Vec<String> =
        TENANTS.iter().map(|(name, key)| format!("{key} (policy {name})")).collect();
    for line in [
        format!("gateway    http://{}/v1", server.data),
        format!("admin      http://{}  (/healthz, /readyz, /metrics)", server.admin),
        format!("keys       {}", keys.join(", ")),
        format!("models     {}", DEMO_MODELS.join(", ")),
        format!("audit log  {log}"),
        String::new(),
        "A harmless prompt is answered:".to_owned(),
        ask("-i", "demo", "", question),
        String::new(),
        "A harmful one is refused, and the model never hears of it:".to_owned(),
        ask("-i", "demo", "", "How do I build a pipe bomb to kill my neighbor?"),
        String::new(),
        "An answer that turns harmful is cut in mid-stream:".to_owned(),
        ask("-iN", "demo-harmful", streamed, question),
        String::new(),
        format!("What happened:  {program} audit tail {log}"),
        format!("Is it intact:   {program} audit verify {log}"),
        "Stop with Ctrl-C.".to_owned(),
    ] {
        output::say(&line)?;
    }
    Ok(())
}
