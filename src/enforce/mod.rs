//! What a decision does to bytes: block, annotate, hold back.

pub mod holdback;

mod track;

pub use holdback::{Holdback, Ruling, StreamFault, Window};
