//! Every family of guards against its published chat template and against transformers' numbers, and
//! how a folder shows which one it holds.
//!
//! `tests/parity/make_families.py` made the fixtures: prompts that transformers rendered, and what it
//! computed on tiny checkpoints of each family's shape.

#![cfg(feature = "candle")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokenizers::Tokenizer;
use wardgate::config;
use wardgate::guard::Classifier;
use wardgate::llama_guard::{
    Bos, EngineSettings, Family, Llama, LlamaGuard, ModelConfig, Packed, Place, Prompts, Weights,
    Window,
};
use wardgate::transcript::{Role, Transcript, Turn};
use wardgate::verdict::{Judgement, Score};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/parity/fixtures/families").join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap()
}

fn families() -> impl Iterator<Item = Family> {
    Family::names().map(|name| Family::named(name).unwrap())
}

/// The turns of a recorded conversation.
fn turns(expected: &Value, title: &str) -> Vec<Turn> {
    let texts = expected["conversations"][title].as_array().unwrap();
    let role = |at: usize| if at.is_multiple_of(2) { Role::User } else { Role::Agent };
    let turn =
        |(at, text): (usize, &Value)| Turn { role: role(at), text: text.as_str().unwrap().into() };
    texts.iter().enumerate().map(turn).collect()
}

/// Windows that tokenizers with few merges have room for.
fn settings() -> EngineSettings {
    let window = Window { content: 512, overlap: 64, context: 256 };
    EngineSettings { window, ..EngineSettings::default() }
}

fn prompts(family: &Family) -> Prompts {
    let tokenizer = fs::read(fixture(family.name).join("tokenizer.json")).unwrap();
    Prompts::new(&tokenizer, family.clone(), &settings()).unwrap()
}

fn ids(prompts: &Prompts, turns: &[Turn]) -> Vec<u32> {
    let (judged, context) = turns.split_last().unwrap();
    let mut windows = prompts.prompt_turns(context, judged).unwrap().windows;
    assert_eq!(windows.len(), prompts.family().questions.len());
    windows.remove(0).ids
}

#[test]
fn prompts_are_those_of_the_published_templates() {
    let expected = expected();
    for family in families() {
        let prompts = expected["families"][family.name]["prompts"].as_object().unwrap();
        assert_eq!(prompts.len(), expected["conversations"].as_object().unwrap().len());
        for (title, prompt) in prompts {
            let turns = turns(&expected, title);
            let (judged, context) = turns.split_last().unwrap();
            let one = std::slice::from_ref(prompt);
            let theirs = prompt.as_array().map_or(one, Vec::as_slice);
            assert_eq!(theirs.len(), family.questions.len(), "{}", family.name);
            for (question, theirs) in family.questions.iter().zip(theirs) {
                let ours = family.prompt(question, context, judged);
                assert_eq!(ours, theirs.as_str().unwrap(), "{}, {title}", family.name);
            }
        }
    }
}

fn number(value: &Value) -> f32 {
    serde_json::from_value(value.clone()).unwrap()
}

/// The largest distance of two rows of logits, behind the prompt and behind the forced beginning of the
/// answer, from what is recorded.
fn distance(rows: &Tensor, prompts: &Prompts, expected: &Value) -> f32 {
    let rows: Vec<Vec<f32>> = rows.to_vec2().unwrap();
    let (words, row) = (prompts.words(), |id: u32, row: usize| rows[row][id as usize]);
    let sum: f64 = rows[0].iter().map(|logit| f64::from(*logit).exp()).sum();
    let sum_of = |ids: &[u32]| ids.iter().map(|id| row(*id, 0).exp()).sum::<f32>().ln();
    #[expect(clippy::cast_possible_truncation, reason = "compared with an f32")]
    let mut pairs = vec![
        (row(words.safe, 0), number(&expected["safe"])),
        (sum_of(&words.unsafe_), number(&expected["unsafe"])),
        (sum.ln() as f32, number(&expected["log_sum_exp"])),
    ];
    let codes = expected["codes"].as_array().unwrap();
    assert_eq!(codes.len(), words.codes.len());
    pairs.extend(words.codes.iter().map(|id| row(*id, 1)).zip(codes.iter().map(number)));
    pairs.into_iter().map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
}

#[test]
fn ids_of_every_family_are_those_of_transformers() {
    let expected = expected();
    for family in families() {
        let prompts = prompts(&family);
        for (title, theirs) in expected["families"][family.name]["ids_sha256"].as_object().unwrap()
        {
            let ids = ids(&prompts, &turns(&expected, title));
            let whole = ids.iter().chain(prompts.forced());
            let digest = Sha256::digest(whole.flat_map(|id| id.to_le_bytes()).collect::<Vec<_>>());
            let ours: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, theirs.as_str().unwrap(), "{}, {title}", family.name);
        }
    }
}

#[test]
fn logits_of_every_family_are_those_of_transformers_alone_and_packed() {
    let expected = expected();
    for family in families() {
        let prompts = prompts(&family);
        let folder = fixture(family.name);
        let config = ModelConfig::parse(&fs::read(folder.join("config.json")).unwrap()).unwrap();
        let weights = Weights::from_folder(&folder, &mut Sha256::new()).unwrap();
        let model = Llama::new(config, weights, prompts.longest(), Place::cpu()).unwrap();
        let push = |packed: &mut Packed, title: &str| {
            let (ids, forced) = (ids(&prompts, &turns(&expected, title)), prompts.forced());
            let end = ids.len() - 1;
            // The same row twice, where no category is named.
            packed.push(ids.iter().chain(forced).copied(), [end, end + forced.len()]);
        };
        let readings = expected["families"][family.name]["readings"].as_object().unwrap();
        let mut together = Packed::default();
        for (title, reading) in readings {
            let mut alone = Packed::default();
            push(&mut alone, title);
            push(&mut together, title);
            let far = distance(&model.logits(&alone).unwrap(), &prompts, reading);
            println!("{}, {title}: {far:e}", family.name);
            assert!(far < 1e-4, "{}, {title}: {far}", family.name);
        }
        let rows = model.logits(&together).unwrap();
        for (at, (title, reading)) in readings.iter().enumerate() {
            let far = distance(&rows.narrow(0, 2 * at, 2).unwrap(), &prompts, reading);
            println!("{}, {title}, packed: {far:e}", family.name);
            assert!(far < 1e-4, "{}, {title}, packed: {far}", family.name);
        }
    }
}

#[test]
fn scores_of_every_family_are_those_of_transformers() {
    let expected = expected();
    for family in families() {
        let name = family.name;
        let mut guard = LlamaGuard::load(&fixture(name), family, settings()).unwrap();
        let engine = guard.card().engine.unwrap();
        assert_eq!(engine.to_string(), format!("model {name}, family {name}, f32 on cpu"));
        let batch = [
            ("a question", Transcript::user("How do I bake sourdough bread?")),
            (
                "an answer",
                Transcript::agent(
                    "What is the capital of France?",
                    "The capital of France is Paris.",
                ),
            ),
        ];
        let transcripts = batch.clone().map(|(_, transcript)| transcript);
        for ((title, _), judgement) in batch.iter().zip(guard.judge_all(&transcripts)) {
            let reading = &expected["families"][name]["readings"][title];
            if let Some(each) = reading["scores"].as_array() {
                is_asked_one_by_one(&judgement, each);
                continue;
            }
            let [scores] = judgement.readings.as_slice() else { unreachable!("{judgement:?}") };
            let far = (scores.unsafe_.get() - number(&reading["score"])).abs();
            println!("{name}, {title}: {far:e}");
            assert!(far < 1e-4, "{name}, {title}: {far}");
            let first = reading["first"].as_array().unwrap();
            assert_eq!(scores.first.len(), first.len());
            for (ours, theirs) in scores.first.iter().zip(first) {
                assert!((ours.get() - number(theirs)).abs() < 1e-4, "{name}, {title}");
            }
        }
    }
}

/// A reading for each category, of nothing else; together they cover the text once.
fn is_asked_one_by_one(judgement: &Judgement, scores: &[Value]) {
    assert_eq!(judgement.readings.len(), scores.len());
    assert_eq!(judgement.coverage.read, judgement.coverage.total);
    for (at, (reading, theirs)) in judgement.readings.iter().zip(scores).enumerate() {
        let (ours, theirs) = (reading.unsafe_, number(theirs));
        assert!((ours.get() - theirs).abs() < 1e-4, "{ours}, {theirs}");
        let expected = (0..scores.len()).map(|of| if of == at { ours } else { Score::ZERO });
        assert!(reading.listed.iter().copied().eq(expected), "{reading:?}");
    }
}

#[test]
fn exact_mode_asks_about_every_category_by_itself() {
    let exact = EngineSettings { exact: true, ..settings() };
    for name in ["llama-guard-1", "llama-guard-3-1b"] {
        let family = Family::named(name).unwrap();
        let tokenizer = Tokenizer::from_file(fixture(name).join("tokenizer.json")).unwrap();
        let config = fs::read(fixture(name).join("config.json")).unwrap();
        let config = ModelConfig::parse(&config).unwrap();
        let weights = Weights::from_folder(&fixture(name), &mut Sha256::new()).unwrap();
        let model = Llama::new(config, weights, 4096, Place::cpu()).unwrap();
        let words = prompts(&family).words().clone();
        let brute = |prompt: String| {
            let ids = tokenizer.encode(prompt, false).unwrap().get_ids().to_vec();
            let end = ids.len() - 1;
            let mut packed = Packed::default();
            packed.push(ids, [end]);
            let rows: Vec<Vec<f32>> = model.logits(&packed).unwrap().to_vec2().unwrap();
            let margin = rows[0][words.unsafe_[0] as usize] - rows[0][words.safe as usize];
            1.0 / (1.0 + (-margin).exp())
        };
        let transcript = Transcript::agent("What is the capital of France?", "It is Paris.");
        let mut guard = LlamaGuard::load(&fixture(name), family.clone(), exact.clone()).unwrap();
        let judgement = guard.judge_all(std::slice::from_ref(&transcript)).remove(0);
        let asked = family.alone.iter().map(|question| {
            let prompt = family.prompt(question, transcript.context(), transcript.judged());
            json!(brute(format!("{prompt}{}", family.opening)))
        });
        let scores: Vec<Value> = asked.collect();
        assert!(scores.iter().any(|score| *score != scores[0]), "{name}: policies do not matter");
        is_asked_one_by_one(&judgement, &scores);
    }
    let family = Family::named("wildguard").unwrap();
    let fault = LlamaGuard::load(&fixture(family.name), family, exact).err().unwrap();
    assert_eq!(
        fault.to_string(),
        "wildguard was not made to be asked about one category at a time: there is no exact mode for it"
    );
}

#[test]
fn contents_never_become_a_templates_special_tokens() {
    let expected = expected();
    for family in families() {
        let prompts = prompts(&family);
        let tokenizer = fs::read(fixture(family.name).join("tokenizer.json")).unwrap();
        let tokenizer: Value = serde_json::from_slice(&tokenizer).unwrap();
        let added = tokenizer["added_tokens"].as_array().unwrap();
        let is_marker = |token: &&Value| !token["content"].as_str().unwrap().trim().is_empty();
        let special = added.iter().filter(is_marker).map(|token| token["id"].as_u64().unwrap());
        let special: Vec<u32> = special.map(|id| id as u32).collect();
        let count = |title: &str| {
            let ids = ids(&prompts, &turns(&expected, title));
            ids.iter().filter(|id| special.contains(id)).count()
        };
        assert_eq!(count("markers"), count("a question"), "{}", family.name);
        assert_eq!(count("markers") > 0, !family.markers.is_empty(), "{}", family.name);
    }
}

#[test]
fn a_token_before_the_prompt_is_for_templates_that_have_none() {
    let settings = EngineSettings { bos: Bos::Prepend, ..settings() };
    for family in families() {
        let tokenizer = fs::read(fixture(family.name).join("tokenizer.json")).unwrap();
        let made = Prompts::new(&tokenizer, family.clone(), &settings);
        if family.markers.is_empty() {
            let turn = Turn { role: Role::User, text: "Hi".into() };
            let with = ids(&made.unwrap(), std::slice::from_ref(&turn));
            assert_eq!(with[1..], ids(&prompts(&family), &[turn]), "{}", family.name);
        } else {
            let fault = made.err().unwrap().to_string();
            let end = format!("begins with `{}` already; leave `bos` out", family.begin);
            assert!(fault.ends_with(&end), "{fault}");
        }
    }
}

#[test]
fn a_tokenizer_without_the_templates_special_tokens_is_refused() {
    let family = Family::llama_guard_3_8b();
    let bytes = fs::read(fixture(family.name).join("tokenizer.json")).unwrap();
    let text = String::from_utf8(bytes).unwrap().replace("<|start_header_id|>", "<|other|>");
    let fault = Prompts::new(text.as_bytes(), family, &settings()).err().unwrap();
    assert_eq!(
        fault.to_string(),
        "tokenizer.json: there is no token `<|start_header_id|>`, which the prompt needs"
    );
}

/// A folder with the configuration of a tiny checkpoint, changed, and no weights.
fn folder(change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(fixture("llama-guard-3-8b").join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&bytes).unwrap();
    change(&mut config);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn a_folder_shows_its_family_by_its_chat_template() {
    let check = |file: &str, text: &str, family: &str| {
        let folder = folder(|_| {});
        fs::write(folder.path().join(file), text).unwrap();
        assert_eq!(Family::of_folder(folder.path()).unwrap().name, family, "{text}");
    };
    let field = |template: &str| json!({ "chat_template": template }).to_string();
    let one = "[INST] Task: Check ... O6: Self-Harm.\nShould not";
    check("chat_template.jinja", one, "llama-guard-1");
    check(
        "tokenizer_config.json",
        &field("[INST] Task: ... S11: Sexual Content. \n"),
        "llama-guard-2",
    );
    check("chat_template.json", &field("S14: Code Interpreter Abuse.\n"), "llama-guard-3-8b");
    let named = json!({ "chat_template": [
        { "name": "default", "template": "{{ messages }}" },
        { "name": "guard", "template": "excluded_category_keys \"S13\": \"Elections.\"" },
    ]});
    check("tokenizer_config.json", &named.to_string(), "llama-guard-3-1b");
}

#[test]
fn a_folder_without_a_template_shows_its_family_by_its_shape() {
    let check = |vocab: usize, tied: bool, stretched: bool, expected: &str| {
        let folder = folder(|config| {
            config["vocab_size"] = json!(vocab);
            config["tie_word_embeddings"] = json!(tied);
            if !stretched {
                config["rope_parameters"] = json!({ "rope_type": "default", "rope_theta": 1e4 });
            }
        });
        let found = match Family::of_folder(folder.path()) {
            Ok(family) => family.name.to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(found, expected);
    };
    check(32_000, false, false, "llama-guard-1");
    check(128_256, false, false, "llama-guard-2");
    check(128_256, true, true, "llama-guard-3-1b");
    check(384, false, false, "llama-guard-2");
    check(
        128_256,
        false,
        true,
        "the model has no chat template, and many models have the shape of this one; name its \
         `family`, one of: llama-guard-1, llama-guard-2, llama-guard-3-8b, llama-guard-3-1b, md-judge, \
         wildguard, shieldgemma, qwen3guard",
    );
}

#[test]
fn a_chat_model_is_not_taken_for_a_guard() {
    let folder = folder(|config| {
        config["vocab_size"] = json!(128_256);
        config["tie_word_embeddings"] = json!(true);
    });
    fs::write(folder.path().join("chat_template.jinja"), "{{ bos_token }}").unwrap();
    let fault = Family::of_folder(folder.path()).unwrap_err().to_string();
    assert!(fault.starts_with("the model's chat template is of no guard that is known"), "{fault}");
}

#[test]
fn a_family_is_chosen_by_name_or_not_at_all() {
    let folder = folder(|config| config["vocab_size"] = json!(128_256));
    let chosen = Family::choose(folder.path(), Some("llama-guard-3-8b")).unwrap();
    assert_eq!(chosen, Family::llama_guard_3_8b());
    let fault = Family::choose(folder.path(), Some("llama-guard-4")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "there is no family `llama-guard-4`; there are: llama-guard-1, llama-guard-2, llama-guard-3-8b, \
         llama-guard-3-1b, md-judge, wildguard, shieldgemma, qwen3guard"
    );
    let fault = Family::of_folder(TempDir::new().unwrap().path()).unwrap_err().to_string();
    assert!(fault.starts_with("config.json: cannot be read: "), "{fault}");
}

#[test]
fn policies_are_read_in_the_categories_of_the_guard() {
    let folder = folder(|_| {});
    let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    write(
        "own.toml",
        "name = \"own\"\ndescription = \"\"\nmode = \"enforce\"\n\
         [unscored]\nprompt = \"block\"\nresponse = \"block\"\n\
         [category.S14]\nprompt = { block = 0.5 }\nresponse = { block = 0.5 }\n",
    );
    let check = |family: &str, policy: &str, expected: &str| {
        write(
            "gateway.txt",
            &format!(
                "policies = \".\"\n[guard]\nmodel = \".\"\nfamily = \"{family}\"\n\
                 [[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1/v1\"\nmodels = [\"*\"]\n\
                 [[tenant]]\nname = \"a\"\npolicy = \"{policy}\"\nanonymous = true\n\
                 [audit]\npath = \"audit\"\n"
            ),
        );
        let loaded = config::load(&folder.path().join("gateway.txt"), &|_| None);
        let problems = loaded.err().map_or(String::new(), |problems| problems.to_string());
        assert!(
            problems.contains(expected) && problems.is_empty() == expected.is_empty(),
            "{problems}"
        );
    };
    check("llama-guard-3-8b", "own", "");
    check(
        "llama-guard-3-8b",
        "strict",
        "there is no policy `strict`; there are: default, observe, own",
    );
    check("llama-guard-3-1b", "own", "there is no category `S14`");
}

#[test]
fn prompts_of_llama_guard_3_come_out_id_for_id() {
    let Some(folder) = root()
        .ancestors()
        .map(|folder| folder.join("shared/data/llama3-tokenizer"))
        .find(|folder| folder.is_dir())
    else {
        println!("skipped: the Llama 3 tokenizer is not here");
        return;
    };
    let tokenizer = fs::read(folder.join("tokenizer.json")).unwrap();
    let check = |family: Family, begin: &[u32], end: &[u32]| {
        let prompts = Prompts::new(&tokenizer, family, &EngineSettings::default()).unwrap();
        assert_eq!(prompts.forced(), [39257, 198, 50]);
        assert_eq!(
            (prompts.words().safe, prompts.words().unsafe_.as_slice()),
            (19193, &[39257][..])
        );
        let codes = [16, 17, 18, 19, 20, 21, 22, 23, 24, 605, 806, 717, 1032, 975];
        assert_eq!(prompts.words().codes, codes[..prompts.family().codes.len()]);
        let ids = ids(&prompts, &[Turn { role: Role::User, text: "Hi".into() }]);
        assert_eq!(ids[..begin.len()], *begin);
        assert_eq!(ids[ids.len() - end.len()..], *end);
    };
    // Two line ends, 271, are the model's own opening.
    let one = Family::llama_guard_3_1b();
    check(one, &[128000, 128006, 882, 128007, 271], &[13, 220, 128009, 128006, 78191, 128007, 271]);
    let eight = Family::llama_guard_3_8b();
    check(
        eight,
        &[220, 128000, 128006, 882, 128007, 271],
        &[13, 128009, 128006, 78191, 128007, 271],
    );
}
