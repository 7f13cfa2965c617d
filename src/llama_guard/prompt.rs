//! Transcripts into token ids.
//!
//! The template's own parts are tokenised once; contents one by one, and never into special tokens:
//! what a user writes can look like the template, but not like its markers.

use std::ops::Range;

use crate::taxonomy::Category;
use crate::transcript::{Role, Transcript, Turn};

use crate::llama_guard::encoder::{Encoder, distinct};
use crate::llama_guard::family::{Family, Question};
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::settings::{Bos, EngineSettings, Window};

/// How many turns before the judged one go along at most.
const MOST_TURNS: usize = 4;

/// What turns transcripts into prompts.
pub struct Prompts {
    encoder: Encoder,
    family: Family,
    bos: Option<u32>,
    window: Window,
    asked: Vec<Asked>,
    label_user: Vec<u32>,
    label_agent: Vec<u32>,
    after_content: Vec<u32>,
    further: Vec<Vec<u32>>,
    forced: Vec<u32>,
    between: Vec<u32>,
    words: Words,
    /// The categories as they are said, of which `words` has the first tokens.
    said: Vec<Vec<u32>>,
    /// "safe" and "unsafe" in the other spelling, with or without a blank before them.
    respelt: Option<(u32, Vec<u32>)>,
}

/// The fixed parts of one question.
struct Asked {
    category: Option<Category>,
    user: Frame,
    agent: Frame,
}

/// The fixed parts around a conversation whose last turn is of one role.
struct Frame {
    head: Vec<u32>,
    tail: Vec<u32>,
}

/// The tokens a verdict is read from: with which the words begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// "safe".
    pub safe: u32,
    /// "unsafe", and what else says so.
    pub unsafe_: Vec<u32>,
    /// The categories' codes; none where no category is named.
    pub codes: Vec<u32>,
}

/// A transcript as the prompts of its windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompted {
    /// One prompt per window and question, without the forced beginning of the answer.
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
    /// How many tokens of the content no prompt before it has.
    pub fresh: usize,
    /// The only category it asks about, if it does not about all.
    pub category: Option<Category>,
}

impl Prompts {
    /// Reads a `tokenizer.json` for a family; the words a verdict is read from must begin with tokens of
    /// their own.
    pub fn new(
        tokenizer: &[u8],
        family: Family,
        settings: &EngineSettings,
    ) -> Result<Self, LoadFault> {
        let mut encoder = Encoder::new(tokenizer, &family)?;
        let questions = questions(&family, settings.exact)?;
        let asked = questions.iter().map(|question| Asked::new(&encoder, question, family.opening));
        let asked: Vec<Asked> = asked.collect::<Result<_, _>>()?;
        let label_user = encoder.text(family.label_user)?;
        let label_agent = encoder.text(family.label_agent)?;
        let bos = bos(&encoder, &family, settings.bos)?;
        encoder.forget_special_tokens();
        // Who is asked about one category need not be asked which.
        let names_any = questions.iter().any(|question| question.category.is_none());
        let named: &[String] = if names_any { &family.codes } else { &[] };
        let said = named.iter().map(|code| encoder.text(code)).collect::<Result<_, _>>()?;
        let further = family.further.iter().map(|field| encoder.text(field));
        let further = further.collect::<Result<_, _>>()?;
        let words = Words {
            safe: encoder.lead(family.safe)?,
            unsafe_: encoder.leads(family.unsafe_)?,
            codes: encoder.leads(named)?,
        };
        distinct(
            [family.safe].iter().chain(family.unsafe_),
            &[&[words.safe], &words.unsafe_[..]].concat(),
        )?;
        distinct(named, &words.codes)?;
        let respelt = |word: &&str| match word.strip_prefix(' ') {
            Some(word) => encoder.lead(word).ok(),
            None => encoder.lead(&format!(" {word}")).ok(),
        };
        let prompts = Self {
            bos,
            window: settings.window,
            asked,
            label_user,
            label_agent,
            after_content: encoder.text(family.after_content)?,
            further,
            forced: if names_any { encoder.text(family.forced)? } else { Vec::new() },
            between: encoder.text(family.between)?,
            words,
            said,
            respelt: respelt(&family.safe).zip(family.unsafe_.iter().map(respelt).collect()),
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
        let frames = self.asked.iter().flat_map(|asked| [&asked.user, &asked.agent]);
        let frame = frames.map(|frame| frame.head.len() + frame.tail.len()).max().unwrap_or(0);
        let label = self.label_user.len().max(self.label_agent.len());
        let context = self.window.context + MOST_TURNS * (label + self.after_content.len());
        let content = label + self.window.content + self.after_content.len();
        let code = self.said.iter().map(Vec::len).max().unwrap_or(0);
        let named = self.forced.len() + code + self.between.len();
        let further = self.further.iter().map(|field| field.len() + 1).sum();
        frame + context + content + named.max(further) + usize::from(self.bos.is_some())
    }

    /// What every prompt begins with, for a judged turn of either side, up to the first content.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = Vec<u32>> {
        let frames = self.asked.iter().flat_map(|asked| [&asked.user, &asked.agent]);
        frames.map(|frame| {
            self.bos.iter().chain(&frame.head).chain(&self.label_user).copied().collect()
        })
    }

    /// How texts are cut.
    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The largest id there is.
    pub fn largest_id(&self) -> u32 {
        self.encoder.largest_id()
    }

    /// The tokens a verdict is read from.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The categories as they are said.
    pub(super) fn said(&self) -> &[Vec<u32>] {
        &self.said
    }

    /// What is answered further where the model's turn is judged, token by token.
    pub(super) fn further(&self) -> &[Vec<u32>] {
        &self.further
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
        if let Some((safe, unsafe_)) = self.respelt.take() {
            self.words.safe = safe;
            self.words.unsafe_ = unsafe_;
        }
    }

    /// The verdict tokens of the other spelling.
    pub(super) fn respelt(&self) -> Option<&(u32, Vec<u32>)> {
        self.respelt.as_ref()
    }

    /// The prompts of a transcript.
    pub fn prompt(&self, transcript: &Transcript) -> Result<Prompted, LoadFault> {
        self.prompt_turns(transcript.context(), transcript.judged())
    }

    /// The prompts for a turn behind others.
    pub fn prompt_turns(&self, context: &[Turn], judged: &Turn) -> Result<Prompted, LoadFault> {
        let mut before = Vec::new();
        for (role, ids) in self.context(self.family.heard(context, judged))? {
            before.extend(self.label(role));
            before.extend(ids);
        }
        before.extend(self.label(judged.role));
        let content = self.content(&judged.text)?;
        let mut windows = Vec::new();
        let mut read = 0;
        for range in ranges(content.len(), self.window) {
            let mut conversation = before.clone();
            conversation.extend(content.get(range.clone()).unwrap_or_default());
            if range.end < content.len() {
                conversation.extend(&self.after_content);
            }
            for asked in &self.asked {
                let Frame { head, tail } = asked.frame(judged.role);
                let mut ids: Vec<u32> = self.bos.iter().chain(head).copied().collect();
                ids.extend(&conversation);
                let stem = ids.len();
                ids.extend(tail);
                let (fresh, category) = (range.end - read, asked.category);
                windows.push(WindowPrompt { ids, stem, fresh, category });
                read = range.end;
            }
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

    fn label(&self, role: Role) -> &[u32] {
        match role {
            Role::User => &self.label_user,
            Role::Agent => &self.label_agent,
        }
    }
}

impl Asked {
    /// The fixed parts of a question, with what the model says before its answer.
    fn new(encoder: &Encoder, question: &Question, opening: &str) -> Result<Self, LoadFault> {
        let frame = |role: Role| {
            let head = encoder.first(question.head(role))?;
            let mut tail = encoder.text(question.tail(role))?;
            tail.extend(encoder.text(opening)?);
            Ok(Frame { head, tail })
        };
        Ok(Self {
            category: question.category,
            user: frame(Role::User)?,
            agent: frame(Role::Agent)?,
        })
    }

    fn frame(&self, role: Role) -> &Frame {
        match role {
            Role::User => &self.user,
            Role::Agent => &self.agent,
        }
    }
}

/// What is asked; in exact mode, about every category by itself.
fn questions(family: &Family, exact: bool) -> Result<Vec<Question>, LoadFault> {
    match exact {
        false => Ok(family.questions.clone()),
        true if family.alone.is_empty() => Err(LoadFault::Settings(format!(
            "{} was not made to be asked about one category at a time: there is no exact mode for it",
            family.name
        ))),
        true => Ok(family.alone.clone()),
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
