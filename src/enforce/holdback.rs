//! Holds a stream back until what it says is judged.
//!
//! Events wait in one queue and leave it in order. What they say is gathered per choice (and once
//! for everything outside the choices) into windows; an event leaves when every window it is part of
//! has passed. Where a window is cut depends on the events alone, never on how their bytes arrived or
//! on how fast the guard is: the same stream gives the same windows, and so the same answer.
//!
//! A window that does not pass ends its choice: from the window's first event on, what belongs to
//! the choice vanishes, and one chunk with `finish_reason: "content_filter"` stands in its place.
//! Other choices go on. (Other dialects than chat have other words for both, see
//! [`Frame`].) Once every choice has ended, and one of them by us, the stream ends
//! there with `[DONE]`; what the upstream would still send, a count of tokens say, is not waited for.
//!
//! A window may pass without some of what it says: its events are written anew then. From there on nothing
//! of the choice goes out that would tell what is gone once more: probabilities of tokens, sources, and in
//! dialects that repeat themselves the text itself. Where somebody points at bytes, the end of each window
//! waits for the next ([`Settings::kept_bytes`]), so that what a window cuts in two is seen whole before
//! its first half leaves.
//!
//! Bounds: an event has at most [`Settings::max_event_bytes`], or the stream is at fault. When more
//! than [`Settings::patience_bytes`] have come since a window was opened it is judged as it is. So
//! whoever settles what is due before pushing on holds no more than that, an event and a push; where ends
//! of windows are kept, as much again, and the windows they are the end of.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use thiserror::Error;

use crate::enforce::held::{Held, Kind};
use crate::enforce::windows::{Cuts, Ruling, Window, Windows};
use crate::policy::Hold;
use crate::wire::delta;
use crate::wire::field::Piece;
use crate::wire::json;
use crate::wire::sse;
use crate::wire::{Asked, Dialect, Edit, Farewell, Frame, Ledger, Repeats};

/// How much is held back, and how it is cut into windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// From this length on, a window ends with a sentence.
    pub min_chars: usize,
    /// At this length a window ends anywhere.
    pub max_chars: usize,
    /// How much of what was judged before is judged once more before the new text.
    pub overlap_chars: usize,
    /// How many bytes of the end of a window's texts wait for what follows: as many as may be pointed at
    /// together. None where nobody points.
    pub kept_bytes: usize,
    /// Up to this length an answer is judged from its beginning, every time with what is new: for guards
    /// to which that costs no more than the new. None for others.
    pub recall_chars: usize,
    /// How many bytes may come after the first of a window before it is judged as it is.
    pub patience_bytes: usize,
    /// How long one event may be.
    pub max_event_bytes: usize,
    /// Until when events wait.
    pub hold: Hold,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_chars: 120,
            max_chars: 400,
            overlap_chars: 160,
            kept_bytes: 0,
            recall_chars: 0,
            patience_bytes: 512 << 10,
            max_event_bytes: 1 << 20,
            hold: Hold::Window,
        }
    }
}

/// Why a stream cannot go on. What is held back then stays held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum StreamFault {
    /// Its events cannot be read.
    #[error(transparent)]
    Events(#[from] sse::Fault),
    /// The data of an event is not JSON with one reading.
    #[error("an event of the stream is refused: {0}")]
    Json(#[from] json::Fault),
    /// It has more choices than anybody may ask for.
    #[error("the stream has more than {MAX_CHOICES} choices")]
    TooManyChoices,
}

/// The most choices a request may ask for.
const MAX_CHOICES: usize = 128;

/// What an event costs in memory beyond its bytes.
const EVENT_COST: usize = 96;

/// The machine. Bytes of the upstream in, bytes for the client out, windows to judge in between.
///
/// ```
/// use wardgate::enforce::{Holdback, Ruling, holdback::Settings};
/// use wardgate::wire::{Asked, Dialect};
///
/// let asked = Asked::new(Dialect::Chat, "How are you?", 1);
/// let mut hold = Holdback::new(Settings::default(), asked);
/// let upstream = "data: {\"choices\":[{\"delta\":{\"content\":\"Fine.\"}}]}\n\ndata: [DONE]\n\n";
/// hold.push(upstream.as_bytes())?;
/// assert!(hold.released().is_empty(), "nobody has judged it yet");
/// while let Some(window) = hold.due() {
///     let harmless = window.transcripts().iter().all(|each| &*each.judged().text == "Fine.");
///     hold.settle(window, if harmless { Ruling::Pass } else { Ruling::Cut });
/// }
/// assert_eq!(hold.released(), upstream);
/// assert!(hold.ended());
/// # Ok::<(), wardgate::enforce::StreamFault>(())
/// ```
pub struct Holdback {
    dialect: Dialect,
    choices: usize,
    reader: sse::Reader,
    /// Noted from the first chunk with choices; and which event that was.
    frame: Frame,
    noted: Option<u64>,
    /// Where the dialect says the same several times.
    repeats: Option<Repeats>,
    /// What was taken out of what may be said again.
    ledger: Ledger,
    /// From which event on a choice may not tell more than its text.
    untold: BTreeMap<u32, u64>,
    queue: VecDeque<Held>,
    /// The number of the event at the front of the queue.
    front: u64,
    taken_bytes: u64,
    /// How many bytes wait.
    waiting: u64,
    windows: Windows,
    cuts: Cuts,
    /// How choices end that are cut.
    farewells: BTreeMap<Option<u32>, Farewell>,
    /// The event with which the stream ends, where it is us who end it.
    end_event: Option<u64>,
    insert_first: Option<Bytes>,
    insert_last: Option<Bytes>,
    /// Nothing more is taken in: `[DONE]`, the end of the upstream, a fault, or our own end.
    closed: bool,
    /// The last event has been released.
    done: bool,
}

impl Holdback {
    /// A hold-back for the answer to what was asked.
    pub fn new(settings: Settings, asked: Asked) -> Self {
        Self {
            dialect: asked.dialect(),
            choices: asked.choices() as usize,
            reader: sse::Reader::new(settings.max_event_bytes),
            frame: Frame::of(asked.dialect()),
            noted: None,
            repeats: Repeats::of(asked.dialect()),
            ledger: Ledger::default(),
            untold: BTreeMap::new(),
            windows: Windows::new(settings, asked),
            queue: VecDeque::new(),
            front: 0,
            taken_bytes: 0,
            waiting: 0,
            cuts: Cuts::new(),
            farewells: BTreeMap::new(),
            end_event: None,
            insert_first: None,
            insert_last: None,
            closed: false,
            done: false,
        }
    }

    /// Gives bytes of ours to be released before anything else.
    pub fn insert_first(&mut self, bytes: Bytes) {
        self.insert_first = Some(bytes);
    }

    /// Gives bytes of ours to be released before the last event (`[DONE]`, say), or at the end where
    /// there is none.
    pub fn insert_last(&mut self, bytes: Bytes) {
        self.insert_last = Some(bytes);
    }

    /// What our own events have in common with the upstream's.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Takes the next bytes of the upstream. Once the stream is closed they are ignored.
    ///
    /// # Errors
    ///
    /// The stream cannot be read on; nothing more of it will be judged or released.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamFault> {
        if self.closed {
            return Ok(());
        }
        self.reader.push(bytes);
        let taken = self.take_events();
        self.closed |= taken.is_err();
        taken
    }

    /// Notes that the upstream has ended. An event it has left unfinished is dropped.
    ///
    /// # Errors
    ///
    /// As for [`Holdback::push`].
    pub fn end(&mut self) -> Result<(), StreamFault> {
        if self.closed {
            return Ok(());
        }
        self.reader.finish();
        let taken = self.take_events();
        if taken.is_ok() {
            self.windows.seal_all();
        }
        self.closed = true;
        taken
    }

    /// The next window to judge, if there is one: of each choice one at a time.
    pub fn due(&mut self) -> Option<Window> {
        self.windows.next()
    }

    /// Says how a choice is to end if it is cut; without it, it ends in silence.
    pub fn end_with(&mut self, choice: Option<u32>, farewell: Farewell) {
        self.farewells.insert(choice, farewell);
    }

    /// Says what becomes of a window.
    pub fn settle(&mut self, window: Window, ruling: Ruling) {
        self.windows.settle(&window, &ruling);
        let is_past = self.end_event.is_some_and(|end| window.from > end);
        if ruling == Ruling::Cut && !is_past {
            // Its first event may be gone already, with a choice that was cut.
            let from = window.from.max(self.front);
            let farewell = self.farewells.get(&window.choice).cloned().unwrap_or_default();
            if farewell.ends_all() {
                self.farewells.insert(None, farewell);
                self.cut(None, from);
            } else {
                self.cut(window.choice, from);
            }
        }
    }

    /// Notes in events that wait what is to be replaced in them.
    fn replace(&mut self) {
        for (choice, edit) in self.windows.take_edits() {
            let event = edit.event();
            let is_noted = self.ledger.note(&edit);
            if let Some(choice) = choice {
                let since = self.untold.entry(choice).or_insert(event);
                *since = event.min(*since);
            }
            let place = event.checked_sub(self.front).and_then(|at| usize::try_from(at).ok());
            match place.map(|place| self.queue.get_mut(place)) {
                Some(Some(held)) if is_noted => held.edits.push(edit),
                // It is behind the end of the stream.
                Some(None) => {}
                // What cannot be taken out ends its choice.
                _ => self.cut(choice, event.max(self.front)),
            }
        }
    }

    /// Writes an event anew, as far as something in it is to be replaced.
    fn write(&self, event: u64, held: &mut Held) {
        let again = held.copies.iter().flat_map(|copy| self.ledger.edits(copy));
        let again: Vec<Edit> = again.collect();
        held.edits.extend(again);
        let (untold, single) = (&self.untold, self.choices == 1);
        held.write(self.dialect, |choice| {
            let since = untold.get(if single { &0 } else { &choice });
            since.is_none_or(|since| event < *since)
        });
    }

    /// What may go to the client now.
    pub fn released(&mut self) -> Bytes {
        self.replace();
        let mut out = Vec::new();
        while self.queue.front().is_some_and(|held| self.is_cleared(held)) {
            let Some(mut held) = self.queue.pop_front() else { break };
            let event = self.front;
            self.waiting = self.waiting.saturating_sub(held.cost);
            self.write(event, &mut held);
            self.front += 1;
            out.extend(self.insert_first.take());
            let closing = match held.kind {
                Kind::ClosingAll if self.fails() => vec![0],
                Kind::ClosingAll => self.windows.open_choices(event, &self.cuts),
                Kind::Event | Kind::Done | Kind::OurEnd => held.closing,
            };
            out.extend(closing.into_iter().map(|choice| self.closing(event, choice)));
            if matches!(held.kind, Kind::Done | Kind::OurEnd) {
                out.extend(self.insert_last.take().filter(|_| !self.fails()));
                self.done = true;
            }
            // Nobody reads on behind an error.
            if held.kind == Kind::OurEnd && !self.fails() {
                out.push(self.frame.done());
            }
            if !held.raw.is_empty() {
                if let Some(chunk) = &held.chunk {
                    self.frame.pass(chunk);
                }
                out.push(held.raw);
            }
        }
        if self.closed && self.queue.is_empty() && self.windows.is_empty() {
            out.extend(self.insert_last.take());
        }
        joined(out)
    }

    /// Whether the stream has only begun: little has come, and more will. Whoever would rather answer
    /// otherwise than let go what says nothing can still wait.
    pub fn is_young(&self) -> bool {
        !self.closed && self.windows.is_patient(self.taken_bytes)
    }

    /// Whether nothing more is taken in.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many bytes wait, events counted for what they cost.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether everything has been released that ever will be.
    pub fn ended(&self) -> bool {
        self.done || (self.closed && self.queue.is_empty())
    }

    fn closing(&mut self, event: u64, choice: u32) -> Bytes {
        if self.noted.is_none_or(|noted| noted > event) {
            // What was noted has not come yet, and will not.
            self.frame = Frame::of(self.dialect);
        }
        let farewell = self.farewells.get(&Some(choice)).filter(|_| !self.fails());
        let farewell = farewell.or_else(|| self.farewells.get(&None)).cloned().unwrap_or_default();
        self.frame.closing(choice, &farewell)
    }

    /// Whether the whole ends with an error.
    fn fails(&self) -> bool {
        self.farewells.get(&None).is_some_and(Farewell::ends_all)
    }

    fn take_events(&mut self) -> Result<(), StreamFault> {
        while !self.closed {
            let Some(event) = self.reader.next_event()? else { break };
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: sse::Event) -> Result<(), StreamFault> {
        let said = event.data.as_deref().map(str::trim);
        let mut is_done = said == Some("[DONE]");
        if !event.complete && !is_done {
            return Ok(());
        }
        let number = self.front + self.queue.len() as u64;
        let mut held = Held::new(sse::one_reading(&event.raw), Kind::Event);
        let aside: Vec<Piece<'_>> = event.aside.iter().map(|text| Piece::other(text)).collect();
        self.note(None, number, &aside, 0, &mut held)?;
        let mut seal_rest = false;
        if let Some(data) = said.filter(|_| !is_done) {
            let value = json::parse_str(data)?;
            let ends = self.take_chunk(number, &value, &mut held)?;
            seal_rest = ends != Ends::Nothing;
            is_done = ends == Ends::Stream;
            let choices = held.mentions.iter().filter(|(choice, _)| choice.is_some());
            if choices.count() > 1 || self.frame.follows() {
                held.chunk = Some(value);
            }
        }
        if is_done {
            held.kind = Kind::Done;
        }
        for cut in self.cuts.keys() {
            held.without(*cut);
        }
        held.cost = (event.raw.len() + EVENT_COST) as u64;
        self.taken_bytes += held.cost;
        self.waiting += held.cost;
        self.queue.push_back(held);
        if is_done {
            self.windows.seal_all();
            self.closed = true;
        } else {
            self.windows.seal_full(self.taken_bytes, seal_rest);
        }
        self.conclude();
        Ok(())
    }

    /// What the chunk ends: what waits is to be judged at once then.
    fn take_chunk(
        &mut self,
        number: u64,
        value: &Value,
        held: &mut Held,
    ) -> Result<Ends, StreamFault> {
        let mut chunk = delta::read(self.dialect, value);
        if let Some(repeats) = &mut self.repeats {
            held.copies = repeats.take_out(value, &mut chunk);
        }
        if self.noted.is_none() && !chunk.choices.is_empty() {
            self.frame.note(value);
            self.noted = Some(number);
        }
        self.note(None, number, &chunk.rest.pieces, chunk.rest.unread.len(), held)?;
        for choice in &chunk.choices {
            // Who asked for one choice may not look at its number at all.
            let index = Some(if self.choices == 1 { 0 } else { choice.index });
            let found = &choice.found;
            self.note(index, number, &found.pieces, found.unread.len(), held)?;
            if choice.finished {
                self.windows.finish(index, number);
            }
        }
        let something = chunk.is_error || chunk.choices.iter().any(|choice| choice.finished);
        Ok(match (chunk.is_last, something) {
            (true, _) => Ends::Stream,
            (false, true) => Ends::Something,
            (false, false) => Ends::Nothing,
        })
    }

    /// Takes in what an event says of one choice, or outside them.
    fn note(
        &mut self,
        choice: Option<u32>,
        number: u64,
        pieces: &[Piece<'_>],
        unread: usize,
        held: &mut Held,
    ) -> Result<(), StreamFault> {
        if choice.is_none() && pieces.is_empty() && unread == 0 {
            return Ok(());
        }
        let at = self.taken_bytes;
        let judged = self.windows.take(choice, (number, at), pieces, unread);
        match held.mentions.iter_mut().find(|(mentioned, _)| *mentioned == choice) {
            Some((_, judges)) => *judges |= judged,
            None => held.mentions.push((choice, judged)),
        }
        if self.windows.len() > MAX_CHOICES + 1 {
            return Err(StreamFault::TooManyChoices);
        }
        Ok(())
    }

    fn cut(&mut self, choice: Option<u32>, from: u64) {
        let earlier =
            |cut: &Option<u32>| self.cuts.get(cut).is_some_and(|earlier| *earlier <= from);
        if earlier(&choice) || earlier(&None) {
            return;
        }
        self.cuts.insert(choice, from);
        self.windows.forget(choice);
        let Ok(first) = usize::try_from(from - self.front) else { return };
        match choice {
            Some(_) => self.queue.iter_mut().skip(first).for_each(|held| held.without(choice)),
            None => self.truncate(from),
        }
        if first >= self.queue.len() {
            self.queue.push_back(Held::new(Bytes::new(), Kind::Event));
        }
        if let Some(held) = self.queue.get_mut(first) {
            match choice {
                Some(choice) => {
                    held.closing.push(choice);
                    held.closing.sort_unstable();
                }
                None => *held = Held::new(Bytes::new(), Kind::ClosingAll),
            }
        }
        self.conclude();
    }

    /// Ends the stream once every choice has ended, if one of them was cut.
    fn conclude(&mut self) {
        if self.cuts.is_empty() {
            return;
        }
        let Some(end) = self.windows.end_event(&self.cuts, self.choices) else { return };
        self.end_event = Some(end);
        self.truncate(end);
        self.windows.seal_all();
        self.closed = true;
        self.queue.push_back(Held::new(Bytes::new(), Kind::OurEnd));
    }

    /// Forgets all events behind `end`, and what they say.
    fn truncate(&mut self, end: u64) {
        while self.front + self.queue.len() as u64 > end + 1 {
            let dropped = self.queue.pop_back().map_or(0, |held| held.cost);
            self.waiting = self.waiting.saturating_sub(dropped);
        }
        self.windows.truncate(end);
    }

    fn is_cleared(&self, held: &Held) -> bool {
        let judged = held.mentions.iter().filter(|(_, judged)| *judged);
        judged.map(|(choice, _)| *choice).all(|choice| self.windows.is_cleared(choice, self.front))
    }
}

/// What a chunk ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Nothing,
    /// A choice, or it tells of an error.
    Something,
    Stream,
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

#[cfg(test)]
mod tests;
