//! What one choice of a stream has said and nobody has judged yet.
//!
//! A [`Track`] gathers the pieces of a choice until they are worth judging, and then makes them a
//! set of texts: one per channel, each with the end of what was judged before it, so that nothing
//! hides in the cut between two windows; or with all of it, up to a bound, where the guard remembers.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::enforce::holdback::Settings;
use crate::reading::is_invisible;
use crate::wire::Channel;
use crate::wire::field::Piece;
use crate::wire::sentences::ends_sentence;

/// How many tool calls of one choice are kept apart; those beyond share the texts of these.
const MAX_SLOTS: u64 = 64;

/// How many unknown keys are remembered as judged.
const MAX_KEYS: usize = 1024;

/// One choice of a stream, or everything outside the choices.
#[derive(Default)]
pub(super) struct Track {
    fresh: BTreeMap<(Channel, u64), String>,
    judged: BTreeMap<(Channel, u64), String>,
    keys: HashSet<u64>,
    chars: usize,
    unread: u64,
    at_sentence_end: bool,
    /// The first and the last event with something in the open window.
    span: Option<(u64, u64)>,
    /// How many bytes the stream had when the open window was opened.
    pub(super) opened_at: u64,
    /// Events before this one are cleared as far as this track is concerned.
    pub(super) cleared: u64,
    /// The first event that mentions this choice.
    pub(super) begun: Option<u64>,
    /// The event that says why the choice ended.
    pub(super) finished: Option<u64>,
    /// Whether a window of this track is being judged.
    pub(super) outstanding: bool,
    /// Whether nothing more of it is to be judged.
    pub(super) forgotten: bool,
}

/// What is to be judged together.
pub(super) struct Sealed {
    pub(super) texts: Vec<String>,
    pub(super) unread: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Track {
    /// Takes in what an event says. Whether there was anything to judge.
    pub(super) fn take(&mut self, event: u64, pieces: &[Piece<'_>], unread: usize) -> bool {
        let mut any = unread > 0;
        self.unread += unread as u64;
        for piece in pieces {
            if piece.channel == Channel::Key && !self.is_new_key(&piece.text) {
                continue;
            }
            any = true;
            let slot =
                if piece.channel == Channel::Tool { piece.slot % MAX_SLOTS } else { piece.slot };
            let text = self.fresh.entry((piece.channel, slot)).or_default();
            if matches!(piece.channel, Channel::Key | Channel::Alternatives) && !text.is_empty() {
                text.push_str(piece.channel.joint());
            }
            text.push_str(&piece.text);
            // Probabilities go along with the text they belong to.
            if !matches!(piece.channel, Channel::Tokens | Channel::Alternatives) {
                self.chars += piece.text.chars().filter(|each| !is_invisible(*each)).count();
                self.at_sentence_end = ends_sentence(&piece.text);
            }
        }
        if any {
            let (first, _) = self.span.unwrap_or((event, event));
            self.span = Some((first, event));
        }
        any
    }

    /// Whether something waits to be judged.
    pub(super) fn is_open(&self) -> bool {
        self.span.is_some()
    }

    /// Whether the open window is worth judging.
    pub(super) fn is_full(&self, settings: &Settings) -> bool {
        let ripe = self.chars >= settings.min_chars && self.at_sentence_end;
        ripe || self.chars >= settings.max_chars
    }

    /// Closes the open window, if there is one.
    pub(super) fn seal(&mut self, settings: &Settings) -> Option<Sealed> {
        let (from, to) = self.span.take()?;
        let mut texts: Vec<String> = Vec::new();
        let mut aside = String::new();
        for (run, fresh) in std::mem::take(&mut self.fresh) {
            let mut text = self.judged.remove(&run).unwrap_or_default();
            text.push_str(&fresh);
            let is_remembered = text.chars().count() <= settings.recall_chars;
            let end = if is_remembered { &text } else { end_of(&text, settings.overlap_chars) };
            self.judged.insert(run, end.to_owned());
            match run.0 {
                Channel::Other | Channel::Key => {
                    if !aside.is_empty() {
                        aside.push('\n');
                    }
                    aside.push_str(&text);
                }
                // The tokens beside probabilities mostly spell the content once more.
                Channel::Tokens if texts.contains(&text) => {}
                _ => texts.push(text),
            }
        }
        texts.extend(Some(aside).filter(|aside| !aside.is_empty()));
        let unread = std::mem::take(&mut self.unread);
        self.chars = 0;
        self.at_sentence_end = false;
        Some(Sealed { texts, unread, from, to })
    }

    /// Forgets what waits to be judged.
    pub(super) fn discard(&mut self) {
        self.fresh.clear();
        self.span = None;
        self.chars = 0;
        self.unread = 0;
    }

    /// The first event of the open window.
    pub(super) fn open_from(&self) -> Option<u64> {
        self.span.map(|(from, _)| from)
    }

    fn is_new_key(&mut self, key: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let digest = hasher.finish();
        if self.keys.len() >= MAX_KEYS {
            return !self.keys.contains(&digest);
        }
        self.keys.insert(digest)
    }
}

/// The end of `text` with `chars` characters that can be seen, so that words stuffed with others stay
/// whole; within a bound.
fn end_of(text: &str, chars: usize) -> &str {
    const MOST_PER_SEEN: usize = 32;
    let mut seen = 0;
    let within = text.char_indices().rev().take(chars * MOST_PER_SEEN);
    let start = within.take_while(|(_, character)| {
        let wanted = seen < chars;
        seen += usize::from(!is_invisible(*character));
        wanted
    });
    let start = start.last().map_or(text.len(), |(at, _)| at);
    text.get(start..).unwrap_or(text)
}
