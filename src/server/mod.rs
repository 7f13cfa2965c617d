//! Builds everything from the parts; listens and drains.
//!
//! pingora accepts, and runs the gateway on each connection. Its `Server` does not run here: that
//! would fork signals, runtimes and a grace period that sleeps to its end even when nothing is going
//! on. What it offers beyond that, services and listeners, works on any tokio runtime.

mod demo;

pub use demo::{DEMO_MODELS, DemoServer};

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Response, StatusCode, header};
use parking_lot::Mutex;
use pingora_core::apps::HttpServerApp as _;
use pingora_core::apps::ServerApp;
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use pingora_proxy::HttpProxy;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use crate::admin::{self, AdminState};
use crate::audit::{AuditError, AuditLog};
use crate::config::Settings;
use crate::gateway::{Connection, Gateway, Limits, Parts, Upstreams};
use crate::guard::Guard;
use crate::telemetry::Metrics;

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

/// A gateway that listens. Dropped, it stops accepting; [`Server::drain`] stops it gently.
pub struct Server {
    /// Where the guarded API listens.
    pub data: SocketAddr,
    /// Where the admin plane listens.
    pub admin: SocketAddr,
    shutdown: watch::Sender<bool>,
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
        Self::start(settings.listen, settings.admin, gateway, settings.limits, state)
    }

    /// Binds both listeners and serves on the current runtime.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub fn start(
        data: SocketAddr,
        admin: SocketAddr,
        gateway: Gateway,
        limits: Limits,
        state: AdminState,
    ) -> Result<Self, ServeError> {
        let conf = Arc::new(ServerConf::default());
        let (shutdown, watching) = watch::channel(false);
        let (count, open) = watch::channel(0);
        let mut proxy = pingora_proxy::http_proxy(&conf, gateway);
        proxy.handle_init_modules();
        let grace = limits.grace;
        let slots = Semaphore::new(limits.connections);
        let front = Front { proxy: Arc::new(proxy), limits, slots, open: count };
        let fault = |plane, address| move |cause| ServeError::Listen { plane, address, cause };
        let data =
            listen("gateway", data, front, watching.clone()).map_err(fault("guarded API", data))?;
        let admin = listen("admin", admin, Admin { state }, watching)
            .map_err(fault("admin plane", admin))?;
        Ok(Self { data, admin, shutdown, open, grace })
    }

    /// Stops accepting, lets what is going on end within the grace period, and returns; at once when
    /// nothing is going on. Says whether everything ended by itself.
    pub async fn drain(mut self) -> bool {
        self.shutdown.send_replace(true);
        let ended = self.open.wait_for(|open| *open == 0);
        tokio::time::timeout(self.grace, ended).await.is_ok()
    }
}

/// The data plane: every connection counted, bounded and watched, then handed to pingora.
struct Front {
    proxy: Arc<HttpProxy<Gateway>>,
    limits: Limits,
    slots: Semaphore,
    open: watch::Sender<usize>,
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = Open::count(&self.open);
        let _slot = self.slots.acquire().await.ok()?;
        let first = self.limits.head_deadline;
        let between = self.limits.idle + self.limits.head_deadline;
        Connection::watched(first, between, self.proxy.process_new(stream, shutdown))
            .await
            .flatten()
    }

    async fn cleanup(&self) {
        // Connections that idle between two requests are let go.
        self.proxy.http_cleanup().await;
    }
}

/// One open connection, for as long as this lives.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn count(open: &'a watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// The admin plane: pingora's plain HTTP server around our answers.
struct Admin {
    state: AdminState,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let answer = if head.method == http::Method::GET {
            admin::answer(head.uri.path(), &self.state)
        } else {
            admin::answer("", &self.state)
        };
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
