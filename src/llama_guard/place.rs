//! Where a model is computed, and in which numbers.

use std::fmt;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, DeviceLocation};

use crate::llama_guard::choice::{DeviceChoice, Quantization};
use crate::llama_guard::fault::LoadFault;

/// A device with the numbers it computes in.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) device: Device,
    pub(super) dtype: DType,
    pub(super) means: Means,
    /// The blocks in which matrices are kept, whatever their files have.
    pub(super) quantize: Option<GgmlDType>,
}

/// By what the steps between the matrix products are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Means {
    /// By our own loops, which know f32 on the CPU.
    Loops,
    /// By candle's kernels, on every device and in every type.
    Kernels,
}

impl Place {
    /// The CPU, in f32.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32, means: Means::Loops, quantize: None }
    }

    /// A device that is computed on with candle's own kernels, in a type of its choice. On the CPU that
    /// is slower than [`Place::cpu`], and gives the same.
    pub fn kernels(device: Device, dtype: DType) -> Self {
        Self { device, dtype, means: Means::Kernels, quantize: None }
    }

    /// The same with the matrices in few bits.
    ///
    /// # Errors
    ///
    /// On a GPU there is no such thing here.
    pub fn quantized(self, wanted: Option<Quantization>) -> Result<Self, LoadFault> {
        let quantize = wanted.map(|wanted| match wanted {
            Quantization::Q8_0 => GgmlDType::Q8_0,
            Quantization::Q4K => GgmlDType::Q4K,
        });
        if quantize.is_some() && !self.device.is_cpu() {
            return Err(LoadFault::Settings(format!(
                "`quantize` is for the CPU, and the device is {self}: leave it out, or write `device = \
                 \"cpu\"`"
            )));
        }
        Ok(Self { quantize, ..self })
    }

    /// Finds the device.
    ///
    /// # Errors
    ///
    /// The GPU that is wanted is not there, or this build cannot use it.
    pub fn find(wanted: DeviceChoice) -> Result<Self, LoadFault> {
        match wanted {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Auto => Ok(Self::gpu(0).unwrap_or_else(|fault| {
                tracing::info!(%fault, "computing on the CPU");
                Self::cpu()
            })),
            DeviceChoice::Cuda(number) => Self::gpu(number),
        }
    }

    #[cfg(feature = "cuda")]
    fn gpu(number: usize) -> Result<Self, LoadFault> {
        let device = Device::new_cuda(number).map_err(|error| {
            let reason = format!("`device` is \"cuda:{number}\", which cannot be used: {error}");
            LoadFault::Settings(reason)
        })?;
        if let Device::Cuda(cuda) = &device {
            // One thread uses the device, on one stream: there is nothing to wait for.
            #[expect(unsafe_code, reason = "sound for as long as a single stream is used")]
            unsafe {
                cuda.disable_event_tracking();
            }
        }
        Ok(Self::kernels(device, DType::BF16))
    }

    #[cfg(not(feature = "cuda"))]
    fn gpu(number: usize) -> Result<Self, LoadFault> {
        Err(LoadFault::Settings(format!(
            "`device` is \"cuda:{number}\", but this build computes on the CPU only: build it with \
             `--features cuda`, or write \"auto\" or \"cpu\""
        )))
    }

    /// The bytes of one of its numbers.
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    pub(super) fn bytes(&self) -> f64 {
        self.dtype.size_in_bytes() as f64
    }

    /// The word for its numbers.
    pub(super) fn dtype_name(&self) -> &'static str {
        self.dtype.as_str()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device.location() {
            DeviceLocation::Cpu => f.write_str("cpu"),
            DeviceLocation::Cuda { gpu_id } => write!(f, "cuda:{gpu_id}"),
            DeviceLocation::Metal { gpu_id } => write!(f, "metal:{gpu_id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::llama_guard::choice::DeviceChoice;

    #[test]
    fn a_device_that_is_not_there_is_an_error_and_never_another_one() {
        let fault = Place::find(DeviceChoice::Cuda(63)).expect_err("nobody has 64 GPUs");
        assert!(fault.to_string().contains("\"cuda:63\""), "{fault}");
        assert_eq!(Place::find(DeviceChoice::Cpu).expect("always there").to_string(), "cpu");
    }
}
