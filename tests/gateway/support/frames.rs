//! A client that writes frames of HTTP/2 by hand, also those that no library would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::tls;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// PROTOCOL_ERROR.
pub(crate) const PROTOCOL: u32 = 1;
/// ENHANCE_YOUR_CALM.
pub(crate) const CALM: u32 = 11;

/// What became of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// An answer with this status.
    Status(u16),
    /// It was reset.
    Reset(u32),
    /// The connection was ended, with this word.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
}

/// Bytes of one frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A block of fields, each spelled out: nothing is looked up, nothing compressed.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            string(&mut bytes, text.as_bytes());
        }
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        bytes.push(u8::try_from(text.len()).expect("short"));
    } else {
        bytes.push(0x7f);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).expect("seven bits") | 0x80);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).expect("seven bits"));
    }
    bytes.extend_from_slice(text);
}

pub(crate) struct Frames {
    stream: TlsStream<TcpStream>,
    buffered: Vec<u8>,
}

impl Frames {
    /// A connection whose settings are these.
    pub(crate) async fn connect(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = tls::connect(address, &["h2"]).await.expect("a handshake");
        let mut frames = Self { stream, buffered: Vec::new() };
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        frames.send(&frame(SETTINGS, 0, 0, settings)).await;
        frames
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A gateway that has had enough may have closed: its last words are read all the same.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Reads frames until it is known what becomes of a stream.
    pub(crate) async fn fate(&mut self, stream: u32) -> Fate {
        loop {
            let Some((kind, of, payload)) = self.next().await else { return Fate::Closed };
            match kind {
                HEADERS if of == stream => return Fate::Status(status(&payload)),
                RST_STREAM if of == stream => return Fate::Reset(number(&payload)),
                GOAWAY => return Fate::GoAway(number(&payload[4..])),
                _ => {}
            }
        }
    }

    /// The next frame: kind, stream, payload.
    pub(crate) async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            if let [a, b, c, kind, _, id @ ..] = self.buffered.as_slice()
                && id.len() >= 4
            {
                let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).expect("fits");
                let (kind, stream) = (*kind, number(id));
                if self.buffered.len() >= 9 + length {
                    let payload = self.buffered[9..9 + length].to_vec();
                    self.buffered.drain(..9 + length);
                    return Some((kind, stream, payload));
                }
            }
            if self.stream.read_buf(&mut self.buffered).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The status at the beginning of a block: out of the static table, or three digits in Huffman's code.
fn status(block: &[u8]) -> u16 {
    const TABLE: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [indexed @ 0x88..=0x8e, ..] => TABLE[usize::from(indexed - 0x88)],
        [0x48, length, rest @ ..] if length & 0x80 != 0 => {
            let code = &rest[..usize::from(length & 0x7f)];
            let mut bits = code
                .iter()
                .flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
            let mut take =
                |count: u16| (0..count).fold(0, |all, _| all << 1 | bits.next().unwrap());
            (0..3).fold(0, |number, _| {
                // 0 to 2 are five bits; 3 to 9 are six, from 011001 on.
                let five = take(5);
                let digit = if five <= 2 { five } else { (five << 1 | take(1)) - 0b01_1001 + 3 };
                number * 10 + digit
            })
        }
        other => panic!("no status at the beginning of {other:?}"),
    }
}
