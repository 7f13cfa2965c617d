//! Names of metrics and spans, in one place.
