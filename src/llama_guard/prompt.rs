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
const BEGIN_OF_TEXT: &str = "<|begin_of_text|>";

/// How many turns before the judged one go along at most.
const MOST_TURNS: usize = 4;

/// What turns transcripts into prompts.
pub struct Prompts {
    tokenizer: Tokenizer,
    family: Family,
    bos: Option<u32>,
    window: Window,
    user: Side,
    agent: Side,
    after_content: Vec<u32>,
    forced: Vec<u32>,
    words: Words,
    /// "safe" and "unsafe" with a blank before them, if they are one token each.
    spaced: Option<(u32, u32)>,
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
        let text = |text: &str| encode(&tokenizer, text);
        // A tokenizer made for the template may hold its fixed parts as single tokens.
        let fixed = |whole: &str| match tokenizer.token_to_id(whole) {
            Some(id) => Ok(vec![id]),
            None => text(whole),
        };
        let side = |role: Role| {
            let head = fixed(family.head(role))?;
            Ok(Side { head, tail: fixed(family.tail(role))?, label: text(family.label(role))? })
        };
        let one = |word: &str| match text(word)?.as_slice() {
            [id] => Ok(*id),
            ids => Err(LoadFault::file(
                FILE,
                format!("the word `{word}` is {} tokens, but must be one", ids.len()),
            )),
        };
        let codes = family.codes.iter().map(|code| one(code)).collect::<Result<_, _>>()?;
        let words = Words { safe: one(family.safe)?, unsafe_: one(family.unsafe_)?, codes };
        let spaced = |word: &str| one(&format!(" {word}")).ok();
        let bos = match settings.bos {
            Bos::None => None,
            Bos::Prepend => Some(tokenizer.token_to_id(BEGIN_OF_TEXT).ok_or_else(|| {
                LoadFault::file(FILE, format!("there is no token `{BEGIN_OF_TEXT}` to prepend"))
            })?),
        };
        let prompts = Self {
            bos,
            window: settings.window,
            user: side(Role::User)?,
            agent: side(Role::Agent)?,
            after_content: text(family.after_content)?,
            forced: text(family.forced)?,
            words,
            spaced: spaced(family.safe).zip(spaced(family.unsafe_)),
            family,
            tokenizer,
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
        frame + context + content + self.forced.len() + usize::from(self.bos.is_some())
    }

    /// The largest id there is.
    pub fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// The tokens a verdict is read from.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The tokens of the answer's forced beginning.
    pub fn forced(&self) -> &[u32] {
        &self.forced
    }

    /// The family these prompts are for.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// Reads verdicts from the spelling with a blank from now on, if it has tokens.
    pub(super) fn use_spaced(&mut self) {
        if let Some((safe, unsafe_)) = self.spaced {
            self.words.safe = safe;
            self.words.unsafe_ = unsafe_;
        }
    }

    /// The verdict tokens of the spelling with a blank.
    pub(super) fn spaced(&self) -> Option<(u32, u32)> {
        self.spaced
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
            ids.extend(&side.tail);
            windows.push(WindowPrompt { ids, fresh: range.end - read });
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
        let Family { before_content, after_content, .. } = &self.family;
        let content = format!("{before_content}{}{after_content}", strip(text));
        encode(&self.tokenizer, &content)
    }

    fn side(&self, role: Role) -> &Side {
        match role {
            Role::User => &self.user,
            Role::Agent => &self.agent,
        }
    }
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, LoadFault> {
    let encoding =
        tokenizer.encode_fast(text, false).map_err(|error| LoadFault::file(FILE, error))?;
    Ok(encoding.get_ids().to_vec())
}

/// Python's `str.strip`, which the template calls: it also takes the four separators U+001C to
/// U+001F, which are no white space to Rust.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
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
    use super::{Window, ranges, strip};

    #[test]
    fn contents_are_stripped_as_python_does() {
        assert_eq!(strip("\u{1c}\t a b\u{1f}\u{2003}\u{85}\n"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
        assert_eq!(strip(" \n"), "");
    }

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
