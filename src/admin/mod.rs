//! The admin plane: health, readiness, metrics.
