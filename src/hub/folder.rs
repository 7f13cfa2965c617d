//! The folder a guard goes to: one pull at a time, room for what comes, and nothing left lying about.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::hub::selection::Chosen;
use crate::hub::size::Size;

/// Where partial files grow, inside the folder: moving them to their place is then one rename.
const GROWING: &str = ".wardgate-pull";
const LOCK: &str = "lock";

/// How much is read or written at once.
pub(super) const PIECE: usize = 256 << 10;

/// Why the folder does not take what comes.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Too little room, known before anything came.
    #[error(
        "{folder} has room for {free}, and {needed} are to come; make room or choose another folder with --to"
    )]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// What its disk has left.
        free: Size,
        /// What is missing.
        needed: Size,
    },
    /// Too little room, found out on the way.
    #[error(
        "the disk of {path} is full; make room and run the same command again, it goes on from here"
    )]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// Anything else the system says.
    #[error("{path}: {cause}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl FolderError {
    /// For `map_err`: what the system says about a path.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Disk { path, cause },
        }
    }
}

/// The folder, held against other pulls until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    growing: PathBuf,
    _lock: File,
}

/// What is already under a final name.
pub(super) enum Found {
    /// What the hub promises.
    Right,
    /// Something else.
    Other,
    Nothing,
}

impl Folder {
    /// Makes the folder if it is missing, and waits, saying so, while another pull is at work in it.
    pub(super) fn hold(path: &Path, waiting: impl FnOnce()) -> Result<Self, FolderError> {
        let growing = path.join(GROWING);
        let mut waiting = Some(waiting);
        loop {
            fs::create_dir_all(&growing).map_err(FolderError::at(&growing))?;
            let place = growing.join(LOCK);
            let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&place);
            let lock = match opened {
                // The pull before us has just cleaned up.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(FolderError::at(&place))?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waiting.take().into_iter().for_each(|waiting| waiting());
                    lock.lock().map_err(FolderError::at(&place))?;
                }
                Err(TryLockError::Error(cause)) => return Err(FolderError::at(&place)(cause)),
            }
            // Who held it may have removed it with the folder; then a third may hold a newer one.
            let identity = |file: fs::Metadata| (file.dev(), file.ino());
            let held = lock.metadata().map(identity).map_err(FolderError::at(&place))?;
            if fs::metadata(&place).map(identity).is_ok_and(|there| there == held) {
                return Ok(Self { path: path.to_owned(), growing, _lock: lock });
            }
        }
    }

    /// What is there under the final name of a file; reads it whole, saying how far it is.
    pub(super) fn find(
        &self,
        file: &Chosen,
        mut read: impl FnMut(u64),
    ) -> Result<Found, FolderError> {
        let place = self.place(file);
        let Ok(metadata) = fs::metadata(&place) else { return Ok(Found::Nothing) };
        if !metadata.is_file() || metadata.len() != file.size {
            return Ok(Found::Other);
        }
        let mut hasher = file.checksum.hasher(file.size);
        let mut source = File::open(&place).map_err(FolderError::at(&place))?;
        let mut piece = vec![0; PIECE];
        loop {
            match source.read(&mut piece).map_err(FolderError::at(&place))? {
                0 => break,
                came => {
                    hasher.update(piece.get(..came).unwrap_or_default());
                    read(came as u64);
                }
            }
        }
        Ok(if hasher.finish() == file.checksum { Found::Right } else { Found::Other })
    }

    /// The final place of a file.
    pub(super) fn place(&self, file: &Chosen) -> PathBuf {
        file.name.under(&self.path)
    }

    /// Where a file grows. The checksum in the name keeps a half of one version from being continued
    /// with the other half of the next.
    pub(super) fn growing_place(&self, file: &Chosen) -> PathBuf {
        let mut version = file.checksum.hex();
        version.truncate(16);
        self.growing.join(format!("{}{version}", stem(file)))
    }

    /// How much of a file has grown already.
    pub(super) fn grown(&self, file: &Chosen) -> u64 {
        let grown = fs::metadata(self.growing_place(file)).map_or(0, |metadata| metadata.len());
        grown.min(file.size)
    }

    /// Removes what has grown of other versions of a file; nobody will ask for the rest of them.
    pub(super) fn forget_other_versions(&self, file: &Chosen) -> Result<(), FolderError> {
        let (stem, wanted) = (stem(file), self.growing_place(file));
        for entry in fs::read_dir(&self.growing).map_err(FolderError::at(&self.growing))? {
            let entry = entry.map_err(FolderError::at(&self.growing))?;
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(stem.as_str()));
            let is_version = version.is_some_and(|version| !version.contains('.'));
            if is_version && entry.path() != wanted {
                fs::remove_file(entry.path()).map_err(FolderError::at(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Whether this much more fits. Where the system cannot say, writing will tell.
    pub(super) fn has_room_for(&self, needed: u64) -> Result<(), FolderError> {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if disk.f_blocks > 0 && free < needed {
            let (free, needed) = (Size(free), Size(needed));
            return Err(FolderError::NoRoom { folder: self.path.clone(), free, needed });
        }
        Ok(())
    }

    /// What all files in the folder take, partial ones included.
    pub(super) fn size(&self) -> u64 {
        size_of(&self.path)
    }
}

impl Drop for Folder {
    /// Leaves partial files for the next pull, and nothing else: a folder that holds only the lock goes.
    fn drop(&mut self) {
        let Ok(entries) = fs::read_dir(&self.growing) else { return };
        if entries.flatten().all(|entry| entry.file_name() == LOCK) {
            // If it does not work, an empty folder stays behind, and nothing is the worse for it.
            let _ = fs::remove_file(self.growing.join(LOCK));
            let _ = fs::remove_dir(&self.growing);
        }
    }
}

/// The name of a growing file without its version; slashes would make folders.
fn stem(file: &Chosen) -> String {
    format!("{}.", file.name.as_str().replace('%', "%25").replace('/', "%2F"))
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::Path;

    use tempfile::TempDir;

    use super::{Folder, FolderError};
    use crate::hub::checksum::Checksum;
    use crate::hub::selection::{Chosen, FileName};

    #[test]
    fn a_full_disk_is_called_so() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let words = FolderError::at(Path::new("/srv/x"))(io::Error::from(kind)).to_string();
            assert!(words.contains("the disk of /srv/x is full"), "{words}");
        }
    }

    #[test]
    fn only_other_versions_of_the_same_file_are_forgotten() {
        let folder = TempDir::new().unwrap();
        let held = Folder::hold(folder.path(), || unreachable!("nobody else is here")).unwrap();
        let file = |name: &str, version: u8| Chosen {
            name: FileName::parse(name).unwrap(),
            size: 1,
            checksum: Checksum::GitBlob([version; 20]),
        };
        let all = [("a/b.gguf", 1), ("a/b.gguf", 2), ("a/b.gguf.gguf", 1), ("a%2Fb.gguf", 1)];
        let places = all.map(|(name, version)| held.growing_place(&file(name, version)));
        for place in &places {
            fs::write(place, "x").unwrap();
        }
        held.forget_other_versions(&file("a/b.gguf", 2)).unwrap();
        assert_eq!(places.map(|place| place.exists()), [false, true, true, true]);
    }

    #[test]
    fn a_folder_keeps_what_has_grown_and_nothing_else() {
        let folder = TempDir::new().unwrap();
        let hold = || Folder::hold(folder.path(), || unreachable!("nobody else is here")).unwrap();
        let held = hold();
        fs::write(held.growing.join("model.safetensors.0011"), "half").unwrap();
        drop(held);
        assert!(folder.path().join(".wardgate-pull").exists());
        let held = hold();
        fs::remove_file(held.growing.join("model.safetensors.0011")).unwrap();
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
