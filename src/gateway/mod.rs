//! The exchange: pingora on one side, our words on the other.
