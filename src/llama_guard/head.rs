//! The output head: a row of numbers for every token of the vocabulary.
//!
//! It is the largest matrix of a small model, and a verdict looks at all of it for a single row of
//! the prompt, so what counts is how many bytes are read. It stays as narrow as its file has it, and
//! is widened on the way. For that it is laid out once in panels, the rows of some tokens interleaved,
//! so that the sums of a vector are those of as many tokens, and none is summed up across its lanes.

use candle_core::{
    CpuStorage, CustomOp2, DType, Device, IndexOp, Layout, Result, Shape, Tensor, bail,
};
use pulp::{Arch, Simd, WithSimd, as_arrays, as_arrays_mut};
use rayon::prelude::*;

use crate::llama_guard::attention::bent;
use crate::llama_guard::kernels::slice;
use crate::llama_guard::place::Place;

/// The output head.
pub(super) struct Head {
    /// On the CPU panels, `[vocab / PANEL, hidden, PANEL]`, the last one filled up with zeros, in f32, f16
    /// or bf16; elsewhere the rows of all tokens, `[vocab, hidden]`.
    rows: Tensor,
    vocab: usize,
    /// What logits are bent to stay below, if anything.
    cap: Option<f32>,
}

impl Head {
    /// Takes the rows to a device.
    pub(super) fn new(rows: Tensor, cap: Option<f32>, place: &Place) -> Result<Self> {
        let vocab = rows.dim(0)?;
        let rows = rows.to_device(&place.device)?.contiguous()?;
        if !place.device.is_cpu() {
            return Ok(Self { rows: rows.to_dtype(place.dtype)?, vocab, cap });
        }
        // See `from_f16`.
        let is_narrow = rows.dtype() != DType::F16 || is_finite(&rows)?;
        let rows = if is_narrow { rows } else { rows.to_dtype(DType::F32)? };
        let full = rows.pad_with_zeros(0, 0, vocab.next_multiple_of(PANEL) - vocab)?;
        let panels = full.reshape(((), PANEL, full.dim(1)?))?.transpose(1, 2)?.contiguous()?;
        Ok(Self { rows: panels, vocab, cap })
    }

    /// The rows of some tokens, in f32 on the CPU: `[ids, hidden]`.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let row = |id: &u32| {
            let id = usize::try_from(*id).map_err(candle_core::Error::wrap)?;
            if self.rows.device().is_cpu() {
                self.rows.i((id / PANEL, .., id % PANEL))
            } else {
                self.rows.i(id)
            }
        };
        let rows: Vec<Tensor> = ids.iter().map(row).collect::<Result<_>>()?;
        Tensor::stack(&rows, 0)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)
    }

    /// The logits of every token for some hidden states `[reads, hidden]`, in f32 on the CPU:
    /// `[reads, vocab]`.
    pub(super) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        if self.rows.device().is_cpu() {
            let hidden = hidden.to_dtype(DType::F32)?.contiguous()?;
            let products = self.rows.apply_op2_no_bwd(&hidden, &Products { vocab: self.vocab })?;
            return self.bent(products);
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
struct Products {
    vocab: usize,
}

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
        let vocab = self.vocab;
        let (_, width, _) = layout.shape().dims3()?;
        let (reads, same) = hidden_layout.shape().dims2()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("products: the head is not contiguous");
        };
        if width != same || width == 0 || reads == 0 {
            bail!("products: {vocab} rows of {width} and {reads} of {same}");
        }
        let of = Hidden::new(slice(hidden, hidden_layout)?, width);
        let products = match head {
            CpuStorage::F32(head) => of.products(part(head, start, end), vocab, |x| x),
            CpuStorage::F16(head) => {
                of.products(part(head, start, end), vocab, |x| from_f16(x.to_bits()))
            }
            CpuStorage::BF16(head) => {
                of.products(part(head, start, end), vocab, |x| from_bf16(x.to_bits()))
            }
            _ => bail!("products: the head is neither f32 nor f16 nor bf16"),
        };
        Ok((CpuStorage::F32(products), (reads, vocab).into()))
    }
}

fn part<T>(whole: &[T], start: usize, end: usize) -> &[T] {
    whole.get(start..end).unwrap_or_default()
}

/// Tokens of a panel: two vectors of the widest kind.
const PANEL: usize = 32;

/// Panels that one thread takes at a time.
const PANELS: usize = 32;

/// Numbers of each row that are widened together: few enough for the nearest cache.
const WIDE: usize = 64;

/// Hidden states that are multiplied together, so that a panel is fetched once for all of them.
const TOGETHER: usize = 4;

/// What the rows of a head are multiplied with.
struct Hidden {
    width: usize,
    reads: usize,
    /// As many as go together, interleaved like a panel.
    fours: Vec<Vec<[f32; TOGETHER]>>,
    /// Those that are left.
    ones: Vec<Vec<[f32; 1]>>,
}

impl Hidden {
    /// Of `[reads, width]`.
    fn new(hidden: &[f32], width: usize) -> Self {
        let fours = hidden.chunks_exact(TOGETHER * width);
        let ones = fours.remainder().chunks_exact(width);
        let number = |rows: &[f32], row: usize, number: usize| {
            rows.get(row * width + number).copied().unwrap_or_default()
        };
        Self {
            width,
            reads: hidden.len() / width,
            fours: fours
                .map(|rows| {
                    let of = |at| std::array::from_fn(|row| number(rows, row, at));
                    (0..width).map(of).collect()
                })
                .collect(),
            ones: ones.map(|row| row.iter().map(|number| [*number]).collect()).collect(),
        }
    }

    fn products<T: Copy + Sync>(
        &self,
        head: &[T],
        vocab: usize,
        widen: impl Fn(T) -> f32 + Copy + Sync,
    ) -> Vec<f32> {
        let arch = Arch::new();
        let chunks = head.par_chunks(PANELS * PANEL * self.width);
        let chunks = chunks.map(|head| arch.dispatch(Chunk { of: self, head, widen }));
        let chunks: Vec<Vec<f32>> = chunks.collect();
        let mut out = Vec::with_capacity(self.reads * vocab + PANEL);
        for read in 0..self.reads {
            let panels = chunks.iter().flat_map(|chunk| chunk.chunks_exact(self.reads * PANEL));
            for panel in panels {
                out.extend_from_slice(part(panel, read * PANEL, (read + 1) * PANEL));
            }
            out.truncate((read + 1) * vocab);
        }
        out
    }
}

/// The work of one thread.
struct Chunk<'a, T, W> {
    of: &'a Hidden,
    /// `[panels, width, PANEL]`.
    head: &'a [T],
    widen: W,
}

impl<T: Copy, W: Fn(T) -> f32> WithSimd for Chunk<'_, T, W> {
    /// `[panels, reads, PANEL]`.
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { of: Hidden { width, reads, fours, ones }, head, widen } = self;
        let mut out = vec![0.0; head.len() / width * reads];
        let mut wide = [0.0_f32; WIDE * PANEL];
        let panels = head.chunks_exact(width * PANEL);
        for (panel, out) in panels.zip(out.chunks_exact_mut(reads * PANEL)) {
            let (of_fours, of_ones) = out.split_at_mut(fours.len() * TOGETHER * PANEL);
            for (at, narrow) in panel.chunks(WIDE * PANEL).enumerate() {
                for (wide, narrow) in wide.iter_mut().zip(narrow) {
                    *wide = widen(*narrow);
                }
                let wide = part(&wide, 0, narrow.len());
                for (hidden, out) in fours.iter().zip(of_fours.chunks_exact_mut(TOGETHER * PANEL)) {
                    add(simd, wide, hidden.get(at * WIDE..).unwrap_or_default(), out);
                }
                for (hidden, out) in ones.iter().zip(of_ones.chunks_exact_mut(PANEL)) {
                    add(simd, wide, hidden.get(at * WIDE..).unwrap_or_default(), out);
                }
            }
        }
        out
    }
}

/// Adds the products of a piece of a panel, `[numbers, PANEL]`, with as many numbers of some hidden
/// states to their sums, `[READS, PANEL]`.
#[inline(always)]
fn add<S: Simd, const READS: usize>(
    simd: S,
    panel: &[f32],
    hidden: &[[f32; READS]],
    out: &mut [f32],
) {
    let (panel, _) = as_arrays::<2, _>(S::as_simd_f32s(panel).0);
    let (out, _) = as_arrays_mut::<2, _>(S::as_mut_simd_f32s(out).0);
    // Two vectors of every state at a time: their sums stay in the registers.
    let pairs = PANEL / (2 * S::F32_LANES);
    for pair in 0..pairs {
        let mut sums = [[simd.splat_f32s(0.0); 2]; READS];
        for ([low, high], numbers) in panel.iter().skip(pair).step_by(pairs).zip(hidden) {
            for ([first, second], number) in sums.iter_mut().zip(numbers) {
                let number = simd.splat_f32s(*number);
                *first = simd.mul_add_e_f32s(*low, number, *first);
                *second = simd.mul_add_e_f32s(*high, number, *second);
            }
        }
        let out = out.iter_mut().skip(pair).step_by(pairs);
        for ([low, high], [first, second]) in out.zip(sums) {
            *low = simd.add_f32s(*low, first);
            *high = simd.add_f32s(*high, second);
        }
    }
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
        for (vocab, width, reads) in
            [(1, 1, 1), (2100, 128, 2), (300, 200, 7), (1025, 33, 1), (64, 64, 8)]
        {
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
