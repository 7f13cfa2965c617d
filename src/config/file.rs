//! gateway.toml as written. Unknown keys are refused, by serde, at every level.

use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use crate::llama_guard::Window;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default = "listen")]
    pub(super) listen: Spanned<String>,
    #[serde(default = "admin")]
    pub(super) admin: Spanned<String>,
    pub(super) admin_key: Option<FromEnv>,
    pub(super) policies: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) guard: Guard,
    #[serde(default)]
    pub(super) upstream: Vec<Upstream>,
    #[serde(default)]
    pub(super) endpoints: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) passthrough: Vec<Passthrough>,
    #[serde(default)]
    pub(super) tenant: Vec<Tenant>,
    pub(super) audit: Option<Audit>,
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) stream: Stream,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    pub(super) model: Option<Spanned<String>>,
    pub(super) family: Option<Spanned<String>>,
    pub(super) device: Option<Spanned<String>>,
    pub(super) deadline_ms: Option<Spanned<u64>>,
    pub(super) queue_tokens: Option<Spanned<u64>>,
    pub(super) batch_tokens: Option<Spanned<u64>>,
    pub(super) cache_mb: Option<Spanned<u64>>,
    pub(super) temperature: Option<Spanned<f32>>,
    pub(super) prior: Option<Spanned<f32>>,
    pub(super) bos: Option<Spanned<String>>,
    pub(super) window: Option<Spanned<Window>>,
    pub(super) quantize: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) name: Spanned<String>,
    pub(super) url: Spanned<String>,
    pub(super) models: Vec<Spanned<String>>,
    pub(super) api_key: Option<FromEnv>,
    pub(super) ca: Option<Spanned<PathBuf>>,
    pub(super) connect_timeout_ms: Option<Spanned<u64>>,
    pub(super) read_timeout_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passthrough {
    pub(super) path: Spanned<String>,
    pub(super) methods: Vec<Spanned<String>>,
    pub(super) upstream: Spanned<String>,
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
pub(super) struct Tls {
    pub(super) cert: Spanned<PathBuf>,
    pub(super) key: Spanned<PathBuf>,
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
    pub(super) windows: Option<Spanned<u64>>,
    pub(super) all_request_bytes: Option<Spanned<u64>>,
    pub(super) response_bytes: Option<Spanned<u64>>,
    pub(super) head_deadline_ms: Option<Spanned<u64>>,
    pub(super) body_deadline_ms: Option<Spanned<u64>>,
    pub(super) min_rate: Option<Spanned<u64>>,
    pub(super) read_timeout_ms: Option<Spanned<u64>>,
    pub(super) idle_ms: Option<Spanned<u64>>,
    pub(super) write_timeout_ms: Option<Spanned<u64>>,
    pub(super) connections: Option<Spanned<u64>>,
    pub(super) connections_per_client: Option<Spanned<u64>>,
    pub(super) streams: Option<Spanned<u64>>,
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

impl File {
    /// Reads the text. serde stops at the first fault, and an operator wants all of them: so what is at
    /// fault is taken out, and the rest read again. No file is given when something that it cannot do
    /// without is missing.
    pub(super) fn read(text: &str) -> (Option<Self>, Vec<Error>) {
        let mut root = match DeTable::parse(text) {
            Ok(root) => root,
            Err(error) => return (None, vec![error]),
        };
        let mut faults = Vec::new();
        let mut taken_out = Vec::new();
        let mut is_whole = true;
        loop {
            let error = match Self::deserialize(Deserializer::from(root.clone())) {
                Ok(file) => return (is_whole.then_some(file), faults),
                Err(error) => error,
            };
            let missing = error.message().strip_prefix("missing field ");
            is_whole &= missing.is_none();
            // What we took out ourselves was named before.
            let is_ours = missing.is_some_and(|key| taken_out.iter().any(|taken| taken == key));
            let out = error.span().and_then(|span| take_out(root.get_mut(), &span));
            if !is_ours {
                faults.push(error);
            }
            let Some(key) = out else { return (None, faults) };
            taken_out.push(format!("`{key}`"));
        }
    }
}

/// Takes out the innermost entry or item that stands at `span`, and says under which key.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let deeper = table.iter_mut().find_map(|(key, value)| match value.get_mut() {
        DeValue::Table(below) => take_out(below, span),
        DeValue::Array(items) => take_out_item(items, key.get_ref(), span),
        _ => None,
    });
    if deeper.is_some() {
        return deeper;
    }
    let at_fault = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    let key = at_fault.map(|(key, _)| key.get_ref().to_string())?;
    table.remove(key.as_str());
    Some(key)
}

fn take_out_item(items: &mut DeArray<'_>, key: &str, span: &Range<usize>) -> Option<String> {
    let deeper = items.iter_mut().find_map(|item| match item.get_mut() {
        DeValue::Table(below) => take_out(below, span),
        _ => None,
    });
    if deeper.is_some() {
        return deeper;
    }
    let at_fault = items.iter().position(|item| item.span() == *span)?;
    let mut others = DeArray::new();
    for (position, item) in items.iter().enumerate() {
        if position != at_fault {
            others.push(item.clone());
        }
    }
    *items = others;
    Some(key.to_owned())
}
