//! The exchange: pingora on one side, our words on the other.
//!
//! Guarded paths are handled by one asynchronous function called from pingora's `request_filter`,
//! which talks to the upstream through pingora's own connector and pool, writes the response through
//! the session, and says that it has answered. pingora's other hooks cannot do it: its response body
//! hook is synchronous, the request's head is at the upstream before its body has been read, and the
//! response's head is at the client before the response's body has been judged.
//!
//! Only `proxy`, `upstream`, `downstream`, `framing` and `tls` touch pingora's types.

mod coding;
mod connection;
mod downstream;
mod exchange;
mod failure;
mod framing;
mod inquiry;
mod inspect;
mod listing;
mod look;
mod memory;
mod observe;
mod pace;
mod passthrough;
mod proxy;
mod redact;
mod route;
mod settings;
mod tls;
mod upstream;

pub(crate) use connection::Connection;
pub use passthrough::{Passthrough, PassthroughFault};
pub use proxy::{Gateway, Parts};
pub use settings::{Limits, UpstreamSettings, WINDOW_BYTES};
pub use tls::{Authorities, Identity, TlsFault};
pub use upstream::{UpstreamFault, Upstreams};
