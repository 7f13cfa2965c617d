//! The steps between the matrix products of the forward pass, each by the means that fit the device.
//!
//! Both means give the same numbers, but for rounding: `tests/parity.rs` holds them to the same
//! fixtures.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{ops, rotary_emb};

use crate::llama_guard::kernels::{Add, Gated, Norm, Rotate, Softmax};
use crate::llama_guard::place::{Means, Place};

/// Rows of queries that attend together.
const LOOPS_BLOCK: usize = 64;
/// On a GPU every block is several launches.
const KERNELS_BLOCK: usize = 512;

/// By how much the rows of a pass are rotated.
pub(super) enum Turns {
    Loops(Vec<usize>),
    /// Cosines and sines, `[rows, head_dim / 2]`.
    Kernels {
        cos: Tensor,
        sin: Tensor,
    },
}

/// Which keys a block of query rows sees.
pub(super) enum Sight {
    /// The first so many of them, for every row.
    Loops(Vec<usize>),
    /// What is added to the scores, in f32: `[rows * group, keys]`.
    Kernels(Tensor),
}

/// What a gate is bent by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Silu,
    /// By its approximation with a tangent.
    Gelu,
}

/// The steps on one device.
pub(super) struct Steps {
    pub(super) place: Place,
    /// Per position cosines, then sines: `head_dim` numbers.
    angles: Vec<f32>,
    head_dim: usize,
}

impl Steps {
    pub(super) fn new(place: Place, angles: Vec<f32>, head_dim: usize) -> Self {
        Self { place, angles, head_dim }
    }

    /// How many positions can be rotated.
    pub(super) fn positions(&self) -> usize {
        self.angles.len() / self.head_dim
    }

    /// Rows of queries that attend together.
    pub(super) fn block(&self) -> usize {
        match self.place.means {
            Means::Loops => LOOPS_BLOCK,
            Means::Kernels => KERNELS_BLOCK,
        }
    }

    pub(super) fn turns(&self, positions: Vec<usize>) -> Result<Turns> {
        if self.place.means == Means::Loops {
            return Ok(Turns::Loops(positions));
        }
        let (rows, half) = (positions.len(), self.head_dim / 2);
        let mut halves = [Vec::with_capacity(rows * half), Vec::with_capacity(rows * half)];
        for position in positions {
            let start = position * self.head_dim;
            let of_row = self.angles.get(start..start + self.head_dim).unwrap_or_default();
            for (half, numbers) in halves.iter_mut().zip(of_row.chunks(half.max(1))) {
                half.extend_from_slice(numbers);
            }
        }
        let [cos, sin] = halves.map(|half| self.upload(half, rows)?.to_dtype(self.place.dtype));
        Ok(Turns::Kernels { cos: cos?, sin: sin? })
    }

    /// Rows of queries that see the first `limits` of `keys` keys; each stands for `group` heads.
    pub(super) fn sight(&self, limits: &[usize], group: usize) -> Result<Sight> {
        if self.place.means == Means::Loops {
            return Ok(Sight::Loops(limits.to_vec()));
        }
        let keys = limits.iter().copied().max().unwrap_or(0);
        let mut mask = Vec::with_capacity(limits.len() * group * keys);
        for limit in limits {
            for _ in 0..group {
                mask.extend(
                    (0..keys).map(|key| if key < *limit { 0.0 } else { f32::NEG_INFINITY }),
                );
            }
        }
        Ok(Sight::Kernels(self.upload(mask, limits.len() * group)?))
    }

    /// The first `heads` heads of every row, rotated; the others as they are.
    pub(super) fn rotate(&self, x: Tensor, heads: usize, turns: &Turns) -> Result<Tensor> {
        match turns {
            Turns::Loops(positions) => {
                let head_dim = self.head_dim;
                x.inplace_op1(&Rotate { table: &self.angles, positions, heads, head_dim })?;
                Ok(x)
            }
            Turns::Kernels { cos, sin } => {
                let (rows, width) = x.dims2()?;
                let turned = heads * self.head_dim;
                let of_heads = x.narrow(1, 0, turned)?.contiguous()?;
                let of_heads = of_heads.reshape((1, rows, heads, self.head_dim))?;
                let rotated = rotary_emb::rope_thd(&of_heads, cos, sin)?.reshape((rows, turned))?;
                if turned == width {
                    return Ok(rotated);
                }
                Tensor::cat(&[rotated, x.narrow(1, turned, width - turned)?], 1)
            }
        }
    }

    /// Softmax over the keys that every row sees, of scores `[kv_heads, rows * group, keys]` times
    /// `scale`.
    pub(super) fn softmax(
        &self,
        scores: Tensor,
        scale: f32,
        sight: &Sight,
        group: usize,
    ) -> Result<Tensor> {
        match sight {
            Sight::Loops(limits) => {
                scores.inplace_op1(&Softmax { scale, limits, repeat: group })?;
                Ok(scores)
            }
            Sight::Kernels(mask) => {
                // In f32, as transformers does it.
                let scores = (scores.to_dtype(DType::F32)? * f64::from(scale))?;
                ops::softmax_last_dim(&scores.broadcast_add(mask)?)?.to_dtype(self.place.dtype)
            }
        }
    }

    pub(super) fn norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
        match self.place.means {
            Means::Loops => x.apply_op2_no_bwd(weight, &Norm { eps }),
            Means::Kernels => ops::rms_norm(x, weight, eps),
        }
    }

    /// `bent(gate) * up` of rows that hold gate and up side by side.
    pub(super) fn gated(&self, x: &Tensor, gate: Gate) -> Result<Tensor> {
        if self.place.means == Means::Loops && gate == Gate::Silu {
            return x.apply_op1_no_bwd(&Gated);
        }
        let half = x.dim(D::Minus1)? / 2;
        let (of_gate, up) = (x.narrow(1, 0, half)?.contiguous()?, x.narrow(1, half, half)?);
        let bent = match gate {
            Gate::Silu => of_gate.silu()?,
            Gate::Gelu => of_gate.gelu()?,
        };
        bent.mul(&up)
    }

    pub(super) fn add(&self, onto: Tensor, other: &Tensor) -> Result<Tensor> {
        match self.place.means {
            Means::Loops => {
                onto.inplace_op2(other, &Add)?;
                Ok(onto)
            }
            Means::Kernels => onto.add(other),
        }
    }

    fn upload(&self, numbers: Vec<f32>, rows: usize) -> Result<Tensor> {
        let width = numbers.len() / rows.max(1);
        Tensor::from_vec(numbers, (rows, width), &Device::Cpu)?.to_device(&self.place.device)
    }
}
