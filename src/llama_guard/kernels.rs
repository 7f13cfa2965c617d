//! The element-wise parts of the forward pass in f32 on the CPU, each one pass over its numbers.
//!
//! candle's own do the same with an allocation and a pass for every operator, which is most of the
//! time of a small model.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, InplaceOp1, InplaceOp2, Layout, Result, Shape, bail,
};
use pulp::{Arch, NullaryFnOnce};

/// Runs a loop compiled for the widest vectors that this processor has, found out at run time: the
/// program itself is built for the oldest one.
///
/// What the loop calls must be inlined into it. What it changes is given to it, not captured: a
/// closure that captures it is called through a function that is built for the oldest.
pub(super) fn widest<A, R>(given: A, work: impl Fn(A) -> R) -> R {
    struct Work<A, F>(A, F);
    impl<A, R, F: Fn(A) -> R> NullaryFnOnce for Work<A, F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            let Self(given, work) = self;
            work(given)
        }
    }
    Arch::new().dispatch(Work(given, work))
}

/// Rotates the first `heads` heads of every row by the row's angles, the two halves of a head
/// being the pairs.
pub(super) struct Rotate<'a> {
    /// Per position, cosines then sines, `head_dim` numbers in all.
    pub(super) table: &'a [f32],
    pub(super) positions: &'a [usize],
    pub(super) heads: usize,
    pub(super) head_dim: usize,
}

impl InplaceOp1 for Rotate<'_> {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (rows, width) = layout.shape().dims2()?;
        let data = slice_mut(storage, layout)?;
        if rows != self.positions.len() || width < self.heads * self.head_dim {
            bail!("rotate: {rows} rows of {width} do not fit");
        }
        let half = self.head_dim / 2;
        for (row, position) in data.chunks_exact_mut(width).zip(self.positions) {
            let angles = self.table.chunks_exact(self.head_dim).nth(*position);
            let Some((cos, sin)) = angles.map(|angles| angles.split_at(half)) else {
                bail!("rotate: no angles for position {position}");
            };
            for head in row.chunks_exact_mut(self.head_dim).take(self.heads) {
                let (first, second) = head.split_at_mut(half);
                for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    let (x, y) = (*a, *b);
                    *a = x * cos - y * sin;
                    *b = y * cos + x * sin;
                }
            }
        }
        Ok(())
    }
}

/// Softmax over the first numbers of every row, scaled; what is behind them becomes zero.
///
/// The rows are those of several heads one below the other, so the limits repeat.
pub(super) struct Softmax<'a> {
    pub(super) scale: f32,
    /// How many numbers count; each for `repeat` rows.
    pub(super) limits: &'a [usize],
    pub(super) repeat: usize,
}

impl InplaceOp1 for Softmax<'_> {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (_, rows, width) = layout.shape().dims3()?;
        if rows != self.limits.len() * self.repeat {
            bail!("softmax: {rows} rows for {} limits", self.limits.len());
        }
        let limits = self.limits.iter().flat_map(|limit| std::iter::repeat_n(*limit, self.repeat));
        let data = slice_mut(storage, layout)?;
        let rows = data.chunks_exact_mut(width).zip(limits.cycle());
        widest(
            rows,
            #[inline(always)]
            |rows| {
                for (row, limit) in rows {
                    let (seen, hidden) = row.split_at_mut(limit.min(width));
                    hidden.fill(0.0);
                    let highest = highest(seen);
                    for number in seen.iter_mut() {
                        *number = exp((*number - highest) * self.scale);
                    }
                    let inverse = 1.0 / sum_of(seen, |number| number);
                    for number in seen {
                        *number *= inverse;
                    }
                }
            },
        );
        Ok(())
    }
}

/// `silu(gate) * up` of rows that hold gate and up side by side.
pub(super) struct Gated;

impl CustomOp1 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let data = slice(storage, layout)?;
        let half = width / 2;
        let mut out = vec![0.0; rows * half];
        widest(
            out.chunks_exact_mut(half),
            #[inline(always)]
            |out| {
                for (row, out) in data.chunks_exact(width).zip(out) {
                    let (gate, up) = row.split_at(half);
                    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                        *out = gate / (1.0 + exp(-gate)) * up;
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), (rows, half).into()))
    }
}

/// Adds another tensor of the same shape.
pub(super) struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        storage: &mut CpuStorage,
        layout: &Layout,
        other: &CpuStorage,
        other_layout: &Layout,
    ) -> Result<()> {
        let other = slice(other, other_layout)?;
        let data = slice_mut(storage, layout)?;
        if data.len() != other.len() {
            bail!("add: {} and {} numbers", data.len(), other.len());
        }
        for (number, other) in data.iter_mut().zip(other) {
            *number += other;
        }
        Ok(())
    }
}

/// Root-mean-square norm of every row, times a weight.
pub(super) struct Norm {
    pub(super) eps: f32,
}

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let weight = slice(weight, weight_layout)?;
        if width != weight.len() {
            bail!("norm: rows of {width} for {} weights", weight.len());
        }
        let data = slice(storage, layout)?;
        let mut out = vec![0.0; data.len()];
        widest(
            out.chunks_exact_mut(width),
            #[inline(always)]
            |out| {
                for (row, out) in data.chunks_exact(width).zip(out) {
                    let squares = sum_of(row, |number| number * number);
                    let scale = 1.0 / (squares / count(width) + self.eps).sqrt();
                    for ((out, number), weight) in out.iter_mut().zip(row).zip(weight) {
                        *out = number * scale * weight;
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
fn count(width: usize) -> f32 {
    width as f32
}

/// The sum of something of every number of a row, in lanes: faster than one by one, and rounded less.
#[inline(always)]
fn sum_of(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let chunks = row.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane += of(*number);
        }
    }
    for (lane, number) in lanes.iter_mut().zip(rest) {
        *lane += of(*number);
    }
    lanes.iter().sum()
}

/// The highest of the numbers that are any.
#[inline(always)]
fn highest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = row.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            // `f32::max` is no single instruction.
            *lane = if *number > *lane { *number } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The logarithm of the sum of e to the numbers; not finite where one of them is not.
///
/// In f32 but for the last sums: a vocabulary is long.
pub(super) fn log_sum_exp(row: &[f32]) -> f64 {
    let (highest, sum) = widest(
        row,
        #[inline(always)]
        |row| {
            let highest = highest(row);
            // Zero times a number is zero, but for those that are not finite.
            let of = |number: f32| exp(number - highest) + number * 0.0;
            let sums = row.chunks(4096).map(|chunk| f64::from(sum_of(chunk, of)));
            (highest, sums.sum::<f64>())
        },
    );
    f64::from(highest) + sum.ln()
}

/// e to the x within 2e-7 of its value, without a branch, so that a loop over it is vectorised.
///
/// Not-a-number stays one; below -87 it is almost zero, above 88 almost the largest number.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // x = n ln 2 + r with |r| <= ln 2 / 2; the magic number rounds to a whole n.
    const MAGIC: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bounded = if x < -87.0 { -87.0 } else { x };
    let bounded = if bounded > 88.0 { 88.0 } else { bounded };
    let shifted = bounded * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = bounded - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_66;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let power = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(data.get(start..end).unwrap_or_default()),
        _ => bail!("expected contiguous f32 on the CPU"),
    }
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => {
            Ok(data.get_mut(start..end).unwrap_or_default())
        }
        _ => bail!("expected contiguous f32 on the CPU"),
    }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn exp_is_as_good_as_the_standard_one() {
        for step in -8600..8700_i16 {
            let x = f32::from(step) / 100.0;
            let (ours, theirs) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / theirs - 1.0).abs() < 3e-7, "exp({x}) is {ours}, not {theirs}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }
}
