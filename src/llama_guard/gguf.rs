//! A guard in one GGUF file, as llama.cpp has it: shape, tokenizer and weights, quantised or not.
//!
//! Matrices in blocks that this machine is quick with stay in them; all others are widened to f32, so that
//! scores are those of the dequantised numbers. What llama.cpp changes is changed back: it stores the rows
//! of query and key projections in another order, for rotations of neighbours instead of halves. The tokenizer of Llama 3 is put together here: candle's own reader takes
//! `llama-bpe`, as llama.cpp calls it, for GPT-2's.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::llama_guard::config::ModelConfig;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::matrix::{Stored, is_quick};

/// How Llama 3 cuts a text before it is merged, in the pattern of its tokenizer.json.
const LLAMA_3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Under which names llama.cpp and its kin know that pattern.
const LLAMA_3_NAMES: [&str; 4] = ["llama-bpe", "llama3", "llama-v3", "smaug-bpe"];

/// What llama.cpp calls a special token.
const CONTROL: u32 = 3;

/// A GGUF file that is open.
pub(super) struct Gguf {
    name: String,
    file: BufReader<File>,
    content: Content,
}

impl Gguf {
    /// Opens a file and reads what stands before its weights.
    pub(super) fn open(path: &Path) -> Result<Self, LoadFault> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let read = |cause| LoadFault::Read { file: name.clone(), cause };
        let mut file = BufReader::new(File::open(path).map_err(read)?);
        let content = Content::read(&mut file)
            .map_err(|error| LoadFault::file(&name, format!("not a whole GGUF file: {error}")))?;
        Ok(Self { name, file, content })
    }

    /// What the file is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes every byte of the file into `digest`.
    pub(super) fn digest(&mut self, digest: &mut Sha256) -> Result<(), LoadFault> {
        let read = |cause| LoadFault::Read { file: self.name.clone(), cause };
        self.file.seek(SeekFrom::Start(0)).map_err(read)?;
        let mut chunk = vec![0; 1 << 20];
        loop {
            let length = self.file.read(&mut chunk).map_err(read)?;
            if length == 0 {
                return Ok(());
            }
            digest.update(chunk.get(..length).unwrap_or_default());
        }
    }

    /// The chat template it carries.
    pub(super) fn template(&self) -> Option<&str> {
        self.text("tokenizer.chat_template")
    }

    /// The shape of the model.
    pub(super) fn config(&self) -> Result<ModelConfig, LoadFault> {
        let architecture = self.text("general.architecture").unwrap_or("none");
        if architecture != "llama" {
            return Err(self.fault(format!("its architecture is {architecture}, not llama")));
        }
        let number = |key: &str| self.content.metadata.get(&format!("llama.{key}"));
        let scaling = number("rope.scaling.type").and_then(|kind| kind.to_string().ok());
        if let Some(kind) = scaling.filter(|kind| *kind != "none") {
            return Err(self.fault(format!("its rope scaling is {kind}, which is not known here")));
        }
        // As config.json would have it, so that there is one place which says what a shape must be.
        let fields = [
            ("hidden_size", number("embedding_length")),
            ("intermediate_size", number("feed_forward_length")),
            ("num_hidden_layers", number("block_count")),
            ("num_attention_heads", number("attention.head_count")),
            ("num_key_value_heads", number("attention.head_count_kv")),
            ("head_dim", number("attention.key_length").or(number("rope.dimension_count"))),
            ("max_position_embeddings", number("context_length")),
            ("rms_norm_eps", number("attention.layer_norm_rms_epsilon")),
            // Where a file says none, llama.cpp takes that of Llama 2.
            ("rope_theta", Some(number("rope.freq_base").unwrap_or(&Value::F32(10_000.0)))),
        ];
        let mut config = Map::new();
        for (field, value) in fields {
            if let Some(value) = value {
                config.insert(field.to_owned(), json(value));
            }
        }
        let tokens = self.list("tokenizer.ggml.tokens").map_or(0, <[Value]>::len);
        config.insert("vocab_size".to_owned(), tokens.into());
        let tied = !self.content.tensor_infos.contains_key("output.weight");
        config.insert("tie_word_embeddings".to_owned(), tied.into());
        let bytes = serde_json::Value::Object(config).to_string();
        let mut config = ModelConfig::parse(bytes.as_bytes()).map_err(|fault| match fault {
            LoadFault::Field { field, reason, .. } => {
                LoadFault::Field { file: self.name.clone(), field, reason }
            }
            other => other,
        })?;
        config.rope.factors = self.factors()?;
        Ok(config)
    }

    /// What the frequencies of the rotary embedding are divided by.
    fn factors(&self) -> Result<Vec<f32>, LoadFault> {
        const NAME: &str = "rope_freqs.weight";
        if !self.content.tensor_infos.contains_key(NAME) {
            return Ok(Vec::new());
        }
        let mut file = self.reopened()?;
        let factors = self.quantised(&mut file, NAME)?.dequantize(&Device::Cpu);
        let factors = factors.map_err(|error| self.tensor_fault(NAME, error))?;
        factors.to_vec1().map_err(|error| self.tensor_fault(NAME, error))
    }

    /// The tokenizer as a tokenizer.json.
    pub(super) fn tokenizer(&self) -> Result<Vec<u8>, LoadFault> {
        let model = self.text("tokenizer.ggml.model").unwrap_or("none");
        let split = self.text("tokenizer.ggml.pre").unwrap_or("none");
        if model != "gpt2" || !LLAMA_3_NAMES.contains(&split) {
            return Err(self.fault(format!(
                "its tokenizer ({model}, {split}) is none that can be put together here: lay the \
                 model's tokenizer.json beside it"
            )));
        }
        let words = |key| {
            let list = self.list(key).ok_or_else(|| self.fault(format!("has no {key}")))?;
            let words = list.iter().map(|word| word.to_string().cloned());
            words.collect::<Result<Vec<_>, _>>().map_err(|error| self.fault(error))
        };
        let (tokens, merges) = (words("tokenizer.ggml.tokens")?, words("tokenizer.ggml.merges")?);
        let kinds = self.list("tokenizer.ggml.token_type").unwrap_or_default();
        let is_special = |at: usize| kinds.get(at).and_then(count) == Some(CONTROL);
        let added: Vec<_> = (0_u32..)
            .zip(&tokens)
            .enumerate()
            .filter(|(at, _)| is_special(*at))
            .map(|(_, (id, token))| {
                json!({
                    "id": id, "content": token, "special": true, "normalized": false,
                    "single_word": false, "lstrip": false, "rstrip": false,
                })
            })
            .collect();
        let vocab: HashMap<&String, usize> =
            tokens.iter().enumerate().map(|(id, token)| (token, id)).collect();
        let bytes = json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
        });
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": added,
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
                {
                    "type": "Split", "pattern": { "Regex": LLAMA_3_SPLIT },
                    "behavior": "Isolated", "invert": false,
                },
                bytes,
            ]},
            "decoder": bytes,
            "model": {
                "type": "BPE", "ignore_merges": true, "fuse_unk": false, "byte_fallback": false,
                "vocab": vocab, "merges": merges,
            },
        });
        Ok(tokenizer.to_string().into_bytes())
    }

    /// All weights, by the names that transformers gives them.
    pub(super) fn weights(
        &mut self,
        config: &ModelConfig,
    ) -> Result<HashMap<String, Stored>, LoadFault> {
        let mut file = self.reopened()?;
        let mut weights = HashMap::new();
        for name in self.content.tensor_infos.keys() {
            let Some((theirs, heads)) = renamed(name, config) else { continue };
            let tensor = self.quantised(&mut file, name)?;
            let tensor = match heads {
                Some(heads) => halves(tensor, heads).map_err(|e| self.tensor_fault(name, e))?,
                None => tensor,
            };
            let stays = name.starts_with("blk.") && is_quick(tensor.dtype());
            let stored = if stays {
                Stored::Quantised(Box::new(tensor))
            } else {
                self.widened(name, &tensor)?
            };
            weights.insert(theirs, stored);
        }
        Ok(weights)
    }

    fn quantised(&self, file: &mut BufReader<File>, name: &str) -> Result<QTensor, LoadFault> {
        self.content
            .tensor(file, name, &Device::Cpu)
            .map_err(|error| self.tensor_fault(name, format!("cannot be read: {error}")))
    }

    fn widened(&self, name: &str, tensor: &QTensor) -> Result<Stored, LoadFault> {
        let wide = tensor.dequantize(&Device::Cpu).and_then(|wide| wide.to_dtype(DType::F32));
        wide.map(Stored::Plain).map_err(|error| self.tensor_fault(name, error))
    }

    fn reopened(&self) -> Result<BufReader<File>, LoadFault> {
        let read = |cause| LoadFault::Read { file: self.name.clone(), cause };
        Ok(BufReader::new(self.file.get_ref().try_clone().map_err(read)?))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    fn list(&self, key: &str) -> Option<&[Value]> {
        self.content.metadata.get(key)?.to_vec().ok().map(Vec::as_slice)
    }

    fn fault(&self, reason: impl ToString) -> LoadFault {
        LoadFault::file(&self.name, reason)
    }

    fn tensor_fault(&self, tensor: &str, reason: impl ToString) -> LoadFault {
        let (file, tensor) = (self.name.clone(), tensor.to_owned());
        LoadFault::Tensor { file, tensor, reason: reason.to_string() }
    }
}

/// What transformers calls a tensor, and of how many heads its rows are in another order.
fn renamed(name: &str, config: &ModelConfig) -> Option<(String, Option<usize>)> {
    let plain = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight"),
        "output_norm.weight" => Some("model.norm.weight"),
        "output.weight" => Some("lm_head.weight"),
        _ => None,
    };
    if let Some(plain) = plain {
        return Some((plain.to_owned(), None));
    }
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, heads) = match part {
        "attn_norm.weight" => ("input_layernorm", None),
        "attn_q.weight" => ("self_attn.q_proj", Some(config.heads)),
        "attn_k.weight" => ("self_attn.k_proj", Some(config.kv_heads)),
        "attn_v.weight" => ("self_attn.v_proj", None),
        "attn_output.weight" => ("self_attn.o_proj", None),
        "ffn_norm.weight" => ("post_attention_layernorm", None),
        "ffn_gate.weight" => ("mlp.gate_proj", None),
        "ffn_up.weight" => ("mlp.up_proj", None),
        "ffn_down.weight" => ("mlp.down_proj", None),
        _ => return None,
    };
    Some((format!("model.layers.{layer}.{part}.weight"), heads))
}

/// The rows of every head put from pairs of neighbours to two halves, byte by byte: a row is whole blocks.
fn halves(tensor: QTensor, heads: usize) -> candle_core::Result<QTensor> {
    let (rows, _) = tensor.shape().dims2()?;
    let of_head = rows / heads.max(1);
    let data = tensor.data()?;
    let width = data.len() / rows.max(1);
    let mut moved = Vec::with_capacity(data.len());
    for row in 0..rows {
        let (head, at) = (row / of_head, row % of_head);
        let (half, pair) = (at / (of_head / 2), at % (of_head / 2));
        let from = (head * of_head + 2 * pair + half) * width;
        moved.extend_from_slice(data.get(from..from + width).unwrap_or_default());
    }
    let storage = QStorage::from_data(moved.into(), &Device::Cpu, tensor.dtype())?;
    QTensor::new(storage, tensor.shape().clone())
}

fn json(value: &Value) -> serde_json::Value {
    if let Some(count) = count(value) {
        return count.into();
    }
    match value {
        Value::F32(number) => f64::from(*number).into(),
        Value::F64(number) => (*number).into(),
        Value::String(text) => text.as_str().into(),
        _ => serde_json::Value::Bool(false),
    }
}

fn count(value: &Value) -> Option<u32> {
    match value {
        Value::U8(number) => Some(u32::from(*number)),
        Value::U16(number) => Some(u32::from(*number)),
        Value::U32(number) => Some(*number),
        Value::I8(number) => u32::try_from(*number).ok(),
        Value::I16(number) => u32::try_from(*number).ok(),
        Value::I32(number) => u32::try_from(*number).ok(),
        Value::U64(number) => u32::try_from(*number).ok(),
        Value::I64(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}
