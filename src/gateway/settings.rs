//! What the gateway needs to be told: its bounds, and where the upstreams are.

use std::fmt;
use std::time::Duration;

use globset::GlobSet;
use http::Uri;

use crate::gateway::tls::Authorities;

/// About how much text a guard reads at once: what a text costs has to be known before anybody cuts it
/// into tokens, and four bytes are a token, more or less.
pub const WINDOW_BYTES: usize = 4 << 10;

/// The bounds of one exchange and one connection. What happens at each is written beside it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head; above: 431.
    pub head_bytes: usize,
    /// Bytes of a request body; above: 413.
    pub request_bytes: usize,
    /// Windows that one prompt may need, counted in stretches of [`WINDOW_BYTES`], each text at least
    /// one; above: 413.
    pub windows: usize,
    /// Bytes of all request bodies together, from their first byte to the end of their exchanges;
    /// above: 503.
    pub all_request_bytes: usize,
    /// Bytes of a response that is not streamed; above: 502.
    pub response_bytes: usize,
    /// How long a client may take over one request head, counted from its connecting; then the
    /// connection is closed.
    pub head_deadline: Duration,
    /// How long a client may take over one request body; then 408.
    pub body_deadline: Duration,
    /// Bytes a second that a client must send of a body, and take of an answer, on the whole.
    pub min_rate: usize,
    /// How far the body of a request may fall behind `min_rate`; then 408.
    pub read_timeout: Duration,
    /// How long a connection may idle between two requests; then it is closed.
    pub idle: Duration,
    /// How long one write to the client may take, and how far taking an answer may fall behind
    /// `min_rate`; then it counts as gone.
    pub write_timeout: Duration,
    /// Open client connections; above, new ones wait to be accepted.
    pub connections: usize,
    /// Open connections of one client, by its address; above, new ones are closed at once.
    pub connections_per_client: usize,
    /// Open streams of one connection of HTTP/2; above, new ones are refused.
    pub streams: usize,
    /// How long exchanges may go on after a stop was asked for; then they are cut.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            request_bytes: 8 << 20,
            windows: 4096,
            all_request_bytes: 512 << 20,
            response_bytes: 32 << 20,
            head_deadline: Duration::from_secs(15),
            body_deadline: Duration::from_secs(60),
            min_rate: 500,
            read_timeout: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            connections: 8192,
            connections_per_client: 1024,
            streams: 100,
            grace: Duration::from_secs(30),
        }
    }
}

/// A model provider behind the gateway.
#[derive(Clone)]
pub struct UpstreamSettings {
    /// Its name in logs and records.
    pub name: String,
    /// The base URL, such as `https://api.openai.com/v1`; `http` or `https`, with a host.
    pub url: Uri,
    /// Which models of requests it serves.
    pub models: GlobSet,
    /// Sent as bearer credential in place of the client's own; `None` passes on the client's.
    pub credential: Option<String>,
    /// Who vouches for an `https` upstream; `None` leaves it to those that the system trusts.
    pub authorities: Option<Authorities>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long the upstream may stay silent, before its response and within it.
    pub read_timeout: Duration,
}

impl fmt::Debug for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The credential is left out on purpose.
        f.debug_struct("UpstreamSettings")
            .field("name", &self.name)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
