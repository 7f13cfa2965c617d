//! The element-wise parts of the forward pass, each one pass over its numbers.
//!
//! candle's own do the same with an allocation and a pass for every operator, which is most of the
//! time of a small model.

use candle_core::{CpuStorage, CustomOp1, InplaceOp1, InplaceOp2, Layout, Result, Shape, bail};

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
        for (row, limit) in data.chunks_exact_mut(width).zip(limits.cycle()) {
            let (seen, hidden) = row.split_at_mut(limit.min(width));
            hidden.fill(0.0);
            let highest = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for number in seen.iter_mut() {
                *number = exp((*number - highest) * self.scale);
            }
            let inverse = 1.0 / sum(seen);
            for number in seen {
                *number *= inverse;
            }
        }
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
        for (row, out) in data.chunks_exact(width).zip(out.chunks_exact_mut(half)) {
            let (gate, up) = row.split_at(half);
            for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
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
pub(super) struct Norm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) eps: f32,
}

impl CustomOp1 for Norm<'_> {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        if width != self.weight.len() {
            bail!("norm: rows of {width} for {} weights", self.weight.len());
        }
        let data = slice(storage, layout)?;
        let mut out = Vec::with_capacity(data.len());
        for row in data.chunks_exact(width) {
            let scale = 1.0 / (sum_squares(row) / count(width) + self.eps).sqrt();
            out.extend(row.iter().zip(self.weight).map(|(number, weight)| number * scale * weight));
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
fn count(width: usize) -> f32 {
    width as f32
}

/// Sums in eight lanes, which is faster and rounds less than one by one.
fn lanes(row: &[f32], add: impl Fn(&mut f32, f32)) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let chunks = row.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            add(lane, *number);
        }
    }
    for (lane, number) in lanes.iter_mut().zip(rest) {
        add(lane, *number);
    }
    lanes.iter().sum()
}

fn sum(row: &[f32]) -> f32 {
    lanes(row, |lane, number| *lane += number)
}

/// The sum of e to the numbers, each less `highest`.
pub(super) fn sum_exp(row: &[f32], highest: f32) -> f32 {
    lanes(row, |lane, number| *lane += exp(number - highest))
}

fn sum_squares(row: &[f32]) -> f32 {
    lanes(row, |lane, number| *lane += number * number)
}

/// e to the x within 2e-7 of its value, without a branch, so that a loop over it is vectorised.
///
/// Not-a-number stays one; below -87 it is almost zero, above 88 almost the largest number.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
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

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
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
