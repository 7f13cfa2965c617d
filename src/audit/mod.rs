//! The record of an exchange, and where it goes.
