//! What the audit log recorded: for each exchange and phase the scores, and what was decided.
//!
//! A record keeps the highest score of every kind over all texts of its phase, six digits of them, and none
//! below a thousandth. That is one reading where one text was judged; where several were, it is the scores
//! of none of them, and a rule of `[unsafe]` with `except` may come out milder or stricter than it would
//! have. Everything else is decided on the same numbers as then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::audit;
use crate::policy::{Action, Phase, Policy};
use crate::taxonomy::Taxonomy;
use crate::verdict::{Judgement, Score, Scores, Span, Unscored};

/// One phase of an exchange, as recorded.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// When its line was written.
    pub time: String,
    /// Whose exchange it was.
    pub tenant: String,
    /// Under which policy.
    pub policy: String,
    /// Which side.
    pub phase: Phase,
    /// What was decided.
    pub decision: Action,
    /// What the guard had found.
    pub judgement: Judgement,
    /// What patterns had found, by code: to each policy it is another category.
    pub pointed: Vec<(String, Score)>,
}

impl Recorded {
    /// What a policy would have been held against.
    pub fn under(&self, policy: &Policy) -> Judgement {
        let span = |(code, score): &(String, Score)| {
            let category = policy.taxonomy().by_code(code)?;
            Some(Span { transcript: 0, range: 0..0, category, score: *score })
        };
        let mut judgement = self.judgement.clone();
        judgement.spans.extend(self.pointed.iter().filter_map(span));
        judgement
    }
}

/// Why a log cannot be replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// It is not there.
    #[error(transparent)]
    Log(#[from] audit::VerifyError),
    /// A file cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A line is no line of a log.
    #[error("{path}:{line}: is no line of an audit log: {cause}")]
    Line {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A record is of another guard's categories.
    #[error(
        "{path}:{line}: names the category `{code}`, which the guard of these policies does not have; name its gateway.toml with --config"
    )]
    Category {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
        /// The category.
        code: String,
    },
}

#[derive(Deserialize)]
struct Line {
    kind: String,
    time: String,
    tenant: String,
    policy: String,
    prompt: Option<Found>,
    response: Option<Found>,
}

#[derive(Deserialize)]
struct Found {
    decision: String,
    #[serde(rename = "unsafe")]
    unsafe_: Option<f32>,
    #[serde(default)]
    scores: BTreeMap<String, f32>,
    unscored: Option<String>,
}

/// Hands every recorded phase of these logs to `each`, in the order of the files and lines. A line that
/// was cut short at the end of a file is passed over, as `audit verify` does.
///
/// # Errors
///
/// When a log is not there, or holds a line that is none.
pub fn read(
    logs: &[PathBuf],
    taxonomy: &Taxonomy,
    mut each: impl FnMut(Recorded),
) -> Result<(), ReplayError> {
    for log in logs {
        for file in audit::files(log)? {
            read_file(&file, taxonomy, &mut each)?;
        }
    }
    Ok(())
}

fn read_file(
    path: &Path,
    taxonomy: &Taxonomy,
    each: &mut impl FnMut(Recorded),
) -> Result<(), ReplayError> {
    let read = |cause| ReplayError::Read { path: path.to_owned(), cause };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(read)?);
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        number += 1;
        if reader.read_until(b'\n', &mut bytes).map_err(read)? == 0 {
            return Ok(());
        }
        let line: Line = match serde_json::from_slice(&bytes) {
            Ok(line) => line,
            Err(_) if bytes.last() != Some(&b'\n') => return Ok(()),
            Err(cause) => {
                return Err(ReplayError::Line { path: path.to_owned(), line: number, cause });
            }
        };
        if line.kind != "closed" {
            continue;
        }
        for (phase, found) in [(Phase::Prompt, line.prompt), (Phase::Response, line.response)] {
            let Some(found) = found else { continue };
            let decision = action(&found.decision);
            let (judgement, pointed) = judgement(found, taxonomy).map_err(|code| {
                ReplayError::Category { path: path.to_owned(), line: number, code }
            })?;
            each(Recorded {
                time: line.time.clone(),
                tenant: line.tenant.clone(),
                policy: line.policy.clone(),
                phase,
                decision,
                judgement,
                pointed,
            });
        }
    }
}

/// A judgement, and what patterns had found beside it.
type Understood = (Judgement, Vec<(String, Score)>);

/// What a record stands for, or the category that is another guard's: a letter and a number that this
/// one does not have.
fn judgement(found: Found, taxonomy: &Taxonomy) -> Result<Understood, String> {
    let unscored = found.unscored.as_deref().map(reason);
    let mut judgement = Judgement { unscored, ..Judgement::default() };
    let mut first = vec![Score::ZERO; taxonomy.len()];
    let mut pointed = Vec::new();
    for (code, score) in found.scores {
        let Some(score) = Score::new(score) else { continue };
        match taxonomy.by_code(&code) {
            Some(category) => {
                if let Some(cell) = first.get_mut(category.index()) {
                    *cell = score;
                }
            }
            None if is_a_guards(&code) => return Err(code),
            None => pointed.push((code, score)),
        }
    }
    if let Some(unsafe_) = found.unsafe_.and_then(Score::new) {
        judgement.readings.push(Scores::new(unsafe_, first));
    }
    Ok((judgement, pointed))
}

/// Whether it looks like a category of a guard, such as `S12` or `O3`.
fn is_a_guards(code: &str) -> bool {
    let number = code.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A word of a newer version counts as the strictest: nothing is taken for milder than it was.
fn action(word: &str) -> Action {
    [Action::Allow, Action::Annotate, Action::Redact]
        .into_iter()
        .find(|action| action.as_str() == word)
        .unwrap_or(Action::Block)
}

/// Why there was no verdict; a word of a newer version counts as a guard that was not there, which
/// every policy decides alike.
fn reason(word: &str) -> Unscored {
    [
        Unscored::Unreadable,
        Unscored::TooLong,
        Unscored::Overloaded,
        Unscored::Deadline,
        Unscored::Derailed,
        Unscored::NotFinite,
    ]
    .into_iter()
    .find(|reason| reason.code() == word)
    .unwrap_or(Unscored::GuardDown)
}
