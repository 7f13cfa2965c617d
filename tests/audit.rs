//! The audit log on disk: what `verify` sees, and what a crash leaves.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;
use wardgate::audit::{
    AuditDraft, AuditError, AuditLog, Durability, Opening, Outcome, Settings, VerifyError, files,
    verify,
};

const KEY: &[u8] = b"a key that nobody knows";

fn open(folder: &Path, key: Option<&[u8]>) -> Result<AuditLog, AuditError> {
    let key = key.map(<[u8]>::to_vec);
    AuditLog::open(Settings { path: folder.to_owned(), key, durability: Durability::Disk })
}

fn draft(log: &AuditLog, exchange: &str) -> AuditDraft {
    let mut draft = log.draft(Opening {
        exchange: exchange.to_owned(),
        tenant: "acme".to_owned(),
        policy: "default@12345678".to_owned(),
        route: "chat.completions".into(),
        guard: "scripted@1".to_owned(),
    });
    draft.learn("m", false);
    draft
}

/// A log of three exchanges, six lines.
async fn written(key: Option<&[u8]>) -> TempDir {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), key).unwrap();
    for (exchange, outcome) in
        [("one", Outcome::Delivered), ("two", Outcome::Refused), ("three", Outcome::Failed)]
    {
        let mut draft = draft(&log, exchange);
        draft.open().unwrap();
        draft.close(outcome, 200).await.unwrap();
    }
    folder
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = files(folder).unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// The line at fault, from 1.
fn line_at_fault(folder: &Path, key: Option<&[u8]>) -> Option<u64> {
    match verify(folder, key) {
        Err(VerifyError::Line { line, .. }) => Some(line),
        Err(other) => unreachable!("{other}"),
        Ok(_) => None,
    }
}

#[tokio::test]
async fn any_changed_byte_of_any_line_shows() {
    for key in [None, Some(KEY)] {
        let folder = written(key).await;
        let file = only_file(folder.path());
        let whole = fs::read(&file).unwrap();
        assert_eq!(line_at_fault(folder.path(), key), None);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x04;
            fs::write(&file, &bytes).unwrap();
            let verdict = verify(folder.path(), key);
            assert!(verdict.is_err(), "byte {at} was changed and nobody noticed");
        }
        fs::write(&file, &whole).unwrap();
        assert_eq!(line_at_fault(folder.path(), key), None);
    }
}

#[tokio::test]
async fn lines_taken_out_put_in_or_moved_show() {
    let folder = written(None).await;
    let file = only_file(folder.path());
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let check = |lines: Vec<&str>, expected: u64, what: &str| {
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        assert_eq!(line_at_fault(folder.path(), None), Some(expected), "{what}");
    };
    check(lines[1..].to_vec(), 1, "the first is gone");
    check([&lines[..2], &lines[3..]].concat(), 3, "the third is gone");
    check([&lines[..3], &lines[2..]].concat(), 4, "the third is there twice");
    check([&lines[..1], &lines[2..3], &lines[1..2], &lines[3..]].concat(), 2, "two are swapped");
}

#[tokio::test]
async fn a_chain_made_with_a_key_holds_with_that_key_only() {
    let folder = written(Some(KEY)).await;
    assert!(verify(folder.path(), Some(KEY)).is_ok());
    assert_eq!(line_at_fault(folder.path(), Some(b"a guess")), Some(1));
    assert_eq!(line_at_fault(folder.path(), None), Some(1));
    assert!(matches!(open(folder.path(), None).err(), Some(AuditError::Broken(_))));
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended_and_a_torn_line_is_noted() {
    let folder = written(None).await;
    let before = verify(folder.path(), None).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(only_file(folder.path())).unwrap();
    file.write_all(b"{\"seq\":7,\"kind\":\"open").unwrap();
    drop(file);
    assert_eq!(verify(folder.path(), None).unwrap().torn, 1);

    let log = open(folder.path(), None).unwrap();
    draft(&log, "four").close(Outcome::Delivered, 200).await.unwrap();
    let after = verify(folder.path(), None).unwrap();
    // The note of the torn line, and the two of the exchange.
    assert_eq!((after.lines, after.torn), (before.lines + 3, 1));
    let files = files(folder.path()).unwrap();
    assert_eq!(files.len(), 2, "what was torn is left as it is");
    assert!(fs::read_to_string(&files[1]).unwrap().contains("\"recovered\""));
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let folder = TempDir::new().unwrap();
    let first = open(folder.path(), None).unwrap();
    assert!(matches!(open(folder.path(), None).err(), Some(AuditError::Taken(_))));
    drop(first);
    assert!(open(folder.path(), None).is_ok(), "a log that is gone still holds its folder");
}

#[tokio::test]
async fn an_exchange_that_is_dropped_is_closed_as_abandoned() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let mut left = draft(&log, "left");
    left.open().unwrap();
    drop(left);
    let panicked = thread::spawn({
        let log = log.clone();
        move || {
            let _draft = draft(&log, "panicked");
            std::panic::resume_unwind(Box::new("as it happens"))
        }
    });
    assert!(panicked.join().is_err());
    let text = fs::read_to_string(only_file(folder.path())).unwrap();
    let outcome = |exchange: &str| {
        let lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let mut closed = lines.filter(|line| line["kind"] == "closed");
        let line = closed.find(|line| line["exchange"] == exchange).expect("closed");
        line["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!((outcome("left").as_str(), outcome("panicked").as_str()), ("abandoned", "failed"));
    assert!(verify(folder.path(), None).unwrap().interrupted.is_empty());
}

#[tokio::test]
async fn an_exchange_that_was_never_closed_is_named() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let mut cut_short = draft(&log, "cut-short");
    cut_short.open().unwrap();
    // As a kill would: the line that dropping writes is never written.
    std::mem::forget(cut_short);
    draft(&log, "whole").close(Outcome::Delivered, 200).await.unwrap();
    assert_eq!(verify(folder.path(), None).unwrap().interrupted, ["cut-short"]);
}

#[test]
fn many_exchanges_at_once_make_one_chain() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let workers: Vec<_> = (0..THREADS)
        .map(|worker| {
            let log = log.clone();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for number in 0..EACH {
                    let mut draft = draft(&log, &format!("{worker}-{number}"));
                    draft.open().unwrap();
                    runtime.block_on(draft.close(Outcome::Refused, 400)).unwrap();
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(log.waiting(), 0, "a refusal is on disk when it is closed");
    let report = verify(folder.path(), None).unwrap();
    assert_eq!(report.lines as usize, 2 * THREADS * EACH);
    assert_eq!(report.exchanges as usize, THREADS * EACH);
    let text = fs::read_to_string(only_file(folder.path())).unwrap();
    let distinct: BTreeSet<&str> = text.lines().collect();
    assert_eq!(distinct.len(), 2 * THREADS * EACH);
}
