//! Real sockets on both sides of a real gateway, with a scripted guard inside.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod upstream;
