//! What is wrong with a configuration: where, what, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` where the file as a whole is at fault.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem with a line of a file, found by its byte offset in the text.
    pub(crate) fn at(file: &Path, text: &str, offset: usize, what: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = Some(1 + before.matches('\n').count());
        Self { file: file.to_owned(), line, what: what.into() }
    }

    /// A problem with a file as a whole.
    pub(crate) fn of(file: &Path, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}
