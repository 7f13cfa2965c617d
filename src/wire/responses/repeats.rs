//! Tells the copies of a text that a stream sends from texts that have not been judged yet.
//!
//! A copy says on a channel exactly what has gone before it, in the same order: a response the whole of
//! the stream so far, an item what has been said since it began, a part the same; and it says so of the
//! item and the part that are at hand. Fields that nothing goes on from, and calls of tools, may also
//! repeat an earlier event. Then all of it has been judged with what stood around it, and it is
//! judged no second time. It waits for its turn all the same: events leave in order, and none leaves
//! behind a cut.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wire::delta::Chunk;
use crate::wire::dialect::Dialect;
use crate::wire::field::Channel;

/// How many runs and events are remembered; what repeats others is judged again.
const MAX_KEPT: usize = 1024;

/// One channel of an answer, and one tool call of it.
type Run = (Channel, u64);

/// What a stream has said so far, as digests.
#[derive(Default)]
pub(crate) struct Repeats {
    runs: HashMap<Run, [Sha256; 3]>,
    events: HashSet<(Run, [u8; 32])>,
    /// The numbers of the item and the part that are at hand.
    item: Option<u64>,
    part: Option<u64>,
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

    /// Takes out of a chunk what only repeats what has been said before.
    pub(crate) fn take_out(&mut self, event: &Value, chunk: &mut Chunk<'_>) {
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
                    text.push_str(piece.channel.joint());
                }
                text.push_str(&piece.text);
            }
            texts.retain(|run, text| !goes_on && self.knows(*run, text, since));
            choice.found.pieces.retain(|piece| !texts.contains_key(&(piece.channel, piece.slot)));
            for piece in &choice.found.pieces {
                self.says((piece.channel, piece.slot), &piece.text);
            }
        }
        if kind == "response.output_item.added" {
            self.begin(PART);
        }
    }

    fn begin(&mut self, since: usize) {
        for digests in self.runs.values_mut() {
            if let Some(digest) = digests.get_mut(since) {
                *digest = Sha256::new();
            }
        }
    }

    /// Whether this has been said before, since one of these; remembers it where it has not.
    fn knows(&mut self, run: Run, text: &str, since: &[usize]) -> bool {
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some(digests) = self.runs.get(&run) {
            let mut said = since.iter().filter_map(|since| digests.get(*since));
            if said.any(|said| <[u8; 32]>::from(said.clone().finalize()) == digest) {
                return true;
            }
        }
        if !matches!(run.0, Channel::Other | Channel::Key | Channel::Tool) {
            return false;
        }
        if self.events.len() < MAX_KEPT {
            return !self.events.insert((run, digest));
        }
        self.events.contains(&(run, digest))
    }

    fn says(&mut self, run: Run, text: &str) {
        if self.runs.len() >= MAX_KEPT && !self.runs.contains_key(&run) {
            return;
        }
        for digest in self.runs.entry(run).or_default() {
            digest.update(text);
        }
    }
}
