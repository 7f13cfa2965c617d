//! Server-sent events: bytes to events, for any cut of the bytes.
//!
//! The rules are those of the WHATWG: lines end in LF, CR LF or CR, a byte order mark may open the
//! stream, `data` lines are joined by line feeds, comments and unknown fields are ignored, and what
//! the end of the stream cuts off is no event. Beyond the rules: an [`Event`] keeps its exact bytes,
//! so that all of them together are the stream; what a client ignores is handed out all the same,
//! because ignored text reaches it too; bytes that are not UTF-8 and events past a bound are faults.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::wire::field::is_id;
use crate::wire::responses::EVENT_TYPES;

/// Why a stream of events cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// One event is longer than the bound.
    #[error("an event of the stream is longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// An event is not UTF-8.
    #[error("an event of the stream is not UTF-8")]
    NotUtf8,
}

/// One event, or a blank line, or comments that stand for themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The exact bytes, up to and with the blank line.
    pub raw: Bytes,
    /// The `data` lines, joined; `None` where there is nothing to dispatch.
    pub data: Option<String>,
    /// Text outside `data` that is more than a known sign of life: comments, names, ids, fields
    /// nobody knows.
    pub aside: Vec<String>,
    /// Whether a blank line ends it. What the end of the stream cut off is no event to a client.
    pub complete: bool,
}

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Reader {
    limit: usize,
    buffer: BytesMut,
    /// How far `buffer` has been searched for line ends.
    searched: usize,
    /// Where in `buffer` the current line begins.
    line: usize,
    /// Whether nothing of the stream has become an event yet.
    opening: bool,
    finished: bool,
}

impl Reader {
    /// A reader of a stream whose events are at most `limit` bytes long.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: BytesMut::new(),
            searched: 0,
            line: 0,
            opening: true,
            finished: false,
        }
    }

    /// Takes the next bytes of the stream. To be followed by [`Reader::next_event`] until it gives
    /// `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Notes that the stream has ended: what is left over is given as a last, incomplete event.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next event, if its end has been seen.
    pub fn next_event(&mut self) -> Result<Option<Event>, Fault> {
        while let Some((line_end, next)) = self.line_end() {
            let blank = self.line_is_blank(line_end);
            self.line = next;
            self.searched = next;
            if blank {
                return self.take(next, true).map(Some);
            }
        }
        if self.buffer.len() > self.limit {
            return Err(Fault::TooLong { limit: self.limit });
        }
        if self.finished && !self.buffer.is_empty() {
            return self.take(self.buffer.len(), false).map(Some);
        }
        Ok(None)
    }

    /// Where the current line ends and the next begins. A CR at the end of what is there may be half
    /// of a CR LF, so it waits: otherwise the event's bytes would depend on the cut.
    fn line_end(&mut self) -> Option<(usize, usize)> {
        let unseen = self.buffer.get(self.searched..)?;
        let Some(offset) = unseen.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.buffer.len();
            return None;
        };
        let at = self.searched + offset;
        self.searched = at;
        match (self.buffer.get(at), self.buffer.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Some((at, at + 2)),
            (Some(b'\r'), None) if !self.finished => None,
            _ => Some((at, at + 1)),
        }
    }

    fn line_is_blank(&self, line_end: usize) -> bool {
        let line = self.buffer.get(self.line..line_end).unwrap_or_default();
        line.is_empty() || (self.opening && self.line == 0 && line == BYTE_ORDER_MARK)
    }

    fn take(&mut self, end: usize, complete: bool) -> Result<Event, Fault> {
        if end > self.limit {
            return Err(Fault::TooLong { limit: self.limit });
        }
        let raw = self.buffer.split_to(end).freeze();
        (self.searched, self.line) = (0, 0);
        let text = std::str::from_utf8(&raw).map_err(|_| Fault::NotUtf8)?;
        let text = if self.opening { text.trim_start_matches('\u{feff}') } else { text };
        self.opening = false;
        let Fields { data, aside } = fields(text);
        Ok(Event { raw, data, aside, complete })
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Default)]
struct Fields {
    data: Option<String>,
    aside: Vec<String>,
}

/// Names of events and comments that say no more than that the stream lives.
const SIGNS_OF_LIFE: &[&str] =
    &["", "ping", "keep-alive", "keepalive", "heartbeat", "OPENROUTER PROCESSING"];

/// Names of events that are known.
const EVENT_NAMES: &[&str] = &[
    "message",
    "error",
    "ping",
    "done",
    "completion",
    "message_start",
    "message_delta",
    "message_stop",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
];

fn fields(text: &str) -> Fields {
    let mut fields = Fields::default();
    let lines =
        text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let aside = match name {
            "data" => {
                match &mut fields.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => fields.data = Some(value.to_owned()),
                }
                continue;
            }
            "" if SIGNS_OF_LIFE.contains(&value.trim()) => continue,
            "event" if EVENT_NAMES.contains(&value) || EVENT_TYPES.contains(&value) => continue,
            "id" if is_id(value) => continue,
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => continue,
            "" | "event" | "id" | "retry" => value,
            _ => line,
        };
        fields.aside.push(aside.to_owned());
    }
    fields.data = fields.data.filter(|data| !data.is_empty());
    fields
}

/// Characters at which some clients cut lines though the rules do not: to them, text behind one
/// could look like a line of its own.
const FALSE_LINE_ENDS: [char; 8] =
    ['\u{0b}', '\u{0c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// The data of one whole event.
pub(crate) fn data(raw: &Bytes) -> Option<String> {
    let mut reader = Reader::new(raw.len());
    reader.push(raw);
    reader.finish();
    reader.next_event().ok()??.data
}

/// The bytes of an event as they may be sent on: verbatim, unless they hold a character at which
/// some clients cut lines. In `data` such a character is escaped, which leaves the JSON the same;
/// elsewhere a space takes its place.
pub fn one_reading(raw: &Bytes) -> Bytes {
    let suspect = raw.iter().any(|byte| matches!(byte, 0x0b | 0x0c | 0x1c..=0x1e | 0xc2 | 0xe2));
    let Ok(text) = std::str::from_utf8(raw) else { return raw.clone() };
    if !suspect || !text.contains(FALSE_LINE_ENDS) {
        return raw.clone();
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive(['\n', '\r']) {
        let is_data = line.trim_start_matches('\u{feff}').starts_with("data:");
        for character in line.chars() {
            match (FALSE_LINE_ENDS.contains(&character), is_data) {
                (true, true) => safe.push_str(&format!("\\u{:04x}", u32::from(character))),
                (true, false) => safe.push(' '),
                (false, _) => safe.push(character),
            }
        }
    }
    Bytes::from(safe)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Event, Fault, Reader, one_reading};

    fn read(pieces: &[&[u8]]) -> Result<Vec<Event>, Fault> {
        let mut reader = Reader::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next_event()? {
                events.push(event);
            }
        }
        reader.finish();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        Ok(events)
    }

    fn check(stream: &str, data: &[Option<&str>], aside: &[&str]) {
        let events = read(&[stream.as_bytes()]).unwrap();
        let got: Vec<Option<&str>> = events.iter().map(|event| event.data.as_deref()).collect();
        assert_eq!(got, data, "{stream:?}");
        let got: Vec<&str> =
            events.iter().flat_map(|event| event.aside.iter().map(String::as_str)).collect();
        assert_eq!(got, aside, "{stream:?}");
    }

    #[test]
    fn lines_are_read_by_the_rules() {
        check("data: a\n\ndata: b\n\n", &[Some("a"), Some("b")], &[]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &[Some("a"), Some("b")], &[]);
        check("data: a\r\rdata: b\r\r", &[Some("a"), Some("b")], &[]);
        check("data: a\n\r\ndata: b\r\n\ndata: c\r\n\r", &[Some("a"), Some("b"), Some("c")], &[]);
        check("data:a\ndata:  b\ndata\ndata:c\n\n", &[Some("a\n b\n\nc")], &[]);
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &[Some("a"), None], &["\u{feff}data: b"]);
        check("\u{feff}\ndata: a\n\n", &[None, Some("a")], &[]);
        check("data\n\ndata:\n\n", &[None, None], &[]);
        check(": ping\n\n:\n\n: what is this\n\n", &[None, None, None], &["what is this"]);
        check("event: message\nid: 7\nretry: 10\ndata: a\n\n", &[Some("a")], &[]);
        check(
            "event: say it\nid: a b\nretry: x\ndata: a\n\n",
            &[Some("a")],
            &["say it", "a b", "x"],
        );
        check("note: hello\nlonely\n\n", &[None], &["note: hello", "lonely"]);
        check("data: cut", &[Some("cut")], &[]);
    }

    #[test]
    fn what_the_end_cuts_off_is_not_complete() {
        let complete = |stream: &str| read(&[stream.as_bytes()]).unwrap().last().unwrap().complete;
        assert!(complete("data: a\n\n"));
        assert!(complete("data: a\r\r"));
        assert!(!complete("data: a\n"));
        assert!(!complete("data: a\n\ndata: b"));
    }

    #[test]
    fn an_event_is_bounded_and_utf8() {
        let long = format!("data: {}\n\n", "x".repeat(1000));
        assert_eq!(read(&[long.as_bytes()]), Err(Fault::TooLong { limit: 1000 }));
        let endless = ": ping\n".repeat(1000);
        assert_eq!(read(&[endless.as_bytes()]), Err(Fault::TooLong { limit: 1000 }));
        assert_eq!(read(&[b"data: \xff\n\n"]), Err(Fault::NotUtf8));
    }

    #[test]
    fn characters_that_some_clients_take_for_line_ends_are_escaped() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(one_reading(&Bytes::copy_from_slice(raw.as_bytes())), expected, "{raw:?}");
        };
        check("data: {\"a\":\"é—x\"}\n\n", "data: {\"a\":\"é—x\"}\n\n");
        check(
            "data: {\"a\":\"x\u{2028}data: y\u{85}\"}\n\n",
            "data: {\"a\":\"x\\u2028data: y\\u0085\"}\n\n",
        );
        check(": a\u{2029}data: b\r\ndata: c\r\n\r\n", ": a data: b\r\ndata: c\r\n\r\n");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events_and_all_bytes(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "data: a", "data: é\u{2028}", ": ping", ":", "\n", "\n", "\r", "\r\n", "\n\n",
                    "\r\n\r\n", "\r\r", "id: 1", "event: x y", "\u{feff}", "data", " ",
                ]),
                0..40,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let stream = parts.concat().into_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let whole = read(&[&stream]).unwrap();
            prop_assert_eq!(&read(&pieces).unwrap(), &whole);
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&read(&single).unwrap(), &whole);
            let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert_eq!(raw, stream);
        }
    }
}
