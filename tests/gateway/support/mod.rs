//! Real sockets on both sides of a real gateway, with a scripted guard inside.

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod secure;
pub(crate) mod speech;
pub(crate) mod strict;
pub(crate) mod tls;
pub(crate) mod upstream;
