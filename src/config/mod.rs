//! gateway.toml as written, and the settings it means.
