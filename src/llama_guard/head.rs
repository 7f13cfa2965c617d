//! The output head: a row of numbers for every token of the vocabulary.
//!
//! It is the largest matrix of a small model, and a verdict looks at all of it for a single row of
//! the prompt, so what counts is how many bytes are read. It stays as narrow as its file has it, and
//! is widened on the way; a general product would first lay it out anew.

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, bail};
use pulp::{Arch, Simd, WithSimd, as_arrays};
use rayon::prelude::*;

use crate::llama_guard::attention::bent;
use crate::llama_guard::kernels::slice;
use crate::llama_guard::place::Place;

/// The output head.
pub(super) struct Head {
    /// The rows of all tokens, `[vocab, hidden]`, in f32, f16 or bf16.
    rows: Tensor,
    /// What logits are bent to stay below, if anything.
    cap: Option<f32>,
}

impl Head {
    /// Takes the rows to a device.
    pub(super) fn new(rows: Tensor, cap: Option<f32>, place: &Place) -> Result<Self> {
        let rows = rows.to_device(&place.device)?.contiguous()?;
        if !place.device.is_cpu() {
            return Ok(Self { rows: rows.to_dtype(place.dtype)?, cap });
        }
        // See `from_f16`.
        let is_narrow = rows.dtype() != DType::F16 || is_finite(&rows)?;
        Ok(Self { rows: if is_narrow { rows } else { rows.to_dtype(DType::F32)? }, cap })
    }

    /// The rows of some tokens, in f32 on the CPU: `[ids, hidden]`.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, self.rows.device())?;
        self.rows.index_select(&ids, 0)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)
    }

    /// The logits of every token for some hidden states `[reads, hidden]`, in f32 on the CPU:
    /// `[reads, vocab]`.
    pub(super) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        if self.rows.device().is_cpu() {
            let hidden = hidden.to_dtype(DType::F32)?.contiguous()?;
            return self.bent(self.rows.apply_op2_no_bwd(&hidden, &Products)?);
        }
        let logits = hidden.contiguous()?.matmul(&self.rows.t()?)?;
        self.bent(logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?)
    }

    /// Products with rows as logits.
    pub(super) fn bent(&self, products: Tensor) -> Result<Tensor> {
        match self.cap {
            Some(cap) => bent(&products, cap),
            None => Ok(products),
        }
    }
}

fn is_finite(numbers: &Tensor) -> Result<bool> {
    // Zero times a number is zero, but for those that are not finite.
    Ok((numbers.to_dtype(DType::F32)? * 0.0)?.sum_all()?.to_scalar::<f32>()? == 0.0)
}

/// The products of every row of another matrix with every row of the head: `[reads, vocab]`.
struct Products;

impl CustomOp2 for Products {
    fn name(&self) -> &'static str {
        "products"
    }

    fn cpu_fwd(
        &self,
        head: &CpuStorage,
        layout: &Layout,
        hidden: &CpuStorage,
        hidden_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (vocab, width) = layout.shape().dims2()?;
        let (reads, same) = hidden_layout.shape().dims2()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("products: the head is not contiguous");
        };
        if width != same || width == 0 || reads == 0 {
            bail!("products: {vocab} rows of {width} and {reads} of {same}");
        }
        let hidden = slice(hidden, hidden_layout)?;
        let of = Rows { width, hidden };
        let products = match head {
            CpuStorage::F32(head) => of.products(part(head, start, end), |x| x),
            CpuStorage::F16(head) => of.products(part(head, start, end), |x| from_f16(x.to_bits())),
            CpuStorage::BF16(head) => {
                of.products(part(head, start, end), |x| from_bf16(x.to_bits()))
            }
            _ => bail!("products: the head is neither f32 nor f16 nor bf16"),
        };
        Ok((CpuStorage::F32(products), (reads, vocab).into()))
    }
}

fn part<T>(whole: &[T], start: usize, end: usize) -> &[T] {
    whole.get(start..end).unwrap_or_default()
}

/// Rows of the head that one thread takes at a time.
const ROWS: usize = 1024;

/// Numbers that are widened together: few enough to stay in the nearest cache.
const WIDE: usize = 128;

/// What the rows of a head are multiplied with.
struct Rows<'a> {
    width: usize,
    /// `[reads, width]`.
    hidden: &'a [f32],
}

impl Rows<'_> {
    fn products<T: Copy + Sync>(
        &self,
        head: &[T],
        widen: impl Fn(T) -> f32 + Copy + Sync,
    ) -> Vec<f32> {
        let arch = Arch::new();
        let chunks = head.par_chunks(ROWS * self.width);
        let chunks = chunks.map(|head| arch.dispatch(Chunk { of: self, head, widen }));
        let chunks: Vec<Vec<f32>> = chunks.collect();
        let reads = self.hidden.len() / self.width;
        let mut out = Vec::with_capacity(chunks.iter().map(Vec::len).sum());
        for read in 0..reads {
            for chunk in &chunks {
                let rows = chunk.len() / reads;
                let of_read = chunk.get(read * rows..(read + 1) * rows);
                out.extend_from_slice(of_read.unwrap_or_default());
            }
        }
        out
    }
}

/// The work of one thread.
struct Chunk<'a, T, W> {
    of: &'a Rows<'a>,
    head: &'a [T],
    widen: W,
}

impl<T: Copy, W: Fn(T) -> f32> WithSimd for Chunk<'_, T, W> {
    /// `[reads, rows]`.
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { of: Rows { width, hidden }, head, widen } = self;
        let rows = head.len() / width;
        let mut out = vec![0.0; hidden.len() / width * rows];
        let mut wide = [0.0_f32; WIDE];
        for (row, narrow) in head.chunks_exact(*width).enumerate() {
            for (number, narrow) in narrow.chunks(WIDE).enumerate() {
                for (wide, narrow) in wide.iter_mut().zip(narrow) {
                    *wide = widen(*narrow);
                }
                let wide = wide.get(..narrow.len()).unwrap_or_default();
                let reads = out.iter_mut().skip(row).step_by(rows);
                for (out, hidden) in reads.zip(hidden.chunks_exact(*width)) {
                    *out += dot(simd, wide, hidden.get(number * WIDE..).unwrap_or_default());
                }
            }
        }
        out
    }
}

/// The sum of the products of two rows, as far as the first goes.
#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) =
        (S::as_simd_f32s(a), S::as_simd_f32s(b.get(..a.len()).unwrap_or_default()));
    let ((a, a_left), (b, b_left)) = (as_arrays::<4, _>(a), as_arrays::<4, _>(b));
    // Four sums, since each addition waits for the one before it.
    let [mut first, mut second, mut third, mut fourth] = [simd.splat_f32s(0.0); 4];
    for ([a1, a2, a3, a4], [b1, b2, b3, b4]) in a.iter().zip(b) {
        first = simd.mul_add_e_f32s(*a1, *b1, first);
        second = simd.mul_add_e_f32s(*a2, *b2, second);
        third = simd.mul_add_e_f32s(*a3, *b3, third);
        fourth = simd.mul_add_e_f32s(*a4, *b4, fourth);
    }
    for (a, b) in a_left.iter().zip(b_left) {
        first = simd.mul_add_e_f32s(*a, *b, first);
    }
    let sum = simd.add_f32s(simd.add_f32s(first, second), simd.add_f32s(third, fourth));
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    simd.reduce_sum_f32s(sum) + rest
}

/// The number that these bits are in bf16.
#[inline(always)]
fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The number that these bits are in f16, if it is finite, in the fewest steps: a loop over it is
/// vectorised.
#[inline(always)]
fn from_f16(bits: u16) -> f32 {
    // Sign, exponent and fraction where f32 has them, the exponent counted from elsewhere.
    const PLACES: u32 = 0x8fff_e000;
    const REBIAS: f32 = f32::from_bits((112 + 127) << 23);
    let spread = i32::from(bits.cast_signed()) << 13;
    f32::from_bits(spread.cast_unsigned() & PLACES) * REBIAS
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::{Head, Place, from_bf16, from_f16};

    #[test]
    fn narrow_numbers_are_widened_to_the_same() {
        for bits in 0..=u16::MAX {
            let theirs = half::f16::from_bits(bits).to_f32();
            if theirs.is_finite() {
                assert_eq!(from_f16(bits).to_bits(), theirs.to_bits(), "{bits:#06x} is {theirs}");
            }
            let (ours, theirs) = (from_bf16(bits), half::bf16::from_bits(bits).to_f32());
            let same = ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan());
            assert!(same, "{bits:#06x} is {theirs}, not {ours}");
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for bad in [f32::NAN, f32::INFINITY] {
            let rows = Tensor::new(&[[1.0, bad], [2.0, 3.0]], &Device::Cpu).unwrap();
            let head = Head::new(rows.to_dtype(DType::F16).unwrap(), None, &Place::cpu()).unwrap();
            let hidden = Tensor::new(&[[1_f32, 1.0]], &Device::Cpu).unwrap();
            let logits: Vec<Vec<f32>> = head.logits(&hidden).unwrap().to_vec2().unwrap();
            assert!(!logits[0][0].is_finite(), "{logits:?}");
            assert!((logits[0][1] - 5.0).abs() < 1e-6, "{logits:?}");
        }
    }

    #[test]
    fn logits_are_the_product_of_the_head_with_the_hidden_states() {
        for (vocab, width, reads) in [(1, 1, 1), (2100, 128, 2), (300, 200, 3), (1025, 33, 1)] {
            let head = Tensor::randn(0_f32, 1.0, (vocab, width), &Device::Cpu).unwrap();
            let hidden = Tensor::randn(0_f32, 1.0, (reads, width), &Device::Cpu).unwrap();
            for dtype in [DType::F32, DType::F16, DType::BF16] {
                let head = head.to_dtype(dtype).unwrap();
                let wide = head.to_dtype(DType::F32).unwrap();
                let theirs = hidden.matmul(&wide.t().unwrap()).unwrap();
                let ours = Head::new(head, None, &Place::cpu()).unwrap().logits(&hidden).unwrap();
                let far = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
                let far = far.to_scalar::<f32>().unwrap();
                assert!(far < 1e-4, "{vocab} x {width}, {reads} reads, {dtype:?}: {far}");
            }
        }
    }
}
