//! Builds everything from the parts; listens and drains.
//!
//! pingora accepts, and runs the gateway on each connection. Its `Server` does not run here: that
//! would fork signals, runtimes and a grace period that sleeps to its end even when nothing is going
//! on. What it offers beyond that, services and listeners, works on any tokio runtime.

mod clients;
mod demo;
mod front;
mod streams;

pub use demo::{DEMO_MODELS, DemoServer};

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use pingora_http::RequestHeader;
use thiserror::Error;
use tokio::sync::watch;

use crate::admin::{self, AdminState, Stage};
use crate::audit::{AuditError, AuditLog};
use crate::config::Settings;
use crate::gateway::{Gateway, Identity, Limits, Parts, Upstreams};
use crate::guard::Guard;
use crate::server::front::Front;
use crate::telemetry::Metrics;
use crate::tenant::KeyDigest;

/// Why a gateway cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An address cannot be bound.
    #[error("the {plane} cannot listen on {address}: {cause}; free it, or choose another")]
    Listen {
        /// Which of the two listeners.
        plane: &'static str,
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
}

/// Where a gateway listens, and as whom.
pub struct Addresses {
    /// Of the guarded API.
    pub data: SocketAddr,
    /// Of the admin plane.
    pub admin: SocketAddr,
    /// The certificate of the guarded API; without one it speaks clear text.
    pub identity: Option<Identity>,
    /// Who may look at the admin plane, beyond how the gateway is; without one, everybody.
    pub admin_key: Option<KeyDigest>,
}

/// A gateway that listens. Dropped, it stops accepting; [`Server::drain`] stops it gently.
pub struct Server {
    /// Where the guarded API listens.
    pub data: SocketAddr,
    /// Where the admin plane listens.
    pub admin: SocketAddr,
    scheme: &'static str,
    shutdown: watch::Sender<bool>,
    /// Dropped last: the admin plane tells how the draining goes.
    _admin: watch::Sender<bool>,
    open: watch::Receiver<usize>,
    grace: Duration,
}

impl Server {
    /// Makes a gateway of its settings and a guard, and serves it.
    ///
    /// # Errors
    ///
    /// When the audit log cannot be opened or an address cannot be bound.
    pub fn of(settings: Settings, guard: Guard) -> Result<Self, ServeError> {
        let metrics = Arc::new(Metrics::new());
        let audit = AuditLog::open(settings.audit)?;
        for open in &settings.passthroughs {
            let (method, path, upstream) = (open.method(), open.path(), open.upstream());
            tracing::warn!("UNGUARDED: {method} {path} goes to `{upstream}` and back unjudged");
        }
        let upstreams = Upstreams::new(settings.upstreams);
        let state = AdminState {
            guard: guard.clone(),
            audit: audit.clone(),
            metrics: Arc::clone(&metrics),
            upstreams: upstreams.len(),
        };
        let gateway = Gateway::new(Parts {
            guard,
            snapshot: settings.snapshot,
            audit,
            metrics,
            upstreams,
            endpoints: settings.endpoints,
            passthroughs: settings.passthroughs,
            limits: settings.limits.clone(),
            holdback: settings.holdback,
        });
        let addresses = Addresses {
            data: settings.listen,
            admin: settings.admin,
            identity: settings.identity,
            admin_key: settings.admin_key,
        };
        Self::start(addresses, gateway, settings.limits, state)
    }

    /// Binds both listeners and serves on the current runtime.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub fn start(
        addresses: Addresses,
        gateway: Gateway,
        limits: Limits,
        state: AdminState,
    ) -> Result<Self, ServeError> {
        let conf = Arc::new(ServerConf::default());
        let (shutdown, watching) = watch::channel(false);
        let (admin_shutdown, admin_watching) = watch::channel(false);
        let (count, open) = watch::channel(0);
        let mut proxy = pingora_proxy::http_proxy(&conf, gateway);
        proxy.handle_init_modules();
        let grace = limits.grace;
        let Addresses { data, admin, identity, admin_key } = addresses;
        let scheme = if identity.is_some() { "https" } else { "http" };
        let front = Front::new(proxy, identity.as_ref(), limits, count);
        let fault = |plane, address| move |cause| ServeError::Listen { plane, address, cause };
        let data =
            listen("gateway", data, front, watching.clone()).map_err(fault("guarded API", data))?;
        let app = Admin { state, key: admin_key, stopping: watching };
        let admin =
            listen("admin", admin, app, admin_watching).map_err(fault("admin plane", admin))?;
        Ok(Self { data, admin, scheme, shutdown, _admin: admin_shutdown, open, grace })
    }

    /// The base URL of the guarded API.
    pub fn url(&self) -> String {
        format!("{}://{}/v1", self.scheme, self.data)
    }

    /// Stops accepting on the data plane, lets what is going on end within the grace period, and returns; at once when
    /// nothing is going on. Says whether everything ended by itself.
    pub async fn drain(mut self) -> bool {
        self.shutdown.send_replace(true);
        let ended = self.open.wait_for(|open| *open == 0);
        tokio::time::timeout(self.grace, ended).await.is_ok()
    }
}

/// The admin plane: pingora's plain HTTP server around our answers.
struct Admin {
    state: AdminState,
    key: Option<KeyDigest>,
    stopping: ShutdownWatch,
}

impl Admin {
    fn answer(&self, head: &RequestHeader) -> admin::Answer {
        let path = head.uri.path();
        if !admin::is_open(path) && !self.is_allowed(head) {
            return admin::unauthorized();
        }
        let stage = if *self.stopping.borrow() { Stage::Draining } else { Stage::Serving };
        admin::answer(if head.method == Method::GET { path } else { "" }, &self.state, stage)
    }

    fn is_allowed(&self, head: &RequestHeader) -> bool {
        let Some(key) = &self.key else { return true };
        let shown = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|shown| shown.strip_prefix("Bearer "));
        shown.is_some_and(|shown| KeyDigest::of(shown) == *key)
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let answer = self.answer(session.req_header());
        let mut response = Response::new(answer.body.into_bytes());
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(header::CONTENT_LENGTH, length);
        response
    }
}

/// Binds here, so that a port of 0 becomes known and a taken one is an error instead of a panic.
fn listen<A: ServerApp + Send + Sync + 'static>(
    name: &str,
    address: SocketAddr,
    app: A,
    shutdown: ShutdownWatch,
) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let mut fds = pingora_core::server::Fds::new();
    fds.add(bound.to_string(), listener.into_raw_fd());
    let fds = Arc::new(Mutex::new(fds));
    let mut service = Service::new(name.to_owned(), app);
    service.add_tcp(&bound.to_string());
    #[expect(clippy::disallowed_methods, reason = "the accept loop; ends with the shutdown watch")]
    tokio::spawn(async move { service.start_service(Some(fds), shutdown, 1).await });
    Ok(bound)
}
