//! The matrices of a model's layers: in the numbers of their place, or quantised.
//!
//! A quantised matrix takes a quarter of the memory or less, and is multiplied in whole numbers, by
//! candle's kernels on the CPU: the numbers it is multiplied with are rounded to eight bits on the way.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Result, Tensor};

use crate::llama_guard::place::Place;

/// A matrix as a file has it.
pub(super) enum Stored {
    /// In f32, f16 or bf16.
    Plain(Tensor),
    /// In blocks of few bits.
    Quantised(Box<QTensor>),
}

impl Stored {
    pub(super) fn dims(&self) -> &[usize] {
        match self {
            Self::Plain(tensor) => tensor.dims(),
            Self::Quantised(tensor) => tensor.shape().dims(),
        }
    }

    /// In numbers, f32 where it was quantised.
    pub(super) fn plain(self) -> Result<Tensor> {
        match self {
            Self::Plain(tensor) => Ok(tensor),
            Self::Quantised(tensor) => tensor.dequantize(&Device::Cpu),
        }
    }

    /// Quantised for a place that wants it, if its rows are whole blocks.
    fn quantised(self, place: &Place) -> Result<Self> {
        match (self, place.quantize) {
            (Self::Plain(tensor), Some(kind)) if tensor.dim(1)? % kind.block_size() == 0 => {
                let tensor = QTensor::quantize(&tensor.to_dtype(DType::F32)?, kind)?;
                Ok(Self::Quantised(Box::new(tensor)))
            }
            (stored, _) => Ok(stored),
        }
    }
}

/// Matrices one below the other.
pub(super) enum Matrix {
    /// Together, and transposed in memory, which is the order a product reads.
    Plain(Tensor),
    /// Each as it is.
    Quantised(Vec<QTensor>),
}

impl Matrix {
    /// Takes matrices to a place. They are quantised all or none.
    pub(super) fn join(parts: Vec<Stored>, place: &Place) -> Result<Self> {
        let parts = parts.into_iter().map(|part| part.quantised(place));
        let parts: Vec<Stored> = parts.collect::<Result<_>>()?;
        let is_quantised = |part: &Stored| matches!(part, Stored::Quantised(_));
        if place.device.is_cpu() && parts.iter().all(is_quantised) {
            let quantised = |part| match part {
                Stored::Quantised(tensor) => Some(*tensor),
                Stored::Plain(_) => None,
            };
            return Ok(Self::Quantised(parts.into_iter().filter_map(quantised).collect()));
        }
        let plain = |part: Stored| part.plain()?.to_device(&place.device)?.to_dtype(place.dtype);
        let parts: Vec<Tensor> = parts.into_iter().map(plain).collect::<Result<_>>()?;
        Ok(Self::Plain(Tensor::cat(&parts, 0)?.t()?.contiguous()?))
    }

    /// In which blocks it is, if in any.
    pub(super) fn kind(&self) -> Option<GgmlDType> {
        match self {
            Self::Plain(_) => None,
            Self::Quantised(parts) => parts.first().map(QTensor::dtype),
        }
    }

    /// The products of some rows of numbers with all rows of the matrix.
    pub(super) fn times(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(matrix) => x.matmul(matrix),
            Self::Quantised(parts) => products(x, parts.iter()),
        }
    }

    /// With so many rows of the matrix from `start` on, which must be whole parts of it.
    pub(super) fn times_rows(&self, x: &Tensor, start: usize, rows: usize) -> Result<Tensor> {
        match self {
            Self::Plain(matrix) => x.matmul(&matrix.narrow(1, start, rows)?),
            Self::Quantised(parts) => {
                let mut end = 0;
                let inside = |part: &&QTensor| {
                    let began = end;
                    end += part.shape().dims().first().copied().unwrap_or(0);
                    start <= began && end <= start + rows
                };
                products(x, parts.iter().filter(inside))
            }
        }
    }
}

fn products<'q>(x: &Tensor, parts: impl Iterator<Item = &'q QTensor>) -> Result<Tensor> {
    let x = x.contiguous()?;
    let products = parts.map(|part| x.apply_op1_no_bwd(part)).collect::<Result<Vec<_>>>()?;
    match products.as_slice() {
        [only] => Ok(only.clone()),
        _ => Tensor::cat(&products, 1),
    }
}

/// Whether this processor multiplies matrices in such blocks more quickly than wide ones: candle has
/// kernels for some kinds and some processors only.
pub(super) fn is_quick(kind: GgmlDType) -> bool {
    #[cfg(target_arch = "x86_64")]
    let (any, vnni) = (
        std::is_x86_feature_detected!("avx2"),
        std::is_x86_feature_detected!("avx512vnni") || std::is_x86_feature_detected!("avxvnni"),
    );
    #[cfg(not(target_arch = "x86_64"))]
    let (any, vnni) = (cfg!(target_arch = "aarch64"), cfg!(target_arch = "aarch64"));
    match kind {
        GgmlDType::Q4K | GgmlDType::Q6K => any,
        GgmlDType::Q8_0 => vnni,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;
    use candle_core::{Device, Tensor};

    use super::{Matrix, Stored};
    use crate::llama_guard::place::Place;

    fn stored(rows: usize, width: usize) -> (Tensor, Stored) {
        let tensor = Tensor::randn(0_f32, 1.0, (rows, width), &Device::Cpu).unwrap();
        (tensor.clone(), Stored::Plain(tensor))
    }

    #[test]
    fn quantised_products_are_near_the_plain_ones_whole_and_in_parts() {
        let place = Place { quantize: Some(GgmlDType::Q8_0), ..Place::cpu() };
        let ((a, first), (b, second)) = (stored(96, 256), stored(64, 256));
        let matrix = Matrix::join(vec![first, second], &place).unwrap();
        assert_eq!(matrix.kind(), Some(GgmlDType::Q8_0));
        let x = Tensor::randn(0_f32, 1.0, (5, 256), &Device::Cpu).unwrap();
        let near = |ours: Tensor, rows: &Tensor| {
            let theirs = x.matmul(&rows.t().unwrap()).unwrap();
            let far = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
            let far = far.to_scalar::<f32>().unwrap();
            assert!(far < 1.0, "{far} of about 16");
        };
        near(matrix.times(&x).unwrap(), &Tensor::cat(&[&a, &b], 0).unwrap());
        near(matrix.times_rows(&x, 0, 96).unwrap(), &a);
        near(matrix.times_rows(&x, 96, 64).unwrap(), &b);
    }

    #[test]
    fn what_is_no_whole_number_of_blocks_stays_as_it_is() {
        let place = Place { quantize: Some(GgmlDType::Q4K), ..Place::cpu() };
        let ((_, whole), (_, odd)) = (stored(4, 256), stored(4, 48));
        assert_eq!(Matrix::join(vec![whole], &place).unwrap().kind(), Some(GgmlDType::Q4K));
        assert_eq!(Matrix::join(vec![odd], &place).unwrap().kind(), None);
    }
}
