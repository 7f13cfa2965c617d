//! One connection of HTTP/2: its streams, each an exchange.
//!
//! pingora reads requests off a connection and writes answers; its own loop around that starts a task
//! for each stream and forgets it. Here the connection owns its streams: it ends after the last of
//! them, so that draining waits for all, and where it is cut they are cut.
//!
//! What bounds a connection, and what happens at the bound:
//!
//! | what | bound | at it |
//! |---|---|---|
//! | open streams | `streams` of the limits | further ones are refused (REFUSED_STREAM) |
//! | header list | `head_bytes` of the limits | 431 from `h2` |
//! | CONTINUATION frames | what the header list needs, by `h2` | GOAWAY |
//! | body that nobody has read yet | 64 KiB, the connection's window | the client waits |
//! | answer that nobody has written yet | 64 KiB a stream | the exchange waits, for its write timeout |
//! | small and empty DATA frames | by `h2` | GOAWAY |
//! | streams reset before they are looked at | 20, by `h2` | GOAWAY |
//! | requests left before their answers begin, and malformed ones | 100 more than are answered | GOAWAY |
//! | streams that `h2` resets for a client's faults | 100 | GOAWAY |
//! | time without a request | `idle_ms` and `head_deadline_ms`, as in HTTP/1.1 | closed |
//!
//! PING and SETTINGS are answered one at a time, nothing is read while an answer waits to be written,
//! and none of them keeps an idle connection. How many of them come in a second, and how large the
//! table for compressed headers grows (4 KiB), cannot be set.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use pingora_core::apps::HttpServerApp as _;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{
    H2Accept, H2Options, HttpSession, default_h2_options, handshake,
};
use pingora_core::protocols::{Digest, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use tokio::task::JoinSet;

use crate::gateway::{Connection, Gateway, Limits};

/// What a connection, and each of its streams, may hold that was not read or not written yet.
const WINDOW: u32 = 64 << 10;
/// How many streams may be reset because of what the client does wrong.
const FAULTS: usize = 100;
/// How long a client may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
pub(super) async fn serve(
    proxy: &Arc<HttpProxy<Gateway>>,
    stream: Stream,
    shutdown: &ShutdownWatch,
    limits: &Limits,
) {
    let Some(account) = Connection::current() else { return };
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let mut connection = match handshake(stream, Some(options(limits))).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "HTTP/2 handshake");
            return;
        }
    };
    let mut streams = JoinSet::new();
    let mut stopping = shutdown.clone();
    let mut is_draining = false;
    loop {
        let has_ended = streams.is_empty();
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop), if !is_draining => {
                connection.graceful_shutdown();
                is_draining = true;
                continue;
            }
            Some(_) = streams.join_next() => {
                if account.is_abused() {
                    break connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => accepted,
            // Whoever does not answer a goodbye is not waited for.
            () = tokio::time::sleep(GOODBYE), if is_draining && has_ended => break,
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => {
                let (proxy, shutdown) = (Arc::clone(proxy), shutdown.clone());
                let exchange = async move {
                    proxy.process_new_http(ServerSession::new_http2(session), &shutdown).await;
                };
                streams.spawn(Arc::clone(&account).of(exchange));
            }
            // pingora has answered it, or reset it.
            Ok(Some(H2Accept::Rejected)) => account.note(false),
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(%error, "HTTP/2 connection");
                break;
            }
        }
    }
    let _ = tokio::time::timeout(GOODBYE, poll_fn(|cx| connection.poll_closed(cx))).await;
    // The streams see that the connection is gone, and close their records.
    drop(connection);
    while streams.join_next().await.is_some() {}
}

fn options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    let or_most = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    options
        .max_concurrent_streams(or_most(limits.streams))
        .max_header_list_size(or_most(limits.head_bytes))
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(WINDOW as usize)
        .max_local_error_reset_streams(Some(FAULTS));
    options
}
