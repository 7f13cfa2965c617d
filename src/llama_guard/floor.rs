//! What a device does at best: what the times of a guard are to be held against.

use std::time::{Duration, Instant};

use candle_core::{Result, Tensor};

use crate::llama_guard::place::Place;

/// The best rates of a device, measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Floor {
    /// Multiplications and additions a second in a large matrix product.
    pub operations: f64,
    /// Bytes a second, read and written, in a large copy.
    pub bytes: f64,
}

/// How long each of the two is tried.
const TRIAL: Duration = Duration::from_millis(500);

/// The side of the matrices.
const SIDE: usize = 2048;

/// The numbers of the copy: more than any cache holds.
const NUMBERS: usize = 64 << 20;

impl Floor {
    /// Measures a device, which takes a second or two.
    pub fn measure(place: &Place) -> Result<Self> {
        let ones = |shape: (usize, usize)| Tensor::ones(shape, place.dtype, &place.device);
        let (a, b) = (ones((SIDE, SIDE))?, ones((SIDE, SIDE))?);
        let product = best(place, || a.matmul(&b))?;
        let numbers = ones((1, NUMBERS))?;
        let copy = best(place, || numbers.copy())?;
        let (side, numbers) = (float(SIDE), float(NUMBERS));
        Ok(Self {
            operations: 2.0 * side * side * side / product,
            bytes: 2.0 * numbers * place.bytes() / copy,
        })
    }

    /// The seconds that a pass takes at least: as long as its operations, and as long as reading its
    /// weights once.
    pub fn seconds(&self, operations: f64, weights: f64) -> f64 {
        // A copy reads and writes; weights are only read.
        (operations / self.operations).max(weights / self.bytes)
    }
}

/// The seconds of the quickest of several runs.
fn best(place: &Place, run: impl Fn() -> Result<Tensor>) -> Result<f64> {
    let began = Instant::now();
    let mut best = f64::INFINITY;
    while best.is_infinite() || began.elapsed() < TRIAL {
        let started = Instant::now();
        let kept = run()?;
        place.device.synchronize()?;
        best = best.min(started.elapsed().as_secs_f64());
        drop(kept);
    }
    Ok(best)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::Floor;

    #[test]
    fn a_pass_is_bound_by_its_operations_or_by_its_weights() {
        let floor = Floor { operations: 100.0, bytes: 10.0 };
        assert!((floor.seconds(200.0, 10.0) - 2.0).abs() < 1e-9);
        assert!((floor.seconds(200.0, 50.0) - 5.0).abs() < 1e-9);
    }
}
