//! Why a request or an answer is refused before anybody judges it.

use thiserror::Error;

use crate::wire::field::PartPath;
use crate::wire::json::Fault;

/// What is wrong with a body, in words for the client: what, where, and what to do. Repeats nothing
/// of the body but names of fields that this program knows.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Not JSON that everybody reads alike.
    #[error("the body is refused: {0}")]
    Json(#[from] Fault),
    /// The body is JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("`{field}` is missing; it must be {wanted}")]
    Missing {
        /// Which.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A field is not what it must be.
    #[error("`{field}` must be {wanted}")]
    Unfit {
        /// Which.
        field: PartPath,
        /// What it must be.
        wanted: &'static str,
    },
    /// A field that changes what the model reads behind the guard's back.
    #[error(
        "`{field}` is refused: it changes what the model reads without being seen here; remove it"
    )]
    RefusedField {
        /// Which.
        field: PartPath,
    },
}

impl Malformed {
    /// The stable word for the error's `code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::NotAnObject => "invalid_type",
            Self::Missing { .. } => "missing_required_parameter",
            Self::Unfit { .. } => "invalid_value",
            Self::RefusedField { .. } => "field_refused",
        }
    }

    /// The field in question, for the error's `param`.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Json(_) | Self::NotAnObject => None,
            Self::Missing { field, .. } => Some(field),
            Self::Unfit { field, .. } | Self::RefusedField { field } => Some(field.as_str()),
        }
    }
}
