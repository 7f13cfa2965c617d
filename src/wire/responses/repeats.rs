//! Tells the copies of a text that a stream sends from texts that have not been judged yet.
//!
//! A copy says on a channel exactly what has gone before it, in the same order: a response the whole of
//! the stream so far, an item what has been said since it began, a part the same; and it says so of the
//! item and the part that are at hand. Fields that nothing goes on from, and calls of tools, may also
//! repeat an earlier event. Then all of it has been judged with what stood around it, and it is
//! judged no second time. It waits for its turn all the same: events leave in order, and none leaves
//! behind a cut. What was taken out of the text is taken out of its copies: a [`Ledger`] knows where in
//! what a run has said.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wire::delta::Chunk;
use crate::wire::dialect::Dialect;
use crate::wire::field::{Channel, SaidAt};
use crate::wire::passage::{Edit, Pointer, Source};

/// How many runs and events are remembered; what repeats others is judged again.
const MAX_KEPT: usize = 1024;

/// How often something may be taken out of a stream that repeats itself.
const MAX_TAKEN: usize = 16 << 10;

/// One channel of an answer, and one tool call of it.
type Run = (Channel, u64);

/// What a stream has said so far, as digests.
#[derive(Default)]
pub(crate) struct Repeats {
    runs: HashMap<Run, Said>,
    /// What single events have said, and where.
    events: HashMap<(Run, [u8; 32]), u64>,
    /// The numbers of the item and the part that are at hand.
    item: Option<u64>,
    part: Option<u64>,
}

/// Everything one run has said: how many bytes, and digests of what it has said since it began, since its
/// item did and since its part did, each with where that was.
#[derive(Default)]
struct Said {
    bytes: u64,
    since: [(Sha256, u64); 3],
}

/// A string of an event that repeats what its run has said before.
pub(crate) struct Copy {
    place: Pointer,
    said: SaidAt,
    bytes: u64,
}

/// What was taken out of what may be said again.
#[derive(Default)]
pub(crate) struct Ledger {
    taken: HashMap<Run, Vec<Taken>>,
    count: usize,
}

struct Taken {
    from: u64,
    to: u64,
    with: String,
}

impl Ledger {
    /// Notes what is taken out of a text that may be repeated. Whether there is room for it.
    pub(crate) fn note(&mut self, edit: &Edit) -> bool {
        let Some(SaidAt { run, at }) = edit.from.said_at else { return true };
        let (from, to) = (at + edit.range.start as u64, at + edit.range.end as u64);
        self.count += 1;
        if self.count <= MAX_TAKEN {
            self.taken.entry(run).or_default().push(Taken { from, to, with: edit.with.clone() });
        }
        self.count <= MAX_TAKEN
    }

    /// What is to be taken out of a copy.
    pub(crate) fn edits(&self, copy: &Copy) -> Vec<Edit> {
        let SaidAt { run, at } = copy.said;
        let end = at + copy.bytes;
        let taken = self.taken.get(&run).into_iter().flatten();
        let within = taken.filter(|taken| taken.from < end && at < taken.to);
        let byte = |of_run: u64| usize::try_from(of_run.clamp(at, end) - at).unwrap_or(usize::MAX);
        let edit = |taken: &Taken| Edit {
            from: Source { event: 0, place: copy.place.clone(), said_at: None },
            range: byte(taken.from)..byte(taken.to),
            with: taken.with.clone(),
        };
        within.map(edit).collect()
    }
}

/// Which digest of a run never begins anew, which does with an item, and which with a part.
const WHOLE: usize = 0;
const ITEM: usize = 1;
const PART: usize = 2;

impl Repeats {
    /// A memory for a dialect whose streams repeat themselves.
    pub(crate) fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::Chat | Dialect::Completions | Dialect::Embeddings | Dialect::Messages => None,
            Dialect::Responses => Some(Self::default()),
        }
    }

    /// Takes out of a chunk what only repeats what has been said before, and says where it stands.
    pub(crate) fn take_out(&mut self, event: &Value, chunk: &mut Chunk<'_>) -> Vec<Copy> {
        let mut copies = Vec::new();
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let number = |field: &str| event.get(field).and_then(Value::as_u64);
        let item = number("output_index");
        let part = number("content_index").or(number("summary_index"));
        match kind {
            "response.output_item.added" => {
                (self.item, self.part) = (item, None);
                self.begin(ITEM);
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                self.part = part;
                self.begin(PART);
            }
            _ => {}
        }
        // What adds something is no copy, whatever it says.
        let goes_on = kind.ends_with(".delta") || kind.ends_with(".added");
        let since: &[usize] = match (item, part) {
            (None, None) => &[WHOLE],
            (Some(_), None) if item == self.item => &[ITEM, PART],
            (Some(_), Some(_)) if item == self.item && part == self.part => &[PART],
            _ => &[],
        };
        for choice in &mut chunk.choices {
            let mut texts: BTreeMap<Run, String> = BTreeMap::new();
            for piece in &choice.found.pieces {
                let text = texts.entry((piece.channel, piece.slot)).or_default();
                if matches!(piece.channel, Channel::Other | Channel::Key) {
                    // Its pieces may be cut in one way only, or they would not stand where they did.
                    text.push_str(&format!("{}:", piece.text.len()));
                }
                text.push_str(&piece.text);
            }
            let mut known: BTreeMap<Run, u64> = BTreeMap::new();
            for (run, text) in texts.into_iter().filter(|_| !goes_on) {
                known.extend(self.knows(run, &text, since).map(|at| (run, at)));
            }
            choice.found.pieces.retain(|piece| {
                let run = (piece.channel, piece.slot);
                let Some(at) = known.get_mut(&run) else { return true };
                let (said, bytes) = (SaidAt { run, at: *at }, piece.text.len() as u64);
                *at += bytes;
                copies.extend(piece.place.clone().map(|place| Copy { place, said, bytes }));
                false
            });
            for piece in &mut choice.found.pieces {
                piece.said_at = self.says((piece.channel, piece.slot), &piece.text);
            }
        }
        if kind == "response.output_item.added" {
            self.begin(PART);
        }
        copies
    }

    fn begin(&mut self, since: usize) {
        for said in self.runs.values_mut() {
            if let Some(begun) = said.since.get_mut(since) {
                *begun = (Sha256::new(), said.bytes);
            }
        }
    }

    /// Where this has been said before, since one of these; remembers it where it has not.
    fn knows(&mut self, run: Run, text: &str, since: &[usize]) -> Option<u64> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let said = self.runs.get(&run);
        if let Some(said) = said {
            let mut begun = since.iter().filter_map(|since| said.since.get(*since));
            let same = begun.find(|(said, _)| <[u8; 32]>::from(said.clone().finalize()) == digest);
            if let Some((_, at)) = same {
                return Some(*at);
            }
        }
        if !matches!(run.0, Channel::Other | Channel::Key | Channel::Tool) {
            return None;
        }
        let known = self.events.get(&(run, digest)).copied();
        let is_kept = said.is_some() || self.runs.len() < MAX_KEPT;
        if known.is_none() && is_kept && self.events.len() < MAX_KEPT {
            self.events.insert((run, digest), said.map_or(0, |said| said.bytes));
        }
        known
    }

    fn says(&mut self, run: Run, text: &str) -> Option<SaidAt> {
        if self.runs.len() >= MAX_KEPT && !self.runs.contains_key(&run) {
            return None;
        }
        let said = self.runs.entry(run).or_default();
        let at = said.bytes;
        said.bytes += text.len() as u64;
        for (digest, _) in &mut said.since {
            digest.update(text);
        }
        Some(SaidAt { run, at })
    }
}
