//! The engine against transformers' numbers, candle-transformers' own Llama, and broken files.
//!
//! `tests/parity/make_fixtures.py` made the fixtures.

#![cfg(feature = "candle")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, IndexOp, Tensor};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wardgate::llama_guard::{
    Behind, Bos, EngineSettings, Family, Llama, LlamaGuard, ModelConfig, Packed, Place, Prefix,
    Prompts, Weights, Window,
};
use wardgate::transcript::{Role, Transcript, Turn};
use wardgate::verdict::Coverage;

const LLAMAS: [&str; 3] = ["plain", "stretched", "sharded"];
const CHECKPOINTS: [&str; 6] = ["plain", "stretched", "sharded", "mistral", "qwen3", "gemma2"];
const LENGTHS: [usize; 4] = [1, 2, 7, 33];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/parity/fixtures").join(name)
}

/// By our own loops, and by candle's kernels, which is what runs on a GPU.
fn places() -> [Place; 2] {
    [Place::cpu(), Place::kernels(Device::Cpu, DType::F32)]
}

fn everywhere() -> impl Iterator<Item = (&'static str, Place)> {
    CHECKPOINTS.into_iter().flat_map(|name| places().map(|place| (name, place)))
}

fn model(name: &str, place: Place) -> Llama {
    let folder = fixture(name);
    let config = ModelConfig::parse(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    let weights = Weights::from_folder(&folder, &mut Sha256::new()).unwrap();
    Llama::new(config, weights, 64, place).unwrap()
}

/// The recorded ids and logits of every length.
fn expected(name: &str) -> Vec<(Vec<u32>, Tensor)> {
    let bytes = fs::read(fixture(name).join("expected.safetensors")).unwrap();
    let file = SliceSafetensors::new(&bytes).unwrap();
    let load = |name: String| file.load(&name, &Device::Cpu).unwrap();
    LENGTHS
        .iter()
        .map(|length| {
            let ids = load(format!("ids.{length}")).to_dtype(DType::U32).unwrap();
            (ids.to_vec1().unwrap(), load(format!("logits.{length}")))
        })
        .collect()
}

fn all_rows(ids: &[u32]) -> Packed {
    let mut packed = Packed::default();
    packed.push(ids.iter().copied(), (0..ids.len()).collect::<Vec<_>>());
    packed
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    difference.to_scalar().unwrap()
}

#[test]
fn logits_are_those_of_transformers_alone_and_packed() {
    for (name, place) in everywhere() {
        let model = model(name, place);
        let expected = expected(name);
        let mut packed = Packed::default();
        let mut alone = Vec::new();
        for (ids, logits) in &expected {
            let ours = model.logits(&all_rows(ids)).unwrap();
            let far = difference(&ours, logits);
            println!("{name}, {} tokens alone: {far:e}", ids.len());
            assert!(far < 1e-4, "{name}, {} tokens: {far}", ids.len());
            alone.push(ours);
            packed.push(ids.iter().copied(), (0..ids.len()).collect::<Vec<_>>());
        }
        let together = model.logits(&packed).unwrap();
        let theirs: Vec<_> = expected.iter().map(|(_, logits)| logits).collect();
        let far = difference(&together, &Tensor::cat(&theirs, 0).unwrap());
        assert!(far < 1e-4, "{name}, packed: {far}");
        let far = difference(&together, &Tensor::cat(&alone, 0).unwrap());
        println!("{name}, packed against alone: {far:e}");
        assert!(far < 1e-5, "{name}, packed against alone: {far}");
    }
}

#[test]
fn reading_few_rows_gives_the_numbers_of_reading_all() {
    for (name, place) in everywhere() {
        let model = model(name, place);
        let expected = expected(name);
        let mut packed = Packed::default();
        for (ids, _) in &expected {
            packed.push(ids.iter().copied(), [ids.len() - 1]);
        }
        let last: Vec<_> =
            expected.iter().map(|(ids, logits)| logits.i(ids.len() - 1).unwrap()).collect();
        let far = difference(&model.logits(&packed).unwrap(), &Tensor::stack(&last, 0).unwrap());
        assert!(far < 1e-4, "{name}: {far}");
    }
}

#[test]
fn what_follows_a_row_does_not_change_it() {
    for (name, place) in everywhere() {
        let model = model(name, place);
        let (ids, _) = expected(name).pop().unwrap();
        let read = |suffix: &[u32]| {
            let mut packed = Packed::default();
            packed.push(ids.iter().chain(suffix).copied(), [ids.len() - 1]);
            model.logits(&packed).unwrap()
        };
        let far = difference(&read(&[]), &read(&[5, 6, 7]));
        println!("{name}, with a suffix: {far:e}");
        assert!(far < 1e-5, "{name}: {far}");
    }
}

#[test]
fn a_kept_beginning_changes_nothing_wherever_it_ends() {
    for (name, place) in everywhere() {
        let model = model(name, place);
        let (ids, _) = expected(name).pop().unwrap();
        let whole = model.logits(&all_rows(&ids)).unwrap();
        let prefix = Arc::new(Prefix::new(&model, &ids).unwrap());
        // All splits in one batch, with one sequence between them that keeps nothing.
        let mut packed = Packed::default();
        let mut rows = Vec::new();
        for kept in 1..ids.len() {
            let behind = Behind::new(Arc::clone(&prefix), kept);
            let read: Vec<usize> = (kept..ids.len()).collect();
            rows.push(whole.narrow(0, kept, read.len()).unwrap());
            packed.push_behind(behind, ids.iter().copied().skip(kept), read);
        }
        packed.push(ids.iter().copied(), (0..ids.len()).collect::<Vec<_>>());
        rows.push(whole);
        let far = difference(&model.logits(&packed).unwrap(), &Tensor::cat(&rows, 0).unwrap());
        println!("{name}, behind kept beginnings: {far:e}");
        assert!(far < 1e-5, "{name}: {far}");
        assert!(Behind::new(Arc::clone(&prefix), 0).is_none());
        assert!(Behind::new(Arc::clone(&prefix), ids.len() + 1).is_none());
        // A row that was not computed cannot be read.
        let mut packed = Packed::default();
        packed.push_behind(Behind::new(prefix, 2), ids.iter().copied().skip(2), [1]);
        assert!(model.logits(&packed).is_err());
    }
}

#[test]
fn halved_numbers_give_nearly_the_same_logits() {
    for name in CHECKPOINTS {
        for (ids, logits) in &expected(name) {
            let model = model(name, Place::kernels(Device::Cpu, DType::BF16));
            let ours = model.logits(&all_rows(ids)).unwrap();
            assert_eq!(ours.dtype(), DType::F32);
            let far = difference(&ours, logits);
            let size: f32 = logits.abs().unwrap().max_all().unwrap().to_scalar().unwrap();
            println!("{name}, {} tokens in bf16: {far:e} of {size}", ids.len());
            // Eight bits of fraction, through a few layers.
            assert!(far < size / 16.0, "{name}, {} tokens: {far} of {size}", ids.len());
        }
    }
}

#[test]
fn long_sequences_agree_with_the_blocks_of_attention_and_with_candles_own_llama() {
    for name in LLAMAS {
        let folder = fixture(name);
        let bytes = fs::read(folder.join("config.json")).unwrap();
        let config = ModelConfig::parse(&bytes).unwrap();
        // candle's own knows no head_dim of its own.
        if config.head_dim * config.heads != config.hidden {
            println!("{name}: candle's own Llama cannot read it");
            continue;
        }
        let ids: Vec<u32> = (0..200).map(|index| index * 37 % 384).collect();
        let theirs = candles_own(&folder, &config, &ids);
        for place in places() {
            let weights = Weights::from_folder(&folder, &mut Sha256::new()).unwrap();
            let ours = Llama::new(config.clone(), weights, 300, place.clone()).unwrap();
            let mut packed = Packed::default();
            packed.push(ids.iter().copied().take(70), [69]);
            packed.push(ids.iter().copied(), [199]);
            let far = difference(&ours.logits(&packed).unwrap().i(1..2).unwrap(), &theirs);
            println!("{name} on {place}, against candle's own: {far:e}");
            assert!(far < 1e-4, "{name}: {far}");
        }
    }
}

fn candles_own(folder: &Path, config: &ModelConfig, ids: &[u32]) -> Tensor {
    use candle_transformers::models::llama::{
        Cache, Config, Llama, Llama3RopeConfig, Llama3RopeType,
    };
    let rope_scaling = config.rope.scaling.map(|scaling| Llama3RopeConfig {
        factor: scaling.factor,
        low_freq_factor: scaling.low_freq_factor,
        high_freq_factor: scaling.high_freq_factor,
        original_max_position_embeddings: 128,
        rope_type: Llama3RopeType::Llama3,
    });
    let theirs = Config {
        hidden_size: config.hidden,
        intermediate_size: config.inner,
        vocab_size: config.vocab,
        num_hidden_layers: config.layers,
        num_attention_heads: config.heads,
        num_key_value_heads: config.kv_heads,
        use_flash_attn: false,
        rms_norm_eps: f64::from(config.norm_eps),
        rope_theta: config.rope.theta,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling,
        max_position_embeddings: config.max_positions,
        tie_word_embeddings: config.tied,
    };
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let vars =
        candle_nn::VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let mut cache = Cache::new(false, DType::F32, &theirs, &Device::Cpu).unwrap();
    let input = Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    Llama::load(vars, &theirs).unwrap().forward(&input, 0, &mut cache).unwrap()
}

/// A copy of the embedded guard's folder, to break.
fn copy() -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture("plain").join(file), folder.path().join(file)).unwrap();
    }
    fs::copy(fixture("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    folder
}

/// Windows that a tokenizer without merges has room for.
fn settings() -> EngineSettings {
    let window = Window { content: 512, overlap: 64, context: 128 };
    EngineSettings { window, ..EngineSettings::default() }
}

fn message(folder: &Path, settings: EngineSettings) -> String {
    LlamaGuard::load(folder, Family::llama_guard_2(), settings).err().unwrap().to_string()
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

/// What loading says after this change to one JSON file of a good folder.
fn after(file: &str, change: impl FnOnce(&mut Value)) -> String {
    let folder = copy();
    edit(&folder.path().join(file), change);
    message(folder.path(), settings())
}

#[test]
fn a_config_that_does_not_say_enough_is_refused_by_field() {
    let check = |field: &'static str, value: Value, expected: &str| {
        let message = after("config.json", |config| match value {
            Value::Null => drop(config.as_object_mut().unwrap().remove(field)),
            value => config[field] = value,
        });
        assert_eq!(message, expected);
    };
    check("hidden_size", Value::Null, "config.json: field `hidden_size` is missing");
    check("rms_norm_eps", json!("x"), "config.json: field `rms_norm_eps` is not a positive number");
    check(
        "num_hidden_layers",
        json!(-1),
        "config.json: field `num_hidden_layers` is not a whole number from 1 to 1048576",
    );
    check(
        "num_key_value_heads",
        json!(3),
        "config.json: field `num_key_value_heads` is 3, which does not divide the 4 attention heads",
    );
    check(
        "rope_theta",
        Value::Null,
        "config.json: field `rope_theta` is missing, and so is `rope_parameters`: the base of the \
         rotary embedding must be given",
    );
    check(
        "rope_parameters",
        json!({ "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0 }),
        "config.json: field `rope_parameters.low_freq_factor` is missing",
    );
    check(
        "rope_scaling",
        json!({ "type": "linear", "factor": 2.0 }),
        "config.json: field `rope_scaling.type` is neither \"default\" nor \"llama3\"",
    );
    check(
        "model_type",
        json!("phi3"),
        "config.json: field `model_type` is not llama or mistral or qwen3 or gemma2",
    );
    check(
        "use_sliding_window",
        json!(true),
        "config.json: field `use_sliding_window` is true, which this engine does not know",
    );
    check("model_type", json!("gemma2"), "config.json: field `query_pre_attn_scalar` is missing");
    check(
        "max_position_embeddings",
        json!(512),
        "a prompt can have 1338 tokens, but the model knows 512 positions: make the window smaller",
    );
    check("vocab_size", json!(100), "tokenizer.json: has a token 269, but config.json knows 100");
}

#[test]
fn weights_that_are_not_what_the_config_says_are_refused_by_tensor() {
    let message = after("config.json", |config| config["intermediate_size"] = json!(97));
    assert_eq!(
        message,
        "model.safetensors: tensor `model.layers.0.mlp.gate_proj.weight` has shape [96, 64], but \
         config.json asks for [97, 64]"
    );
    let message = after("config.json", |config| config["num_hidden_layers"] = json!(4));
    assert_eq!(
        message,
        "model.safetensors: tensor `model.layers.3.input_layernorm.weight` is missing"
    );
}

#[test]
fn files_that_are_cut_short_or_missing_are_refused() {
    let folder = copy();
    let weights = folder.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    for keep in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&weights, &bytes[..keep]).unwrap();
        let message = message(folder.path(), settings());
        assert!(
            message.starts_with("model.safetensors: not a whole safetensors file: "),
            "{keep}: {message}"
        );
    }
    fs::remove_file(&weights).unwrap();
    let message = message(folder.path(), settings());
    assert!(message.starts_with("model.safetensors: cannot be read: "), "{message}");
}

/// A copy of the sharded checkpoint, to break.
fn sharded() -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(fixture("sharded")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn an_index_that_promises_more_than_its_shards_hold_is_refused() {
    let folder = sharded();
    let index = folder.path().join("model.safetensors.index.json");
    let fault =
        |folder: &Path| Weights::from_folder(folder, &mut Sha256::new()).err().unwrap().to_string();
    edit(&index, |index| {
        index["weight_map"]["model.more.weight"] = json!("model-00002-of-00003.safetensors");
    });
    assert_eq!(
        fault(folder.path()),
        "model-00002-of-00003.safetensors: tensor `model.more.weight` is missing, though \
         model.safetensors.index.json names it"
    );
    edit(&index, |index| index["weight_map"]["model.more.weight"] = json!("../elsewhere"));
    assert_eq!(
        fault(folder.path()),
        "model.safetensors.index.json: field `weight_map` names something that is no file beside it"
    );
}

#[test]
fn a_shard_that_is_missing_or_cut_short_is_refused_by_name() {
    let folder = sharded();
    let name = "model-00002-of-00003.safetensors";
    let check = |expected: &str| {
        let fault =
            Weights::from_folder(folder.path(), &mut Sha256::new()).err().unwrap().to_string();
        assert!(fault.starts_with(&format!("{name}: {expected}: ")), "{fault}");
    };
    let shard = folder.path().join(name);
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    check("not a whole safetensors file");
    fs::remove_file(&shard).unwrap();
    check("cannot be read");
}

#[test]
fn a_tokenizer_without_the_words_of_a_verdict_is_refused() {
    let message = after("tokenizer.json", |tokenizer| {
        tokenizer["model"]["merges"] = json!([]);
    });
    assert_eq!(message, "tokenizer.json: the words `1` and `10` begin with the same token");
}

#[test]
fn a_model_that_is_no_guard_fails_the_self_test() {
    let message = message(copy().path(), settings());
    assert!(message.starts_with("the self-test failed: the model answers two plain"), "{message}");
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let window = Window { content: 64, overlap: 64, context: 8 };
    let settings = EngineSettings { window, ..EngineSettings::default() };
    assert_eq!(
        message(copy().path(), settings),
        "window.overlap is 64: it must be less than window.content, 64"
    );
}

#[test]
fn every_window_of_a_long_text_is_judged_as_it_would_be_alone() {
    let window = Window { content: 40, overlap: 24, context: 64 };
    let settings = EngineSettings { window, ..EngineSettings::default() };
    let folder = root().join("models/embedded-guard");
    let family = Family::of_folder(&folder).unwrap();
    let mut guard = LlamaGuard::load(&folder, family, settings).unwrap();
    let long = "word after word ".repeat(40);
    let batch = [
        Transcript::user("hello"),
        Transcript::user(long.as_str()),
        Transcript::agent("hello", "  "),
        Transcript::agent(long.as_str(), "no"),
    ];
    let together = guard.judge_all(&batch);
    assert_eq!(together.len(), batch.len());
    for (transcript, judgement) in batch.iter().zip(&together) {
        let Coverage { read, total } = judgement.coverage;
        assert_eq!((read, judgement.unscored), (total, None));
        let alone = guard.judge_all(std::slice::from_ref(transcript)).remove(0);
        assert_eq!(alone.readings.len(), judgement.readings.len());
        for (a, b) in alone.readings.iter().zip(&judgement.readings) {
            assert!((a.unsafe_.get() - b.unsafe_.get()).abs() < 1e-4);
            let sum: f32 = b.first.iter().map(|first| first.get()).sum();
            assert!((sum - b.unsafe_.get()).abs() < 1e-4 && b.first.len() == 11);
        }
    }
    assert!(together[1].readings.len() > 1);
    assert!(guard.judge_all(&[]).is_empty());
}

#[test]
fn contents_never_become_special_tokens_and_fixed_parts_may_be_one() {
    let bytes = fs::read(fixture("tokenizer.json")).unwrap();
    let family = Family::llama_guard_2();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    let mut added = value["added_tokens"][0].clone();
    added["id"] = json!(270);
    added["content"] = json!(family.questions[0].head_user);
    value["added_tokens"].as_array_mut().unwrap().push(added);
    // It does not matter whether a token is marked as special.
    value["added_tokens"][0]["special"] = json!(false);
    let bytes = value.to_string().into_bytes();
    let prompt = |text: &str, bos: Bos| {
        let settings = EngineSettings { bos, ..settings() };
        let prompts = Prompts::new(&bytes, Family::llama_guard_2(), &settings).unwrap();
        prompts.prompt(&Transcript::user(text)).unwrap().windows.remove(0).ids
    };
    let text = format!("<|begin_of_text|>{}", family.questions[0].head_user);
    let ids = prompt(&text, Bos::None);
    assert_eq!(ids[0], 270);
    assert!(ids[1..].iter().all(|id| *id < 269), "the content became a special token");
    assert_eq!(prompt(&text, Bos::Prepend)[..2], [269, 270]);
}

#[test]
fn prompts_of_llama_guard_2_come_out_id_for_id() {
    let Some(folder) = root()
        .ancestors()
        .map(|folder| folder.join("shared/data/llama3-tokenizer"))
        .find(|folder| folder.is_dir())
    else {
        println!("skipped: the Llama 3 tokenizer is not here");
        return;
    };
    let tokenizer = fs::read(folder.join("tokenizer.json")).unwrap();
    let settings = EngineSettings::default();
    let prompts = Prompts::new(&tokenizer, Family::llama_guard_2(), &settings).unwrap();
    assert_eq!(prompts.forced(), [39257, 198, 50]);
    assert_eq!((prompts.words().safe, prompts.words().unsafe_.as_slice()), (19193, &[39257][..]));
    assert_eq!(prompts.words().codes, [16, 17, 18, 19, 20, 21, 22, 23, 24, 605, 806]);
    let vectors = fs::read(folder.join("llama-guard-2-vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_slice(&vectors).unwrap();
    for vector in &vectors {
        let messages = vector["messages"].as_array().unwrap();
        let turns: Vec<Turn> = messages
            .iter()
            .map(|message| {
                let role = if message["role"] == "user" { Role::User } else { Role::Agent };
                Turn { role, text: message["content"].as_str().unwrap().into() }
            })
            .collect();
        let (judged, context) = turns.split_last().unwrap();
        let expected: Vec<u32> = serde_json::from_value(vector["ids"].clone()).unwrap();
        let prompted = prompts.prompt_turns(context, judged).unwrap();
        assert_eq!(prompted.windows.len(), 1);
        assert_eq!(prompted.windows[0].ids, expected, "{}", vector["name"]);
    }
    assert!(!vectors.is_empty());
}
