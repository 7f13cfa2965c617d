//! The windows of a stream: what each choice says, cut into stretches that are judged together.

use std::collections::{BTreeMap, VecDeque};

use crate::enforce::holdback::Settings;
use crate::enforce::track::Track;
use crate::transcript::Transcript;
use crate::wire::Asked;
use crate::wire::field::Piece;

/// A stretch of a stream that is judged together. To be handed back with
/// [`Holdback::settle`](crate::enforce::Holdback::settle).
#[derive(Debug)]
pub struct Window {
    /// What is to be judged: one per channel.
    pub transcripts: Vec<Transcript>,
    /// How many parts nobody here can read.
    pub unread: u64,
    /// The choice that says it; `None` for what is said outside the choices.
    pub choice: Option<u32>,
    /// The first and the last event it is made of.
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What becomes of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// It may be released.
    Pass,
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
    due: VecDeque<Window>,
}

impl Windows {
    pub(super) fn new(settings: Settings, asked: Asked) -> Self {
        Self { settings, asked, tracks: BTreeMap::new(), due: VecDeque::new() }
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
        let patience = self.settings.patience_bytes as u64;
        let open = self.tracks.iter().filter(|(_, track)| track.is_open());
        let full = open.filter(|(_, track)| {
            track.is_full(&self.settings)
                || track.finished.is_some()
                || at.saturating_sub(track.opened_at) > patience
        });
        let full: Vec<Option<u32>> = full.map(|(choice, _)| *choice).collect();
        let rest_waits = self.tracks.get(&None).is_some_and(Track::is_open);
        if rest_waits && (rest_too || !full.is_empty()) {
            self.seal_all();
        } else {
            full.into_iter().for_each(|choice| self.seal(choice));
        }
    }

    /// Seals all windows.
    pub(super) fn seal_all(&mut self) {
        let all: Vec<Option<u32>> = self.tracks.keys().copied().collect();
        all.into_iter().for_each(|choice| self.seal(choice));
    }

    fn seal(&mut self, choice: Option<u32>) {
        let Some(track) = self.tracks.get_mut(&choice) else { return };
        let sealed = track.seal(&self.settings);
        let Some(sealed) = sealed.filter(|_| !track.forgotten) else { return };
        let transcripts = sealed.texts.into_iter().map(|text| match choice {
            Some(choice) => Transcript::agent(self.asked.question(choice), text),
            None => Transcript::user(text),
        });
        self.due.push_back(Window {
            transcripts: transcripts.collect(),
            unread: sealed.unread,
            choice,
            from: sealed.from,
            to: sealed.to,
        });
    }

    /// The next window to judge: of each choice one at a time.
    pub(super) fn next(&mut self) -> Option<Window> {
        let next = self.due.iter().position(|window| {
            !self.tracks.get(&window.choice).is_some_and(|track| track.outstanding)
        })?;
        let window = self.due.remove(next)?;
        if let Some(track) = self.tracks.get_mut(&window.choice) {
            track.outstanding = true;
        }
        Some(window)
    }

    /// Whether nothing waits to be judged.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Notes that a window came back.
    pub(super) fn settle(&mut self, window: &Window, ruling: Ruling) {
        let Some(track) = self.tracks.get_mut(&window.choice) else { return };
        track.outstanding = false;
        if ruling == Ruling::Pass {
            track.cleared = track.cleared.max(window.to + 1);
        }
    }

    /// Whether what a choice says in this event has passed.
    pub(super) fn is_cleared(&self, choice: Option<u32>, event: u64) -> bool {
        self.tracks.get(&choice).is_some_and(|track| track.cleared > event)
    }

    /// Has nothing more of a choice judged. Its windows are cut on all the same, so that those of
    /// others stay where they are.
    pub(super) fn forget(&mut self, choice: Option<u32>) {
        self.due.retain(|window| window.choice != choice);
        self.tracks.entry(choice).or_default().forgotten = true;
    }

    /// Forgets the windows that begin behind this event.
    pub(super) fn truncate(&mut self, end: u64) {
        self.due.retain(|window| window.from <= end);
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
