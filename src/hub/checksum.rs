//! What the hub promises about the bytes of a file.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the hub promises about a file's bytes.
///
/// SHA-1 is what git has for small files. It holds off accidents, not somebody who makes two files with
/// one checksum; weights, where that would matter, come with SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// SHA-256 of the bytes: files in git's large file storage.
    Sha256([u8; 32]),
    /// SHA-1 of git's blob, which is `blob`, the length, a zero byte, and the bytes.
    GitBlob([u8; 20]),
}

impl Checksum {
    /// Reads the SHA-256 of a large file, 64 hex digits.
    pub fn sha256(hex: &str) -> Option<Self> {
        digits(hex).map(Self::Sha256)
    }

    /// Reads the id of a git blob, 40 hex digits.
    pub fn git_blob(hex: &str) -> Option<Self> {
        digits(hex).map(Self::GitBlob)
    }

    /// The digits alone.
    pub fn hex(&self) -> String {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::GitBlob(bytes) => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What to feed a file of this size into to compare it.
    pub(super) fn hasher(&self, size: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::GitBlob(_) => {
                Hasher::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0").as_bytes()))
            }
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git-sha1",
        };
        write!(f, "{kind}:{}", self.hex())
    }
}

/// A checksum in the making.
pub(super) enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitBlob(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        match self {
            Self::Sha256(hasher) => Checksum::Sha256(hasher.finalize().into()),
            Self::GitBlob(hasher) => Checksum::GitBlob(hasher.finalize().into()),
        }
    }
}

fn digits<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
        .collect();
    if hex.len() != 2 * N { None } else { bytes.try_into().ok() }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn checksums_are_those_of_git_and_sha256sum() {
        // printf hello | git hash-object --stdin; printf hello | sha256sum
        for promised in [
            Checksum::git_blob("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0").unwrap(),
            Checksum::sha256("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
                .unwrap(),
        ] {
            let mut hasher = promised.hasher(5);
            hasher.update(b"hel");
            hasher.update(b"lo");
            assert_eq!(hasher.finish(), promised, "{promised}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_none() {
        for hex in ["", "b6fc", "g6fc4c620b67d95f953a5c1c1230aaab5db5a1b0", "é", &"0".repeat(41)] {
            assert_eq!(Checksum::git_blob(hex), None, "{hex}");
        }
        let hex = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        assert_eq!(Checksum::git_blob(hex).unwrap().hex(), hex);
    }
}
