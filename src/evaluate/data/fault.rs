//! What is wrong with a file of labelled data, and where.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A fault of a file, with the line where there is one.
#[derive(Debug, Error)]
#[error("{}{}: {wrong}", .file.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct DataFault {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What may be wrong. None of it repeats the text: data of this kind is unpleasant.
#[derive(Debug, Error)]
pub enum Wrong {
    /// The system cannot read it.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A line is longer than any text.
    #[error("is longer than {0} bytes; no line of labelled data is that long")]
    TooLong(usize),
    /// Other bytes than text.
    #[error("is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    /// A line that is no JSON.
    #[error("is not a JSON object: {0}")]
    Json(serde_json::Error),
    /// A line of a CSV that has another number of fields than its header.
    #[error("has {found} fields where the header has {expected}; is a quotation mark missing?")]
    Fields {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// A CSV that cannot be read on.
    #[error("is not CSV: {0}")]
    Csv(csv::Error),
    /// The header is none that this format is published with.
    #[error("the header lacks {missing}; {format} is published with: {known}")]
    Header {
        /// The format that was asked for.
        format: &'static str,
        /// What is not there.
        missing: &'static str,
        /// The headers that are known.
        known: &'static str,
    },
    /// A field is not there.
    #[error("has no `{0}`")]
    Missing(&'static str),
    /// A field is there and something else.
    #[error("`{field}` is not {wanted}")]
    NotA {
        /// Which.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// There is no text to judge.
    #[error("`{0}` is empty: there is nothing to judge")]
    Empty(&'static str),
    /// A conversation that ends with neither side.
    #[error(
        "`messages` must end with a message of `user` or `assistant` that has a text `content`"
    )]
    Conversation,
    /// A category that the guard cannot name.
    #[error("`categories` names `{named}`; the guard's are: {known}")]
    Category {
        /// What is named.
        named: String,
        /// What could be.
        known: String,
    },
    /// A safe text in a category.
    #[error("is not `unsafe` and yet has `categories`; one of the two is wrong")]
    SafeInCategory,
    /// A file without a row.
    #[error("holds no row")]
    NoRow,
    /// Not the data set of that name.
    #[error(
        "holds {found} rows, and {format} as published has {published}; give --partial if that is meant"
    )]
    OtherSize {
        /// The format that was asked for.
        format: &'static str,
        /// How many there are.
        found: u64,
        /// How many there should be.
        published: u64,
    },
}
