//! Scores that were computed once and are kept in a file: another run, or one that was cancelled, goes on
//! where they end.
//!
//! A line a text: the guard's name with its fingerprint, a digest of the text, p(unsafe) and the categories'
//! scores. The text itself is not in it. Lines of other guards are left alone, so several share a file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::{Role, Transcript};
use crate::verdict::Judgement;

/// A digest of a text with its context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digest(u128);

impl Digest {
    /// The digest of a transcript: the first half of a SHA-256.
    pub fn of(transcript: &Transcript) -> Self {
        let mut hasher = Sha256::new();
        for turn in transcript.turns() {
            hasher.update(match turn.role {
                Role::User => b"u",
                Role::Agent => b"a",
            });
            hasher.update((turn.text.len() as u64).to_le_bytes());
            hasher.update(turn.text.as_bytes());
        }
        let mut half = [0; 16];
        for (into, byte) in half.iter_mut().zip(hasher.finalize()) {
            *into = byte;
        }
        Self(u128::from_be_bytes(half))
    }

    /// Whether it falls into the part of the texts that is held out: one in `of`. The same text always
    /// falls on the same side.
    pub fn held_out(self, of: u128) -> bool {
        self.0.is_multiple_of(of)
    }
}

/// The scores of one guard, by text.
pub struct Scores {
    guard: String,
    taxonomy: Taxonomy,
    /// Where the numbers of a text begin, counted in texts.
    places: HashMap<Digest, u32>,
    /// For each text p(unsafe), not a number where there is no verdict, then the categories' scores.
    numbers: Vec<f32>,
    file: Option<Kept>,
}

struct Kept {
    path: PathBuf,
    out: BufWriter<File>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    guard: &'a str,
    text: &'a str,
    #[serde(rename = "unsafe")]
    unsafe_: Option<f32>,
    scores: Vec<f32>,
}

/// Why scores cannot be kept.
#[derive(Debug, Error)]
pub enum ScoresError {
    /// The file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A line is none of ours.
    #[error("{path}:{line}: is no line of scores; name another file with --scores")]
    Line {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
    },
    /// There are more texts than numbers for them.
    #[error("more than four billion texts")]
    TooMany,
}

impl Scores {
    /// No scores yet, and no file to keep them in.
    pub fn new(guard: &str, taxonomy: &Taxonomy) -> Self {
        Self {
            guard: guard.to_owned(),
            taxonomy: taxonomy.clone(),
            places: HashMap::new(),
            numbers: Vec::new(),
            file: None,
        }
    }

    /// The scores of this guard in a file, which is made where there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written, or holds something else.
    pub fn kept(path: &Path, guard: &str, taxonomy: &Taxonomy) -> Result<Self, ScoresError> {
        let fault = |cause| ScoresError::File { path: path.to_owned(), cause };
        let mut scores = Self::new(guard, taxonomy);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fault)?;
        let torn = scores.read(path, &mut file)?;
        let mut out = BufWriter::new(file);
        if torn {
            // A process that was killed left the beginning of a line; it counts as none.
            out.write_all(b"\n").map_err(fault)?;
        }
        scores.file = Some(Kept { path: path.to_owned(), out });
        Ok(scores)
    }

    /// Reads the lines there are; says whether the last has no end.
    fn read(&mut self, path: &Path, file: &mut File) -> Result<bool, ScoresError> {
        let fault = |cause| ScoresError::File { path: path.to_owned(), cause };
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        let mut reader = BufReader::with_capacity(1 << 16, &mut *file);
        let (mut line, mut number) = (Vec::new(), 0);
        // The line before, where it could not be read: only a torn one is forgiven.
        let mut torn: Option<u64> = None;
        loop {
            line.clear();
            number += 1;
            if reader.read_until(b'\n', &mut line).map_err(fault)? == 0 {
                return Ok(false);
            }
            let whole = line.last() == Some(&b'\n');
            if let Ok(read) = serde_json::from_slice::<Line<'_>>(&line)
                && let Ok(digest) = u128::from_str_radix(read.text, 16)
            {
                if read.guard == self.guard && read.scores.len() == self.taxonomy.len() {
                    self.put(Digest(digest), read.unsafe_.unwrap_or(f32::NAN), read.scores)?;
                }
            } else if whole && !line.starts_with(b"{\"guard\":") {
                return Err(ScoresError::Line { path: path.to_owned(), line: number });
            } else {
                if let Some(line) = torn {
                    return Err(ScoresError::Line { path: path.to_owned(), line });
                }
                torn = Some(number);
            }
            if !whole {
                return Ok(true);
            }
        }
    }

    /// Whose scores they are.
    pub fn guard(&self) -> &str {
        &self.guard
    }

    /// The categories they are in.
    pub fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// How many texts have been looked at.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where the scores of a text stand, if it has been looked at.
    pub fn find(&self, digest: Digest) -> Option<u32> {
        self.places.get(&digest).copied()
    }

    /// p(unsafe) at a place; not a number where the guard had no verdict.
    pub fn unsafe_at(&self, place: u32) -> f32 {
        self.row(place).first().copied().unwrap_or(f32::NAN)
    }

    /// A category's score at a place.
    pub fn category_at(&self, place: u32, category: Category) -> f32 {
        self.row(place).get(1 + category.index()).copied().unwrap_or(0.0)
    }

    /// The category with the highest score at a place, and so the one named first.
    pub fn first_at(&self, place: u32) -> Option<Category> {
        let score = |category: &Category| self.category_at(place, *category);
        self.taxonomy.categories().reduce(
            |best, next| {
                if score(&next) > score(&best) { next } else { best }
            },
        )
    }

    fn row(&self, place: u32) -> &[f32] {
        let width = 1 + self.taxonomy.len();
        let begin = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(width);
        self.numbers.get(begin..begin.saturating_add(width)).unwrap_or_default()
    }

    /// Takes in what a guard found, and writes it down.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn record(&mut self, digest: Digest, judgement: &Judgement) -> Result<(), ScoresError> {
        let unsafe_ = judgement.highest().filter(|_| judgement.unscored.is_none());
        let scores: Vec<f32> = self
            .taxonomy
            .categories()
            .map(|category| judgement.highest_of(category).map_or(0.0, |score| score.get()))
            .collect();
        // A verdict that is wanting for a reason that may pass is asked for again next time.
        let lasting = judgement.unscored.is_none_or(|reason| reason.is_lasting());
        if let Some(kept) = self.file.as_mut().filter(|_| lasting) {
            let line = Line {
                guard: &self.guard,
                text: &format!("{:032x}", digest.0),
                unsafe_: unsafe_.map(|score| score.get()),
                scores: scores.clone(),
            };
            let write = |out: &mut BufWriter<File>| -> io::Result<()> {
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")
            };
            write(&mut kept.out)
                .map_err(|cause| ScoresError::File { path: kept.path.clone(), cause })?;
        }
        self.put(digest, unsafe_.map_or(f32::NAN, |score| score.get()), scores)
    }

    /// Hands what is written so far to the system.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), ScoresError> {
        let Some(kept) = &mut self.file else { return Ok(()) };
        kept.out.flush().map_err(|cause| ScoresError::File { path: kept.path.clone(), cause })
    }

    fn put(&mut self, digest: Digest, unsafe_: f32, scores: Vec<f32>) -> Result<(), ScoresError> {
        let place = u32::try_from(self.numbers.len() / (1 + self.taxonomy.len()))
            .map_err(|_| ScoresError::TooMany)?;
        self.numbers.push(unsafe_);
        self.numbers.extend(scores);
        self.places.insert(digest, place);
        Ok(())
    }
}
