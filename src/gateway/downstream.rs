//! The client's side of an exchange: reads within bounds, writes, notices a client that leaves.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, header};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use crate::gateway::coding::Decoding;
use crate::gateway::failure::Failure;
use crate::gateway::framing;
use crate::gateway::inspect::Cleared;
use crate::gateway::memory::Held;
use crate::gateway::pace::Pace;
use crate::gateway::passthrough::{self, Passthrough};
use crate::gateway::settings::Limits;
use crate::wire::Dialect;
use crate::wire::field::is_id;

/// One request of a client, and the response it is owed.
pub(crate) struct Downstream<'a> {
    session: &'a mut Session,
    limits: &'a Limits,
    /// What the body of the request takes.
    held: Held<'a>,
    /// How the client takes its answer.
    pace: Pace,
    /// Headers of ours that every answer of this exchange carries.
    stamps: Vec<(&'static str, String)>,
    /// In which errors are told; that of chat until it is known what is asked.
    dialect: Dialect,
    /// The header that may hold the key in the place of `Authorization`.
    key_header: Option<&'static str>,
    begun: bool,
    answered: bool,
}

/// Something we say ourselves, complete: a refusal, an error, a list.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Seconds for `Retry-After`, where trying again can help.
    pub(crate) retry_after: Option<u32>,
    /// Whether the official clients should retry by themselves.
    pub(crate) retry: bool,
}

/// The head of an answer that came from the upstream.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Headers taken over from the upstream.
    pub(crate) carried: Vec<(http::HeaderName, HeaderValue)>,
}

/// What of a client's head goes along to the provider.
#[derive(Default)]
pub(crate) struct Along {
    pub(crate) credential: Option<(HeaderName, HeaderValue)>,
    pub(crate) further: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// One in JSON, after which there is no sense in trying again.
    pub(crate) fn json(status: u16, body: Bytes) -> Self {
        Self { status, content_type: JSON, body, retry_after: None, retry: false }
    }
}

impl<'a> Downstream<'a> {
    pub(crate) fn new(session: &'a mut Session, limits: &'a Limits, held: Held<'a>) -> Self {
        session.set_write_timeout(Some(limits.write_timeout));
        // A second request on the connection waits for its turn instead of looking like a client
        // that misbehaves and leaves.
        session.set_pipelining_enabled(true);
        Self {
            session,
            limits,
            held,
            pace: Pace::new(limits.min_rate, limits.write_timeout),
            stamps: Vec::new(),
            dialect: Dialect::Chat,
            key_header: None,
            begun: false,
            answered: false,
        }
    }

    /// The request's head.
    pub(crate) fn head(&self) -> &RequestHeader {
        self.session.req_header()
    }

    /// Has what goes wrong from now on told in a dialect.
    pub(crate) fn speak(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        self.key_header = dialect.key_header();
    }

    /// Has the key be looked for in this header, too.
    pub(crate) fn take_keys_in(&mut self, header: &'static str) {
        self.key_header = Some(header);
    }

    /// In which dialect errors are told.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Refuses a head that is too large or that two readers could read differently.
    pub(crate) fn check_framing(&self) -> Result<(), Failure> {
        let Some(http1) = self.session.as_downstream().as_http1() else {
            return Ok(framing::http2(&self.head().headers)?);
        };
        let raw = http1.get_headers_raw_bytes();
        if raw.len() > self.limits.head_bytes {
            return Err(Failure::HeadTooLarge { limit: self.limits.head_bytes });
        }
        Ok(framing::http1(&raw, self.head().version)?)
    }

    /// The key of the request, if it has one that can be read: a bearer key, or the dialect's own. Two
    /// different ones are none.
    pub(crate) fn key(&self) -> Option<&str> {
        let headers = &self.head().headers;
        let own = self.key_header.and_then(|name| headers.get(name));
        match (own, headers.contains_key(header::AUTHORIZATION)) {
            (None, _) => self.bearer(),
            (Some(own), false) => own.to_str().ok(),
            (Some(own), true) => own.to_str().ok().filter(|own| self.bearer() == Some(*own)),
        }
    }

    fn bearer(&self) -> Option<&str> {
        let value = self.head().headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    }

    /// What of the head goes along to the provider: the credential, in the header it came in, and the
    /// dialect's headers, which must hold names and no words.
    pub(crate) fn along(&self) -> Result<Along, Failure> {
        let headers = &self.head().headers;
        let credential = self.credential();
        let mut further = Vec::new();
        for name in self.dialect.headers() {
            for value in headers.get_all(*name) {
                if !value.to_str().is_ok_and(is_list_of_names) {
                    return Err(Failure::Header { name });
                }
                further.push((HeaderName::from_static(name), value.clone()));
            }
        }
        Ok(Along { credential, further })
    }

    fn credential(&self) -> Option<(HeaderName, HeaderValue)> {
        let headers = &self.head().headers;
        let own = self.dialect.key_header().map(HeaderName::from_static);
        let mut names = own.into_iter().chain([header::AUTHORIZATION]);
        names.find_map(|name| Some((name.clone(), headers.get(name)?.clone())))
    }

    /// Adds a header of ours to whatever is answered from now on, or replaces it.
    pub(crate) fn stamp(&mut self, name: &'static str, value: impl Into<String>) {
        self.stamps.retain(|(stamped, _)| *stamped != name);
        self.stamps.push((name, value.into()));
    }

    /// Reads the whole body, within its bounds of size and time, out of its content codings.
    pub(crate) async fn read_body(&mut self) -> Result<Bytes, Failure> {
        let headers = &self.head().headers;
        if !is_json(headers.get(header::CONTENT_TYPE)) {
            return Err(Failure::MediaType);
        }
        let decoding = Decoding::of(headers.get_all(header::CONTENT_ENCODING))?;
        self.read(decoding).await
    }

    async fn read(&mut self, mut decoding: Decoding) -> Result<Bytes, Failure> {
        let headers = &self.head().headers;
        let limit = self.limits.request_bytes;
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Failure::BodyTooLarge { limit });
        }
        // Nobody answers `Expect: 100-continue` for whoever reads the body by himself.
        if headers.contains_key(header::EXPECT)
            && self.session.as_downstream_mut().write_continue_response().await.is_err()
        {
            return Err(Failure::ClientGone);
        }
        // For as long as it decodes.
        let mut windows = self.held.beside();
        if !windows.take(decoding.window()) {
            return Err(Failure::Overloaded);
        }
        let mut pace = Pace::new(self.limits.min_rate, self.limits.read_timeout);
        let begun = Instant::now();
        let mut body = BytesMut::new();
        loop {
            let asked = Instant::now();
            let left = self.limits.body_deadline.saturating_sub(begun.elapsed());
            let reading = self.session.as_downstream_mut().read_request_body();
            let chunk = tokio::time::timeout(left.min(pace.left()), reading)
                .await
                .map_err(|_| Failure::BodyTooSlow)?;
            let chunk = chunk.map_err(|error| {
                tracing::debug!(%error, "request body");
                Failure::BodyBroken
            })?;
            let Some(chunk) = chunk else { break };
            pace.took(asked.elapsed(), chunk.len());
            let chunk = decoding.push(chunk)?;
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(Failure::BodyTooLarge { limit });
            }
            if !self.held.take(chunk.len()) {
                // For the others, before a word is said.
                self.held.give_back();
                return Err(Failure::Overloaded);
            }
            body.extend_from_slice(&chunk);
        }
        decoding.end()?;
        Ok(body.freeze())
    }

    /// The credential and the few headers that go along on a path where nobody judges anything.
    pub(crate) fn along_unjudged(&self) -> Along {
        let headers = &self.head().headers;
        let further = passthrough::ALONG.iter().flat_map(|name| {
            let values = headers.get_all(*name).iter();
            values.map(|value| (HeaderName::from_static(name), value.clone()))
        });
        Along { credential: self.credential(), further: further.collect() }
    }

    /// Reads the whole body as it is, of a request that nobody judges.
    pub(crate) async fn read_unjudged(&mut self) -> Result<Bytes, Failure> {
        self.read(Decoding::of([])?).await
    }

    /// Waits for `work`, and drops it if the client leaves first.
    pub(crate) async fn unless_gone<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let session = self.session.as_downstream_mut();
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                idle = session.read_body_or_idle(true) => match idle {
                    Err(_) => return Err(Failure::ClientGone),
                    // Only a body that was not read to its end comes this way.
                    Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        }
    }

    /// Whether a head has been sent, after which a status can no longer change.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the client was there when its answer began.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Sends something we say ourselves, whole.
    pub(crate) async fn send(&mut self, reply: Reply) -> Result<(), Failure> {
        if !reply.retry {
            self.stamp("x-should-retry", "false");
        }
        if let Some(seconds) = reply.retry_after {
            self.stamp("retry-after", seconds.to_string());
        }
        let Reply { status, content_type, body, .. } = reply;
        let head = Head { status, content_type, carried: Vec::new() };
        self.write_whole(head, body).await
    }

    /// Sends an answer of the upstream that may pass, whole.
    pub(crate) async fn deliver(
        &mut self,
        head: Head,
        body: Cleared<Bytes>,
    ) -> Result<(), Failure> {
        self.write_whole(head, body.release()).await
    }

    /// Begins a streamed answer of the upstream.
    pub(crate) async fn begin(&mut self, head: Head) -> Result<(), Failure> {
        let mut response = self.response(head)?;
        response.insert_header(header::TRANSFER_ENCODING, "chunked").map_err(gone)?;
        response.insert_header(header::CACHE_CONTROL, "no-cache").map_err(gone)?;
        self.write_head(response, false).await
    }

    /// Goes on with a streamed answer of the upstream.
    pub(crate) async fn write(&mut self, bytes: Cleared<Bytes>) -> Result<(), Failure> {
        self.write_ours(bytes.release()).await
    }

    /// Puts words of ours into a streamed answer.
    pub(crate) async fn write_ours(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.write_body(bytes, false).await
    }

    /// Begins an answer that nobody judges. Whether there is more to it than its head.
    pub(crate) async fn begin_unjudged(
        &mut self,
        _open: &Passthrough,
        status: u16,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<bool, Failure> {
        let mut response = ResponseHeader::build(status, Some(8)).map_err(gone)?;
        self.add(&mut response, headers)?;
        let has_body = !is_bodiless(status);
        if has_body {
            response.insert_header(header::TRANSFER_ENCODING, "chunked").map_err(gone)?;
        }
        self.write_head(response, !has_body).await?;
        Ok(has_body)
    }

    /// Goes on with an answer that nobody judges.
    pub(crate) async fn write_unjudged(
        &mut self,
        _open: &Passthrough,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        self.write_ours(bytes).await
    }

    /// Ends a streamed answer.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        self.session.write_response_body(None, true).await.map_err(gone)
    }

    /// Closes the connection once this exchange is over: what follows on it cannot be trusted.
    pub(crate) fn close_after(&mut self) {
        self.session.set_keepalive(None);
    }

    /// Gives up on a client that is not there any more. Over HTTP/2 pingora would end the answer as if it
    /// were whole.
    pub(crate) async fn abandon(&mut self) {
        self.close_after();
        if self.session.as_downstream().as_http2().is_some() {
            self.session.as_downstream_mut().shutdown().await;
        }
    }

    async fn write_whole(&mut self, head: Head, body: Bytes) -> Result<(), Failure> {
        let bodiless = is_bodiless(head.status);
        let mut response = self.response(head)?;
        if !bodiless {
            response.insert_header(header::CONTENT_LENGTH, body.len()).map_err(gone)?;
        }
        let last = bodiless || body.is_empty();
        self.write_head(response, last).await?;
        if last { Ok(()) } else { self.write_body(body, true).await }
    }

    async fn write_body(&mut self, bytes: Bytes, is_last: bool) -> Result<(), Failure> {
        /// So much at a time, so that the time for one write suffices for it.
        const PIECE: usize = 64 << 10;
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE));
            let (asked, length) = (Instant::now(), piece.len());
            let ends = is_last && rest.is_empty();
            let writing = self.session.write_response_body(Some(piece), ends);
            match tokio::time::timeout(self.pace.left(), writing).await {
                Ok(written) => written.map_err(gone)?,
                Err(_) => return Err(Failure::ClientGone),
            }
            self.pace.took(asked.elapsed(), length);
        }
        Ok(())
    }

    async fn write_head(&mut self, head: ResponseHeader, is_last: bool) -> Result<(), Failure> {
        self.begun = true;
        self.session.write_response_header(Box::new(head), is_last).await.map_err(gone)?;
        self.answered = true;
        Ok(())
    }

    fn response(&self, head: Head) -> Result<ResponseHeader, Failure> {
        let mut response = ResponseHeader::build(head.status, Some(8)).map_err(gone)?;
        response.insert_header(header::CONTENT_TYPE, head.content_type).map_err(gone)?;
        self.add(&mut response, head.carried)?;
        Ok(response)
    }

    /// Adds the upstream's headers, and ours.
    fn add(
        &self,
        response: &mut ResponseHeader,
        carried: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(), Failure> {
        for (name, value) in carried {
            response.append_header(name, value).map_err(gone)?;
        }
        for (name, value) in &self.stamps {
            response.insert_header(*name, value).map_err(gone)?;
        }
        Ok(())
    }
}

/// The content type of bodies.
pub(crate) const JSON: &str = "application/json";

/// The content type of streams.
pub(crate) const EVENTS: &str = "text/event-stream; charset=utf-8";

/// Whether a content type is `application/json`, in UTF-8 if it names a character set.
pub(crate) fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let Some(value) = content_type.and_then(|value| value.to_str().ok()) else { return false };
    let mut pieces = value.split(';').map(str::trim);
    pieces.next().is_some_and(|kind| kind.eq_ignore_ascii_case(JSON))
        && pieces.all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8")
                || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// Whether a header holds names between commas, which cannot be a sentence.
fn is_list_of_names(value: &str) -> bool {
    const LONGEST: usize = 1024;
    value.len() <= LONGEST && value.split(',').all(|name| is_id(name.trim()))
}

/// A write that did not get through: the client is not there any more.
fn gone(error: pingora_core::BError) -> Failure {
    tracing::debug!(%error, "write to the client");
    Failure::ClientGone
}

#[cfg(test)]
mod tests {
    use super::is_json;
    use http::HeaderValue;

    #[test]
    fn only_json_in_utf8_is_read() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=utf-16", false),
            ("application/json;x", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonx", false),
        ] {
            let header = HeaderValue::from_static(value);
            assert_eq!(is_json(Some(&header)), expected, "{value}");
        }
        assert!(!is_json(None));
    }
}
