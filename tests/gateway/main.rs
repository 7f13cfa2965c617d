//! The gateway from outside: real sockets, a scripted guard, an upstream that records what it saw.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects, and its mocks live as long as it does"
)]

mod support;

mod admin;
mod annotate;
mod audit;
mod block;
mod completions;
mod embeddings;
mod encodings;
mod exhaustion;
mod failure;
mod hostile_http1;
mod hostile_http2;
mod http2;
mod inquiry;
mod leaving;
mod limits;
mod messages;
mod moderation;
mod observe;
mod passthrough;
mod patterns;
mod prompt;
mod redact;
mod response;
mod responses;
mod secure_upstream;
mod stream;
mod tenants;
mod terms;
mod tls;
mod traps;
