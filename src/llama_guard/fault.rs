//! Why a guard's folder could not be loaded.

use std::io;

/// A guard that could not be loaded: which file, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFault {
    /// A file is missing or cannot be read.
    #[error("{file}: cannot be read: {cause}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not what its name says.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of a JSON file is missing, or its value is none that works.
    #[error("{file}: field `{field}` {reason}")]
    Field {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is missing, or not of the shape that the configuration asks for.
    #[error("{file}: tensor `{tensor}` {reason}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings do not fit the model or each other.
    #[error("{0}")]
    Settings(String),
    /// The model loaded, but does not answer as a guard does.
    #[error("the self-test failed: {0}")]
    SelfTest(String),
}

impl LoadFault {
    pub(super) fn file(file: impl Into<String>, reason: impl ToString) -> Self {
        Self::File { file: file.into(), reason: reason.to_string() }
    }
}
