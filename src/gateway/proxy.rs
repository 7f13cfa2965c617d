//! The pingora hooks, each a line or two.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::Method;
use pingora_core::modules::http::HttpModules;
use pingora_core::prelude::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::{ProxyHttp, Session};

use crate::audit::AuditLog;
use crate::enforce::holdback;
use crate::gateway::connection::{Connection, Serving};
use crate::gateway::downstream::Downstream;
use crate::gateway::exchange;
use crate::gateway::memory::Memory;
use crate::gateway::passthrough::Passthrough;
use crate::gateway::route::Route;
use crate::gateway::settings::Limits;
use crate::gateway::upstream::Upstreams;
use crate::guard::Guard;
use crate::telemetry::Metrics;
use crate::tenant::Snapshot;
use crate::wire::inquiry::Endpoint;

/// What a gateway is made of.
pub struct Parts {
    /// Who judges.
    pub guard: Guard,
    /// Tenants and policies, as of now.
    pub snapshot: Arc<Snapshot>,
    /// Where records go.
    pub audit: AuditLog,
    /// Where numbers go.
    pub metrics: Arc<Metrics>,
    /// The model providers.
    pub upstreams: Upstreams,
    /// Where other programs may ask for opinions.
    pub endpoints: Vec<Endpoint>,
    /// The paths that are open although nobody judges what goes through them.
    pub passthroughs: Vec<Passthrough>,
    /// The bounds of an exchange.
    pub limits: Limits,
    /// How streams are held back.
    pub holdback: holdback::Settings,
}

/// The gateway, as pingora sees it.
pub struct Gateway {
    pub(crate) guard: Guard,
    snapshot: ArcSwap<Snapshot>,
    pub(crate) audit: AuditLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) upstreams: Upstreams,
    endpoints: Vec<Endpoint>,
    pub(crate) passthroughs: Vec<Arc<Passthrough>>,
    pub(crate) memory: Memory,
    pub(crate) limits: Limits,
    pub(crate) holdback: holdback::Settings,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let recall_chars = parts.guard.card().recalls;
        Self {
            guard: parts.guard,
            snapshot: ArcSwap::new(parts.snapshot),
            audit: parts.audit,
            metrics: parts.metrics,
            upstreams: parts.upstreams,
            endpoints: parts.endpoints,
            passthroughs: parts.passthroughs.into_iter().map(Arc::new).collect(),
            memory: Memory::of(parts.limits.all_request_bytes),
            limits: parts.limits,
            holdback: holdback::Settings { recall_chars, ..parts.holdback },
        }
    }

    /// What a path is to us; `None` where it is refused.
    pub(crate) fn route(&self, method: &Method, raw_path: &[u8]) -> Option<Route> {
        let open = || self.passthroughs.iter().find(|open| open.is_for(method, raw_path));
        let is_asked = |endpoint: &&Endpoint| {
            *method == Method::POST && endpoint.path().as_bytes() == raw_path
        };
        Route::of(method, raw_path)
            .or_else(|| self.endpoints.iter().find(is_asked).copied().map(Route::Asked))
            .or_else(|| Some(Route::Passed(Arc::clone(open()?))))
    }

    /// Tenants and policies for one exchange: what is loaded meanwhile does not touch it.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    /// Keeps the connection from counting as idle; gone with the request, also when it panics.
    type CTX = Option<Serving>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    /// None of pingora's modules: its response compression passes bytes on when it cannot read them.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        serving: &mut Self::CTX,
    ) -> Result<()> {
        // Without this, a connection that has served one request may idle for ever, and dribble its
        // next head for ever, too.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.limits.idle.as_secs().max(1)));
        }
        *serving = Some(Connection::serving());
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, serving: &mut Self::CTX) -> Result<bool> {
        let mut downstream = Downstream::new(session, &self.limits, self.memory.hold());
        exchange::run(self, &mut downstream).await;
        // What follows, such as the rest of a body that nobody read, is on the client's own time.
        if let Some(serving) = serving.take() {
            serving.note(downstream.has_answered());
        }
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        // Every exchange is answered in `request_filter`; whatever came here would pass unjudged.
        Error::e_explain(ErrorType::InternalError, "nothing goes to an upstream this way")
    }
}
