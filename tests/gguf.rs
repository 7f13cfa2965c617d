//! A guard in a GGUF file scores as the same weights in a folder do. The files are made here; that they
//! are read as llama.cpp means them is witnessed by candle-transformers' own reader.

#![cfg(feature = "candle")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor, safetensors};
use candle_transformers::models::quantized_llama::ModelWeights;
use serde_json::Value as Json;
use tempfile::TempDir;
use wardgate::llama_guard::{
    EngineSettings, Family, Llama, LlamaGuard, ModelConfig, Packed, Place, Quantization, Weights,
    Window,
};
use wardgate::transcript::Transcript;

const CPU: Device = Device::Cpu;

fn fixture(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/families").join(family)
}

/// The shape of a model, as much of it as a file needs.
struct Shape {
    heads: usize,
    kv_heads: usize,
    metadata: Vec<(&'static str, Value)>,
}

impl Shape {
    fn new([hidden, inner, layers, heads, kv_heads]: [usize; 5], theta: f32, eps: f32) -> Self {
        let count = |number: usize| Value::U32(u32::try_from(number).unwrap());
        let metadata = vec![
            ("general.architecture", Value::String("llama".to_owned())),
            ("llama.embedding_length", count(hidden)),
            ("llama.feed_forward_length", count(inner)),
            ("llama.block_count", count(layers)),
            ("llama.attention.head_count", count(heads)),
            ("llama.attention.head_count_kv", count(kv_heads)),
            ("llama.rope.dimension_count", count(hidden / heads)),
            ("llama.context_length", count(8192)),
            ("llama.rope.freq_base", Value::F32(theta)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(eps)),
        ];
        Self { heads, kv_heads, metadata }
    }
}

/// As llama.cpp's converter puts the rows of query and key projections: pairs of neighbours.
fn neighbours(rows: &Tensor, heads: usize) -> Tensor {
    let (all, width) = rows.dims2().unwrap();
    let halves = rows.reshape((heads, 2, all / heads / 2, width)).unwrap();
    halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((all, width)).unwrap()
}

/// Writes weights under transformers' names as a GGUF file; what `kind` cannot hold stays f32.
fn write(
    path: &Path,
    shape: &Shape,
    weights: &HashMap<String, Tensor>,
    kind: GgmlDType,
    more: Vec<(&'static str, Value)>,
) {
    let tensors: Vec<(String, QTensor)> = weights
        .iter()
        .map(|(name, tensor)| {
            let tensor = tensor.to_dtype(DType::F32).unwrap();
            let name = name.strip_prefix("model.").unwrap_or(name);
            let tensor = match name {
                _ if name.ends_with("q_proj.weight") => neighbours(&tensor, shape.heads),
                _ if name.ends_with("k_proj.weight") => neighbours(&tensor, shape.kv_heads),
                _ => tensor,
            };
            let name = [
                ("embed_tokens", "token_embd"),
                ("lm_head", "output"),
                ("post_attention_layernorm", "ffn_norm"),
                ("input_layernorm", "attn_norm"),
                ("self_attn.o_proj", "attn_output"),
                ("self_attn.q_proj", "attn_q"),
                ("self_attn.k_proj", "attn_k"),
                ("self_attn.v_proj", "attn_v"),
                ("mlp.gate_proj", "ffn_gate"),
                ("mlp.up_proj", "ffn_up"),
                ("mlp.down_proj", "ffn_down"),
                ("layers.", "blk."),
            ]
            .iter()
            .fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours));
            let name = if name == "norm.weight" { "output_norm.weight".to_owned() } else { name };
            let fits = tensor.rank() == 2 && tensor.dim(1).unwrap() % kind.block_size() == 0;
            let kind = if fits { kind } else { GgmlDType::F32 };
            (name, QTensor::quantize(&tensor, kind).unwrap())
        })
        .collect();
    let metadata: Vec<_> = shape.metadata.iter().map(|(key, value)| (*key, value)).collect();
    let more: Vec<_> = more.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = File::create(path).unwrap();
    gguf_file::write(&mut file, &[metadata, more].concat(), &tensors).unwrap();
}

/// The tokenizer of a folder, as a GGUF file has it.
fn tokenizer(folder: &Path) -> Vec<(&'static str, Value)> {
    let json: Json =
        serde_json::from_slice(&fs::read(folder.join("tokenizer.json")).unwrap()).unwrap();
    let mut tokens: Vec<(u64, String, u32)> = Vec::new();
    for (token, id) in json["model"]["vocab"].as_object().unwrap() {
        tokens.push((id.as_u64().unwrap(), token.clone(), 1));
    }
    for added in json["added_tokens"].as_array().unwrap() {
        let content = added["content"].as_str().unwrap().to_owned();
        tokens.push((added["id"].as_u64().unwrap(), content, 3));
    }
    tokens.sort();
    assert!(tokens.iter().zip(0..).all(|((id, _, _), at)| *id == at), "no gaps");
    let merge = |merge: &Json| match merge {
        Json::String(merge) => merge.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    };
    let merges = json["model"]["merges"].as_array().unwrap().iter().map(merge);
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    vec![
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String("llama-bpe".to_owned())),
        ("tokenizer.ggml.merges", texts(merges.collect())),
        (
            "tokenizer.ggml.token_type",
            Value::Array(tokens.iter().map(|(_, _, kind)| Value::I32(*kind as i32)).collect()),
        ),
        ("tokenizer.ggml.tokens", texts(tokens.into_iter().map(|(_, token, _)| token).collect())),
    ]
}

fn settings() -> EngineSettings {
    let window = Window { content: 512, overlap: 64, context: 256 };
    EngineSettings { window, ..EngineSettings::default() }
}

fn asked() -> [Transcript; 2] {
    [
        Transcript::user("How do I bake sourdough bread?"),
        Transcript::agent("What is the capital of France?", "The capital of France is Paris."),
    ]
}

/// The fixture of a family as a GGUF file.
fn converted(family: &str, kind: GgmlDType) -> (TempDir, PathBuf) {
    let folder = fixture(family);
    let config: Json =
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let shape = Shape::new([32, 48, 2, 4, 2], 500_000.0, 1e-6);
    assert_eq!(config["num_key_value_heads"], 2);
    let weights = safetensors::load(folder.join("model.safetensors"), &CPU).unwrap();
    let out = TempDir::new().unwrap();
    let path = out.path().join("guard.gguf");
    write(&path, &shape, &weights, kind, tokenizer(&folder));
    (out, path)
}

#[test]
fn a_guard_scores_as_its_weights_do_in_a_folder() {
    let family = Family::llama_guard_2;
    let mut folder = LlamaGuard::load(&fixture("llama-guard-2"), family(), settings()).unwrap();
    let expected = folder.judge_all(&asked());
    // The fixture's own numbers are bf16, which f32 holds exactly. Its rows hold very large numbers beside
    // small ones, so that blocks of fewer bits are another model: their test is the next one.
    for (kind, most) in [(GgmlDType::F32, 1e-5), (GgmlDType::F16, 1e-3)] {
        let (_kept, path) = converted("llama-guard-2", kind);
        let mut guard = LlamaGuard::load(&path, family(), settings()).unwrap();
        for (ours, theirs) in guard.judge_all(&asked()).iter().zip(&expected) {
            assert_eq!(ours.unscored, None, "{kind:?}");
            let (ours, theirs) = (ours.highest().unwrap().get(), theirs.highest().unwrap().get());
            assert!((ours - theirs).abs() < most, "{kind:?}: {ours}, {theirs}");
        }
    }
}

/// Numbers without a pattern, the same on every run.
fn numbers(seed: u32, rows: usize, width: usize) -> Tensor {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * 0.2
    };
    let numbers: Vec<f32> = std::iter::repeat_with(next).take(rows * width).collect();
    Tensor::from_vec(numbers, (rows, width), &CPU).unwrap()
}

const VOCAB: usize = 300;

/// A model whose rows are whole blocks of every kind.
fn blocky() -> (Shape, HashMap<String, Tensor>) {
    let shape = Shape::new([256, 256, 2, 4, 2], 10_000.0, 1e-5);
    let mut weights = HashMap::from([
        ("model.embed_tokens.weight".to_owned(), numbers(1, VOCAB, 256)),
        ("lm_head.weight".to_owned(), numbers(2, VOCAB, 256)),
        ("model.norm.weight".to_owned(), Tensor::ones(256, DType::F32, &CPU).unwrap()),
    ]);
    for layer in 0..2_u32 {
        let mut put = |name: &str, tensor| {
            weights.insert(format!("model.layers.{layer}.{name}.weight"), tensor);
        };
        for (seed, (name, rows)) in [
            ("self_attn.q_proj", 256),
            ("self_attn.k_proj", 128),
            ("self_attn.v_proj", 128),
            ("self_attn.o_proj", 256),
            ("mlp.gate_proj", 256),
            ("mlp.up_proj", 256),
            ("mlp.down_proj", 256),
        ]
        .into_iter()
        .enumerate()
        {
            put(name, numbers(10 * (layer + 1) + seed as u32, rows, 256));
        }
        for name in ["input_layernorm", "post_attention_layernorm"] {
            put(name, Tensor::ones(256, DType::F32, &CPU).unwrap());
        }
    }
    (shape, weights)
}

#[test]
fn logits_are_those_of_candles_own_reader_in_every_type() {
    let (shape, weights) = blocky();
    let tokens = Value::Array((0..VOCAB).map(|id| Value::String(format!("t{id}"))).collect());
    let ids: Vec<u32> = (0..20).map(|at| at * 37 % 300).collect();
    let out = TempDir::new().unwrap();
    for kind in [GgmlDType::F16, GgmlDType::Q8_0, GgmlDType::Q6K, GgmlDType::Q4K] {
        let path = out.path().join("model.gguf");
        write(&path, &shape, &weights, kind, vec![("tokenizer.ggml.tokens", tokens.clone())]);
        let (read, config) = Weights::from_gguf(&path).unwrap();
        assert_eq!((config.vocab, config.head_dim, config.tied), (VOCAB, 64, false));
        let model = Llama::new(config, read, 64, Place::cpu()).unwrap();
        let mut packed = Packed::default();
        packed.push(ids.iter().copied(), [ids.len() - 1]);
        let ours = model.logits(&packed).unwrap();
        let mut file = File::open(&path).unwrap();
        let content = Content::read(&mut file).unwrap();
        let mut theirs = ModelWeights::from_gguf(content, &mut file, &CPU).unwrap();
        let input = Tensor::new(ids.as_slice(), &CPU).unwrap().unsqueeze(0).unwrap();
        let theirs = theirs.forward(&input, 0).unwrap();
        let spread = theirs.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        let far = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
        let far = far.to_scalar::<f32>().unwrap() / spread;
        // They round what the head is multiplied with to eight bits, and what a single row is with more often.
        let most = if kind == GgmlDType::F16 { 1e-3 } else { 0.05 };
        assert!(far < most, "{kind:?}: {far} of {spread}");
    }
}

#[test]
fn weights_quantised_at_load_give_the_logits_of_the_same_weights_widened() {
    let (shape, weights) = blocky();
    let tokens = Value::Array((0..VOCAB).map(|id| Value::String(format!("t{id}"))).collect());
    let out = TempDir::new().unwrap();
    let path = out.path().join("model.gguf");
    write(&path, &shape, &weights, GgmlDType::F32, vec![("tokenizer.ggml.tokens", tokens)]);
    let logits = |read: Weights, config: &ModelConfig, place: Place| {
        let mut packed = Packed::default();
        for length in [1, 7, 40] {
            packed.push((0..length).map(|at| at * 37 % 300), [length as usize - 1]);
        }
        let model = Llama::new(config.clone(), read, 64, place).unwrap();
        model.logits(&packed).unwrap()
    };
    let (read, config) = Weights::from_gguf(&path).unwrap();
    let plain = logits(read, &config, Place::cpu());
    let spread = plain.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let far = |a: &Tensor, b: &Tensor| {
        let far = (a - b).unwrap().abs().unwrap().max_all().unwrap();
        far.to_scalar::<f32>().unwrap() / spread
    };
    for (wanted, kind) in
        [(Quantization::Q8_0, GgmlDType::Q8_0), (Quantization::Q4K, GgmlDType::Q4K)]
    {
        let (read, _) = Weights::from_gguf(&path).unwrap();
        let place = Place::cpu().quantized(Some(wanted)).unwrap();
        let ours = logits(read, &config, place);
        // The same blocks, widened.
        let widened = weights.iter().map(|(name, tensor)| {
            let of_layer = name.contains(".layers.") && tensor.rank() == 2;
            let wide = || QTensor::quantize(tensor, kind).unwrap().dequantize(&CPU).unwrap();
            (name.clone(), if of_layer { wide() } else { tensor.clone() })
        });
        let beside = out.path().join("widened.gguf");
        let tokens = Value::Array((0..VOCAB).map(|id| Value::String(format!("t{id}"))).collect());
        let more = vec![("tokenizer.ggml.tokens", tokens)];
        write(&beside, &shape, &widened.collect(), GgmlDType::F32, more);
        let (read, _) = Weights::from_gguf(&beside).unwrap();
        let theirs = logits(read, &config, Place::cpu());
        let (rounded, blocks) = (far(&ours, &theirs), far(&theirs, &plain));
        println!("{kind:?}: {rounded} by rounding what is multiplied, {blocks} by the blocks");
        // Eight bits for 32 numbers together, or for 256.
        let most = if kind == GgmlDType::Q8_0 { 0.03 } else { 0.06 };
        assert!(rounded < most, "{kind:?}: {rounded}");
        assert!(rounded > 0.0 && blocks > 0.0, "{kind:?} is not quantised");
    }
}

#[test]
fn a_stretched_model_says_its_factors_itself() {
    let folder = fixture("llama-guard-3-8b");
    let bytes = fs::read(folder.join("config.json")).unwrap();
    let config = ModelConfig::parse(&bytes).unwrap();
    let scaling = config.rope.scaling.unwrap();
    let factors: Vec<f32> = (0..config.head_dim / 2)
        .map(|pair| {
            let wave = std::f32::consts::TAU
                * config.rope.theta.powf(2.0 * pair as f32 / config.head_dim as f32);
            let (low, high) = (scaling.low_freq_factor, scaling.high_freq_factor);
            let smooth = (scaling.original_positions / wave - low) / (high - low);
            1.0 / (smooth.clamp(0.0, 1.0) + (1.0 - smooth.clamp(0.0, 1.0)) / scaling.factor)
        })
        .collect();
    let mut weights = safetensors::load(folder.join("model.safetensors"), &CPU).unwrap();
    weights.insert("rope_freqs.weight".to_owned(), Tensor::new(factors, &CPU).unwrap());
    let out = TempDir::new().unwrap();
    let path = out.path().join("guard.gguf");
    let shape = Shape::new([32, 48, 2, 4, 2], config.rope.theta, config.norm_eps);
    write(&path, &shape, &weights, GgmlDType::F32, tokenizer(&folder));
    let mut guard = LlamaGuard::load(&path, Family::llama_guard_3_8b(), settings()).unwrap();
    let mut same = LlamaGuard::load(&folder, Family::llama_guard_3_8b(), settings()).unwrap();
    for (ours, theirs) in guard.judge_all(&asked()).iter().zip(same.judge_all(&asked())) {
        let (ours, theirs) = (ours.highest().unwrap().get(), theirs.highest().unwrap().get());
        assert!((ours - theirs).abs() < 1e-4, "{ours}, {theirs}");
    }
}

#[test]
fn a_file_that_is_not_what_it_seems_is_refused_by_name() {
    let (kept, path) = converted("llama-guard-2", GgmlDType::F16);
    let fault = |path: &Path| {
        LlamaGuard::load(path, Family::llama_guard_2(), settings()).err().unwrap().to_string()
    };
    let whole = fs::read(&path).unwrap();
    let cut = kept.path().join("cut.gguf");
    fs::write(&cut, &whole[..whole.len() - 64]).unwrap();
    let message = fault(&cut);
    assert!(
        message.starts_with("cut.gguf: tensor `") && message.contains("cannot be read"),
        "{message}"
    );
    fs::write(&cut, &whole[..100]).unwrap();
    assert!(fault(&cut).starts_with("cut.gguf: not a whole GGUF file: "), "{}", fault(&cut));
    fs::write(&cut, "no GGUF").unwrap();
    assert!(fault(&cut).starts_with("cut.gguf: not a whole GGUF file: "), "{}", fault(&cut));
    assert_eq!(Family::of_folder(&path).unwrap().name, "llama-guard-2");
}
