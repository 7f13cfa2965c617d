//! What a decision does to bytes: block, redact, annotate, hold back.
//!
//! Everything here is a function of bytes and findings; who decides, and how bytes travel, is
//! others' business.

pub mod annotate;

pub mod block;

pub mod redact;

pub mod holdback;

mod held;

mod windows;

mod track;

pub use annotate::{Account, Annotation, Found, Phrased, Summary};
pub use holdback::{Holdback, StreamFault};
pub use windows::{Ruling, Window};
