//! A file that grows: what is there of it is read first, and it moves to its place only when it is right.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::hub::checksum::{Checksum, Hasher};
use crate::hub::folder::{Folder, FolderError, PIECE};
use crate::hub::selection::Chosen;

/// A file that grows.
pub(super) struct Part<'a> {
    wanted: &'a Chosen,
    path: PathBuf,
    place: PathBuf,
    file: File,
    hasher: Hasher,
    have: u64,
}

/// What a file turned out to be when it was whole.
pub(super) enum Settled {
    /// It is in its place.
    Right,
    /// It was thrown away.
    Wrong(Checksum),
}

impl<'a> Part<'a> {
    /// Opens what has grown so far, or begins; reads it, saying how far it is.
    pub(super) fn open(
        folder: &Folder,
        wanted: &'a Chosen,
        mut read: impl FnMut(u64),
    ) -> Result<Self, FolderError> {
        folder.forget_other_versions(wanted)?;
        let path = folder.growing_place(wanted);
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut part = Self {
            wanted,
            place: folder.place(wanted),
            file: file.map_err(FolderError::at(&path))?,
            path,
            hasher: wanted.checksum.hasher(wanted.size),
            have: 0,
        };
        let grown = part.file.metadata().map_err(FolderError::at(&part.path))?.len();
        if grown > wanted.size {
            part.restart()?;
            return Ok(part);
        }
        let mut piece = vec![0; PIECE];
        while part.have < grown {
            let came = part.file.read(&mut piece).map_err(FolderError::at(&part.path))?;
            if came == 0 {
                break;
            }
            part.hasher.update(piece.get(..came).unwrap_or_default());
            part.have += came as u64;
            read(came as u64);
        }
        Ok(part)
    }

    /// How many bytes there are.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// How many are to come.
    pub(super) fn missing(&self) -> u64 {
        self.wanted.size - self.have
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) -> Result<(), FolderError> {
        self.file.set_len(0).map_err(FolderError::at(&self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(FolderError::at(&self.path))?;
        self.hasher = self.wanted.checksum.hasher(self.wanted.size);
        self.have = 0;
        Ok(())
    }

    /// Takes the next bytes; callers bring no more than are missing.
    pub(super) fn grow(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.file.write_all(bytes).map_err(FolderError::at(&self.path))?;
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    /// Moves a whole file to its place if it is what was promised; throws it away if not. The disk has
    /// its bytes before it has its name.
    pub(super) fn settle(&mut self) -> Result<Settled, FolderError> {
        let fresh = self.wanted.checksum.hasher(self.wanted.size);
        let came = std::mem::replace(&mut self.hasher, fresh).finish();
        if came != self.wanted.checksum {
            self.restart()?;
            return Ok(Settled::Wrong(came));
        }
        self.file.sync_all().map_err(FolderError::at(&self.path))?;
        if let Some(folder) = self.place.parent() {
            fs::create_dir_all(folder).map_err(FolderError::at(folder))?;
        }
        fs::rename(&self.path, &self.place).map_err(FolderError::at(&self.place))?;
        Ok(Settled::Right)
    }

    /// Leaves nothing behind.
    pub(super) fn discard(self) -> Result<(), FolderError> {
        fs::remove_file(&self.path).map_err(FolderError::at(&self.path))
    }
}
