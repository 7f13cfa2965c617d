//! Asking the hub: with the token where it belongs, along redirects, and what its refusals mean.

use std::io::Read;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, HeaderMap, HeaderValue, LINK, LOCATION, RANGE,
    RETRY_AFTER,
};
use http::{Response, StatusCode, Uri};
use thiserror::Error;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::hub::address::{self, Endpoint, Repository, Revision};
use crate::hub::listing::{self, RemoteFile};

/// How to reach a hub.
#[derive(Clone)]
pub struct Settings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Who asks, if it matters.
    pub token: Option<Token>,
    /// The way there.
    pub proxy: Proxy,
    /// How often something that broke is tried again before it is given up.
    pub retries: u32,
    /// How long the first pause before trying again is; each one after it is twice as long.
    pub pause: Duration,
}

/// The way to the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proxy {
    /// Through the proxy that `HTTPS_PROXY` and its kin name, if they do.
    OfTheEnvironment,
    /// Straight.
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            token: None,
            proxy: Proxy::OfTheEnvironment,
            retries: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// An access token. It has no `Debug` and goes to its own hub only.
#[derive(Clone)]
pub struct Token(HeaderValue);

/// Why something is not a token. It does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not an access token: it holds characters that no header can carry; copy it again")]
pub struct NotAToken;

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// If it holds what no header can carry.
    pub fn new(text: &str) -> Result<Self, NotAToken> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::try_from(format!("Bearer {text}"))
            .ok()
            .filter(|_| plain)
            .ok_or(NotAToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// Why the hub did not give what was asked for.
#[derive(Debug, Error)]
pub enum HubError {
    /// Who reads it must have accepted a licence, and nobody says who reads.
    #[error(
        "{page} is gated: sign in there and accept its licence, then make a token at {endpoint}/settings/tokens \
         and set HF_TOKEN to it"
    )]
    Gated {
        /// The page of the repository.
        page: String,
        /// The hub.
        endpoint: String,
    },
    /// Who reads it must have accepted a licence, and this one has not.
    #[error(
        "{page} is gated and HF_TOKEN does not open it: accept its licence there with the account of the \
         token; a fine-grained token also needs the permission to read gated repositories"
    )]
    NotGranted {
        /// The page of the repository.
        page: String,
    },
    /// What the hub says to strangers about what is not there, private or gated.
    #[error(
        "{page} does not exist, or is private or gated: check the name; if it is gated, accept its licence \
         there and set HF_TOKEN to a token of {endpoint}/settings/tokens"
    )]
    Hidden {
        /// The page of the repository.
        page: String,
        /// The hub.
        endpoint: String,
    },
    /// The token is none of the hub's.
    #[error(
        "{endpoint} does not know the token in HF_TOKEN; make a new one at {endpoint}/settings/tokens"
    )]
    UnknownToken {
        /// The hub.
        endpoint: String,
    },
    /// No such repository.
    #[error(
        "{page} does not exist; check the name (a private one looks the same without its token in HF_TOKEN)"
    )]
    NoRepository {
        /// The page of the repository.
        page: String,
    },
    /// No such revision.
    #[error(
        "{page} has no revision {revision}; its branches and tags are listed at {page}/tree/main"
    )]
    NoRevision {
        /// The page of the repository.
        page: String,
        /// What was asked for.
        revision: Revision,
    },
    /// Another answer than the one hoped for.
    #[error("{host} answered {status}")]
    Status {
        /// Who.
        host: String,
        /// What.
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// Whether asking again may help.
        passing: bool,
    },
    /// No answer, or not all of one.
    #[error("the connection to {host} broke ({cause})")]
    Broken {
        /// To whom.
        host: String,
        /// What the system says.
        cause: Box<ureq::Error>,
    },
    /// The connection ended before the answer did.
    #[error("{host} ended the connection too early")]
    Cut {
        /// To whom.
        host: String,
    },
    /// A redirect without an end, or to nowhere.
    #[error("{host} redirects to where nothing is fetched from; is HF_ENDPOINT right?")]
    Redirect {
        /// Who.
        host: String,
    },
    /// An answer in words we do not know.
    #[error("{host} does not answer as a hub does; is HF_ENDPOINT right?")]
    NotAHub {
        /// Who.
        host: String,
    },
}

impl HubError {
    pub(super) fn broken(host: String, cause: impl Into<ureq::Error>) -> Self {
        Self::Broken { host, cause: Box::new(cause.into()) }
    }

    /// Whether the same question may be answered later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status { passing, .. } => *passing,
            // A certificate that does not hold will not hold in a minute either.
            Self::Broken { cause, .. } => !matches!(
                **cause,
                ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_)
            ),
            Self::Cut { .. } => true,
            Self::Gated { .. }
            | Self::NotGranted { .. }
            | Self::Hidden { .. }
            | Self::UnknownToken { .. }
            | Self::NoRepository { .. }
            | Self::NoRevision { .. }
            | Self::Redirect { .. }
            | Self::NotAHub { .. } => false,
        }
    }

    /// How long the hub wants to be left alone, within reason.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// One repository of a hub, at one revision.
pub(super) struct Hub<'a> {
    agent: Agent,
    settings: &'a Settings,
    repository: &'a Repository,
    revision: &'a Revision,
}

/// The bytes of a file, from some byte on.
pub(super) struct Bytes {
    /// Who sends them.
    pub(super) host: String,
    /// The first byte's place: 0 where the range that was asked for is not heeded.
    pub(super) from: u64,
    pub(super) body: Box<dyn Read>,
}

/// An answer, and who gave it.
struct Answer {
    response: Response<Body>,
    at: Uri,
}

const CONNECT: Duration = Duration::from_secs(20);
/// For one piece of an answer; a download as a whole may take as long as it takes.
const SILENCE: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 8;
/// The API's pages hold up to a thousand files each; a repository of guards has a few dozen.
const PAGES: usize = 100;
const PAGE: u64 = 16 << 20;
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

impl<'a> Hub<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        repository: &'a Repository,
        revision: &'a Revision,
    ) -> Self {
        let mut config = Agent::config_builder()
            .user_agent(concat!("wardgate/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // Followed here: the token must stay at home.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .tls_config(TlsConfig::builder().root_certs(roots()).build());
        if settings.proxy == Proxy::None {
            config = config.proxy(None);
        }
        Self { agent: config.build().new_agent(), settings, repository, revision }
    }

    /// The commit that the revision is now.
    pub(super) fn commit(&self) -> Result<String, HubError> {
        let endpoint = &self.settings.endpoint;
        let answer = self.ask(&endpoint.revision(self.repository, self.revision.as_str()), 0)?;
        let host = host(&answer.at);
        let page = read(answer)?;
        listing::commit(&page).ok_or(HubError::NotAHub { host })
    }

    /// The files of a commit.
    pub(super) fn files(&self, commit: &str) -> Result<Vec<RemoteFile>, HubError> {
        let mut files = Vec::new();
        let mut next = Some(self.settings.endpoint.tree(self.repository, commit));
        for _ in 0..PAGES {
            let Some(address) = next.take() else { break };
            let answer = self.ask(&address, 0)?;
            let (host, at) = (host(&answer.at), answer.at.clone());
            let link = answer.response.headers().get(LINK).and_then(|link| link.to_str().ok());
            if let Some(link) = link.and_then(listing::next_page) {
                let page = address::redirected(&at, link);
                next = Some(page.ok_or(HubError::NotAHub { host: host.clone() })?.to_string());
            }
            let page = read(answer)?;
            files.extend(listing::files(&page).map_err(|_| HubError::NotAHub { host })?);
        }
        match next {
            // Half a listing could leave out half of the weights.
            Some(_) => Err(HubError::NotAHub { host: self.settings.endpoint.to_string() }),
            None => Ok(files),
        }
    }

    /// A file's bytes from one on.
    pub(super) fn file(&self, commit: &str, path: &str, from: u64) -> Result<Bytes, HubError> {
        let answer = self.ask(&self.settings.endpoint.file(self.repository, commit, path), from)?;
        let from = match answer.response.status() {
            StatusCode::PARTIAL_CONTENT => first_byte(answer.response.headers())
                .filter(|first| *first == from)
                .ok_or_else(|| HubError::NotAHub { host: host(&answer.at) })?,
            _ => 0,
        };
        let body = answer.response.into_body().into_reader();
        Ok(Bytes { host: host(&answer.at), from, body: Box::new(body) })
    }

    /// Asks, follows where it leads, and gives an answer that is one.
    fn ask(&self, address: &str, from: u64) -> Result<Answer, HubError> {
        let home = self.settings.endpoint.to_string();
        let mut at: Uri = address.parse().map_err(|_| HubError::NotAHub { host: home })?;
        for _ in 0..REDIRECTS {
            let mut request = self.agent.get(at.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) = &self.settings.token
                && self.settings.endpoint.is_home_of(&at)
            {
                request = request.header(AUTHORIZATION, &token.0);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let broken = |cause| HubError::broken(host(&at), cause);
            let response = request.call().map_err(broken)?;
            let status = response.status();
            if !status.is_redirection() {
                let answer = Answer { response, at };
                return if status.is_success() { Ok(answer) } else { Err(self.refusal(&answer)) };
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            at = location
                .and_then(|to| address::redirected(&at, to))
                .ok_or_else(|| HubError::Redirect { host: host(&at) })?;
        }
        Err(HubError::Redirect { host: host(&at) })
    }

    /// What an answer that is none means. Only the hub itself speaks of licences and names; another
    /// host that refuses has most likely been shown an address that has expired.
    fn refusal(&self, answer: &Answer) -> HubError {
        let (status, headers) = (answer.response.status(), answer.response.headers());
        let page = self.settings.endpoint.page(self.repository);
        let at_home = self.settings.endpoint.is_home_of(&answer.at);
        let endpoint = self.settings.endpoint.to_string();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let code = header("x-error-code");
        match (status, code, &self.settings.token) {
            (_, Some("GatedRepo"), None) if at_home => HubError::Gated { page, endpoint },
            (_, Some("GatedRepo"), Some(_)) if at_home => HubError::NotGranted { page },
            (_, Some("RevisionNotFound"), _) if at_home => {
                HubError::NoRevision { page, revision: self.revision.clone() }
            }
            (StatusCode::FORBIDDEN, _, None) if at_home => HubError::Gated { page, endpoint },
            (StatusCode::FORBIDDEN, _, Some(_)) if at_home => HubError::NotGranted { page },
            (StatusCode::UNAUTHORIZED, _, None) if at_home => HubError::Hidden { page, endpoint },
            (StatusCode::UNAUTHORIZED, Some("RepoNotFound"), Some(_)) if at_home => {
                HubError::NoRepository { page }
            }
            (StatusCode::UNAUTHORIZED, _, Some(_)) if at_home => {
                HubError::UnknownToken { endpoint }
            }
            (StatusCode::NOT_FOUND, _, _) if at_home => HubError::NoRepository { page },
            _ => {
                let seconds = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
                let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                HubError::Status {
                    host: host(&answer.at),
                    status,
                    retry_after: seconds
                        .map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)),
                    passing: !at_home || status.is_server_error() || busy.contains(&status),
                }
            }
        }
    }
}

/// The first byte of `bytes 100-199/200`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// A page of the API, within its bound.
fn read(mut answer: Answer) -> Result<Vec<u8>, HubError> {
    let body = answer.response.body_mut().with_config().limit(PAGE);
    body.read_to_vec().map_err(|cause| HubError::broken(host(&answer.at), cause))
}

/// The host alone: the rest of an address may be signed, and worth as much as the token for a while.
fn host(at: &Uri) -> String {
    at.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default()
}

/// The machine's own certificates, as the gateway trusts them, so that a mirror inside a company works;
/// Mozilla's where the machine has none.
fn roots() -> RootCerts {
    match rustls_native_certs::load_native_certs() {
        Ok(found) if !found.is_empty() => {
            found.iter().map(|der| Certificate::from_der(der).to_owned()).into()
        }
        _ => RootCerts::WebPki,
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_RANGE, HeaderMap, HeaderValue};

    use super::{Token, first_byte};

    #[test]
    fn a_token_is_what_a_header_can_carry() {
        assert!(Token::new("hf_abc123").is_ok());
        for bad in ["hf_\n", "hf a", "hf_é", "\r\nx: y"] {
            assert!(Token::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_range_begins_where_it_says() {
        let check = |range: &'static str, expected| {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(range))]);
            assert_eq!(first_byte(&headers), expected, "{range}");
        };
        check("bytes 100-199/200", Some(100));
        check("bytes 0-0/*", Some(0));
        check("bytes */200", None);
        check("items 1-2/3", None);
    }
}
