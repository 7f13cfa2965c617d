//! Where things lie on a hub: its endpoint, a repository's name, and the addresses made of them.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

/// Everything but what stands for itself anywhere in a path (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a hub.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Without a slash at its end.
    text: String,
    uri: Uri,
}

/// Why something is not the address of a hub. It does not repeat it: there may be a password in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "not the address of a hub; give one like https://huggingface.co, without credentials, query or \
     fragment"
)]
pub struct NotAnEndpoint;

/// A repository of the hub: `owner/name`, or the bare name of an old one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository(String);

/// Why something is not the name of a repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a repository is named owner/name, as in meta-llama/Meta-Llama-Guard-2-8B")]
pub struct NotARepository;

/// A branch, a tag or a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision(String);

/// Why something is not a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a revision is a branch, a tag or a commit, as in main")]
pub struct NotARevision;

impl Endpoint {
    /// Where the hub names the commit of a revision.
    pub(super) fn revision(&self, repository: &Repository, revision: &str) -> String {
        format!("{self}/api/models/{repository}/revision/{}", segment(revision))
    }

    /// Where the hub lists the files of a commit.
    pub(super) fn tree(&self, repository: &Repository, commit: &str) -> String {
        format!("{self}/api/models/{repository}/tree/{}?recursive=true", segment(commit))
    }

    /// Where a file of a commit is.
    pub(super) fn file(&self, repository: &Repository, commit: &str, path: &str) -> String {
        let path: Vec<String> = path.split('/').map(segment).collect();
        format!("{self}/{repository}/resolve/{}/{}", segment(commit), path.join("/"))
    }

    /// Where people read about a repository, and accept its licence.
    pub(super) fn page(&self, repository: &Repository) -> String {
        format!("{self}/{repository}")
    }

    /// Whether an address is the hub's own. Only those are shown the token.
    pub(super) fn is_home_of(&self, address: &Uri) -> bool {
        let origin = |uri: &Uri| {
            let port = uri.port_u16().or(match uri.scheme_str() {
                Some("https") => Some(443),
                _ => Some(80),
            });
            (uri.scheme().cloned(), uri.host().map(str::to_ascii_lowercase), port)
        };
        origin(&self.uri) == origin(address)
    }

    /// Whether what is sent there can be read on the way: plain HTTP, to another machine.
    pub fn is_overheard(&self) -> bool {
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        self.uri.scheme() == Some(&Scheme::HTTP)
            && !self.uri.host().is_some_and(|host| loopback.contains(&host))
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let text = text.trim().trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| NotAnEndpoint)?;
        let known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let bare = uri.query().is_none() && !text.contains(['@', '#']);
        if !known || !bare || uri.host().is_none_or(str::is_empty) {
            return Err(NotAnEndpoint);
        }
        Ok(Self { text: text.to_owned(), uri })
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        let text = "https://huggingface.co";
        Self { text: text.to_owned(), uri: Uri::from_static(text) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Repository {
    type Err = NotARepository;

    fn from_str(text: &str) -> Result<Self, NotARepository> {
        // The hub's own rule: letters, digits and -_., neither at the ends nor twice in a row.
        let part = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !name.is_empty()
                && name.len() <= 96
                && name.chars().all(known)
                && !name.starts_with(['.', '-'])
                && !name.ends_with(['.', '-'])
                && !name.contains("..")
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 2 || !parts.into_iter().all(part) {
            return Err(NotARepository);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Revision {
    /// The revision as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Revision {
    type Err = NotARevision;

    fn from_str(text: &str) -> Result<Self, NotARevision> {
        if text.is_empty() || text.starts_with('.') || text.chars().any(char::is_control) {
            return Err(NotARevision);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a redirect leads. Never from an encrypted address to one that is not.
pub(super) fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let to: Uri = if location.starts_with("//") {
        format!("{scheme}:{location}").parse().ok()?
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}").parse().ok()?
    } else {
        location.parse().ok()?
    };
    let known = to.scheme() == Some(&Scheme::HTTPS) || to.scheme() == from.scheme();
    (known && to.host().is_some()).then_some(to)
}

/// One segment of a path; `refs/pr/1` is one, with its slashes encoded.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::{Endpoint, Repository, Revision, redirected};

    #[test]
    fn addresses_are_those_of_the_hub() {
        let hub = Endpoint::default();
        let repository: Repository = "meta-llama/Meta-Llama-Guard-2-8B".parse().unwrap();
        let base = "https://huggingface.co";
        assert_eq!(
            hub.revision(&repository, "refs/pr/1"),
            format!("{base}/api/models/meta-llama/Meta-Llama-Guard-2-8B/revision/refs%2Fpr%2F1")
        );
        assert_eq!(
            hub.file(&repository, "main", "Q8 0/a?b.gguf"),
            format!("{base}/meta-llama/Meta-Llama-Guard-2-8B/resolve/main/Q8%200/a%3Fb.gguf")
        );
    }

    #[test]
    fn a_mirror_may_lie_under_a_path_and_holds_no_password() {
        let mirror: Endpoint = "http://mirror.example:8081/hf/".parse().unwrap();
        assert_eq!(mirror.to_string(), "http://mirror.example:8081/hf");
        assert!(mirror.is_overheard());
        for bad in ["", "huggingface.co", "ftp://a", "https://u:p@a", "https://a?x=1", "https://"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_hub_itself_is_home() {
        let hub = Endpoint::default();
        let check = |address: &'static str, home: bool| {
            assert_eq!(hub.is_home_of(&Uri::from_static(address)), home, "{address}");
        };
        check("https://huggingface.co/a/b", true);
        check("https://HUGGINGFACE.co:443/a", true);
        check("https://huggingface.co:8443/a", false);
        check("http://huggingface.co/a", false);
        check("https://cdn-lfs.huggingface.co/a", false);
        check("https://huggingface.co.evil.example/a", false);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for good in ["gpt2", "meta-llama/Llama-Guard-3-8B", "a_b/c.d"] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let url = "https://huggingface.co/a/b";
        for bad in ["", "/", "a/", "a/b/c", "../b", "a/..", "a b/c", "a/b?c", url, "a/-b"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        for bad in ["", "..", "a\nb"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn redirects_lead_on_but_never_out_of_encryption() {
        let from = Uri::from_static("https://hub.example/a/b?c");
        let check = |location: &str, expected: Option<&str>| {
            let to = redirected(&from, location).map(|uri| uri.to_string());
            assert_eq!(to.as_deref(), expected, "{location}");
        };
        check("/x/y?z", Some("https://hub.example/x/y?z"));
        check("//cdn.example/x", Some("https://cdn.example/x"));
        check("https://cdn.example/x?sig=1", Some("https://cdn.example/x?sig=1"));
        check("http://cdn.example/x", None);
        check("file:///etc/passwd", None);
        check("", None);
    }
}
