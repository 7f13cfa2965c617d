//! Transcripts into token ids.
//!
//! The template's own parts are tokenised once; contents one by one, and never into special tokens:
//! what a user writes can look like the template, but not like its markers.

use std::ops::Range;

use tokenizers::Tokenizer;

use crate::transcript::{Role, Transcript, Turn};

use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::settings::{Bos, EngineSettings, Window};

pub(super) const FILE: &str = "tokenizer.json";

/// How many turns before the judged one go along at most.
const MOST_TURNS: usize = 4;

/// What turns transcripts into prompts.
pub struct Prompts {
    encoder: Encoder,
    family: Family,
    bos: Option<u32>,
    window: Window,
    user: Side,
    agent: Side,
    after_content: Vec<u32>,
    forced: Vec<u32>,
    between: Vec<u32>,
    words: Words,
    /// "safe" and "unsafe" in the other spelling, with or without a blank before them, if they are
    /// one token each.
    respelt: Option<(u32, u32)>,
}

/// A tokenizer, and what it takes for the text before every part but the first.
struct Encoder {
    tokenizer: Tokenizer,
    behind: &'static str,
    /// The tokens of `behind`.
    skipped: Vec<u32>,
}

/// The fixed parts around a conversation whose last turn is of one role, and that role's label.
struct Side {
    head: Vec<u32>,
    tail: Vec<u32>,
    label: Vec<u32>,
}

/// The tokens a verdict is read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// "safe".
    pub safe: u32,
    /// "unsafe".
    pub unsafe_: u32,
    /// The categories' codes.
    pub codes: Vec<u32>,
}

/// A transcript as the prompts of its windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompted {
    /// One prompt per window, without the forced beginning of the answer.
    pub windows: Vec<WindowPrompt>,
    /// Tokens of the judged turn's content.
    pub total: usize,
}

/// One window of the judged turn, as a prompt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowPrompt {
    /// The token ids.
    pub ids: Vec<u32>,
    /// How many of them stand before the tail: what a longer content would begin with as well, but
    /// for its last tokens.
    pub stem: usize,
    /// How many tokens of the content no window before it has.
    pub fresh: usize,
}

impl Prompts {
    /// Reads a `tokenizer.json` for a family; every word a verdict is read from must be one token.
    pub fn new(
        tokenizer: &[u8],
        family: Family,
        settings: &EngineSettings,
    ) -> Result<Self, LoadFault> {
        let mut tokenizer =
            Tokenizer::from_bytes(tokenizer).map_err(|error| LoadFault::file(FILE, error))?;
        tokenizer.set_encode_special_tokens(true);
        tokenizer
            .with_truncation(None)
            .map_err(|error| LoadFault::file(FILE, error))?
            .with_padding(None);
        for token in tokenizer.get_added_tokens_decoder().values() {
            if !token.special {
                let reason = format!(
                    "the added token `{}` is not marked special, so contents could contain it",
                    token.content
                );
                return Err(LoadFault::file(FILE, reason));
            }
        }
        let encoder = Encoder::new(tokenizer, family.behind)?;
        let side = |role: Role| {
            let mut tail = encoder.fixed(family.tail(role), &family, Encoder::text)?;
            tail.extend(encoder.text(family.opening)?);
            let head = encoder.fixed(family.head(role), &family, Encoder::first)?;
            Ok(Side { head, tail, label: encoder.text(family.label(role))? })
        };
        let codes = family.codes.iter().map(|code| encoder.one(code)).collect::<Result<_, _>>()?;
        let (safe, unsafe_) = (encoder.one(family.safe)?, encoder.one(family.unsafe_)?);
        let respelt = |word: &str| match word.strip_prefix(' ') {
            Some(word) => encoder.one(word).ok(),
            None => encoder.one(&format!(" {word}")).ok(),
        };
        let prompts = Self {
            bos: bos(&encoder, &family, settings.bos)?,
            window: settings.window,
            user: side(Role::User)?,
            agent: side(Role::Agent)?,
            after_content: encoder.text(family.after_content)?,
            forced: encoder.text(family.forced)?,
            between: encoder.text(family.between)?,
            words: Words { safe, unsafe_, codes },
            respelt: respelt(family.safe).zip(respelt(family.unsafe_)),
            family,
            encoder,
        };
        prompts.check(settings)?;
        Ok(prompts)
    }

    fn check(&self, settings: &EngineSettings) -> Result<(), LoadFault> {
        let Window { content, overlap, .. } = self.window;
        if content == 0 || overlap >= content {
            return Err(LoadFault::Settings(format!(
                "window.overlap is {overlap}: it must be less than window.content, {content}"
            )));
        }
        if self.longest() > settings.max_tokens {
            return Err(LoadFault::Settings(format!(
                "a prompt can have {} tokens with the window's content, context and the template, \
                 but max_tokens is {}: make the window smaller",
                self.longest(),
                settings.max_tokens
            )));
        }
        Ok(())
    }

    /// The longest sequence there can be, answer included: what `max_tokens` bounds.
    pub fn longest(&self) -> usize {
        let sides = [&self.user, &self.agent];
        let fixed = |side: &Side| side.head.len() + side.tail.len();
        let frame = sides.into_iter().map(fixed).max().unwrap_or(0);
        let label = self.user.label.len().max(self.agent.label.len());
        let context = self.window.context + MOST_TURNS * (label + self.after_content.len());
        let content = label + self.window.content + self.after_content.len();
        let answer = self.forced.len() + 1 + self.between.len();
        frame + context + content + answer + usize::from(self.bos.is_some())
    }

    /// What every prompt begins with, for a judged turn of either side, up to the first content.
    pub(super) fn beginnings(&self) -> [Vec<u32>; 2] {
        let beginning = |side: &Side, first: &Side| {
            self.bos.iter().chain(&side.head).chain(&first.label).copied().collect()
        };
        [beginning(&self.user, &self.user), beginning(&self.agent, &self.user)]
    }

    /// How texts are cut.
    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The largest id there is.
    pub fn largest_id(&self) -> u32 {
        self.encoder.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// The tokens a verdict is read from.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The tokens of the answer's forced beginning.
    pub fn forced(&self) -> &[u32] {
        &self.forced
    }

    /// The tokens between two categories of an answer.
    pub fn between(&self) -> &[u32] {
        &self.between
    }

    /// The family these prompts are for.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Reads verdicts from the other spelling from now on, if it has tokens.
    pub(super) fn use_respelt(&mut self) {
        if let Some((safe, unsafe_)) = self.respelt {
            self.words.safe = safe;
            self.words.unsafe_ = unsafe_;
        }
    }

    /// The verdict tokens of the other spelling.
    pub(super) fn respelt(&self) -> Option<(u32, u32)> {
        self.respelt
    }

    /// The prompts of a transcript.
    pub fn prompt(&self, transcript: &Transcript) -> Result<Prompted, LoadFault> {
        self.prompt_turns(transcript.context(), transcript.judged())
    }

    /// The prompts for a turn behind others.
    pub fn prompt_turns(&self, context: &[Turn], judged: &Turn) -> Result<Prompted, LoadFault> {
        let side = self.side(judged.role);
        let mut before: Vec<u32> = self.bos.iter().chain(&side.head).copied().collect();
        for (role, ids) in self.context(context)? {
            before.extend(&self.side(role).label);
            before.extend(ids);
        }
        before.extend(&side.label);
        let content = self.content(&judged.text)?;
        let mut windows = Vec::new();
        let mut read = 0;
        for range in ranges(content.len(), self.window) {
            let mut ids = before.clone();
            ids.extend(content.get(range.clone()).unwrap_or_default());
            if range.end < content.len() {
                ids.extend(&self.after_content);
            }
            let stem = ids.len();
            ids.extend(&side.tail);
            windows.push(WindowPrompt { ids, stem, fresh: range.end - read });
            read = range.end;
        }
        Ok(Prompted { windows, total: content.len() })
    }

    /// The turns before the judged one: of each its beginning, and of all of them the latest ones
    /// that fit.
    fn context(&self, context: &[Turn]) -> Result<Vec<(Role, Vec<u32>)>, LoadFault> {
        let mut left = self.window.context;
        let mut turns = Vec::new();
        for turn in context.iter().rev().take(MOST_TURNS) {
            let mut ids = self.content(&turn.text)?;
            if left == 0 {
                break;
            }
            if ids.len() > left {
                ids.truncate(left);
                left = 0;
                ids.extend(&self.after_content);
            } else {
                left -= ids.len();
            }
            turns.push((turn.role, ids));
        }
        turns.reverse();
        Ok(turns)
    }

    fn content(&self, text: &str) -> Result<Vec<u32>, LoadFault> {
        self.encoder.text(&self.family.content(text))
    }

    fn side(&self, role: Role) -> &Side {
        match role {
            Role::User => &self.user,
            Role::Agent => &self.agent,
        }
    }
}

impl Encoder {
    fn new(tokenizer: Tokenizer, behind: &'static str) -> Result<Self, LoadFault> {
        let mut encoder = Self { tokenizer, behind, skipped: Vec::new() };
        encoder.skipped = encoder.first(behind)?;
        Ok(encoder)
    }

    /// The tokens of a text that nothing stands before.
    fn first(&self, text: &str) -> Result<Vec<u32>, LoadFault> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| LoadFault::file(FILE, error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text in the middle of a prompt.
    fn text(&self, text: &str) -> Result<Vec<u32>, LoadFault> {
        if self.behind.is_empty() {
            return self.first(text);
        }
        let ids = self.first(&format!("{}{text}", self.behind))?;
        match ids.strip_prefix(self.skipped.as_slice()) {
            Some(ids) => Ok(ids.to_vec()),
            None => {
                let reason = format!(
                    "has a token that reaches across {:?}, as none made from SentencePiece has: its \
                     model is of another `family`",
                    self.behind
                );
                Err(LoadFault::file(FILE, reason))
            }
        }
    }

    /// The tokens of a part of the template, its markers among them, by which it is cut. `start`
    /// tokenises what stands before the first of them.
    fn fixed(
        &self,
        whole: &str,
        family: &Family,
        start: impl Fn(&Self, &str) -> Result<Vec<u32>, LoadFault>,
    ) -> Result<Vec<u32>, LoadFault> {
        // A tokenizer made for the template may hold its fixed parts as single tokens.
        if let Some(id) = self.tokenizer.token_to_id(whole) {
            return Ok(vec![id]);
        }
        let next = |text: &str| {
            let found =
                family.markers.iter().filter_map(|marker| Some((text.find(marker)?, *marker)));
            found.min()
        };
        let (mut ids, mut rest) = (Vec::new(), whole);
        while let Some((at, marker)) = next(rest) {
            let (before, after) = rest.split_at(at);
            let text = if ids.is_empty() { start(self, before)? } else { self.text(before)? };
            ids.extend(text);
            ids.push(self.special(marker)?);
            rest = after.get(marker.len()..).unwrap_or_default();
        }
        ids.extend(if ids.is_empty() { start(self, rest)? } else { self.text(rest)? });
        Ok(ids)
    }

    /// The id of a special token.
    fn special(&self, token: &str) -> Result<u32, LoadFault> {
        let missing = || {
            LoadFault::file(FILE, format!("there is no token `{token}`, which the prompt needs"))
        };
        self.tokenizer.token_to_id(token).ok_or_else(missing)
    }

    /// The id of a word that must be one token.
    fn one(&self, word: &str) -> Result<u32, LoadFault> {
        match self.text(word)?.as_slice() {
            [id] => Ok(*id),
            ids => Err(LoadFault::file(
                FILE,
                format!("the word `{word}` is {} tokens, but must be one", ids.len()),
            )),
        }
    }
}

/// The token before the prompt, if there is to be one.
fn bos(encoder: &Encoder, family: &Family, bos: Bos) -> Result<Option<u32>, LoadFault> {
    match bos {
        Bos::None => Ok(None),
        Bos::Prepend if family.markers.contains(&family.begin) => {
            Err(LoadFault::Settings(format!(
                "the prompt of {} begins with `{}` already; leave `bos` out",
                family.name, family.begin
            )))
        }
        Bos::Prepend => encoder.special(family.begin).map(Some),
    }
}

/// Overlapping ranges that cover `length`; the last one is as long as the others.
fn ranges(length: usize, window: Window) -> Vec<Range<usize>> {
    let last = length.saturating_sub(window.content);
    let step = window.content.saturating_sub(window.overlap).max(1);
    let starts = (0..last).step_by(step).chain([last]);
    starts.map(|start| start..length.min(start + window.content)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Window, ranges};

    #[test]
    fn windows_overlap_and_cover_everything() {
        let window = Window { content: 10, overlap: 4, context: 0 };
        let check = |length: usize, expected: &[(usize, usize)]| {
            let ranges = ranges(length, window).into_iter().map(|range| (range.start, range.end));
            assert_eq!(ranges.collect::<Vec<_>>(), expected, "{length}");
        };
        check(0, &[(0, 0)]);
        check(10, &[(0, 10)]);
        check(11, &[(0, 10), (1, 11)]);
        check(16, &[(0, 10), (6, 16)]);
        check(23, &[(0, 10), (6, 16), (12, 22), (13, 23)]);
    }
}
