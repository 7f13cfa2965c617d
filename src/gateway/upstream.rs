//! The model provider's side of an exchange: sends what is cleared and nothing else; reads the answer.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::prelude::HttpPeer;
use pingora_core::protocols::ALPN;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::{BError, ErrorType, RetryType};
use pingora_http::{RequestHeader, ResponseHeader};
use thiserror::Error;

use crate::gateway::coding::{CodingFault, Decoding};
use crate::gateway::downstream::{self, Along};
use crate::gateway::inspect::Cleared;
use crate::gateway::passthrough::{self, Passthrough};
use crate::gateway::settings::UpstreamSettings;
use crate::gateway::tls::Authorities;
use crate::wire::Request;

/// Idle connections kept to all upstreams together.
const POOL: usize = 256;
/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// Streams on one connection of HTTP/2 to an upstream; for more, a further one is opened.
const STREAMS: u32 = 64;
/// What a stream may hold that nobody has read. A connection may hold that of all its streams, so
/// that a client who does not read stops its own stream and nobody else's.
const WINDOW: u32 = 256 << 10;
/// How long resolved addresses are used before the name is looked up again.
const ADDRESSES: Duration = Duration::from_secs(30);

/// What went wrong on the provider's side.
#[derive(Debug, Error)]
pub enum UpstreamFault {
    /// No connection, or the request could not be written to it.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Silent for too long.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The answer broke off.
    #[error("broke off: {0}")]
    Broken(String),
    /// The answer is larger than the bound.
    #[error("answered more than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The answer has a content encoding that cannot be undone, a content type that belies it, or more
    /// than one reading.
    #[error("answered unreadably: {0}")]
    Unreadable(String),
}

impl From<CodingFault> for UpstreamFault {
    fn from(fault: CodingFault) -> Self {
        Self::Unreadable(fault.to_string())
    }
}

/// All upstreams, with one pool of connections.
pub struct Upstreams {
    upstreams: Vec<Upstream>,
    connector: Connector,
}

impl Upstreams {
    /// Upstreams in the order of the configuration: the first that serves a model gets it.
    pub fn new(settings: Vec<UpstreamSettings>) -> Self {
        let upstreams =
            (0..).zip(settings).map(|(number, one)| Upstream::new(number, one)).collect();
        let connector = Connector::new(Some(ConnectorOptions::new(POOL)));
        Self { upstreams, connector }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.upstreams.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// The upstream that serves this model.
    pub(crate) fn serving(&self, model: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.settings.models.is_match(model))
    }

    /// The upstream of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.settings.name == name)
    }

    /// All upstreams, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter()
    }

    /// Sends a cleared request and waits for the head of the answer.
    pub(crate) async fn ask(
        &self,
        upstream: &Upstream,
        request: &Cleared<Request>,
        client: &Along,
    ) -> Result<Response, UpstreamFault> {
        let request = request.get();
        let accept = if request.stream() { "text/event-stream" } else { downstream::JSON };
        let dialect = request.asked().dialect();
        let key = dialect.key_header().map(HeaderName::from_static);
        let mut head = upstream.request(Method::POST, dialect.path(), accept, key, client)?;
        insert(&mut head, header::CONTENT_TYPE, downstream::JSON)?;
        insert(&mut head, header::CONTENT_LENGTH, &request.bytes().len().to_string())?;
        self.send(upstream, head, request.bytes().clone()).await?.decoded()
    }

    /// Asks for the list of models.
    pub(crate) async fn models(
        &self,
        upstream: &Upstream,
        client: &Along,
    ) -> Result<Response, UpstreamFault> {
        let head = upstream.request(Method::GET, "/models", downstream::JSON, None, client)?;
        self.send(upstream, head, Bytes::new()).await?.decoded()
    }

    /// Sends what nobody has judged, on a path that an operator has opened.
    pub(crate) async fn pass(
        &self,
        upstream: &Upstream,
        open: &Passthrough,
        body: Bytes,
        client: &Along,
    ) -> Result<Response, UpstreamFault> {
        let key = client.credential.as_ref().map(|(name, _)| name.clone());
        let key = key.filter(|name| *name != header::AUTHORIZATION);
        let mut head = upstream.head(open.method().clone(), open.target(), key, client)?;
        if !body.is_empty() || *open.method() != Method::GET {
            insert(&mut head, header::CONTENT_LENGTH, &body.len().to_string())?;
        }
        self.send(upstream, head, body).await
    }

    /// One attempt; another only where a kept connection turns out to be closed before a single byte
    /// of an answer, which a server may do at any time, or where the upstream says that it has not
    /// looked at the request. It sends the same bytes.
    async fn send(
        &self,
        upstream: &Upstream,
        head: RequestHeader,
        body: Bytes,
    ) -> Result<Response, UpstreamFault> {
        let peer = upstream.peer().await?;
        let mut is_first = true;
        loop {
            // On the heap: pingora's connecting is large, and rare beside what goes on around it.
            let connecting = Box::pin(self.connector.get_http_session(&peer)).await;
            let (session, reused) = match connecting {
                Ok(connected) => connected,
                // A kept connection of HTTP/2 that takes no more streams: nothing has been sent.
                Err(error) if is_first && error.etype() == &ErrorType::H2Error => {
                    is_first = false;
                    continue;
                }
                Err(error) => return Err(UpstreamFault::Unreachable(error.to_string())),
            };
            let mut response = Response { session, decoding: Decoding::of([])?, finished: false };
            response.session.set_read_timeout(Some(upstream.settings.read_timeout));
            response.session.set_write_timeout(Some(upstream.settings.read_timeout));
            let Err(error) = response.ask(&head, &body).await else {
                return response.checked();
            };
            if matches!(error.etype(), ErrorType::H2Downgrade | ErrorType::InvalidH2) {
                self.connector.prefer_h1(&peer);
            }
            if !response.may_be_asked_again(&error, reused, is_first) {
                return Err(broken(error));
            }
            is_first = false;
        }
    }

    /// Takes back the connection of an answer that was read to its end; drops any other, which
    /// closes it and tells the provider to stop.
    pub(crate) async fn release(&self, upstream: &Upstream, mut response: Response) {
        if !response.finished || !response.session.response_done() {
            return;
        }
        if let Ok(peer) = upstream.peer().await {
            self.connector.release_http_session(response.session, &peer, Some(POOL_IDLE)).await;
        }
    }
}

/// One model provider.
pub(crate) struct Upstream {
    /// Its place in the configuration. Connections of one are never used for another, which may trust
    /// other authorities.
    number: u64,
    settings: UpstreamSettings,
    addresses: Mutex<Option<(Instant, SocketAddr)>>,
}

impl Upstream {
    fn new(number: u64, settings: UpstreamSettings) -> Self {
        Self { number, settings, addresses: Mutex::new(None) }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether it serves this model.
    pub(crate) fn serves(&self, model: &str) -> bool {
        self.settings.models.is_match(model)
    }

    fn host(&self) -> &str {
        let host = self.settings.url.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    fn is_tls(&self) -> bool {
        self.settings.url.scheme_str() == Some("https")
    }

    fn port(&self) -> u16 {
        self.settings.url.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// The head of a request: a constant path below the base, and headers from a list of ours.
    /// Of the client's headers only `client` goes along, its credential where the upstream has none.
    /// The upstream's own is a bearer credential, unless the dialect has a header for it.
    fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        key_header: Option<HeaderName>,
        client: &Along,
    ) -> Result<RequestHeader, UpstreamFault> {
        let base = self.settings.url.path().trim_end_matches('/');
        let mut head = self.head(method, &format!("{base}{path}"), key_header, client)?;
        insert(&mut head, header::ACCEPT, accept)?;
        insert(&mut head, header::ACCEPT_ENCODING, "identity")?;
        Ok(head)
    }

    fn head(
        &self,
        method: Method,
        target: &str,
        key_header: Option<HeaderName>,
        client: &Along,
    ) -> Result<RequestHeader, UpstreamFault> {
        let mut head =
            RequestHeader::build(method, target.as_bytes(), Some(8)).map_err(unsendable)?;
        let host = self.settings.url.authority().map_or("", http::uri::Authority::as_str);
        insert(&mut head, header::HOST, host)?;
        insert(&mut head, header::USER_AGENT, concat!("wardgate/", env!("CARGO_PKG_VERSION")))?;
        match (&self.settings.credential, key_header, &client.credential) {
            (Some(own), Some(name), _) => insert(&mut head, name, own)?,
            (Some(own), None, _) => {
                insert(&mut head, header::AUTHORIZATION, &format!("Bearer {own}"))?;
            }
            (None, _, Some((name, value))) => {
                head.insert_header(name.clone(), value).map_err(unsendable)?;
            }
            (None, _, None) => {}
        }
        for (name, value) in &client.further {
            head.append_header(name.clone(), value).map_err(unsendable)?;
        }
        Ok(head)
    }

    async fn peer(&self) -> Result<HttpPeer, UpstreamFault> {
        let address = self.address().await?;
        let mut peer = HttpPeer::new(address, self.is_tls(), self.host().to_owned());
        peer.group_key = self.number;
        let options = &mut peer.options;
        if self.is_tls() {
            options.alpn = ALPN::H2H1;
        }
        options.ca = self.settings.authorities.as_ref().map(Authorities::roots);
        options.max_h2_streams = STREAMS as usize;
        options.h2_stream_window_size = Some(WINDOW);
        options.h2_connection_window_size = Some(WINDOW * STREAMS);
        options.connection_timeout = Some(self.settings.connect_timeout);
        options.total_connection_timeout = Some(self.settings.connect_timeout);
        options.idle_timeout = Some(POOL_IDLE);
        Ok(peer)
    }

    async fn address(&self) -> Result<SocketAddr, UpstreamFault> {
        let known = *self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, address)) = known
            && since.elapsed() < ADDRESSES
        {
            return Ok(address);
        }
        let lookup = tokio::net::lookup_host((self.host(), self.port()));
        let found = tokio::time::timeout(self.settings.connect_timeout, lookup)
            .await
            .map_err(|_| UpstreamFault::TimedOut("looking up its name".to_owned()))?
            .map_err(|error| UpstreamFault::Unreachable(error.to_string()))?
            .next()
            .ok_or_else(|| UpstreamFault::Unreachable("its name has no address".to_owned()))?;
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), found));
        Ok(found)
    }
}

/// An answer whose head has been read. Dropped before its end, it closes the connection.
pub(crate) struct Response {
    session: HttpSession<()>,
    /// Encodings are not asked for, and undone where they come all the same.
    decoding: Decoding,
    finished: bool,
}

/// What an answer is, by its content type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Server-sent events.
    Events,
    /// JSON.
    Json,
    /// Anything else.
    Other,
}

impl Response {
    async fn ask(&mut self, head: &RequestHeader, body: &Bytes) -> Result<(), BError> {
        let sent = self.tell(head, body).await;
        // An upstream that does not want the rest of a request may have answered already.
        if matches!(&sent, Err(error) if is_timeout(error)) {
            return sent;
        }
        let read = self.read_head().await;
        sent.and(read)
    }

    async fn tell(&mut self, head: &RequestHeader, body: &Bytes) -> Result<(), BError> {
        self.session.write_request_header(Box::new(head.clone())).await?;
        if !body.is_empty() {
            self.session.write_request_body(body.clone(), true).await?;
        }
        self.session.finish_request_body().await
    }

    async fn read_head(&mut self) -> Result<(), BError> {
        loop {
            self.session.read_response_header().await?;
            let status = self.status();
            // Over HTTP/2, what comes before the answer is skipped by `h2`.
            let is_last = matches!(self.session, HttpSession::H2(_));
            if is_last || !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(());
            }
        }
    }

    /// The same answer, if its head is one that we can take.
    fn checked(self) -> Result<Self, UpstreamFault> {
        if self.status().is_informational() {
            return Err(UpstreamFault::Unreadable("it switched protocols unasked".to_owned()));
        }
        Ok(self)
    }

    /// Has the body taken out of its content encodings.
    fn decoded(mut self) -> Result<Self, UpstreamFault> {
        let headers = self.head().map(|head| head.headers.get_all(header::CONTENT_ENCODING));
        self.decoding = Decoding::of(headers.into_iter().flatten())?;
        Ok(self)
    }

    /// Whether the upstream cannot have acted on a request that failed so. A connection of HTTP/2
    /// serves on after a failure, so it gets a second chance and no third.
    fn may_be_asked_again(&self, error: &BError, reused: bool, is_first: bool) -> bool {
        match &self.session {
            HttpSession::H2(_) if error.etype() == &ErrorType::InvalidH2 => false,
            HttpSession::H2(_) => {
                is_first
                    && match error.retry {
                        RetryType::Decided(again) => again,
                        RetryType::ReusedOnly => reused,
                    }
            }
            _ => reused && !is_timeout(error),
        }
    }

    fn head(&self) -> Option<&ResponseHeader> {
        self.session.response_header()
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.head()?.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.head().map_or(StatusCode::BAD_GATEWAY, |head| head.status)
    }

    pub(crate) fn kind(&self) -> Kind {
        let head = self.head();
        let content_type = head.and_then(|head| head.headers.get(header::CONTENT_TYPE));
        let essence = self
            .header(&header::CONTENT_TYPE)
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .unwrap_or_default();
        if essence.eq_ignore_ascii_case("text/event-stream") {
            Kind::Events
        } else if downstream::is_json(content_type) {
            Kind::Json
        } else {
            Kind::Other
        }
    }

    /// The headers that go on to the client: those that carry numbers and ids, not words.
    pub(crate) fn carried(&self) -> Vec<(HeaderName, HeaderValue)> {
        const LONGEST: usize = 128;
        let Some(head) = self.head() else { return Vec::new() };
        head.headers
            .iter()
            .filter(|(name, value)| is_carried(name.as_str()) && value.len() <= LONGEST)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The headers that go on to the client from a path where nobody judges anything.
    pub(crate) fn headers_unjudged(&self) -> Vec<(HeaderName, HeaderValue)> {
        let headers = self.head().map(|head| &head.headers);
        let kept = |name: &str| passthrough::BACK.contains(&name) || is_carried(name);
        let all = headers.into_iter().flatten();
        let kept = all.filter(|(name, _)| kept(name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamFault> {
        loop {
            let piece = self.session.read_response_body().await.map_err(broken)?;
            self.finished |= piece.is_none();
            let Some(piece) = piece else {
                self.decoding.end()?;
                return Ok(None);
            };
            let piece = self.decoding.push(piece)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Waits a moment for the end of a body whose last event has been read: behind `[DONE]` there is
    /// nothing but it, and a connection that was read to the end serves again.
    pub(crate) async fn end_soon(&mut self) {
        const SOON: Duration = Duration::from_millis(20);
        if !self.finished {
            let _ = tokio::time::timeout(SOON, self.next()).await;
        }
    }

    /// The whole body, within a bound.
    pub(crate) async fn whole(&mut self, limit: usize) -> Result<Bytes, UpstreamFault> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if body.len().saturating_add(piece.len()) > limit {
                return Err(UpstreamFault::TooLarge { limit });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

fn is_carried(name: &str) -> bool {
    const EXACT: [&str; 6] = [
        "x-request-id",
        "request-id",
        "openai-processing-ms",
        "openai-version",
        "retry-after",
        "retry-after-ms",
    ];
    const PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn insert(head: &mut RequestHeader, name: HeaderName, value: &str) -> Result<(), UpstreamFault> {
    head.insert_header(name, value).map_err(unsendable)
}

fn unsendable(error: BError) -> UpstreamFault {
    UpstreamFault::Unreachable(error.to_string())
}

fn broken(error: BError) -> UpstreamFault {
    if is_timeout(&error) {
        UpstreamFault::TimedOut(error.to_string())
    } else {
        UpstreamFault::Broken(error.to_string())
    }
}

fn is_timeout(error: &BError) -> bool {
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
}
