//! What one choice of a stream has said and nobody has judged yet.
//!
//! A [`Track`] gathers the pieces of a choice until they are worth judging, and then makes them a
//! set of texts: one per channel, each with the end of what was judged before it, so that nothing
//! hides in the cut between two windows; or with all of it, up to a bound, where the guard remembers.
//! What was judged before is repeated as it went out: without what was taken out of it.
//!
//! Where somebody points at bytes, the end of a text that has passed may be the beginning of what is
//! pointed at next. It is kept then: it waits for what follows, and is judged and replaced with it. It
//! waits no longer than until a window in which its channel says nothing, or the end of its choice.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::enforce::holdback::Settings;
use crate::enforce::redact::Removal;
use crate::reading::is_invisible;
use crate::wire::field::Piece;
use crate::wire::nested;
use crate::wire::passage::Draft;
use crate::wire::sentences::ends_sentence;
use crate::wire::{Channel, Edit, Passage};

/// How many tool calls of one choice are kept apart; those beyond share the texts of these.
const MAX_SLOTS: u64 = 64;

/// How many unknown keys are remembered as judged.
const MAX_KEYS: usize = 1024;

/// How many strings that go on from event to event are followed; of those beyond, nothing is replaced.
const MAX_STRINGS: usize = 256;

/// One channel of a choice, and one of several of its kind.
type Run = (Channel, u64);

/// One choice of a stream, or everything outside the choices.
#[derive(Default)]
pub(super) struct Track {
    fresh: BTreeMap<Run, Draft>,
    judged: BTreeMap<Run, Judged>,
    /// How far strings that may be JSON have been read: one per run and field.
    strings: BTreeMap<(Run, String), nested::Reading>,
    keys: HashSet<u64>,
    chars: usize,
    unread: u64,
    at_sentence_end: bool,
    /// The first and the last event with something in the open window.
    span: Option<(u64, u64)>,
    /// How many bytes the stream had when the open window was opened.
    pub(super) opened_at: u64,
    /// How many it had when a window was closed of which something may be kept.
    pub(super) keeps_since: Option<u64>,
    /// Events before this one are cleared as far as this track is concerned.
    pub(super) cleared: u64,
    /// The event behind the last one that was judged.
    judged_to: u64,
    /// The first event that mentions this choice.
    pub(super) begun: Option<u64>,
    /// The event that says why the choice ended.
    pub(super) finished: Option<u64>,
    /// Whether a window of this track is being judged.
    pub(super) outstanding: bool,
    /// Whether nothing of that window is to be kept.
    pub(super) is_last: bool,
    /// Whether nothing more of it is to be judged.
    pub(super) forgotten: bool,
}

/// What of a run was judged before.
#[derive(Default)]
struct Judged {
    /// Its end, as it went out.
    out: String,
    /// What follows and waits.
    kept: Draft,
    /// That as it goes out if nothing follows, and what is replaced in it then.
    kept_out: String,
    owed: Vec<Edit>,
}

impl Judged {
    fn let_go(&mut self, settings: &Settings) -> Vec<Edit> {
        self.out.push_str(&std::mem::take(&mut self.kept_out));
        self.kept = Draft::default();
        self.shorten(settings);
        std::mem::take(&mut self.owed)
    }

    /// Forgets the beginning, as far as nobody asks for it.
    fn shorten(&mut self, settings: &Settings) {
        if self.out.chars().count() > settings.recall_chars {
            self.out = end_of(&self.out, settings.overlap_chars).to_owned();
        }
    }
}

/// What is to be judged together.
pub(super) struct Sealed {
    runs: BTreeMap<Run, Draft>,
    pub(super) unread: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A run's part of a window.
#[derive(Debug)]
pub(super) struct Segment {
    run: Run,
    /// In which of the window's passages it stands, and where.
    passage: usize,
    range: Range<usize>,
    /// Whether the passage is another run's, which says the same.
    is_copy: bool,
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
            let run = (piece.channel, slot);
            let free = self.free(run, piece);
            let draft = self.fresh.entry(run).or_default();
            if matches!(piece.channel, Channel::Key | Channel::Alternatives) && !draft.is_empty() {
                draft.push_str(piece.channel.joint());
            }
            draft.go_on(piece, event, || free);
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

    /// What of a piece may be replaced.
    fn free(&mut self, run: Run, piece: &Piece<'_>) -> Vec<nested::Free> {
        let Some(place) = &piece.place else { return Vec::new() };
        let string = (run, place.without_numbers());
        if self.strings.len() >= MAX_STRINGS && !self.strings.contains_key(&string) {
            return Vec::new();
        }
        self.strings.entry(string).or_default().take(&piece.text)
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
    pub(super) fn seal(&mut self) -> Option<Sealed> {
        let (from, to) = self.span.take()?;
        let runs = std::mem::take(&mut self.fresh);
        let unread = std::mem::take(&mut self.unread);
        self.chars = 0;
        self.at_sentence_end = false;
        Some(Sealed { runs, unread, from, to })
    }

    /// The first event of what is kept.
    pub(super) fn kept_from(&self) -> Option<u64> {
        self.judged.values().filter_map(|judged| judged.kept.first_event()).min()
    }

    /// The texts of a window, each with the end of what was judged before it; answers to `question`, or
    /// from the user's side where there is none.
    pub(super) fn compose(
        &self,
        sealed: Sealed,
        question: Option<&Arc<str>>,
    ) -> (Vec<Passage>, Vec<Segment>) {
        let mut drafts: Vec<Draft> = Vec::new();
        let mut segments = Vec::new();
        let mut aside = Draft::default();
        let mut of_aside = Vec::new();
        for (run, fresh) in sealed.runs {
            let mut draft = match self.judged.get(&run) {
                Some(Judged { out, kept, .. }) => {
                    let mut draft = Draft::said(out.clone());
                    draft.append(kept.clone());
                    draft
                }
                None => Draft::default(),
            };
            draft.append(fresh);
            if matches!(run.0, Channel::Other | Channel::Key) {
                if !aside.is_empty() {
                    aside.push_str("\n");
                }
                let start = aside.text().len();
                aside.append(draft);
                of_aside.push((run, start..aside.text().len()));
                continue;
            }
            let range = 0..draft.text().len();
            // The tokens beside probabilities mostly spell the content once more.
            let same = drafts.iter().position(|other| other.text() == draft.text());
            let same = same.filter(|_| run.0 == Channel::Tokens);
            let (passage, is_copy) = (same.unwrap_or(drafts.len()), same.is_some());
            if !is_copy {
                drafts.push(draft);
            }
            segments.push(Segment { run, passage, range, is_copy });
        }
        let passage = drafts.len();
        if !aside.is_empty() {
            drafts.push(aside);
            let of_aside = of_aside.into_iter();
            segments.extend(of_aside.map(|(run, range)| Segment {
                run,
                passage,
                range,
                is_copy: false,
            }));
        }
        let passages = drafts.into_iter().filter_map(|draft| match question {
            Some(question) => Some(draft.agent(Arc::clone(question))),
            None => draft.user(),
        });
        (passages.collect(), segments)
    }

    /// Takes in that a window up to this event has passed, without what is taken out of it. What is to be
    /// replaced in events that wait.
    pub(super) fn pass(
        &mut self,
        (passages, segments): (&[Passage], &[Segment]),
        to: u64,
        removals: &[Removal],
        settings: &Settings,
    ) -> Vec<Edit> {
        let most = if self.is_last { 0 } else { settings.kept_bytes };
        let mut edits = Vec::new();
        let mut judged: BTreeMap<Run, Judged> = BTreeMap::new();
        for Segment { run, passage, range, is_copy } in segments {
            let Some(text) = passages.get(*passage) else { continue };
            let removal = removals.iter().find(|removal| removal.passage == *passage);
            let words = removal.map_or("", |removal| removal.words.as_str());
            let mut gone = text.gone(removal.map_or(&[], |removal| removal.ranges.as_slice()));
            gone.retain(|gone| range.start <= gone.start && gone.end <= range.end);
            let earliest = text.boundary(range.end.saturating_sub(most).max(range.start));
            // What stands at the very end may go on: it is looked for once more with what follows.
            let goes_on = gone.pop_if(|last| last.end == range.end && last.start >= earliest);
            let behind = gone.last().map_or(earliest, |last| last.end.max(earliest));
            let kept = behind..range.end;
            let goes_on = Vec::from_iter(goes_on);
            let mut of_this = Judged {
                out: text.part_without(range.start..behind, &gone, words),
                kept_out: text.part_without(kept.clone(), &goes_on, words),
                kept: text.part(kept),
                owed: text.edits(&goes_on, words),
            };
            if *is_copy {
                // What it says is replaced where the other says it.
                of_this.kept = of_this.kept.as_said();
                of_this.owed.clear();
            } else {
                edits.extend(text.edits(&gone, words));
            }
            of_this.shorten(settings);
            judged.insert(*run, of_this);
        }
        for (run, before) in &mut self.judged {
            if !judged.contains_key(run) {
                edits.extend(before.let_go(settings));
            }
        }
        self.judged.extend(judged);
        self.judged_to = to + 1;
        let cleared = self.kept_from().unwrap_or(self.judged_to).min(self.judged_to);
        self.cleared = self.cleared.max(cleared);
        edits
    }

    /// Keeps nothing any more: nothing follows, or not for long. What is to be replaced in events that
    /// wait.
    pub(super) fn let_go(&mut self, settings: &Settings) -> Vec<Edit> {
        if self.outstanding {
            self.is_last = true;
            return Vec::new();
        }
        self.cleared = self.cleared.max(self.judged_to);
        self.judged.values_mut().flat_map(|judged| judged.let_go(settings)).collect()
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
