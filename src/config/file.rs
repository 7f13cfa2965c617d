//! gateway.toml as written. Unknown keys are refused, by serde, at every level.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default = "listen")]
    pub(super) listen: Spanned<String>,
    #[serde(default = "admin")]
    pub(super) admin: Spanned<String>,
    pub(super) policies: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) guard: Guard,
    #[serde(default)]
    pub(super) upstream: Vec<Upstream>,
    #[serde(default)]
    pub(super) tenant: Vec<Tenant>,
    pub(super) audit: Option<Audit>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) stream: Stream,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    pub(super) model: Option<Spanned<String>>,
    pub(super) device: Option<Spanned<String>>,
    pub(super) deadline_ms: Option<Spanned<u64>>,
    pub(super) queue_bytes: Option<Spanned<u64>>,
    pub(super) batch_bytes: Option<Spanned<u64>>,
    pub(super) bos: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) name: Spanned<String>,
    pub(super) url: Spanned<String>,
    pub(super) models: Vec<Spanned<String>>,
    pub(super) api_key: Option<FromEnv>,
    pub(super) connect_timeout_ms: Option<Spanned<u64>>,
    pub(super) read_timeout_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) keys: Vec<Spanned<String>>,
    pub(super) policy: Spanned<String>,
    #[serde(default)]
    pub(super) anonymous: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) path: PathBuf,
    pub(super) key: Option<FromEnv>,
    pub(super) durability: Option<Spanned<String>>,
}

/// A secret that stands in the environment, never in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromEnv {
    pub(super) env: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) request_bytes: Option<Spanned<u64>>,
    pub(super) response_bytes: Option<Spanned<u64>>,
    pub(super) head_deadline_ms: Option<Spanned<u64>>,
    pub(super) body_deadline_ms: Option<Spanned<u64>>,
    pub(super) idle_ms: Option<Spanned<u64>>,
    pub(super) write_timeout_ms: Option<Spanned<u64>>,
    pub(super) connections: Option<Spanned<u64>>,
    pub(super) grace_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) min_chars: Option<Spanned<u64>>,
    pub(super) max_chars: Option<Spanned<u64>>,
    pub(super) overlap_chars: Option<Spanned<u64>>,
}

fn listen() -> Spanned<String> {
    Spanned::new(0..0, "127.0.0.1:8080".to_owned())
}

fn admin() -> Spanned<String> {
    Spanned::new(0..0, "127.0.0.1:9090".to_owned())
}
