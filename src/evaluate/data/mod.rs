//! Labelled data as others publish it, and our own; one row at a time.

mod behaviours;
mod example;
mod fault;
mod format;
mod lines;
mod mapping;
mod moderation;
mod own;
mod pairs;
mod table;
mod xstest;

pub use example::{Example, Label};
pub use fault::{DataFault, Wrong};
pub use format::{Dataset, Format};
pub use mapping::{BadMapping, Mapping};
