//! The dialects: bytes to what they say, and back. Knows no policy and no model.

pub mod json;
