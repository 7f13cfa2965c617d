//! Requests that two readers could read differently are refused before anything else.
//!
//! pingora reads leniently where a proxy may: in HTTP/1.1 it lets `Transfer-Encoding` win over
//! `Content-Length`, takes bare line feeds, needs no `Host`, and does not mind transfer codings it
//! cannot decode. A guard cannot afford a second reading, so the head is looked at once more: as it was
//! sent in HTTP/1.1, and as the list of its fields in HTTP/2. Who holds which rule, and how the client
//! learns of it:
//!
//! | rule | HTTP/1.1 | HTTP/2 |
//! |---|---|---|
//! | lines end in CRLF | here, 400 | has no lines |
//! | a length is given once, in digits | here, 400 | here, 400; of two that differ pingora resets the stream |
//! | the body is as long as was said | what is more begins the next request | `h2` resets the stream |
//! | the transfer coding is `chunked` or none, and not beside a length | here, 400 | none: `h2` resets the stream |
//! | one `Host` | here, 400 | pingora, 400; one beside `:authority` must say the same |
//! | the target holds no control characters | pingora, 400 | pingora resets the stream, for a space too |
//! | the target has no fragment, which parsers cut off | here, 400 | `h2` cuts it off unseen; it goes nowhere |
//! | the target is a route, byte for byte | `route`, 404 | `route`, 404 |
//! | no upgrade, no tunnel | here, 400; pingora, 405 for CONNECT | the same; `h2` resets an extended CONNECT |
//! | `Connection` names nothing that frames | here, 400 | `h2` resets a stream with any `Connection` |
//! | the only expectation is `100-continue` | here, 400 | here, 400; met by nothing, so clients go on by themselves |
//! | credentials and content type are given once | here, 400 | here, 400 |
//! | the head is within its bound | `downstream`, 431 | `h2`, 431 |
//! | trailers | read to their end by pingora, and dropped | never read, and dropped |
//!
//! A request that was refused for its framing in HTTP/1.1 is the last one of its connection: where the
//! next one would begin is not known. In HTTP/2 every stream is by itself.

use http::HeaderMap;
use thiserror::Error;

/// Why a request's head is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum FramingFault {
    /// A line ends in LF alone.
    #[error("a header line ends in a bare line feed; end lines with CRLF")]
    BareLineFeed,
    /// Two lengths.
    #[error("both Content-Length and Transfer-Encoding are given; send one of them")]
    TwoLengths,
    /// More than one Content-Length, or one that is not plain digits.
    #[error("Content-Length must be given once, in decimal digits")]
    ContentLength,
    /// A fragment, which parsers cut off.
    #[error("the request target has a fragment; send it without `#` and what follows")]
    Fragment,
    /// A transfer coding that is not exactly `chunked`.
    #[error("the only transfer coding taken here is `chunked`, once")]
    TransferCoding,
    /// No `Host`, or several.
    #[error("an HTTP/1.1 request needs exactly one Host header")]
    Host,
    /// A protocol upgrade.
    #[error("protocol upgrades are not taken here")]
    Upgrade,
    /// `Connection` names a header that frames the message.
    #[error("Connection must not name Content-Length, Transfer-Encoding, Host or a credential")]
    ConnectionNames,
    /// An `Expect` that is not `100-continue`.
    #[error("the only expectation met here is `100-continue`")]
    Expect,
    /// The credential is given twice.
    #[error("Authorization, x-api-key and Content-Type may be given once at most")]
    Twice,
}

/// Looks at the head of a request in HTTP/1.x as it was sent: request line, header lines, blank line.
pub(crate) fn http1(raw: &[u8], version: http::Version) -> Result<(), FramingFault> {
    let mut previous = 0;
    for byte in raw {
        if *byte == b'\n' && previous != b'\r' {
            return Err(FramingFault::BareLineFeed);
        }
        previous = *byte;
    }
    let target = raw.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if target.contains(&b'#') {
        return Err(FramingFault::Fragment);
    }
    let lines = raw.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii()))
    });
    let fields = Fields(lines.collect());
    let codings = fields.all("transfer-encoding");
    if fields.has("content-length") && !codings.is_empty() {
        return Err(FramingFault::TwoLengths);
    }
    match codings.as_slice() {
        [] => {}
        [one] if one.eq_ignore_ascii_case(b"chunked") => {}
        _ => return Err(FramingFault::TransferCoding),
    }
    let hosts = fields.all("host").len();
    if hosts > 1 || (hosts == 0 && version == http::Version::HTTP_11) {
        return Err(FramingFault::Host);
    }
    let framing = ["content-length", "transfer-encoding", "host", "authorization", "x-api-key"];
    for value in fields.all("connection") {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        if value.split(',').any(|token| framing.contains(&token.trim())) {
            return Err(FramingFault::ConnectionNames);
        }
    }
    either(&fields)
}

/// Looks at the fields of a request in HTTP/2, which `h2` and pingora have let through.
pub(crate) fn http2(headers: &HeaderMap) -> Result<(), FramingFault> {
    let fields = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes()));
    either(&Fields(fields.collect()))
}

/// What holds in either version.
fn either(fields: &Fields<'_>) -> Result<(), FramingFault> {
    match fields.all("content-length").as_slice() {
        [] => {}
        [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {}
        _ => return Err(FramingFault::ContentLength),
    }
    if fields.has("upgrade") || fields.has("http2-settings") {
        return Err(FramingFault::Upgrade);
    }
    if fields.all("expect").iter().any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(FramingFault::Expect);
    }
    let once = ["authorization", "x-api-key", "content-type"];
    if once.iter().any(|name| fields.all(name).len() > 1) {
        return Err(FramingFault::Twice);
    }
    Ok(())
}

/// The fields of a head, their names in lower case.
struct Fields<'a>(Vec<(String, &'a [u8])>);

impl<'a> Fields<'a> {
    fn all(&self, wanted: &str) -> Vec<&'a [u8]> {
        self.0.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    }

    fn has(&self, wanted: &str) -> bool {
        self.0.iter().any(|(name, _)| name == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::{FramingFault, http1, http2};
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn a_head_with_two_readings_is_refused() {
        let verdict = |head: &str| {
            let raw = format!("POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n");
            http1(raw.as_bytes(), http::Version::HTTP_11)
        };
        let good = "Host: a\r\nContent-Length: 15\r\n";
        assert_eq!(verdict(good), Ok(()));
        assert_eq!(verdict("Host: a\r\ntransfer-encoding: Chunked\r\n"), Ok(()));
        assert_eq!(
            verdict("Host: a\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n"),
            Ok(())
        );
        for (extra, fault) in [
            ("Transfer-Encoding: chunked\r\n", FramingFault::TwoLengths),
            ("Content-Length: 15\r\n", FramingFault::ContentLength),
            ("X: y\n", FramingFault::BareLineFeed),
            ("Host: b\r\n", FramingFault::Host),
            ("Upgrade: websocket\r\n", FramingFault::Upgrade),
            ("HTTP2-Settings: AAMAAABkAAQAAP__\r\n", FramingFault::Upgrade),
            ("Connection: close, Content-Length\r\n", FramingFault::ConnectionNames),
            ("Expect: 200-ok\r\n", FramingFault::Expect),
            ("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", FramingFault::Twice),
            ("x-api-key: a\r\nX-Api-Key: a\r\n", FramingFault::Twice),
            ("Connection: x-api-key\r\n", FramingFault::ConnectionNames),
            ("Content-Type: application/json\r\ncontent-type: text/plain\r\n", FramingFault::Twice),
        ] {
            assert_eq!(verdict(&format!("{good}{extra}")), Err(fault), "{extra:?}");
        }
        for (head, fault) in [
            ("Content-Length: 15\r\n", FramingFault::Host),
            ("Host: a\r\nContent-Length: 15, 15\r\n", FramingFault::ContentLength),
            ("Host: a\r\nContent-Length: +15\r\n", FramingFault::ContentLength),
            ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", FramingFault::TransferCoding),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                FramingFault::TransferCoding,
            ),
        ] {
            assert_eq!(verdict(head), Err(fault), "{head:?}");
        }
    }
    #[test]
    fn fields_with_two_readings_are_refused_in_http_2_too() {
        let verdict = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            http2(&headers)
        };
        assert_eq!(verdict(&[("content-length", "15"), ("expect", "100-continue")]), Ok(()));
        for (fields, fault) in [
            (&[("content-length", "15"), ("content-length", "15")], FramingFault::ContentLength),
            (&[("content-length", "15, 15"), ("a", "b")], FramingFault::ContentLength),
            (&[("content-length", "+15"), ("a", "b")], FramingFault::ContentLength),
            (&[("expect", "200-ok"), ("a", "b")], FramingFault::Expect),
            (&[("upgrade", "websocket"), ("a", "b")], FramingFault::Upgrade),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer b")], FramingFault::Twice),
            (&[("x-api-key", "a"), ("x-api-key", "a")], FramingFault::Twice),
            (&[("content-type", "a"), ("content-type", "b")], FramingFault::Twice),
        ] {
            assert_eq!(verdict(fields), Err(fault), "{fields:?}");
        }
    }
}
