//! Who asks, under which policy.
//!
//! A tenant is known by the digest of its key; the key itself is nowhere. Keys are looked up by
//! digest, so how long a look-up takes says nothing about how much of a key was right.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::guard::Lane;
use crate::policy::Policy;

/// A tenant's name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TenantId(String);

impl TenantId {
    /// The name as an id.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 digest of a bearer key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

/// Why something is not the digest of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "a key is given by its digest, sha256: and 64 hex digits, never plain; make one with: printf %s \
     \"$KEY\" | sha256sum"
)]
pub struct NotADigest;

const PREFIX: &str = "sha256:";

impl KeyDigest {
    /// The digest of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads `sha256:` and 64 hex digits.
    ///
    /// # Errors
    ///
    /// It is anything else, a plain key for instance.
    pub fn parse(written: &str) -> Result<Self, NotADigest> {
        let hex = written.strip_prefix(PREFIX).ok_or(NotADigest)?.as_bytes();
        let mut digest = [0; 32];
        if hex.len() != 2 * digest.len() {
            return Err(NotADigest);
        }
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            for digit in pair {
                let digit = char::from(*digit).to_digit(16).ok_or(NotADigest)?;
                *byte = (*byte << 4) | u8::try_from(digit).map_err(|_| NotADigest)?;
            }
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A party with keys of its own and a policy.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Its place in the guard's queue.
    pub lane: Lane,
    /// Its rules.
    pub policy: Arc<Policy>,
}

/// A tenant and how it is recognised.
pub struct Entry {
    /// The tenant.
    pub tenant: Tenant,
    /// The digests of its keys.
    pub keys: Vec<KeyDigest>,
    /// Whether whoever sends no key is this tenant.
    pub anonymous: bool,
}

/// Why tenants cannot be told apart.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TenantFault {
    /// One key for two.
    #[error("tenants `{0}` and `{1}` have a key in common; give each its own")]
    SharedKey(TenantId, TenantId),
    /// Two for nobody.
    #[error("tenants `{0}` and `{1}` are both anonymous; only one can be")]
    BothAnonymous(TenantId, TenantId),
}

/// All tenants.
#[derive(Default)]
pub struct Tenants {
    by_key: HashMap<KeyDigest, Arc<Tenant>>,
    anonymous: Option<Arc<Tenant>>,
}

impl Tenants {
    /// Puts tenants together.
    ///
    /// # Errors
    ///
    /// When two of them cannot be told apart.
    pub fn new(entries: Vec<Entry>) -> Result<Self, TenantFault> {
        let mut tenants = Self::default();
        for Entry { tenant, keys, anonymous } in entries {
            let tenant = Arc::new(tenant);
            for key in keys {
                if let Some(other) = tenants.by_key.insert(key, Arc::clone(&tenant)) {
                    return Err(TenantFault::SharedKey(other.id.clone(), tenant.id.clone()));
                }
            }
            if anonymous && let Some(other) = tenants.anonymous.replace(Arc::clone(&tenant)) {
                return Err(TenantFault::BothAnonymous(other.id.clone(), tenant.id.clone()));
            }
        }
        Ok(tenants)
    }

    /// Who has this key; without a known key the anonymous tenant, if there is one. So that clients
    /// may bring the credential of the upstream, an unknown key is not told from none.
    pub fn find(&self, key: Option<&str>) -> Option<&Arc<Tenant>> {
        key.and_then(|key| self.by_key.get(&KeyDigest::of(key))).or(self.anonymous.as_ref())
    }
}

/// The tenants and policies that one exchange works with, whatever is loaded meanwhile.
pub struct Snapshot {
    /// The tenants, each with its policy.
    pub tenants: Tenants,
    /// The first hex digits of a digest over the configuration and the policies' versions.
    pub version: String,
}

impl Snapshot {
    /// A snapshot of what was read from these texts: the configuration, the policies' labels.
    pub fn new<'t>(tenants: Tenants, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut digest = Sha256::new();
        for text in texts {
            digest.update(text.as_bytes());
            digest.update([0]);
        }
        let version = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { tenants, version }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, KeyDigest, Tenant, TenantFault, TenantId, Tenants};
    use crate::guard::Lane;
    use crate::policy::{SHIPPED, compile};
    use crate::taxonomy::Taxonomy;
    use std::sync::Arc;

    fn entry(name: &str, keys: &[&str], anonymous: bool) -> Entry {
        let (file, source) = SHIPPED[0];
        let policy = compile(source, file, &Taxonomy::llama_guard_2()).expect("compiles").policy;
        let tenant = Tenant { id: TenantId::new(name), lane: Lane(0), policy: Arc::new(policy) };
        Entry { tenant, keys: keys.iter().map(|key| KeyDigest::of(key)).collect(), anonymous }
    }

    #[test]
    fn a_key_is_its_owners_alone() {
        for anonymous in [false, true] {
            let a = entry("a", &["one", "two"], false);
            let b = entry("b", &["three"], anonymous);
            let tenants = Tenants::new(vec![a, b]).expect("distinct");
            let who = |key: Option<&str>| tenants.find(key).map(|tenant| tenant.id.to_string());
            assert_eq!(who(Some("two")).as_deref(), Some("a"));
            assert_eq!(who(Some("three")).as_deref(), Some("b"));
            let nobody = anonymous.then_some("b");
            assert_eq!(who(None).as_deref(), nobody);
            for unknown in ["", "on", "onee", "ONE", " one", "one\0"] {
                assert_eq!(who(Some(unknown)).as_deref(), nobody, "{unknown:?}");
            }
        }
    }

    #[test]
    fn tenants_that_cannot_be_told_apart_are_refused() {
        let shared = Tenants::new(vec![entry("a", &["x"], false), entry("b", &["x"], false)]);
        assert!(matches!(shared.err(), Some(TenantFault::SharedKey(..))));
        let both = Tenants::new(vec![entry("a", &["x"], true), entry("b", &["y"], true)]);
        assert!(matches!(both.err(), Some(TenantFault::BothAnonymous(..))));
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        // printf %s test | sha256sum
        let written = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(
            KeyDigest::parse(written).map(|digest| digest.to_string()).as_deref(),
            Ok(written)
        );
        assert!(KeyDigest::parse(written).is_ok_and(|digest| digest == KeyDigest::of("test")));
        let short = written.get(..70).expect("long enough");
        for wrong in ["sk-plain-key", "sha256:", short, &written.replace('9', "g")] {
            let fault = KeyDigest::parse(wrong).err().map(|fault| fault.to_string());
            assert!(fault.is_some_and(|fault| fault.contains("sha256sum")), "{wrong}");
        }
    }
}
