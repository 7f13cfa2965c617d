//! Where an operator wants a model to be computed, and in how many bits.

use std::str::FromStr;

/// Where a model is to be computed, as `device` in `gateway.toml` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DeviceChoice {
    /// On the first GPU, if this build can use one and there is one; on the CPU otherwise.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU of this number, and nowhere else.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or(())?;
                number.parse().map(Self::Cuda).map_err(|_| ())
            }
        }
    }
}

/// In how few bits the matrices of a model are kept, as `quantize` in `gateway.toml` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantization {
    /// Eight: hardly to be told from the original.
    Q8_0,
    /// Four and a half.
    Q4K,
}

impl FromStr for Quantization {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "q8_0" => Ok(Self::Q8_0),
            "q4_k" => Ok(Self::Q4K),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceChoice;

    #[test]
    fn a_device_is_named_as_in_the_file() {
        for (text, expected) in [
            ("auto", Ok(DeviceChoice::Auto)),
            ("cpu", Ok(DeviceChoice::Cpu)),
            ("cuda:0", Ok(DeviceChoice::Cuda(0))),
            ("cuda:12", Ok(DeviceChoice::Cuda(12))),
            ("cuda", Err(())),
            ("cuda:", Err(())),
            ("cuda:-1", Err(())),
            ("CPU", Err(())),
        ] {
            assert_eq!(text.parse::<DeviceChoice>(), expected, "{text}");
        }
    }
}
