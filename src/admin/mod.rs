//! The admin plane: health, readiness, metrics. Answers paths; knows no sockets.

use std::sync::Arc;

use crate::audit::AuditLog;
use crate::guard::{Guard, Work};
use crate::telemetry::Metrics;

/// What the admin plane looks at.
pub struct AdminState {
    /// Who judges.
    pub guard: Guard,
    /// The audit log.
    pub audit: AuditLog,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// How many upstreams are configured.
    pub upstreams: usize,
}

/// Whether the data plane takes requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It does.
    Serving,
    /// It was told to stop, and lets what is going on end.
    Draining,
}

/// An answer of the admin plane.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one path: `/healthz` says that the process lives, `/readyz` whether it can do its work,
/// `/metrics` how it does. Everything else is 404.
pub fn answer(path: &str, state: &AdminState, stage: Stage) -> Answer {
    match path {
        "/healthz" => Answer { status: 200, content_type: TEXT, body: "ok\n".to_owned() },
        "/readyz" => readiness(state, stage),
        "/metrics" => {
            let Work { computed, reused } = state.guard.work();
            state.metrics.guard_tokens(computed, reused);
            state.metrics.guard_queue(state.guard.queued_tokens());
            state.metrics.audit_queue(state.audit.waiting());
            Answer { status: 200, content_type: PROMETHEUS, body: state.metrics.render() }
        }
        _ => Answer { status: 404, content_type: TEXT, body: "not found\n".to_owned() },
    }
}

/// Whether a path is open to everybody where the others ask for a key: the two that say no more than
/// how the gateway is, to whatever looks after it.
pub fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// What whoever shows no key is told.
pub fn unauthorized() -> Answer {
    let body = "this needs the admin plane's key, as `Authorization: Bearer KEY`\n".to_owned();
    Answer { status: 401, content_type: TEXT, body }
}

fn readiness(state: &AdminState, stage: Stage) -> Answer {
    let parts = [
        ("data plane", stage == Stage::Serving),
        ("guard", state.guard.is_ready()),
        ("upstreams", state.upstreams > 0),
        ("audit", state.audit.is_healthy()),
    ];
    let ready = parts.iter().all(|(_, ready)| *ready);
    let body = parts
        .iter()
        .map(|(part, ready)| format!("{part}: {}\n", if *ready { "ready" } else { "not ready" }))
        .collect();
    Answer { status: if ready { 200 } else { 503 }, content_type: TEXT, body }
}
