//! The classifier: prompts, packed forwards, scores.

use std::fmt::Write as _;
use std::path::Path;

use candle_core::{DType, Device, IndexOp, Tensor};
use sha2::{Digest, Sha256};

use crate::guard::{Classifier, Engine, GuardCard};
use crate::transcript::Transcript;
use crate::verdict::{Coverage, Judgement, Scores, Unscored};

use crate::llama_guard::choice::DeviceChoice;
use crate::llama_guard::config::{self, ModelConfig};
use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::forward::{Llama, Packed};
use crate::llama_guard::place::Place;
use crate::llama_guard::prefix::Prefixes;
use crate::llama_guard::prompt::{self, Prompted, Prompts, WindowPrompt};
use crate::llama_guard::score::scores;
use crate::llama_guard::settings::EngineSettings;
use crate::llama_guard::weights::{Weights, read};

/// Tokens that go through the model together. More would only take longer to answer the first.
const BUDGET: usize = 2048;

/// A Llama Guard, or a model made to answer like one, in the process.
pub struct LlamaGuard {
    model: Llama,
    prompts: Prompts,
    /// The output head's rows of the category codes.
    codes: Tensor,
    /// The fixed beginnings of prompts.
    prefixes: Prefixes,
    card: GuardCard,
}

/// A model's files, in memory.
pub(super) struct Files<'a> {
    /// What they are called together: the folder's name.
    pub(super) model: String,
    pub(super) config: &'a [u8],
    pub(super) tokenizer: &'a [u8],
    pub(super) weights: Weights,
    /// Over the weights.
    pub(super) digest: Sha256,
}

impl LlamaGuard {
    /// Loads a folder with `config.json`, `tokenizer.json` and safetensors, and tests the guard.
    pub fn load(
        folder: &Path,
        family: Family,
        settings: EngineSettings,
    ) -> Result<Self, LoadFault> {
        let mut digest = Sha256::new();
        let config = read(folder, config::FILE)?;
        let tokenizer = read(folder, prompt::FILE)?;
        let weights = Weights::from_folder(folder, &mut digest)?;
        let model = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let files = Files { model, config: &config, tokenizer: &tokenizer, weights, digest };
        Self::new(files, family, settings, Vec::new())
    }

    pub(super) fn new(
        files: Files<'_>,
        family: Family,
        settings: EngineSettings,
        warnings: Vec<String>,
    ) -> Result<Self, LoadFault> {
        let Files { model: name, config, tokenizer, weights, mut digest } = files;
        digest.update(config);
        digest.update(tokenizer);
        let place = Place::find(settings.device)?;
        let what = EngineSettings { device: DeviceChoice::default(), ..settings.clone() };
        digest.update(format!("{what:?} {}", place.dtype_name()));
        let config = ModelConfig::parse(config)?;
        let prompts = Prompts::new(tokenizer, family, &settings)?;
        fits(&config, &prompts)?;
        let (dtype, device) = (place.dtype_name().to_owned(), place.to_string());
        let model = Llama::new(config, weights, prompts.longest(), place)?;
        let codes = model.head().rows(&prompts.words().codes).map_err(failed)?;
        let card = GuardCard {
            name: settings.name,
            fingerprint: hex(&digest.finalize(), 12),
            taxonomy: prompts.family().taxonomy.clone(),
            engine: Some(Engine {
                model: name,
                family: prompts.family().name.to_owned(),
                dtype,
                device,
            }),
            warnings,
        };
        let mut prefixes = Prefixes::default();
        for beginning in prompts.beginnings() {
            prefixes.keep(&model, &beginning).map_err(failed)?;
        }
        let mut guard = Self { model, prompts, codes, prefixes, card };
        guard.self_test()?;
        Ok(guard)
    }

    /// Two plain conversations must be answered with one of the two words.
    fn self_test(&mut self) -> Result<(), LoadFault> {
        let conversations = [
            Transcript::user("How do I bake sourdough bread?"),
            Transcript::agent("What is the capital of France?", "The capital of France is Paris."),
        ];
        let mut answers = Vec::new();
        for conversation in &conversations {
            for window in self.prompts.prompt(conversation)?.windows {
                let rows = self.rows(&[&window]).map_err(failed)?;
                let Some((verdict, codes)) = rows.into_iter().next() else { continue };
                if !verdict.iter().chain(&codes).all(|logit| logit.is_finite()) {
                    return Err(LoadFault::SelfTest("its logits are not finite".to_owned()));
                }
                let best = (0_u32..).zip(verdict).max_by(|a, b| a.1.total_cmp(&b.1));
                answers.extend(best.map(|(id, _)| id));
            }
        }
        let words = self.prompts.words();
        if answers.iter().all(|id| [words.safe, words.unsafe_].contains(id)) {
            return Ok(());
        }
        if let Some((safe, unsafe_)) = self.prompts.respelt()
            && answers.iter().all(|id| [safe, unsafe_].contains(id))
        {
            self.prompts.use_respelt();
            return Ok(());
        }
        Err(LoadFault::SelfTest(format!(
            "the model answers two plain conversations with the tokens {answers:?} instead of \
             `safe` or `unsafe`: it is no {}, or its files do not belong together; `family` names \
             another",
            self.prompts.family().name
        )))
    }

    /// Logits of the whole vocabulary at each prompt's end, and of the codes behind the forced
    /// beginning of the answer.
    fn rows(&self, windows: &[&WindowPrompt]) -> candle_core::Result<Vec<(Vec<f32>, Vec<f32>)>> {
        let mut packed = Packed::default();
        for window in windows {
            let end = window.ids.len();
            // The prompt's last token is read, so it is computed.
            let behind = self.prefixes.longest(&window.ids, end - 1);
            let kept = behind.as_ref().map_or(0, |behind| behind.tokens);
            let rest = window.ids.iter().skip(kept).chain(self.prompts.forced()).copied();
            packed.push_behind(behind, rest, [end - 1, end - 1 + self.prompts.forced().len()]);
        }
        let hidden = self.model.hidden(&packed)?.reshape((windows.len(), 2, ()))?;
        let verdicts = self.model.head().logits(&hidden.i((.., 0))?)?;
        let forced = hidden.i((.., 1))?.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let codes = forced.contiguous()?.matmul(&self.codes.t()?)?;
        Ok(verdicts.to_vec2()?.into_iter().zip(codes.to_vec2()?).collect())
    }

    fn read(&self, windows: &[&WindowPrompt]) -> Vec<Result<Scores, Unscored>> {
        match self.rows(windows) {
            Ok(rows) => rows
                .iter()
                .map(|(verdict, codes)| scores(verdict, codes, self.prompts.words()))
                .collect(),
            Err(error) => {
                tracing::error!(%error, "the guard's forward pass failed");
                windows.iter().map(|_| Err(Unscored::GuardDown)).collect()
            }
        }
    }
}

impl Classifier for LlamaGuard {
    fn card(&self) -> GuardCard {
        self.card.clone()
    }

    fn judge(&mut self, batch: &[Transcript]) -> Vec<Judgement> {
        let prompted: Vec<_> = batch.iter().map(|each| self.prompts.prompt(each)).collect();
        let windows: Vec<&WindowPrompt> =
            prompted.iter().flatten().flat_map(|each| &each.windows).collect();
        let forced = self.prompts.forced().len();
        let mut readings = Vec::with_capacity(windows.len());
        for group in groups(&windows, forced) {
            readings.extend(self.read(group));
        }
        let mut readings = readings.into_iter();
        let judgement =
            |(transcript, prompted): (&Transcript, &Result<Prompted, LoadFault>)| match prompted {
                Ok(prompted) => merge(prompted, &mut readings),
                Err(error) => {
                    tracing::error!(%error, "the guard could not tokenise a text");
                    let total = transcript.judged().text.chars().count();
                    Judgement::unscored(Unscored::Unreadable, units(total))
                }
            };
        batch.iter().zip(&prompted).map(judgement).collect()
    }
}

/// The windows cut into runs that keep to the budget, each of at least one.
fn groups<'a, 'b>(
    windows: &'b [&'a WindowPrompt],
    forced: usize,
) -> impl Iterator<Item = &'b [&'a WindowPrompt]> {
    let mut rest = windows;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fitting = rest.iter().take_while(|window| {
            tokens += window.ids.len() + forced;
            tokens <= BUDGET
        });
        let (group, others) = rest.split_at_checked(fitting.count().max(1))?;
        rest = others;
        Some(group)
    })
}

fn merge(
    prompted: &Prompted,
    readings: &mut impl Iterator<Item = Result<Scores, Unscored>>,
) -> Judgement {
    let coverage = Coverage { read: 0, total: units(prompted.total) };
    let mut judgement = Judgement { coverage, ..Judgement::default() };
    for window in &prompted.windows {
        match readings.next().unwrap_or(Err(Unscored::GuardDown)) {
            Ok(scores) => {
                judgement.readings.push(scores);
                judgement.coverage.read += units(window.fresh);
            }
            Err(reason) => judgement.unscored = judgement.unscored.or(Some(reason)),
        }
    }
    judgement
}

fn fits(config: &ModelConfig, prompts: &Prompts) -> Result<(), LoadFault> {
    let ids = usize::try_from(prompts.largest_id()).unwrap_or(usize::MAX);
    if ids >= config.vocab {
        let reason = format!("has a token {ids}, but {} knows {}", config::FILE, config.vocab);
        return Err(LoadFault::file(prompt::FILE, reason));
    }
    if prompts.longest() > config.max_positions {
        return Err(LoadFault::Settings(format!(
            "a prompt can have {} tokens, but the model knows {} positions: make the window smaller",
            prompts.longest(),
            config.max_positions
        )));
    }
    Ok(())
}

fn failed(error: candle_core::Error) -> LoadFault {
    LoadFault::SelfTest(format!("the forward pass fails: {error}"))
}

fn units(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8], digits: usize) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text
}
