//! Paths that an operator has opened although nobody judges what goes through them.
//!
//! A [`Passthrough`] is one method on one path, byte for byte, and the upstream it leads to. It is the
//! permit that the functions ask for which send what nobody has cleared, and it cannot be made for a
//! path that is guarded, nor for one that reaches the provider where a guarded one does.

use http::{Method, Uri};
use thiserror::Error;

use crate::gateway::route;
use crate::gateway::settings::UpstreamSettings;
use crate::wire::inquiry::Endpoint;

/// Where the guarded API begins, here and in the base URL of an upstream.
const BASE: &str = "/v1/";

/// Methods that carry a request and an answer, and nothing stranger.
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// An unguarded path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passthrough {
    method: Method,
    path: String,
    upstream: String,
    /// The path at the upstream.
    target: String,
    /// The word for records and metrics.
    name: String,
}

/// Why a path cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PassthroughFault {
    /// The path has another spelling that a server could take for the same.
    #[error(
        "`{0}` is not a plain path; write `/` and segments of letters, digits and -_.~:@, as clients \
         send them, with `?` and the query if they send one"
    )]
    Spelling(String),
    /// A guarded path, or another way to it.
    #[error(
        "`{path}` leads where the guarded `{guarded}` leads, and a passthrough may not go around the \
         guard; take it out"
    )]
    Guarded {
        /// As written.
        path: String,
        /// Which it would go around.
        guarded: &'static str,
    },
    /// A method that is not passed on.
    #[error("`{0}` is not a method that passes; there are: GET, POST, PUT, PATCH and DELETE")]
    Method(String),
}

impl Passthrough {
    /// Opens a path to an upstream. What stands behind `/v1/` goes below the upstream's base URL, as
    /// guarded paths do; any other path goes to its host as it is.
    ///
    /// # Errors
    ///
    /// The path or the method cannot be opened.
    pub fn new(
        method: &str,
        path: &str,
        upstream: &UpstreamSettings,
    ) -> Result<Self, PassthroughFault> {
        let known = METHODS.iter().find(|known| known.as_str() == method);
        let method = known.ok_or_else(|| PassthroughFault::Method(method.to_owned()))?.clone();
        if !is_plain(path) {
            return Err(PassthroughFault::Spelling(path.to_owned()));
        }
        let same = |a: &str, b: &str| bare(a).eq_ignore_ascii_case(bare(b));
        let target = target(&upstream.url, path);
        let around = route::guarded_paths().find(|guarded| {
            let short = guarded.strip_prefix(BASE).map_or("", |rest| guarded_tail(guarded, rest));
            let there = self::target(&upstream.url, guarded);
            same(path, guarded) || same(path, short) || same(&target, &there)
        });
        if let Some(guarded) = around {
            return Err(PassthroughFault::Guarded { path: path.to_owned(), guarded });
        }
        let name = format!("passthrough:{}", bare(path));
        let (path, upstream) = (path.to_owned(), upstream.name.clone());
        Ok(Self { method, path, upstream, target, name })
    }

    /// Whether a request is for this path: the very bytes, query and all.
    pub(crate) fn is_for(&self, method: &Method, raw_path: &[u8]) -> bool {
        self.method == *method && self.path.as_bytes() == raw_path
    }

    /// Whether another is for the same requests.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_for(&other.method, other.path.as_bytes())
    }

    /// Whether this gateway answers the same requests itself while the endpoint is open.
    pub fn is_shadowed_by(&self, endpoint: Endpoint) -> bool {
        self.is_for(&Method::POST, endpoint.path().as_bytes())
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, as clients send it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the upstream it leads to.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The path at the upstream.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The word for records and metrics.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Headers of a client that go along: what a body is, and what is wanted of the answer. Nothing that
/// says who asks, or on whose behalf.
pub(crate) const ALONG: [&str; 13] = [
    "content-type",
    "content-encoding",
    "accept",
    "accept-encoding",
    "accept-language",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "openai-beta",
    "anthropic-version",
    "anthropic-beta",
];

/// Headers of an answer that come back, beside those of a guarded one.
pub(crate) const BACK: [&str; 9] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "content-range",
    "accept-ranges",
    "cache-control",
    "etag",
    "last-modified",
];

fn target(base: &Uri, path: &str) -> String {
    match path.strip_prefix(BASE) {
        Some(rest) => format!("{}/{rest}", base.path().trim_end_matches('/')),
        None => path.to_owned(),
    }
}

/// A guarded path as engines know it that serve it without `/v1`.
fn guarded_tail<'p>(guarded: &'p str, rest: &str) -> &'p str {
    guarded.get(guarded.len() - rest.len() - 1..).unwrap_or(guarded)
}

/// A path without its query, and without slashes at its end.
fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or(path).trim_end_matches('/')
}

/// Whether a path has one spelling: nothing encoded, no empty segment, none that means another.
fn is_plain(written: &str) -> bool {
    let (path, query) = written.split_once('?').unwrap_or((written, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:@".contains(&byte);
    let Some(segments) = path.strip_prefix('/') else { return false };
    segments
        .split('/')
        .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain))
        && query.bytes().all(|byte| plain(byte) || b"=&,[]%+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use globset::GlobSet;
    use http::Method;

    use super::{Passthrough, PassthroughFault};
    use crate::gateway::settings::UpstreamSettings;

    fn upstream(url: &str) -> UpstreamSettings {
        UpstreamSettings {
            name: "u".to_owned(),
            url: url.parse().unwrap(),
            models: GlobSet::empty(),
            credential: None,
            authorities: None,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_path_leads_below_the_base_or_to_the_host() {
        for (url, path, target) in [
            ("http://h/v1", "/v1/files", "/v1/files"),
            ("http://h/api/openai/", "/v1/files?limit=2", "/api/openai/files?limit=2"),
            ("http://h/v1", "/tokenize", "/tokenize"),
            ("http://h", "/v1/messages/count_tokens", "/messages/count_tokens"),
        ] {
            let open = Passthrough::new("POST", path, &upstream(url)).unwrap();
            assert_eq!((open.path(), open.target()), (path, target));
            assert!(open.is_for(&Method::POST, path.as_bytes()));
            assert!(!open.is_for(&Method::GET, path.as_bytes()));
            assert!(!open.is_for(&Method::POST, format!("{path}/").as_bytes()));
            assert!(!open.is_for(&Method::POST, path.to_uppercase().as_bytes()));
        }
    }

    #[test]
    fn no_passthrough_goes_around_the_guard() {
        for (url, path) in [
            ("http://h/v1", "/v1/chat/completions"),
            ("http://h/v1", "/v1/chat/completions?stream=1"),
            ("http://h/v1", "/V1/Chat/Completions"),
            ("http://h/v1", "/chat/completions"),
            ("http://h/openai/v1", "/openai/v1/responses"),
            ("http://h", "/messages"),
            ("http://h/v1", "/v1/messages?beta=true"),
            ("http://h/v1", "/v1/models"),
        ] {
            let fault = Passthrough::new("GET", path, &upstream(url)).unwrap_err();
            assert!(matches!(fault, PassthroughFault::Guarded { .. }), "{path}: {fault:?}");
        }
    }

    #[test]
    fn a_path_with_another_spelling_is_refused() {
        for path in [
            "",
            "v1/files",
            "//v1/files",
            "/v1//files",
            "/v1/files/",
            "/v1/./files",
            "/v1/../files",
            "/v1/%66iles",
            "/v1/files;a=b",
            "/v1\\files",
            "/v1/files#a",
            "/v1/f iles",
            "/v1/é",
            "http://h/v1/files",
            "/v1/files?a=<b>",
        ] {
            let fault = Passthrough::new("GET", path, &upstream("http://h/v1")).unwrap_err();
            assert_eq!(fault, PassthroughFault::Spelling(path.to_owned()));
        }
        for method in ["CONNECT", "TRACE", "get", "OPTIONS", ""] {
            let fault = Passthrough::new(method, "/v1/files", &upstream("http://h/v1"));
            assert_eq!(fault, Err(PassthroughFault::Method(method.to_owned())));
        }
    }
}
