//! Weights out of safetensors: a single file, shards named by an index, or bytes in memory.
//!
//! Every tensor is asked for by name and shape, and comes as a device wants it or as its file has it. Files are read, not
//! mapped: a file cut short while it is mapped would end the whole process.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::llama_guard::config::ModelConfig;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::gguf::Gguf;
use crate::llama_guard::matrix::Stored;
use crate::llama_guard::place::Place;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Named tensors on the CPU.
pub struct Weights {
    tensors: HashMap<String, (Stored, usize)>,
    files: Vec<String>,
}

impl Weights {
    /// Reads `model.safetensors`, or the shards that `model.safetensors.index.json` names, and
    /// takes every byte into `digest`.
    pub fn from_folder(folder: &Path, digest: &mut Sha256) -> Result<Self, LoadFault> {
        let mut weights = Self { tensors: HashMap::new(), files: Vec::new() };
        if folder.join(INDEX).is_file() && !folder.join(SINGLE).is_file() {
            let index = read(folder, INDEX)?;
            let map = weight_map(&index)?;
            let shards: BTreeSet<&String> = map.values().collect();
            for shard in shards {
                let bytes = read(folder, shard)?;
                digest.update(&bytes);
                weights.add(shard, &bytes, |name| map.get(name) == Some(shard))?;
            }
            if let Some((name, file)) = map.iter().find(|(name, _)| !weights.has(name)) {
                return Err(tensor_fault(
                    file,
                    name,
                    format!("is missing, though {INDEX} names it"),
                ));
            }
        } else {
            let bytes = read(folder, SINGLE)?;
            digest.update(&bytes);
            weights.add(SINGLE, &bytes, |_| true)?;
        }
        Ok(weights)
    }

    /// Reads a GGUF file: its weights and what shape they have.
    pub fn from_gguf(path: &Path) -> Result<(Self, ModelConfig), LoadFault> {
        Self::of_gguf(&mut Gguf::open(path)?)
    }

    pub(super) fn of_gguf(gguf: &mut Gguf) -> Result<(Self, ModelConfig), LoadFault> {
        let config = gguf.config()?;
        let tensors = gguf.weights(&config)?.into_iter().map(|(name, tensor)| (name, (tensor, 0)));
        Ok((Self { tensors: tensors.collect(), files: vec![gguf.name().to_owned()] }, config))
    }

    /// Reads a single safetensors file that is in memory.
    pub fn from_bytes(bytes: &[u8], digest: &mut Sha256) -> Result<Self, LoadFault> {
        let mut weights = Self { tensors: HashMap::new(), files: Vec::new() };
        digest.update(bytes);
        weights.add(SINGLE, bytes, |_| true)?;
        Ok(weights)
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn add(
        &mut self,
        file: &str,
        bytes: &[u8],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), LoadFault> {
        let parsed = SliceSafetensors::new(bytes).map_err(|error| {
            LoadFault::file(file, format!("not a whole safetensors file: {}", root(error)))
        })?;
        let number = self.files.len();
        self.files.push(file.to_owned());
        for (name, view) in parsed.tensors() {
            if !wanted(&name) {
                continue;
            }
            let dtype = DType::try_from(view.dtype());
            if !matches!(dtype, Ok(DType::F32 | DType::F16 | DType::BF16)) {
                let reason = format!("is {:?}: only F32, F16 and BF16 are read", view.dtype());
                return Err(tensor_fault(file, &name, reason));
            }
            let tensor = parsed
                .load(&name, &Device::Cpu)
                .map_err(|error| tensor_fault(file, &name, format!("cannot be read: {error}")))?;
            self.tensors.insert(name, (Stored::Plain(tensor), number));
        }
        Ok(())
    }

    /// Takes a tensor out to a device, in its numbers; it must have this shape.
    pub fn take(
        &mut self,
        name: &str,
        shape: &[usize],
        place: &Place,
    ) -> Result<Tensor, LoadFault> {
        self.take_as_stored(name, shape)?
            .to_device(&place.device)
            .and_then(|tensor| tensor.to_dtype(place.dtype))
            .map_err(|error| tensor_fault(&self.files.join(", "), name, root(error)))
    }

    /// Takes a tensor out as its file has it, in f32, f16 or bf16, or widened to f32 if it was in fewer
    /// bits; it must have this shape.
    pub fn take_as_stored(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, LoadFault> {
        let stored = self.take_stored(name, shape)?;
        stored.plain().map_err(|error| tensor_fault(&self.files.join(", "), name, root(error)))
    }

    /// Takes a tensor out as its file has it, quantised or not; it must have this shape.
    pub(super) fn take_stored(&mut self, name: &str, shape: &[usize]) -> Result<Stored, LoadFault> {
        let Some((tensor, number)) = self.tensors.remove(name) else {
            return Err(tensor_fault(&self.files.join(", "), name, "is missing"));
        };
        if tensor.dims() != shape {
            let file = self.files.get(number).map_or("", String::as_str);
            let reason = format!(
                "has shape {:?}, but {} asks for {shape:?}",
                tensor.dims(),
                crate::llama_guard::config::FILE
            );
            return Err(tensor_fault(file, name, reason));
        }
        Ok(tensor)
    }
}

/// The file in the folder, or the fault that names it.
pub(super) fn read(folder: &Path, file: &str) -> Result<Vec<u8>, LoadFault> {
    fs::read(folder.join(file)).map_err(|cause| LoadFault::Read { file: file.to_owned(), cause })
}

fn weight_map(index: &[u8]) -> Result<BTreeMap<String, String>, LoadFault> {
    let value: Value = serde_json::from_slice(index).map_err(|e| LoadFault::file(INDEX, e))?;
    let fault = |reason: &str| LoadFault::Field {
        file: INDEX.to_owned(),
        field: "weight_map".to_owned(),
        reason: reason.to_owned(),
    };
    let Some(Value::Object(map)) = value.get("weight_map") else {
        return Err(fault("is not an object"));
    };
    map.iter()
        .map(|(name, file)| match file.as_str() {
            // A shard lies beside its index; an index from elsewhere must not reach further.
            Some(file) if !file.is_empty() && !file.contains(['/', '\\']) => {
                Ok((name.clone(), file.to_owned()))
            }
            _ => Err(fault("names something that is no file beside it")),
        })
        .collect()
}

fn tensor_fault(file: &str, tensor: &str, reason: impl Into<String>) -> LoadFault {
    LoadFault::Tensor { file: file.to_owned(), tensor: tensor.to_owned(), reason: reason.into() }
}

/// The words of a candle error without the backtrace it may carry.
fn root(error: candle_core::Error) -> Cow<'static, str> {
    match error {
        candle_core::Error::SafeTensor(error) => error.to_string().into(),
        candle_core::Error::WithBacktrace { inner, .. } => root(*inner),
        other => other.to_string().into(),
    }
}
