//! `GET /v1/models`: what the upstreams serve, and this gateway lets through.
//!
//! The lists of the providers are not passed on: a new list is made of the ids that a request could
//! use, with the three fields beside them that carry no content.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::gateway::downstream::{Along, Reply};
use crate::gateway::exchange::Exchange;
use crate::gateway::failure::Failure;
use crate::gateway::upstream::{Upstream, UpstreamFault};
use crate::wire::json;

const LARGEST: usize = 4 << 20;
const LONGEST_ID: usize = 256;

/// Asks every upstream; those that answer make the list, and if none does, the first fault does.
pub(crate) async fn list(exchange: &Exchange<'_>, client: &Along) -> Result<Reply, Failure> {
    let mut models: Vec<Value> = Vec::new();
    let mut first_fault = None;
    let mut answered = false;
    for upstream in exchange.gateway.upstreams.iter() {
        match ask(exchange, upstream, client).await {
            Ok(found) => {
                answered = true;
                models.extend(found);
            }
            Err(fault) => {
                tracing::warn!(upstream = upstream.name(), %fault, "models");
                first_fault = first_fault.or(Some(fault));
            }
        }
    }
    if let Some(fault) = first_fault
        && !answered
    {
        return Err(fault.into());
    }
    let list = serde_json::json!({"object": "list", "data": models});
    let body = Bytes::from(list.to_string());
    Ok(Reply { retry: true, ..Reply::json(200, body) })
}

async fn ask(
    exchange: &Exchange<'_>,
    upstream: &Upstream,
    client: &Along,
) -> Result<Vec<Value>, UpstreamFault> {
    let upstreams = &exchange.gateway.upstreams;
    let mut response = upstreams.models(upstream, client).await?;
    let status = response.status();
    let body = response.whole(LARGEST).await?;
    upstreams.release(upstream, response).await;
    if !status.is_success() {
        return Err(UpstreamFault::Broken(format!("status {status}")));
    }
    let list = json::parse(&body).map_err(|fault| UpstreamFault::Unreadable(fault.to_string()))?;
    let data = list.get("data").and_then(Value::as_array);
    let data = data.ok_or_else(|| UpstreamFault::Unreadable("no `data` array".to_owned()))?;
    Ok(data.iter().filter_map(|model| entry(upstream, model)).collect())
}

fn entry(upstream: &Upstream, model: &Value) -> Option<Value> {
    let id = model.get("id")?.as_str()?;
    // A model's id is a name, not a place for prose.
    let is_name = id.len() <= LONGEST_ID && id.chars().all(|c| c.is_ascii_graphic());
    // The first upstream that serves a model gets its requests, so it alone may list it.
    (is_name && upstream.serves(id)).then(|| {
        let mut entry = Map::new();
        entry.insert("id".to_owned(), id.into());
        entry.insert("object".to_owned(), "model".into());
        let created = model.get("created").and_then(Value::as_u64).unwrap_or_default();
        entry.insert("created".to_owned(), created.into());
        entry.insert("owned_by".to_owned(), upstream.name().into());
        Value::Object(entry)
    })
}
