//! Verdicts that are known: the same text from the same side is not read twice.
//!
//! A text is known by a digest of itself, its context and its lane. What one tenant asks about never
//! shows in how fast another is answered; and since the digest is SHA-256, nobody can make a harmful
//! text pass for a harmless one.

use std::mem::size_of;

use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::guard::scheduler::Lane;
use crate::transcript::{Role, Transcript};
use crate::verdict::{Judgement, Score, Scores, Span};

/// What a text is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(lane: Lane, transcript: &Transcript) -> Self {
        let mut digest = Sha256::new();
        digest.update(lane.0.to_le_bytes());
        for turn in transcript.turns() {
            let role = match turn.role {
                Role::User => 0_u8,
                Role::Agent => 1,
            };
            digest.update([role]);
            // With its length, so that no text can pass for two.
            digest.update(turn.text.len().to_le_bytes());
            digest.update(turn.text.as_bytes());
        }
        Self(digest.finalize().into())
    }
}

/// A verdict, and how many tokens were read for it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Known {
    pub(super) judgement: Judgement,
    pub(super) tokens: u64,
}

impl Known {
    /// About what it takes in memory, its place in the table included.
    fn bytes(&self) -> usize {
        const PLACE: usize = 2 * size_of::<Key>() + 64;
        let scores: usize = self.judgement.readings.iter().map(bytes_of).sum();
        let spans = self.judgement.spans.len() * size_of::<Span>();
        PLACE + size_of::<Self>() + scores + spans
    }
}

fn bytes_of(scores: &Scores) -> usize {
    size_of::<Scores>() + (scores.first.len() + scores.listed.len()) * size_of::<Score>()
}

/// The verdicts that are known, within a bound of bytes: whatever was not asked for the longest goes.
pub(super) struct Verdicts {
    known: LruCache<Key, Known>,
    bytes: usize,
    bound: usize,
}

impl Verdicts {
    pub(super) fn new(bound: usize) -> Self {
        Self { known: LruCache::unbounded(), bytes: 0, bound }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<&Known> {
        self.known.get(key)
    }

    pub(super) fn keep(&mut self, key: Key, known: Known) {
        let bytes = known.bytes();
        if bytes > self.bound {
            return;
        }
        self.bytes += bytes;
        if let Some(before) = self.known.put(key, known) {
            self.bytes -= before.bytes();
        }
        while self.bytes > self.bound {
            let Some((_, oldest)) = self.known.pop_lru() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Known, Verdicts};
    use crate::guard::Lane;
    use crate::transcript::Transcript;
    use crate::verdict::{Judgement, Score, Scores};

    fn known(tokens: u64) -> Known {
        let scores = Scores::new(Score::ZERO, vec![Score::ZERO; 11]);
        Known { judgement: Judgement::read(scores, tokens), tokens }
    }

    fn key(text: &str) -> Key {
        Key::of(Lane(0), &Transcript::user(text))
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let each = known(0).bytes();
        let mut verdicts = Verdicts::new(2 * each);
        for (text, tokens) in [("a", 1), ("b", 2)] {
            verdicts.keep(key(text), known(tokens));
        }
        assert_eq!(verdicts.get(&key("a")).map(|known| known.tokens), Some(1));
        verdicts.keep(key("c"), known(3));
        verdicts.keep(key("c"), known(4));
        let left = ["a", "b", "c"].map(|text| verdicts.get(&key(text)).map(|known| known.tokens));
        assert_eq!(left, [Some(1), None, Some(4)]);
        assert_eq!(verdicts.bytes, 2 * each);
        let mut none = Verdicts::new(0);
        none.keep(key("a"), known(1));
        assert!(none.get(&key("a")).is_none(), "no memory, no verdicts");
    }

    #[test]
    fn lanes_roles_and_turns_tell_texts_apart() {
        let of = |lane, transcript: &Transcript| Key::of(Lane(lane), transcript);
        let keys = [
            of(0, &Transcript::user("ab")),
            of(1, &Transcript::user("ab")),
            of(0, &Transcript::agent("", "ab")),
            of(0, &Transcript::agent("a", "b")),
            of(0, &Transcript::agent("ab", "")),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| other != key), "{at}");
        }
        assert_eq!(of(0, &Transcript::user("ab")), keys[0]);
    }
}
