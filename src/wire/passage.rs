//! What is to be judged, and where in the body it stands.
//!
//! A [`Passage`] is one text to be judged, put together from strings of a body: those of one channel, of
//! one message. It knows for each stretch of it the string it came from, so that whoever is pointed at
//! bytes of the text (a [`Span`](crate::verdict::Span), a sentence) can have them replaced in the body.
//! Three things are asked of it:
//!
//! * [`Passage::transcripts`]: what the guard reads; its further readings are the guard's business.
//! * [`Passage::units`]: what of the text can be replaced, in pieces of a [`Grain`].
//! * [`Passage::without`] and [`Passage::edits`]: the text, and the strings of the body, with words in the
//!   place of some ranges. The former is judged, the latter is what [`Request`](crate::wire::Request),
//!   [`Answer`](crate::wire::Answer) and a held-back stream are rewritten by.
//!
//! What cannot be replaced: keys, since they are structure; the structure of JSON spelled inside a string;
//! what a stream says outside its events' data; and what has been released already. Harm that only they
//! hold is still there when what remains is judged, and then it is blocked.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::transcript::{Grain, Transcript};
use crate::wire::field::Piece;
use crate::wire::nested::{Free, Kind, free_of};
use crate::wire::sentences::sentences;

/// Where a string stands in a body, exactly: a JSON pointer (RFC 6901). Unlike a
/// [`PartPath`](crate::wire::PartPath) it may hold keys that a client invented: not for logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Pointer(pub(crate) String);

impl Pointer {
    /// The way without the places in lists: the same for what goes on from one event to the next.
    pub(crate) fn without_numbers(&self) -> String {
        let is_number = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
        self.0.split('/').filter(|step| !is_number(step)).collect::<Vec<_>>().join("/")
    }
}

/// One text to be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passage {
    text: Arc<str>,
    /// What the text answers; `None` for a text from the user's side.
    question: Option<Arc<str>>,
    stretches: Vec<Stretch>,
}

/// What stands together in a text and comes from one string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stretch {
    /// Where in the text it begins.
    pub(crate) start: usize,
    pub(crate) from: Source,
    /// How much of the string's beginning is not part of it.
    pub(crate) skipped: usize,
    /// What of it may be replaced, counted from its beginning.
    pub(crate) free: Vec<Free>,
}

/// The string a stretch comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    /// Which event of a stream; 0 elsewhere.
    pub(crate) event: u64,
    pub(crate) place: Pointer,
    /// Where it stands in what its run has said so far, where its dialect repeats itself.
    pub(crate) said_at: Option<crate::wire::field::SaidAt>,
}

/// Words in the place of a stretch of a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    pub(crate) from: Source,
    /// Bytes of the string.
    pub(crate) range: Range<usize>,
    pub(crate) with: String,
}

impl Edit {
    /// Which event of a stream it is for.
    pub(crate) fn event(&self) -> u64 {
        self.from.event
    }
}

impl Passage {
    /// What the guard is to read.
    pub fn transcripts(&self) -> Vec<Transcript> {
        self.transcripts_of(&self.text)
    }

    /// The same of another text in the place of this one.
    pub fn transcripts_of(&self, text: &str) -> Vec<Transcript> {
        vec![match &self.question {
            Some(question) => Transcript::agent(Arc::clone(question), text),
            None => Transcript::user(text),
        }]
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What of the text can be replaced, in order, in pieces of this grain; for spans, in pieces inside
    /// which any range can be.
    pub fn units(&self, grain: Grain) -> Vec<Range<usize>> {
        let whole = self.areas().into_iter().map(|area| area.range);
        match grain {
            Grain::Span | Grain::Part => whole.collect(),
            Grain::Sentence => whole
                .flat_map(|area| {
                    let inside = sentences(self.text.get(area.clone()).unwrap_or_default());
                    inside
                        .into_iter()
                        .map(move |each| area.start + each.start..area.start + each.end)
                })
                .collect(),
        }
    }

    /// The text with `words` in the place of these ranges.
    pub fn without(&self, ranges: &[Range<usize>], words: &str) -> String {
        self.part_without(0..self.text.len(), ranges, words)
    }

    /// A part of the text, with `words` in the place of these ranges.
    pub(crate) fn part_without(
        &self,
        part: Range<usize>,
        ranges: &[Range<usize>],
        words: &str,
    ) -> String {
        let mut text = String::with_capacity(part.len());
        let mut done = part.start;
        for cut in self.cuts(ranges, words) {
            if part.start <= cut.range.start && cut.range.end <= part.end {
                text.push_str(self.text.get(done..cut.range.start).unwrap_or_default());
                text.push_str(&cut.with);
                done = cut.range.end;
            }
        }
        text.push_str(self.text.get(done..part.end).unwrap_or_default());
        text
    }

    /// What goes where these ranges are to go: no less, and what belongs to it.
    pub(crate) fn gone(&self, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
        self.cuts(ranges, "").into_iter().map(|cut| cut.range).collect()
    }

    /// The first place from here on where the text can be cut.
    pub(crate) fn boundary(&self, at: usize) -> usize {
        (at..self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.text.len())
    }

    /// A part of the text with where it stands, to be judged once more with what follows it.
    pub(crate) fn part(&self, part: Range<usize>) -> Draft {
        let within = self.stretches.iter().filter(|stretch| stretch.start < part.end);
        let stretches = within.filter_map(|stretch| {
            let skipped = part.start.saturating_sub(stretch.start);
            let free: Vec<Free> =
                stretch.free.iter().filter_map(|free| free.behind(skipped)).collect();
            (!free.is_empty()).then(|| Stretch {
                start: (stretch.start + skipped) - part.start,
                from: stretch.from.clone(),
                skipped: stretch.skipped + skipped,
                free,
            })
        });
        let stretches = stretches.collect();
        Draft { text: self.text.get(part).unwrap_or_default().to_owned(), stretches }
    }

    /// What is to be replaced in the body, so that `words` stand in the place of these ranges. What
    /// several strings say together is replaced in the first of them, and taken out of the others.
    pub fn edits(&self, ranges: &[Range<usize>], words: &str) -> Vec<Edit> {
        let mut edits = Vec::new();
        for Cut { range, with } in self.cuts(ranges, words) {
            let mut with = Some(with);
            for (stretch, end) in self.stretches_to_their_ends() {
                let (from, to) = (range.start.max(stretch.start), range.end.min(end));
                if from < to {
                    edits.push(Edit {
                        from: stretch.from.clone(),
                        range: stretch.skipped + from - stretch.start
                            ..stretch.skipped + to - stretch.start,
                        with: with.take().unwrap_or_default(),
                    });
                }
            }
        }
        edits
    }

    /// The stretches, each with where it ends at the latest.
    fn stretches_to_their_ends(&self) -> impl Iterator<Item = (&Stretch, usize)> {
        self.stretches.iter().map(|stretch| {
            (
                stretch,
                stretch.free.last().map_or(stretch.start, |last| stretch.start + last.range.end),
            )
        })
    }

    /// What can be replaced; what goes on from one string to the next is one area.
    fn areas(&self) -> Vec<Free> {
        let mut areas: Vec<Free> = Vec::new();
        for stretch in &self.stretches {
            let shifted =
                |range: &Range<usize>| stretch.start + range.start..stretch.start + range.end;
            for free in &stretch.free {
                let range = shifted(&free.range);
                let kind = match &free.kind {
                    Kind::Quoted(escapes) => Kind::Quoted(escapes.iter().map(shifted).collect()),
                    kind => kind.clone(),
                };
                match (areas.last_mut(), kind) {
                    (Some(Free { range: last, kind: Kind::Plain }), Kind::Plain)
                        if last.end == range.start =>
                    {
                        last.end = range.end;
                    }
                    (
                        Some(Free { range: last, kind: Kind::Quoted(before) }),
                        Kind::Quoted(escapes),
                    ) if last.end == range.start => {
                        last.end = range.end;
                        before.extend(escapes);
                    }
                    (_, kind) => areas.push(Free { range, kind }),
                }
            }
        }
        areas.retain(|area| !area.range.is_empty());
        areas
    }

    /// What is replaced by what, in order, so that nothing overlaps and nothing is cut in two that
    /// belongs together.
    fn cuts(&self, ranges: &[Range<usize>], words: &str) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for Free { range: area, kind } in self.areas() {
            let mut inside: Vec<Range<usize>> = Vec::new();
            for range in ranges {
                let clipped = range.start.max(area.start)..range.end.min(area.end);
                if clipped.start < clipped.end {
                    inside.push(self.widened(clipped, &area, &kind));
                }
            }
            inside.sort_by_key(|range| range.start);
            let mut merged: Vec<Range<usize>> = Vec::new();
            for range in inside {
                match merged.last_mut() {
                    Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                    _ => merged.push(range),
                }
            }
            cuts.extend(merged.into_iter().map(|range| Cut { range, with: kind.spelled(words) }));
        }
        cuts
    }

    fn widened(&self, range: Range<usize>, area: &Range<usize>, kind: &Kind) -> Range<usize> {
        let Range { mut start, mut end } = range;
        match kind {
            Kind::Bare => return area.clone(),
            Kind::Plain => {}
            Kind::Quoted(escapes) => {
                for escape in escapes {
                    if escape.start < start && start < escape.end {
                        start = escape.start;
                    }
                    if escape.start < end && end < escape.end {
                        end = escape.end;
                    }
                }
            }
        }
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

/// Words in the place of a range of a text.
struct Cut {
    range: Range<usize>,
    with: String,
}

impl Kind {
    /// How words are spelled in the place of something of this kind.
    fn spelled(&self, words: &str) -> String {
        let quoted = || Value::from(words).to_string();
        match self {
            Self::Plain => words.to_owned(),
            Self::Bare => quoted(),
            Self::Quoted(_) => {
                let quoted = quoted();
                let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                inside.unwrap_or_default().to_owned()
            }
        }
    }
}

/// A passage while it is put together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Draft {
    text: String,
    stretches: Vec<Stretch>,
}

impl Draft {
    /// A text that cannot be replaced any more.
    pub(crate) fn said(text: String) -> Self {
        Self { text, stretches: Vec::new() }
    }

    /// The text alone, which cannot be replaced.
    pub(crate) fn as_said(&self) -> Self {
        Self::said(self.text.clone())
    }

    /// Adds what goes on from here.
    pub(crate) fn append(&mut self, other: Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        let others = other.stretches.into_iter();
        self.stretches.extend(others.map(|each| Stretch { start: each.start + shift, ..each }));
    }

    /// Adds text that stands in no string.
    pub(crate) fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The first event of which something can be replaced.
    pub(crate) fn first_event(&self) -> Option<u64> {
        self.stretches.iter().map(|stretch| stretch.from.event).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a whole string, behind `joint` where it is not the first.
    pub(crate) fn add(&mut self, piece: &Piece<'_>, joint: &str) {
        if !self.text.is_empty() {
            self.text.push_str(joint);
        }
        self.go_on(piece, 0, || free_of(&piece.text));
    }

    /// Adds what stands in one event of a stream.
    pub(crate) fn go_on(
        &mut self,
        piece: &Piece<'_>,
        event: u64,
        free: impl FnOnce() -> Vec<Free>,
    ) {
        if let Some(place) = &piece.place {
            let from = Source { event, place: place.clone(), said_at: piece.said_at };
            let start = self.text.len();
            self.stretches.push(Stretch { start, from, skipped: 0, free: free() });
        }
        self.text.push_str(&piece.text);
    }

    /// The passage, from the user's side; none where nothing was said.
    pub(crate) fn user(self) -> Option<Passage> {
        let Self { text, stretches } = self;
        (!text.is_empty()).then(|| Passage { text: text.into(), question: None, stretches })
    }

    /// The passage, as an answer.
    pub(crate) fn agent(self, question: Arc<str>) -> Passage {
        let Self { text, stretches } = self;
        Passage { text: text.into(), question: Some(question), stretches }
    }
}
