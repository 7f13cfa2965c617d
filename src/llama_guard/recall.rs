//! The conversations that were read lately: their keys and values, so that the next window of an
//! answer and the next turn cost what is new in them.
//!
//! Each lane has its own: what one tenant's texts have in common with another's never shows. All of
//! them together keep to a bound of bytes; over it the lane that holds the most gives up what it has
//! not used for the longest, so that nobody drives the others out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::guard::Lane;

use crate::llama_guard::prefix::{Behind, Prefix, SHORTEST, longest};

/// Conversations of all lanes, within a bound.
pub(super) struct Recall {
    bound: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lanes: HashMap<Lane, Conversations>,
    bytes: usize,
}

/// The conversations of one lane, the latest first.
#[derive(Default)]
struct Conversations {
    latest: VecDeque<Arc<Prefix>>,
    bytes: usize,
}

impl Recall {
    /// Keeps at most `bound` bytes.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, kept: Mutex::default() }
    }

    /// How many tokens of a prompt are kept.
    pub(super) fn shared(&self, lane: Lane, ids: &[u32]) -> usize {
        let kept = self.kept.lock();
        let latest = kept.lanes.get(&lane).into_iter().flat_map(|lane| &lane.latest);
        latest.map(|prefix| prefix.shared(ids)).max().unwrap_or(0)
    }

    /// The longest beginning of a prompt that is kept, of at most `most` tokens.
    pub(super) fn longest(&self, lane: Lane, ids: &[u32], most: usize) -> Option<Behind> {
        let mut kept = self.kept.lock();
        let Conversations { latest, .. } = kept.lanes.get_mut(&lane)?;
        let behind = longest(latest.iter(), ids, most)?;
        let used = latest.iter().position(|each| Arc::ptr_eq(each, &behind.prefix));
        if let Some(used) = used.and_then(|at| latest.remove(at)) {
            latest.push_front(used);
        }
        Some(behind)
    }

    /// Keeps a beginning, in place of those that are hardly more than a part of it.
    pub(super) fn keep(&self, lane: Lane, prefix: Prefix) {
        let bytes = prefix.bytes();
        if bytes > self.bound {
            return;
        }
        let mut kept = self.kept.lock();
        let of_lane = kept.lanes.entry(lane).or_default();
        let before = of_lane.bytes;
        let is_part = |each: &Arc<Prefix>| {
            each.ids().len() < each.shared(prefix.ids()).saturating_add(SHORTEST)
        };
        of_lane.latest.retain(|each| !is_part(each));
        of_lane.latest.push_front(Arc::new(prefix));
        of_lane.bytes = of_lane.latest.iter().map(|each| each.bytes()).sum();
        kept.bytes = kept.bytes + kept.lanes.get(&lane).map_or(0, |lane| lane.bytes) - before;
        while kept.bytes > self.bound && kept.give_up() {}
    }
}

impl Kept {
    /// Lets the lane with the most give up what it has not used for the longest.
    fn give_up(&mut self) -> bool {
        let Some((lane, most)) = self.lanes.iter_mut().max_by_key(|(_, lane)| lane.bytes) else {
            return false;
        };
        let given = most.latest.pop_back().map_or(0, |oldest| oldest.bytes());
        most.bytes -= given;
        self.bytes -= given;
        if most.latest.is_empty() {
            let lane = *lane;
            self.lanes.remove(&lane);
        }
        given > 0
    }
}
