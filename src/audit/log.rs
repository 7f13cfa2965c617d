//! Append, chain, group commit: returns once the line is as durable as was asked.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::watch;
use ulid::Ulid;

use crate::audit::chain::Hasher;
use crate::audit::draft::{AuditDraft, Opening};
use crate::audit::verify::{self, VerifyError};

/// Where the log goes and how.
#[derive(Clone)]
pub struct Settings {
    /// The folder; made if it is missing.
    pub path: PathBuf,
    /// The key of the chain, if it has one.
    pub key: Option<Vec<u8>>,
    /// When a line about an action counts as written.
    pub durability: Durability,
}

/// When a line about an action counts as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// When the operating system has it: it outlives the process.
    Os,
    /// When the disk has it: it outlives the machine.
    #[default]
    Disk,
}

/// Why the log cannot be written.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The folder or a file in it.
    #[error("the audit log at {path} cannot be opened: {cause}")]
    Open {
        /// Where.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Somebody else writes there.
    #[error("another process writes the audit log at {0}; give this one a folder of its own")]
    Taken(PathBuf),
    /// What is there does not hold together.
    #[error("the audit log does not hold: {0}; move it away to start a new one")]
    Broken(#[from] VerifyError),
    /// A line could not be written or synced; nothing is written from then on.
    #[error("the audit log cannot be written any more")]
    Write,
}

/// Bytes after which the log goes on in another file.
const ROTATE: u64 = 256 << 20;

/// The log of one process; clones share it.
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
    _syncer: Arc<Syncer>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    synced: watch::Sender<Synced>,
    durability: Durability,
    hasher: Hasher,
    folder: PathBuf,
    _lock: File,
}

struct State {
    file: Arc<File>,
    written: u64,
    seq: u64,
    prev: String,
    /// The last line that somebody wants on disk.
    wanted: u64,
    broken: bool,
    closing: bool,
}

/// How far the disk is.
#[derive(Clone, Copy)]
struct Synced {
    seq: u64,
    broken: bool,
}

/// Ends the syncing thread when the last clone of the log goes; then the folder is free.
struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl AuditLog {
    /// Opens the log of a folder, in a file of its own, where the last one ended. A line that was torn
    /// by a crash is left where it is and noted in the first line of the new file.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, belongs to another process, or holds a chain that is broken
    /// at its end.
    pub fn open(settings: Settings) -> Result<Self, AuditError> {
        let folder = settings.path;
        let open = |cause| AuditError::Open { path: folder.clone(), cause };
        std::fs::create_dir_all(&folder).map_err(open)?;
        let lock = lock(&folder)?;
        let hasher = Hasher::new(settings.key.as_deref());
        let end = verify::end(&folder, &hasher)?;
        let (seq, prev, torn) = match end {
            Some(end) => (end.seq, end.hash, end.torn),
            None => (0, hasher.origin(), 0),
        };
        let file = create(&folder, seq + 1).map_err(open)?;
        let state = State {
            file: Arc::new(file),
            written: 0,
            seq,
            prev,
            wanted: seq,
            broken: false,
            closing: false,
        };
        let (synced, _) = watch::channel(Synced { seq, broken: false });
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            synced,
            durability: settings.durability,
            hasher,
            folder: folder.clone(),
            _lock: lock,
        });
        let syncing = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || syncing.sync())
            .map_err(open)?;
        let syncer = Syncer { shared: Arc::clone(&shared), thread: Some(thread) };
        let log = Self { shared, _syncer: Arc::new(syncer) };
        if torn > 0 {
            let mut fields = Map::new();
            fields.insert("torn_bytes".to_owned(), torn.into());
            log.append("recovered", fields)?;
        }
        Ok(log)
    }

    /// Begins the record of an exchange; nothing is written yet.
    pub fn draft(&self, opening: Opening) -> AuditDraft {
        AuditDraft::new(self.clone(), opening)
    }

    /// Whether lines can be written.
    pub fn is_healthy(&self) -> bool {
        !self.shared.lock().broken
    }

    /// How many lines wait to be brought to disk.
    pub fn waiting(&self) -> u64 {
        self.shared.lock().wanted.saturating_sub(self.shared.synced.borrow().seq)
    }

    /// Writes a line, and says which it is. Then it outlives the process.
    pub(super) fn append(
        &self,
        kind: &'static str,
        fields: Map<String, Value>,
    ) -> Result<u64, AuditError> {
        self.shared.append(kind, fields)
    }

    /// Waits until a line is on disk, if that is what was asked for.
    pub(super) async fn durable(&self, seq: u64) -> Result<(), AuditError> {
        if self.shared.durability == Durability::Os {
            return Ok(());
        }
        {
            let mut state = self.shared.lock();
            state.wanted = state.wanted.max(seq);
        }
        self.shared.work.notify_all();
        let mut synced = self.shared.synced.subscribe();
        let reached = synced.wait_for(|synced| synced.broken || synced.seq >= seq).await;
        match reached.map(|synced| synced.seq >= seq) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(AuditError::Write),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, kind: &'static str, fields: Map<String, Value>) -> Result<u64, AuditError> {
        let mut state = self.lock();
        if state.broken {
            return Err(AuditError::Write);
        }
        if state.written >= ROTATE {
            self.rotate(&mut state)?;
        }
        let seq = state.seq + 1;
        let mut line = Map::new();
        line.insert("seq".to_owned(), seq.into());
        line.insert("kind".to_owned(), kind.into());
        line.insert("time".to_owned(), now().into());
        line.extend(fields);
        line.insert("prev".to_owned(), state.prev.clone().into());
        let (line, hash) = self.hasher.seal(&Value::Object(line).to_string());
        // One write to a file opened for appending: whole, or the log is broken.
        match (&*state.file).write(line.as_bytes()) {
            Ok(written) if written == line.len() => {}
            _ => {
                state.broken = true;
                return Err(AuditError::Write);
            }
        }
        state.written += line.len() as u64;
        state.seq = seq;
        state.prev = hash;
        Ok(seq)
    }

    fn rotate(&self, state: &mut State) -> Result<(), AuditError> {
        let fresh = state.file.sync_data().and_then(|()| create(&self.folder, state.seq + 1));
        match fresh {
            Ok(file) => {
                state.file = Arc::new(file);
                state.written = 0;
                Ok(())
            }
            Err(_) => {
                state.broken = true;
                Err(AuditError::Write)
            }
        }
    }

    /// Brings lines to disk, as many at a time as wait for it, until the log goes.
    fn sync(&self) {
        let mut state = self.lock();
        loop {
            let reached = self.synced.borrow().seq;
            if state.wanted <= reached {
                if state.closing {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (seq, file) = (state.seq, Arc::clone(&state.file));
            drop(state);
            let done = file.sync_data();
            state = self.lock();
            match done {
                Ok(()) => {
                    self.synced.send_replace(Synced { seq, broken: false });
                }
                Err(error) => {
                    tracing::error!(%error, "the audit log cannot be synced");
                    state.broken = true;
                    self.synced.send_replace(Synced { seq: reached, broken: true });
                    return;
                }
            }
        }
    }
}

/// Holds the folder for this process, as long as the file lives.
fn lock(folder: &Path) -> Result<File, AuditError> {
    let open = |cause| AuditError::Open { path: folder.to_owned(), cause };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(folder.join("lock"))
        .map_err(open)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AuditError::Taken(folder.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(open(cause)),
    }
}

/// Makes the next file of a log, which will begin with line `first`.
fn create(folder: &Path, first: u64) -> io::Result<File> {
    // Names sort by the lines inside, whatever the clock says. A file that was never written to keeps
    // its number, and the next one with the same number another end.
    let name = format!("audit-{first:012}-{}.jsonl", Ulid::new());
    let file =
        OpenOptions::new().create_new(true).append(true).mode(0o600).open(folder.join(name))?;
    // The name itself must outlive the machine, too.
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
