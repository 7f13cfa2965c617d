//! Which family a model folder belongs to: by its chat template, or else by the model's shape.
//!
//! The template comes first because it is what the model was made for. Many folders have none, above
//! all those that were converted; then the shape decides, if only one family has it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::llama_guard::config::{self, Architecture, ModelConfig};
use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;
#[cfg(feature = "candle")]
use crate::llama_guard::gguf::Gguf;

/// Where transformers 4 and 5 keep a chat template: as it is, or as a field of a JSON file.
const TEMPLATE: &str = "chat_template.jinja";
const TEMPLATE_FIELDS: [&str; 2] = ["tokenizer_config.json", "chat_template.json"];

/// What only one family's template says, and all of it.
type Sign = (&'static [&'static str], fn() -> Family);

const SIGNS: [Sign; 6] = [
    (&["[INST] Task: ", "O6: Self-Harm."], Family::llama_guard_1),
    (&["[INST] Task: ", "S11: Sexual Content."], Family::llama_guard_2),
    (&["S14: Code Interpreter Abuse."], Family::llama_guard_3_8b),
    (&["excluded_category_keys", "\"S13\": \"Elections.\""], Family::llama_guard_3_1b),
    (&["You are a policy expert", "guideline"], Family::shield_gemma),
    (&["Politically Sensitive Topics.", "**Safety: Controversial**"], Family::qwen3_guard),
];

/// The vocabularies of Llama 2 and of Llama 3.
const LLAMA_2: usize = 32_000;
const LLAMA_3: usize = 128_256;

impl Family {
    /// The family with a name, or else that of the model in a folder.
    ///
    /// # Errors
    ///
    /// Where the name is no family's, or there is none and the folder does not tell.
    pub fn choose(folder: &Path, name: Option<&str>) -> Result<Self, LoadFault> {
        let Some(name) = name else { return Self::of_folder(folder) };
        Self::named(name).ok_or_else(|| {
            LoadFault::Settings(format!("there is no family `{name}`; there are: {}", known()))
        })
    }

    /// The family of the model in a folder.
    ///
    /// # Errors
    ///
    /// Where `config.json` cannot be read, or the model could be of several families.
    pub fn of_folder(folder: &Path) -> Result<Self, LoadFault> {
        if folder.is_file() {
            return of_gguf(folder);
        }
        let bytes = fs::read(folder.join(config::FILE))
            .map_err(|cause| LoadFault::Read { file: config::FILE.to_owned(), cause })?;
        let config = ModelConfig::parse(&bytes)?;
        told(&templates(folder), &config)
    }
}

/// The family of the model in a GGUF file.
#[cfg(feature = "candle")]
fn of_gguf(file: &Path) -> Result<Family, LoadFault> {
    let gguf = Gguf::open(file)?;
    let templates: Vec<String> = gguf.template().map(str::to_owned).into_iter().collect();
    told(&templates, &gguf.config()?)
}

#[cfg(not(feature = "candle"))]
fn of_gguf(_file: &Path) -> Result<Family, LoadFault> {
    Err(undecided("this build has no engine, which could look into a GGUF file"))
}

fn told(templates: &[String], config: &ModelConfig) -> Result<Family, LoadFault> {
    let signed = |template: &String| {
        let says = |(words, _): &&Sign| words.iter().all(|word| template.contains(word));
        SIGNS.iter().find(says).map(|(_, family)| family())
    };
    match templates.iter().find_map(signed) {
        Some(family) => Ok(family),
        // A chat model follows a guard's prompt well enough to pass for one.
        None if !templates.is_empty() && [LLAMA_2, LLAMA_3].contains(&config.vocab) => {
            Err(undecided("the model's chat template is of no guard that is known here"))
        }
        None if config.architecture != Architecture::Llama => {
            Err(undecided("nothing in the folder tells which guard this is"))
        }
        None => by_shape(config),
    }
}

/// Every chat template in the folder. One that cannot be read is none: it is only a sign.
fn templates(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_to_string(folder.join(TEMPLATE)).into_iter().collect();
    for file in TEMPLATE_FIELDS {
        let Ok(bytes) = fs::read(folder.join(file)) else { continue };
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { continue };
        match value.get("chat_template") {
            Some(Value::String(template)) => found.push(template.clone()),
            // Several by name: [{"name": ..., "template": ...}].
            Some(Value::Array(named)) => found.extend(
                named.iter().filter_map(|each| Some(each.get("template")?.as_str()?.to_owned())),
            ),
            _ => {}
        }
    }
    found
}

fn undecided(why: &str) -> LoadFault {
    LoadFault::Settings(format!("{why}; name its `family`, one of: {}", known()))
}

fn known() -> String {
    Family::names().collect::<Vec<_>>().join(", ")
}

fn by_shape(config: &ModelConfig) -> Result<Family, LoadFault> {
    let is_stretched = config.rope.scaling.is_some() || !config.rope.factors.is_empty();
    match (config.vocab, is_stretched, config.tied) {
        (LLAMA_2, false, _) => Ok(Family::llama_guard_1()),
        (LLAMA_3, true, true) => Ok(Family::llama_guard_3_1b()),
        (LLAMA_3, true, false) => Err(undecided(
            "the model has no chat template, and many models have the shape of this one",
        )),
        // Guards made elsewhere are prompted like Llama Guard 2; the self-test tells whether this is one.
        _ => Ok(Family::llama_guard_2()),
    }
}
