//! What a path is to us: guarded, passed through, or refused.
//!
//! Routes are matched byte for byte on the path as it was sent. Nothing is normalised, so `//v1/…`,
//! `%2f`, a trailing slash, a query or another spelling of the case is another path, and every other
//! path is refused, unless an operator has opened it.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;

use crate::gateway::passthrough::Passthrough;
use crate::wire::Dialect;
use crate::wire::inquiry::Endpoint;

/// A route that is not refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// A conversation, in a dialect.
    Guarded(Dialect),
    /// `GET /v1/models`.
    Models,
    /// An opinion, for another program.
    Asked(Endpoint),
    /// Opened by an operator; nobody judges what goes through it.
    Passed(Arc<Passthrough>),
}

const ROUTES: [(Method, &str, Route); 7] = [
    (Method::POST, "/v1/chat/completions", Route::Guarded(Dialect::Chat)),
    (Method::POST, "/v1/completions", Route::Guarded(Dialect::Completions)),
    (Method::POST, "/v1/embeddings", Route::Guarded(Dialect::Embeddings)),
    (Method::POST, "/v1/responses", Route::Guarded(Dialect::Responses)),
    (Method::POST, "/v1/messages", Route::Guarded(Dialect::Messages)),
    // What Anthropic's clients send for features that `anthropic-beta` names.
    (Method::POST, "/v1/messages?beta=true", Route::Guarded(Dialect::Messages)),
    (Method::GET, "/v1/models", Route::Models),
];

impl Route {
    /// The route of a request, if it is one we guard.
    pub(crate) fn of(method: &Method, raw_path: &[u8]) -> Option<Self> {
        ROUTES
            .iter()
            .find(|(wanted, path, _)| wanted == method && path.as_bytes() == raw_path)
            .map(|(_, _, route)| route.clone())
    }

    /// The word for records and metrics.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Guarded(dialect) => dialect.as_str().into(),
            Self::Models => "models".into(),
            Self::Asked(endpoint) => endpoint.as_str().into(),
            Self::Passed(passthrough) => passthrough.name().to_owned().into(),
        }
    }

    /// All routes, in words.
    pub(crate) fn all() -> String {
        let routes: Vec<String> =
            ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        match routes.split_last() {
            Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            _ => routes.concat(),
        }
    }
}

/// The paths of all routes of ours, whatever their method.
pub(super) fn guarded_paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|(_, path, _)| *path)
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Route};
    use http::Method;

    #[test]
    fn only_the_exact_bytes_are_a_route() {
        let check = |method: Method, path: &str, expected: Option<Route>| {
            assert_eq!(Route::of(&method, path.as_bytes()), expected, "{method} {path}");
        };
        check(Method::POST, "/v1/chat/completions", Some(Route::Guarded(Dialect::Chat)));
        check(Method::POST, "/v1/completions", Some(Route::Guarded(Dialect::Completions)));
        check(Method::POST, "/v1/embeddings", Some(Route::Guarded(Dialect::Embeddings)));
        check(Method::POST, "/v1/responses", Some(Route::Guarded(Dialect::Responses)));
        check(Method::POST, "/v1/messages", Some(Route::Guarded(Dialect::Messages)));
        check(Method::POST, "/v1/messages?beta=true", Some(Route::Guarded(Dialect::Messages)));
        check(Method::GET, "/v1/models", Some(Route::Models));
        for path in [
            "//v1/chat/completions",
            "/v1/chat/completions/",
            "/v1/chat%2fcompletions",
            "/v1/%63hat/completions",
            "/v1/./chat/completions",
            "/v1/x/../chat/completions",
            "/V1/chat/completions",
            "/v1/chat/completions;a=b",
            "/v1/chat/completions%00",
            "/v1/chat/completions?x=1",
            "/v1/chat/completions%20",
            "/v1\\chat\\completions",
            "/chat/completions",
            "/v1/completions/",
            "/v1/completion",
            "/v1/embeddings?x=1",
            "/v1/responses/resp_1",
            "/v1/responses/compact",
            "/v1/responses/input_tokens",
            "/v1/messages/count_tokens",
            "/v1/messages?beta=false",
            "/v1/messages?beta=true&x=1",
            "http://127.0.0.1/v1/chat/completions",
            "/metrics",
            "/",
            "",
        ] {
            check(Method::POST, path, None);
        }
        for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            check(method, "/v1/chat/completions", None);
        }
        check(Method::POST, "/v1/models", None);
    }
}
