//! gateway.toml as written, and the settings it means.
//!
//! Every part owns its settings; this module reads the file into them, together with the policies it
//! names, and reports every problem at once. pingora's own configuration file is not exposed: it
//! ignores keys it does not know.

mod file;
mod problem;
mod settings;

pub use problem::{Problem, Problems};
pub use settings::{GuardModel, Loaded, Settings, check_policy, load};
