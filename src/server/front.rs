//! The data plane's connections: counted, bounded and watched from their first byte on, then handed to
//! pingora.
//!
//! TLS is spoken here and not in pingora's listener, where a handshake would go on outside of every
//! bound. The client's choice under ALPN says which HTTP follows: `h2`, or HTTP/1.1.
//!
//! HTTP/2 in clear text is not taken. Nothing would tell it from HTTP/1.1 but its first 24 bytes, for
//! which pingora waits without end, and a shorter request would never be answered. Its preface gets
//! what every request gets that is not HTTP/1.1.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp as _, ServerApp};
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as Tcp;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use tokio::sync::{Semaphore, watch};

use crate::gateway::{Connection, Gateway, Identity, Limits};
use crate::server::clients::Clients;
use crate::server::streams;

/// The data plane.
pub(super) struct Front {
    proxy: Arc<HttpProxy<Gateway>>,
    acceptor: Option<Acceptor>,
    clients: Clients,
    slots: Semaphore,
    open: watch::Sender<usize>,
    limits: Limits,
}

impl Front {
    /// The front of a gateway, in TLS where it has an identity, that tells how many connections are
    /// open.
    pub(super) fn new(
        proxy: HttpProxy<Gateway>,
        identity: Option<&Identity>,
        limits: Limits,
        open: watch::Sender<usize>,
    ) -> Self {
        Self {
            proxy: Arc::new(proxy),
            acceptor: identity.map(Identity::acceptor),
            clients: Clients::new(limits.connections_per_client),
            slots: Semaphore::new(limits.connections),
            open,
            limits,
        }
    }

    async fn converse(&self, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let stream = self.secure(stream).await?;
        match stream.selected_alpn_proto() {
            Some(ALPN::H2) => {
                streams::serve(&self.proxy, stream, shutdown, &self.limits).await;
                None
            }
            _ => self.proxy.process_new(stream, shutdown).await,
        }
    }

    async fn secure(&self, stream: Stream) -> Option<Stream> {
        let Some(acceptor) = &self.acceptor else { return Some(stream) };
        let tcp = stream.into_any().downcast::<Tcp>().ok()?;
        match acceptor.tls_handshake(*tcp).await {
            Ok(secured) => Some(Box::new(secured)),
            Err(error) => {
                tracing::debug!(%error, "TLS handshake");
                None
            }
        }
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = Open::count(&self.open);
        let _share = match address(&stream) {
            // Over its share, the client is closed upon, before any work.
            Some(client) => Some(self.clients.admit(client)?),
            None => None,
        };
        let _slot = self.slots.acquire().await.ok()?;
        let first = self.limits.head_deadline;
        let between = self.limits.idle + self.limits.head_deadline;
        Connection::watched(first, between, self.converse(stream, shutdown)).await.flatten()
    }

    async fn cleanup(&self) {
        // Connections that idle between two requests are let go.
        self.proxy.http_cleanup().await;
    }
}

fn address(stream: &Stream) -> Option<IpAddr> {
    Some(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip())
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
