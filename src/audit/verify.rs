//! Whether a log is whole: every line by its hash, the lines by their order.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde_json::Value;
use thiserror::Error;

use crate::audit::chain::Hasher;

/// What a whole log holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Lines of all kinds.
    pub lines: u64,
    /// Exchanges that were opened.
    pub exchanges: u64,
    /// Exchanges that were opened and never closed: the process was killed in the middle.
    pub interrupted: Vec<String>,
    /// Files whose last line is torn.
    pub torn: u64,
    /// The hash of the last line.
    pub head: String,
}

/// The first place where a log does not hold.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// There is no log.
    #[error("{0}: holds no audit-*.jsonl")]
    Empty(PathBuf),
    /// A line is not what it was.
    #[error("{path}:{line}: {what}")]
    Line {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Where a log ends.
pub(super) struct End {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) torn: u64,
}

/// The files of a log, oldest first; the one file where a file is named.
///
/// # Errors
///
/// When the folder cannot be read or holds none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    let read = |cause| VerifyError::Read { path: path.to_owned(), cause };
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(read)? {
        let file = entry.map_err(read)?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("audit-") && name.ends_with(".jsonl") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(VerifyError::Empty(path.to_owned())) } else { Ok(files) }
}

/// Checks a log from its first line to its last.
///
/// # Errors
///
/// The first place where it does not hold, or what cannot be read.
pub fn verify(path: &Path, key: Option<&[u8]>) -> Result<Report, VerifyError> {
    let hasher = Hasher::new(key);
    let mut report = Report::default();
    let mut open = BTreeSet::new();
    // A single file may begin anywhere in the chain; a folder begins at its beginning.
    let mut last = (!path.is_file()).then(|| (0, hasher.origin()));
    for file in files(path)? {
        let torn = walk(&file, &hasher, &mut last, |line| {
            report.lines += 1;
            let exchange = line.get("exchange").and_then(Value::as_str).unwrap_or_default();
            match line.get("kind").and_then(Value::as_str) {
                Some("opened") => {
                    report.exchanges += 1;
                    open.insert(exchange.to_owned());
                }
                Some("closed") => {
                    open.remove(exchange);
                }
                _ => {}
            }
        })?;
        report.torn += u64::from(torn > 0);
    }
    report.interrupted = open.into_iter().collect();
    report.head = last.map(|(_, hash)| hash).unwrap_or_default();
    Ok(report)
}

/// Where the log of a folder ends: its last file is checked, and the end of those before it is taken
/// where the last is empty.
pub(super) fn end(folder: &Path, hasher: &Hasher) -> Result<Option<End>, VerifyError> {
    let files = match files(folder) {
        Ok(files) => files,
        Err(VerifyError::Empty(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    for file in files.iter().rev() {
        let mut last = None;
        let torn = walk(file, hasher, &mut last, |_| {})?;
        if let Some((seq, hash)) = last {
            return Ok(Some(End { seq, hash, torn }));
        }
        if torn > 0 && files.len() == 1 {
            return Ok(Some(End { seq: 0, hash: hasher.origin(), torn }));
        }
    }
    Ok(None)
}

/// Walks one file on from the line before it; gives the bytes of a torn line at its end.
fn walk(
    path: &Path,
    hasher: &Hasher,
    last: &mut Option<(u64, String)>,
    mut each: impl FnMut(&Value),
) -> Result<u64, VerifyError> {
    let read = |cause| VerifyError::Read { path: path.to_owned(), cause };
    let mut reader = BufReader::new(File::open(path).map_err(read)?);
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(read)? == 0 {
            return Ok(0);
        }
        number += 1;
        let fault = |what| VerifyError::Line { path: path.to_owned(), line: number, what };
        let Some(line) = bytes.strip_suffix(b"\n") else {
            // A write that was cut short leaves the beginning of a line, never more than one.
            return match serde_json::from_slice::<IgnoredAny>(&bytes) {
                Err(error) if !error.is_eof() => {
                    Err(fault("was changed: it is no line's beginning"))
                }
                _ => Ok(bytes.len() as u64),
            };
        };
        let line = std::str::from_utf8(line).map_err(|_| fault("is not UTF-8"))?;
        let hash = hasher.check(line).ok_or_else(|| fault("was changed: its hash is another"))?;
        let value: Value = serde_json::from_str(line).map_err(|_| fault("is not JSON"))?;
        let seq = value.get("seq").and_then(Value::as_u64).ok_or_else(|| fault("has no seq"))?;
        let prev = value.get("prev").and_then(Value::as_str).unwrap_or_default();
        if let Some((before, known)) = last.as_ref() {
            if prev != known {
                return Err(fault(
                    "does not follow the line before it: one is missing or misplaced",
                ));
            }
            if seq != before + 1 {
                return Err(fault("has a number out of order"));
            }
        }
        *last = Some((seq, hash));
        each(&value);
    }
}
