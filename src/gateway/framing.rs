//! HTTP/1.1 framing that two readers could read differently is refused before anything else.
//!
//! pingora reads leniently where a proxy may: it lets `Transfer-Encoding` win over `Content-Length`,
//! takes bare line feeds, needs no `Host`, and does not mind transfer codings it cannot decode. A
//! guard cannot afford a second reading, so the raw head is looked at once more.

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

/// Looks at the head of an HTTP/1.x request as it was sent: request line, header lines, blank line.
pub(crate) fn check(raw: &[u8], version: http::Version) -> Result<(), FramingFault> {
    let mut previous = 0;
    for byte in raw {
        if *byte == b'\n' && previous != b'\r' {
            return Err(FramingFault::BareLineFeed);
        }
        previous = *byte;
    }
    let fields: Vec<(String, &[u8])> = raw
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii()))
        })
        .collect();
    let all = |wanted: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    };

    let lengths = all("content-length");
    let codings = all("transfer-encoding");
    if !lengths.is_empty() && !codings.is_empty() {
        return Err(FramingFault::TwoLengths);
    }
    match lengths.as_slice() {
        [] => {}
        [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {}
        _ => return Err(FramingFault::ContentLength),
    }
    match codings.as_slice() {
        [] => {}
        [one] if one.eq_ignore_ascii_case(b"chunked") => {}
        _ => return Err(FramingFault::TransferCoding),
    }
    let hosts = all("host").len();
    if hosts > 1 || (hosts == 0 && version == http::Version::HTTP_11) {
        return Err(FramingFault::Host);
    }
    if !all("upgrade").is_empty() || !all("http2-settings").is_empty() {
        return Err(FramingFault::Upgrade);
    }
    let framing = ["content-length", "transfer-encoding", "host", "authorization", "x-api-key"];
    for value in all("connection") {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        if value.split(',').any(|token| framing.contains(&token.trim())) {
            return Err(FramingFault::ConnectionNames);
        }
    }
    if all("expect").iter().any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(FramingFault::Expect);
    }
    if ["authorization", "x-api-key", "content-type"].iter().any(|name| all(name).len() > 1) {
        return Err(FramingFault::Twice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FramingFault, check};

    #[test]
    fn a_head_with_two_readings_is_refused() {
        let verdict = |head: &str| {
            let raw = format!("POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n");
            check(raw.as_bytes(), http::Version::HTTP_11)
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
}
