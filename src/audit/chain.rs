//! The hash chain: each line holds the hash of the line before and, last, its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How lines are hashed: plainly, or with a key that whoever changes the log does not have.
#[derive(Clone)]
pub(super) enum Hasher {
    Plain,
    Keyed(Vec<u8>),
}

/// What stands before the hash in a line.
const HASH: &str = ",\"hash\":\"";

impl Hasher {
    pub(super) fn new(key: Option<&[u8]>) -> Self {
        key.map_or(Self::Plain, |key| Self::Keyed(key.to_owned()))
    }

    /// What the first line of all names as the hash of the line before.
    pub(super) fn origin(&self) -> String {
        format!("{}{}", self.prefix(), "0".repeat(64))
    }

    /// A line without its hash (an object, closed by a brace) to the line with it, and the hash.
    pub(super) fn seal(&self, line: &str) -> (String, String) {
        let hash = self.hash(line);
        let body = line.strip_suffix('}').unwrap_or(line);
        (format!("{body}{HASH}{hash}\"}}\n"), hash)
    }

    /// A line with its hash to its hash, if that is right.
    pub(super) fn check(&self, line: &str) -> Option<String> {
        let at = line.rfind(HASH)?;
        let written = line.get(at + HASH.len()..)?.strip_suffix("\"}")?;
        let body = format!("{}}}", line.get(..at)?);
        (self.hash(&body) == written).then(|| written.to_owned())
    }

    fn prefix(&self) -> &'static str {
        match self {
            Self::Plain => "sha256:",
            Self::Keyed(_) => "hmac-sha256:",
        }
    }

    fn hash(&self, line: &str) -> String {
        let digest: [u8; 32] = match self {
            Self::Plain => Sha256::digest(line.as_bytes()).into(),
            Self::Keyed(key) => match Hmac::<Sha256>::new_from_slice(key) {
                Ok(mut mac) => {
                    mac.update(line.as_bytes());
                    mac.finalize().into_bytes().into()
                }
                // HMAC takes keys of every length.
                Err(_) => [0; 32],
            },
        };
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{hex}", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::Hasher;

    #[test]
    fn a_sealed_line_checks_and_a_changed_one_does_not() {
        for hasher in [Hasher::new(None), Hasher::new(Some(b"secret"))] {
            let (line, hash) = hasher.seal("{\"seq\":1,\"prev\":\"x\"}");
            let line = line.trim_end();
            assert_eq!(hasher.check(line), Some(hash));
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok());
            assert_eq!(hasher.check(&line.replace("\"seq\":1", "\"seq\":2")), None);
        }
        let (line, _) = Hasher::new(Some(b"secret")).seal("{\"seq\":1}");
        assert_eq!(Hasher::new(Some(b"guess")).check(line.trim_end()), None);
    }
}
