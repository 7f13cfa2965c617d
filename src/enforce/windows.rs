//! The windows of a stream: what each choice says, cut into stretches that are judged together.

use std::collections::{BTreeMap, VecDeque};

use crate::enforce::holdback::Settings;
use crate::enforce::redact::Removal;
use crate::enforce::track::{Sealed, Segment, Track};
use crate::policy::Hold;
use crate::transcript::Transcript;
use crate::wire::field::Piece;
use crate::wire::{Asked, Edit, Passage};

/// A stretch of a stream that is judged together. To be handed back with
/// [`Holdback::settle`](crate::enforce::Holdback::settle).
#[derive(Debug)]
pub struct Window {
    /// What is to be judged, and where it stands: one per channel.
    pub passages: Vec<Passage>,
    /// How many parts nobody here can read.
    pub unread: u64,
    /// The choice that says it; `None` for what is said outside the choices.
    pub choice: Option<u32>,
    segments: Vec<Segment>,
    /// The first and the last event it is made of.
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Window {
    /// What the guard is to read.
    pub fn transcripts(&self) -> Vec<Transcript> {
        self.passages.iter().flat_map(Passage::transcripts).collect()
    }
}

/// What becomes of a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// It may be released.
    Pass,
    /// It may be released without this.
    Redact(Vec<Removal>),
    /// Its choice ends here; outside the choices, the stream does.
    Cut,
}

/// Where choices, or the whole stream (`None`), were cut: from which event on.
pub(super) type Cuts = BTreeMap<Option<u32>, u64>;

/// All choices of a stream, and their windows that wait to be judged.
pub(super) struct Windows {
    settings: Settings,
    asked: Asked,
    tracks: BTreeMap<Option<u32>, Track>,
    due: VecDeque<Due>,
    /// What is to be replaced in events that wait, by choice.
    edits: Vec<(Option<u32>, Edit)>,
}

/// A window that waits for the one before it: what it repeats of that is known once it is settled.
struct Due {
    choice: Option<u32>,
    sealed: Sealed,
    /// Whether nothing of it is to be kept.
    is_last: bool,
}

/// How many bytes are waited for where a whole answer is held; beyond, it is judged in pieces.
const WHOLE_BYTES: u64 = 8 << 20;

impl Windows {
    pub(super) fn new(settings: Settings, asked: Asked) -> Self {
        Self { settings, asked, tracks: BTreeMap::new(), due: VecDeque::new(), edits: Vec::new() }
    }

    /// How many choices there are, what is outside them counted as one.
    pub(super) fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether a window that was opened with the first byte could wait on after this many.
    pub(super) fn is_patient(&self, taken_bytes: u64) -> bool {
        taken_bytes <= self.settings.patience_bytes as u64
    }

    /// Takes in what event `event` says of one choice, or outside them; `at` is how many bytes came
    /// before it. Whether there is anything to judge.
    pub(super) fn take(
        &mut self,
        choice: Option<u32>,
        (event, at): (u64, u64),
        pieces: &[Piece<'_>],
        unread: usize,
    ) -> bool {
        let track = self.tracks.entry(choice).or_default();
        track.begun.get_or_insert(event);
        let was_open = track.is_open();
        let judged = track.take(event, pieces, unread);
        if track.is_open() && !was_open {
            track.opened_at = at;
        }
        judged
    }

    /// Notes that an event says why a choice ended.
    pub(super) fn finish(&mut self, choice: Option<u32>, event: u64) {
        self.tracks.entry(choice).or_default().finished.get_or_insert(event);
    }

    /// Seals the windows that are full, at the end of their choice, or too old, now that `at` bytes
    /// have come. What is said outside the choices is judged whenever a choice is: it would keep it
    /// waiting. Then all choices are, since what is said outside may end them all.
    pub(super) fn seal_full(&mut self, at: u64, rest_too: bool) {
        let is_whole = self.settings.hold == Hold::Whole;
        let patience = self.settings.patience_bytes as u64;
        let patience = if is_whole { patience.max(WHOLE_BYTES) } else { patience };
        let (mut full, mut overdue) = (Vec::new(), Vec::new());
        for (choice, track) in &self.tracks {
            let is_last = track.finished.is_some()
                || (track.is_open() && at.saturating_sub(track.opened_at) > patience);
            let is_full = !is_whole && track.is_full(&self.settings);
            if track.is_open() && (is_last || is_full) {
                full.push((*choice, is_last));
            } else if is_last
                || track.keeps_since.is_some_and(|since| at.saturating_sub(since) > patience)
            {
                overdue.push(*choice);
            }
        }
        let rest_waits = self.tracks.get(&None).is_some_and(Track::is_open);
        if rest_waits && (rest_too || !full.is_empty()) {
            let all: Vec<Option<u32>> = self.tracks.keys().copied().collect();
            for choice in all {
                let is_last = full.contains(&(choice, true));
                self.seal(choice, at, is_last);
            }
        } else {
            full.into_iter().for_each(|(choice, is_last)| self.seal(choice, at, is_last));
        }
        overdue.into_iter().for_each(|choice| self.let_go(choice));
    }

    /// Seals all windows: nothing follows.
    pub(super) fn seal_all(&mut self) {
        let all: Vec<Option<u32>> = self.tracks.keys().copied().collect();
        for choice in all {
            self.seal(choice, 0, true);
            self.let_go(choice);
        }
    }

    fn seal(&mut self, choice: Option<u32>, at: u64, is_last: bool) {
        let Some(track) = self.tracks.get_mut(&choice) else { return };
        let Some(sealed) = track.seal().filter(|_| !track.forgotten) else { return };
        // What is said outside the choices goes on from nowhere.
        let is_last = is_last || choice.is_none() || self.settings.kept_bytes == 0;
        track.keeps_since = (!is_last).then_some(at);
        self.due.push_back(Due { choice, sealed, is_last });
    }

    /// Has nothing of a choice kept any longer.
    fn let_go(&mut self, choice: Option<u32>) {
        let Some(track) = self.tracks.get_mut(&choice) else { return };
        track.keeps_since = None;
        match self.due.iter_mut().rev().find(|due| due.choice == choice) {
            Some(due) => due.is_last = true,
            None => {
                let edits = track.let_go(&self.settings);
                self.edits.extend(edits.into_iter().map(|edit| (choice, edit)));
            }
        }
    }

    /// The next window to judge: of each choice one at a time.
    pub(super) fn next(&mut self) -> Option<Window> {
        let next = self
            .due
            .iter()
            .position(|due| !self.tracks.get(&due.choice).is_some_and(|track| track.outstanding))?;
        let Due { choice, sealed, is_last } = self.due.remove(next)?;
        let track = self.tracks.get_mut(&choice)?;
        track.outstanding = true;
        track.is_last = is_last;
        let (unread, to) = (sealed.unread, sealed.to);
        let from = track.kept_from().map_or(sealed.from, |kept| kept.min(sealed.from));
        let question = choice.map(|choice| self.asked.question(choice));
        let (passages, segments) = track.compose(sealed, question.as_ref());
        Some(Window { passages, unread, choice, segments, from, to })
    }

    /// Whether nothing waits to be judged.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Notes that a window came back.
    pub(super) fn settle(&mut self, window: &Window, ruling: &Ruling) {
        let Some(track) = self.tracks.get_mut(&window.choice) else { return };
        track.outstanding = false;
        let removals = match ruling {
            Ruling::Pass => &[],
            Ruling::Redact(removals) => removals.as_slice(),
            Ruling::Cut => return,
        };
        let judged = (window.passages.as_slice(), window.segments.as_slice());
        let edits = track.pass(judged, window.to, removals, &self.settings);
        self.edits.extend(edits.into_iter().map(|edit| (window.choice, edit)));
    }

    /// What is to be replaced in events that wait, each time once.
    pub(super) fn take_edits(&mut self) -> Vec<(Option<u32>, Edit)> {
        std::mem::take(&mut self.edits)
    }

    /// Whether what a choice says in this event has passed.
    pub(super) fn is_cleared(&self, choice: Option<u32>, event: u64) -> bool {
        self.tracks.get(&choice).is_some_and(|track| track.cleared > event)
    }

    /// Has nothing more of a choice judged. Its windows are cut on all the same, so that those of
    /// others stay where they are.
    pub(super) fn forget(&mut self, choice: Option<u32>) {
        self.due.retain(|due| due.choice != choice);
        self.tracks.entry(choice).or_default().forgotten = true;
    }

    /// Forgets the windows that begin behind this event.
    pub(super) fn truncate(&mut self, end: u64) {
        self.due.retain(|due| due.sealed.from <= end);
        for track in self.tracks.values_mut() {
            if track.open_from().is_some_and(|from| from > end) {
                track.discard();
            }
        }
    }

    /// The event with which cuts end the stream: where the whole was cut, or where every choice that
    /// has begun has ended, as many as were `wanted`, and one of them by a cut.
    pub(super) fn end_event(&self, cuts: &Cuts, wanted: usize) -> Option<u64> {
        let first_cut = *cuts.values().min()?;
        let choices = self.tracks.iter().filter(|(choice, _)| choice.is_some());
        let spans = choices.map(|(choice, track)| {
            let ends = [cuts.get(choice).copied(), track.finished];
            (track.begun.unwrap_or(0), ends.into_iter().flatten().min().unwrap_or(u64::MAX))
        });
        let spans: Vec<(u64, u64)> = spans.collect();
        let is_end = |event: u64| {
            let ended = spans.iter().filter(|(_, end)| *end <= event).count();
            let begun = spans.iter().filter(|(begun, _)| *begun <= event).count();
            event < u64::MAX && event >= first_cut && ended >= wanted && ended == begun
        };
        let ends = spans.iter().map(|(_, end)| *end).chain(cuts.values().copied());
        ends.filter(|end| is_end(*end)).chain(cuts.get(&None).copied()).min()
    }

    /// The choices that had begun and not ended before this event; the first, where none had begun.
    pub(super) fn open_choices(&self, event: u64, cuts: &Cuts) -> Vec<u32> {
        let before = |at: Option<u64>| at.is_some_and(|at| at < event);
        let begun = self.tracks.iter().filter_map(|(choice, track)| Some(((*choice)?, track)));
        let begun: Vec<(u32, &Track)> = begun.filter(|(_, track)| before(track.begun)).collect();
        if begun.is_empty() {
            return vec![0];
        }
        let open = begun.into_iter().filter(|(choice, track)| {
            !before(track.finished) && !before(cuts.get(&Some(*choice)).copied())
        });
        open.map(|(choice, _)| choice).collect()
    }
}
