//! The classifier: prompts, packed forwards, scores.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, IndexOp, Tensor};
use sha2::{Digest, Sha256};

use crate::guard::{Classifier, Engine, GuardCard, Lane, Outcome, Reader, Text, Window, Work};
use crate::taxonomy::Category;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Scores, Unscored};

use crate::llama_guard::config::{self, ModelConfig};
use crate::llama_guard::cutter::Cutter;
use crate::llama_guard::encoder;
use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::forward::{Llama, Packed};
use crate::llama_guard::gguf::Gguf;
use crate::llama_guard::matrix::is_quick;
use crate::llama_guard::place::Place;
use crate::llama_guard::prefix::{Behind, Prefix, Prefixes, SHORTEST};
use crate::llama_guard::prompt::Prompts;
use crate::llama_guard::recall::Recall;
use crate::llama_guard::score::{follow, likely, of_one, scores, verdict};
use crate::llama_guard::settings::{Calibration, EngineSettings};
use crate::llama_guard::stages::Stage;
use crate::llama_guard::weights::{Weights, read};

/// How many conversations of the longest kind must fit into memory for answers to be judged from their
/// beginning again and again: with fewer, each would drive out the others, and cost all its tokens.
const CONVERSATIONS: usize = 4;

/// A Llama Guard, or a model made to answer like one, in the process.
pub struct LlamaGuard {
    pub(super) model: Llama,
    pub(super) cutter: Arc<Cutter>,
    /// The output head's rows of the category codes.
    codes: Tensor,
    calibration: Calibration,
    card: GuardCard,
}

/// A model's files, in memory.
pub(super) struct Files<'a> {
    /// What they are called together: the folder's name.
    pub(super) model: String,
    pub(super) config: ModelConfig,
    pub(super) tokenizer: &'a [u8],
    pub(super) weights: Weights,
    /// Over the weights and the configuration.
    pub(super) digest: Sha256,
}

/// What a pass over several prompts gives.
struct Pass {
    /// Logits of the whole vocabulary at each prompt's end, and of the codes behind the forced
    /// beginning of the answer.
    rows: Vec<(Vec<f32>, Vec<f32>)>,
    /// The prompts with the beginning of the answer, kept.
    kept: Vec<Arc<Prefix>>,
    work: Work,
}

impl LlamaGuard {
    /// Loads a folder with `config.json`, `tokenizer.json` and safetensors, or a GGUF file, and tests
    /// the guard.
    pub fn load(
        folder: &Path,
        family: Family,
        settings: EngineSettings,
    ) -> Result<Self, LoadFault> {
        if folder.is_file() {
            return Self::load_gguf(folder, family, settings);
        }
        let mut digest = Sha256::new();
        let config = read(folder, config::FILE)?;
        let tokenizer = read(folder, encoder::FILE)?;
        let weights = Weights::from_folder(folder, &mut digest)?;
        digest.update(&config);
        let config = ModelConfig::parse(&config)?;
        let model = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let files = Files { model, config, tokenizer: &tokenizer, weights, digest };
        Self::new(files, family, settings, Vec::new())
    }

    /// A `tokenizer.json` beside the file is taken for the one in it.
    fn load_gguf(file: &Path, family: Family, settings: EngineSettings) -> Result<Self, LoadFault> {
        let mut gguf = Gguf::open(file)?;
        let mut digest = Sha256::new();
        gguf.digest(&mut digest)?;
        let beside = file.parent().filter(|folder| folder.join(encoder::FILE).is_file());
        let tokenizer = match beside {
            Some(folder) => read(folder, encoder::FILE)?,
            None => gguf.tokenizer()?,
        };
        let (weights, config) = Weights::of_gguf(&mut gguf)?;
        let model = gguf.name().to_owned();
        let files = Files { model, config, tokenizer: &tokenizer, weights, digest };
        Self::new(files, family, settings, Vec::new())
    }

    pub(super) fn new(
        files: Files<'_>,
        family: Family,
        settings: EngineSettings,
        mut warnings: Vec<String>,
    ) -> Result<Self, LoadFault> {
        let Files { model: name, config, tokenizer, weights, mut digest } = files;
        digest.update(tokenizer);
        let place = Place::find(settings.device)?.quantized(settings.quantize)?;
        let prompts = Prompts::new(tokenizer, family, &settings)?;
        fits(&config, &prompts)?;
        warnings.extend(place.quantize.filter(|kind| !is_quick(*kind)).map(|_| {
            "this processor multiplies q8_0 more slowly than 32-bit floats; q4_k would be quicker".to_owned()
        }));
        let (settled, device) = (settings.digested(), place.to_string());
        let model = Llama::new(config, weights, prompts.longest(), place)?;
        let dtype = model.numbers();
        digest.update(format!("{settled} {dtype}"));
        let codes = match prompts.words().codes.as_slice() {
            // No category is named.
            [] => Tensor::zeros((0, model.config().hidden), DType::F32, &Device::Cpu),
            codes => model.head().rows(codes),
        };
        let codes = codes.map_err(failed)?;
        let mut prefixes = Prefixes::default();
        for beginning in prompts.beginnings() {
            prefixes.keep(&model, &beginning).map_err(failed)?;
        }
        let calibration = settings.calibration;
        let memory = settings.recall_bytes.unwrap_or(model.config().bytes() / 4);
        let recalls = recalls(memory, model.config(), &prompts);
        let recall = Recall::new(if recalls > 0 { memory } else { 0 });
        let card = GuardCard {
            name: settings.name,
            fingerprint: hex(&digest.finalize(), 12),
            taxonomy: prompts.family().taxonomy.clone(),
            engine: Some(Engine {
                model: name,
                family: prompts.family().name.to_owned(),
                dtype,
                device,
                temperature: calibration.temperature,
                prior: calibration.prior,
            }),
            recalls,
            pace: None,
            warnings,
        };
        let cutter = Arc::new(Cutter { prompts, prefixes, recall });
        let mut guard = Self { model, cutter, codes, calibration, card };
        guard.self_test()?;
        guard.card.pace = Some(guard.paced());
        Ok(guard)
    }

    /// How long a text of about a hundred tokens takes, and how many it has.
    fn paced(&mut self) -> (u64, Duration) {
        const WORDS: &str = "Tell me how people in the old town used to bake their bread at home. ";
        let text = Transcript::user(WORDS.repeat(7).trim());
        let began = Instant::now();
        let judgement = self.judge_all(std::slice::from_ref(&text)).pop().unwrap_or_default();
        (judgement.coverage.total, began.elapsed())
    }

    /// Two plain conversations must be answered with one of the two words.
    fn self_test(&mut self) -> Result<(), LoadFault> {
        let conversations = [
            Transcript::user("How do I bake sourdough bread?"),
            Transcript::agent("What is the capital of France?", "The capital of France is Paris."),
        ];
        let mut answers = Vec::new();
        for conversation in conversations {
            for (verdict, codes) in
                self.pass(&self.texts(&conversation)?, &mut |_| ()).map_err(failed)?.rows
            {
                if !verdict.iter().chain(&codes).all(|logit| logit.is_finite()) {
                    return Err(LoadFault::SelfTest("its logits are not finite".to_owned()));
                }
                let best = (0_u32..).zip(verdict).max_by(|a, b| a.1.total_cmp(&b.1));
                answers.extend(best.map(|(id, _)| id));
            }
        }
        let prompts = &self.cutter.prompts;
        let words = prompts.words();
        let all = |safe: u32, unsafe_: &[u32]| {
            answers.iter().all(|id| *id == safe || unsafe_.contains(id))
        };
        if all(words.safe, &words.unsafe_) {
            return Ok(());
        }
        let fault = LoadFault::SelfTest(format!(
            "the model answers two plain conversations with the tokens {answers:?} instead of {}: it \
             is no {}, or its files do not belong together; `family` names another",
            prompts.family().answers(),
            prompts.family().name
        ));
        let is_respelt = prompts.respelt().is_some_and(|(safe, unsafe_)| all(*safe, unsafe_));
        match Arc::get_mut(&mut self.cutter) {
            Some(cutter) if is_respelt => {
                cutter.prompts.use_respelt();
                Ok(())
            }
            _ => Err(fault),
        }
    }

    /// Judges transcripts without a queue, several windows together.
    pub fn judge_all(&mut self, transcripts: &[Transcript]) -> Vec<Judgement> {
        const TOGETHER: usize = 16;
        let mut judgements = vec![Judgement::default(); transcripts.len()];
        let mut windows = Vec::new();
        for (transcript, judgement) in transcripts.iter().zip(&mut judgements) {
            match self.texts(transcript) {
                Ok(texts) => windows.push(texts),
                Err(_) => {
                    windows.push(Vec::new());
                    judgement.absorb(Judgement::unscored(Unscored::Unreadable, 1));
                }
            }
        }
        let texts: Vec<Text> = windows.iter().flatten().cloned().collect();
        let of_windows = texts.chunks(TOGETHER).flat_map(|texts| self.judge(texts).judgements);
        let mut of_windows = of_windows.collect::<Vec<_>>().into_iter();
        for (windows, judgement) in windows.iter().zip(&mut judgements) {
            for of_window in of_windows.by_ref().take(windows.len()) {
                judgement.absorb(of_window);
            }
        }
        judgements
    }

    /// The windows of one transcript.
    pub(super) fn texts(&self, transcript: &Transcript) -> Result<Vec<Text>, LoadFault> {
        let lane = Lane::default();
        let windows = self.cutter.windows(lane, transcript)?;
        let transcript = Arc::new(transcript.clone());
        let text = |window| Text { lane, transcript: Arc::clone(&transcript), window };
        Ok(windows.into_iter().map(text).collect())
    }

    /// Reads the windows together; `done` is told of each stage when it is over.
    fn pass(&self, texts: &[Text], done: &mut dyn FnMut(Stage)) -> candle_core::Result<Pass> {
        let forced = self.cutter.prompts.forced();
        let mut packed = Packed::default();
        let mut work = Work::default();
        for Text { lane, window: Window { ids, .. }, .. } in texts {
            let end = ids.len().saturating_sub(1);
            let behind = self.cutter.behind(*lane, ids);
            let known = behind.as_ref().map_or(0, |behind| behind.tokens);
            let rest = ids.iter().skip(known).chain(forced).copied();
            let reads = if forced.is_empty() { vec![end] } else { vec![end, end + forced.len()] };
            packed.push_behind(behind, rest, reads);
            packed.keep(ids.len() + forced.len());
            work.reused += units(known);
        }
        work.computed = units(packed.tokens());
        let (hidden, kept) = self.model.hidden_and_kept(&packed)?;
        done(Stage::Layers);
        let hidden = hidden.reshape((texts.len(), 1 + usize::from(!forced.is_empty()), ()))?;
        let verdicts = self.model.head().logits(&hidden.i((.., 0))?)?;
        let codes = match forced {
            [] => vec![Vec::new(); texts.len()],
            _ => self.codes_of(&hidden.i((.., 1))?)?,
        };
        done(Stage::Head);
        let rows = verdicts.to_vec2()?.into_iter().zip(codes).collect();
        Ok(Pass { rows, kept: kept.into_iter().map(Arc::new).collect(), work })
    }

    /// The logits of the codes for some hidden states.
    fn codes_of(&self, hidden: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
        let hidden = hidden.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        self.model.head().bent(hidden.contiguous()?.matmul(&self.codes.t()?)?)?.to_vec2()
    }

    /// Asks which categories would follow the likely first ones, all of them in one step; how many
    /// tokens that takes.
    fn follow(
        &self,
        readings: &mut [Result<Scores, Unscored>],
        kept: &[Arc<Prefix>],
    ) -> candle_core::Result<usize> {
        let prompts = &self.cutter.prompts;
        let between = prompts.between();
        if between.is_empty() {
            return Ok(0);
        }
        let mut packed = Packed::default();
        let mut asked = Vec::new();
        for (at, (reading, prefix)) in readings.iter().zip(kept).enumerate() {
            let likely = reading.as_ref().map(likely).unwrap_or_default();
            for first in likely {
                let Some(code) = prompts.said().get(first) else { continue };
                let known = prefix.ids().len();
                let behind = Behind::new(Arc::clone(prefix), known);
                let end = known + code.len();
                let reads: Vec<usize> = (end - 1..end + between.len()).collect();
                packed.push_behind(behind, code.iter().chain(between).copied(), reads);
                asked.push((at, first));
            }
        }
        if asked.is_empty() {
            return Ok(0);
        }
        let hidden = self.model.hidden(&packed)?.reshape((asked.len(), between.len() + 1, ()))?;
        let before = hidden.narrow(1, 0, between.len())?.flatten_to(1)?;
        let before: Vec<Vec<f32>> = self.model.head().logits(&before)?.to_vec2()?;
        let behind = self.codes_of(&hidden.i((.., between.len()))?)?;
        let steps = asked.iter().zip(before.chunks(between.len())).zip(&behind);
        for (((at, first), before), codes) in steps {
            let Some(Ok(scores)) = readings.get_mut(*at) else { continue };
            let logits = before.iter().map(Vec::as_slice);
            let said: Vec<_> = logits.zip(between.iter().copied()).collect();
            if let Err(reason) = follow(scores, *first, &said, codes)
                && let Some(reading) = readings.get_mut(*at)
            {
                *reading = Err(reason);
            }
        }
        Ok(packed.tokens())
    }

    /// Judges the windows together; `done` is told of each stage when it is over.
    pub(super) fn read(
        &self,
        texts: &[Text],
        done: &mut dyn FnMut(Stage),
    ) -> candle_core::Result<Outcome> {
        let Pass { rows, kept, mut work } = self.pass(texts, done)?;
        let words = self.cutter.prompts.words();
        let mut verdicts: Vec<_> = rows.iter().map(|(logits, _)| verdict(logits, words)).collect();
        work.computed += units(self.further(texts, &mut verdicts, &kept)?);
        let categories = self.card.taxonomy.len();
        let mut readings: Vec<_> = verdicts
            .into_iter()
            .zip(rows.iter().zip(texts))
            .map(|(verdict, ((_, codes), text))| {
                let scores = scores(verdict?, codes, self.calibration)?;
                let category = text.window.category.map(Category::index);
                Ok(match category {
                    Some(category) => of_one(&scores, category, categories),
                    None => scores,
                })
            })
            .collect();
        done(Stage::Scoring);
        work.computed += units(self.follow(&mut readings, &kept)?);
        done(Stage::Following);
        for (Text { lane, window, .. }, prefix) in texts.iter().zip(&kept) {
            let known = prefix.base().map_or(0, |base| base.tokens);
            if self.card.recalls > 0 && window.stem >= known + SHORTEST {
                self.cutter.recall.keep(*lane, prefix.first(window.stem)?);
            }
        }
        let judgement = |(text, reading): (&Text, Result<Scores, Unscored>)| match reading {
            Ok(scores) => Judgement::read(scores, text.window.fresh),
            Err(reason) => Judgement::unscored(reason, text.window.fresh),
        };
        Ok(Outcome { judgements: texts.iter().zip(readings).map(judgement).collect(), work })
    }
}

impl Classifier for LlamaGuard {
    fn card(&self) -> GuardCard {
        self.card.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::<Cutter>::clone(&self.cutter)
    }

    fn judge(&mut self, batch: &[Text]) -> Outcome {
        if batch.is_empty() {
            return Outcome::default();
        }
        self.read(batch, &mut |_| ()).unwrap_or_else(|error| {
            tracing::error!(%error, "the guard's forward pass failed");
            let down = |text: &Text| Judgement::unscored(Unscored::GuardDown, text.window.fresh);
            Outcome { judgements: batch.iter().map(down).collect(), ..Outcome::default() }
        })
    }
}

/// How many characters of an answer that grows can be judged again and again: what is sure to fit into
/// one window, if there is memory for the conversations.
fn recalls(memory: usize, config: &ModelConfig, prompts: &Prompts) -> usize {
    /// In the languages that need most tokens.
    const CHARS_PER_TOKEN: usize = 2;
    let of_token = 2 * config.layers * config.kv_heads * config.head_dim * size_of::<f32>();
    let longest = prompts.longest().saturating_mul(of_token);
    let has_room = memory / longest.max(1) >= CONVERSATIONS;
    if has_room { CHARS_PER_TOKEN * prompts.window().content } else { 0 }
}

fn fits(config: &ModelConfig, prompts: &Prompts) -> Result<(), LoadFault> {
    let ids = usize::try_from(prompts.largest_id()).unwrap_or(usize::MAX);
    if ids >= config.vocab {
        let reason = format!("has a token {ids}, but {} knows {}", config::FILE, config.vocab);
        return Err(LoadFault::file(encoder::FILE, reason));
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
