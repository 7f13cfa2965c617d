//! Numbers from labels and scores. They are scikit-learn's; `tests/metrics.rs` holds them to it.

mod calibration;
mod counts;
mod curve;
mod interval;

pub use calibration::{Bin, Reliability, fit_temperature, tempered};
pub use counts::Counts;
pub(in crate::evaluate) use counts::share;
pub use curve::{Curve, Point, Ranked};
pub use interval::{Bootstrap, Interval, Resampled, wilson};
