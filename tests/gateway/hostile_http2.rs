//! Frames and fields that two readers could read differently, and floods of them, written by hand in
//! HTTP/2: every case with what becomes of its stream. Where `h2` or pingora answers and not we, the
//! case says so.

use std::net::SocketAddr;
use std::time::Duration;

use wardgate::gateway::Limits;

use crate::support::client::{KEY, chat};
use crate::support::frames::{
    CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, Frames, HEADERS, PING, PROTOCOL,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
};
use crate::support::gateway::TestGateway;

type Fields<'a> = Vec<(&'a str, &'a str)>;

fn bearer() -> String {
    format!("Bearer {KEY}")
}

/// The fields of a good request.
fn good(bearer: &str) -> Fields<'_> {
    vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/v1/chat/completions"),
        ("authorization", bearer),
        ("content-type", "application/json"),
    ]
}

/// A whole request as frames.
fn request(fields: &[(&str, &str)], stream: u32) -> Vec<u8> {
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &block(fields));
    bytes.extend(frame(DATA, END_STREAM, stream, chat("hello").as_bytes()));
    bytes
}

async fn fate(address: SocketAddr, bytes: &[u8]) -> Fate {
    let mut frames = Frames::connect(address, &[]).await;
    frames.send(bytes).await;
    frames.fate(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_have_one_reading() {
    let gateway = TestGateway::secure(Limits::default()).await;
    let bearer = bearer();
    let with = |name, value| [good(&bearer), vec![(name, value)]].concat();
    let instead = |name, value| -> Fields<'_> {
        good(&bearer).into_iter().map(|(n, v)| (n, if n == name { value } else { v })).collect()
    };
    let without =
        |name| -> Fields<'_> { good(&bearer).into_iter().filter(|(n, _)| *n != name).collect() };
    let length = chat("hello").len().to_string();
    let malformed = Fate::Reset(PROTOCOL);
    let mut faults = Vec::new();
    let mut passed = 0;
    for (name, fields, expected) in [
        ("a good one", good(&bearer), Fate::Status(200)),
        ("its length", with("content-length", &length), Fate::Status(200)),
        ("trailers are welcome", with("te", "trailers"), Fate::Status(200)),
        // Lengths and codings.
        ("another length (h2)", with("content-length", "5"), malformed),
        ("a length with a sign (h2)", with("content-length", "+5"), malformed),
        (
            "the same length twice",
            [with("content-length", &length), vec![("content-length", &length)]].concat(),
            Fate::Status(400),
        ),
        ("a coding (h2)", with("transfer-encoding", "chunked"), malformed),
        ("another coding of transfers (h2)", with("te", "gzip"), malformed),
        // Connections.
        ("Connection (h2)", with("connection", "close"), malformed),
        ("Keep-Alive (h2)", with("keep-alive", "5"), malformed),
        ("an upgrade (h2)", with("upgrade", "websocket"), malformed),
        ("settings by upgrade", with("http2-settings", "AAMAAABk"), Fate::Status(400)),
        // Targets.
        ("a line end in the path (pingora)", instead(":path", "/v1/chat\r\nx: y"), malformed),
        ("a space in the path (pingora)", instead(":path", "/v1/chat/completions "), malformed),
        ("an absolute path (h2)", instead(":path", "https://other/v1/chat/completions"), malformed),
        ("two slashes", instead(":path", "//v1/chat/completions"), Fate::Status(404)),
        ("an encoded slash", instead(":path", "/v1/chat%2fcompletions"), Fate::Status(404)),
        ("a slash behind", instead(":path", "/v1/chat/completions/"), Fate::Status(404)),
        ("a query", instead(":path", "/v1/chat/completions?x=1"), Fate::Status(404)),
        ("no slash before (h2)", instead(":path", "v1/chat/completions"), malformed),
        ("an asterisk", instead(":path", "*"), Fate::Status(404)),
        ("an empty path (h2)", instead(":path", ""), malformed),
        // Nothing but the route is done with a path, and what follows it here is nowhere.
        (
            "a fragment (h2 cuts it)",
            instead(":path", "/v1/chat/completions#canary"),
            Fate::Status(200),
        ),
        // Authorities.
        ("another host (pingora)", with("host", "other"), Fate::Status(400)),
        ("the same host", with("host", "localhost"), Fate::Status(200)),
        ("no authority (pingora)", without(":authority"), Fate::Status(400)),
        (
            "a user in the authority (pingora)",
            instead(":authority", "a@localhost"),
            Fate::Status(400),
        ),
        // Pseudo-fields.
        ("no path (h2)", without(":path"), malformed),
        ("no method (h2)", without(":method"), malformed),
        ("two paths (h2)", with(":path", "/v1/models"), malformed),
        ("an unknown one (h2)", with(":words", "canary"), Fate::GoAway(PROTOCOL)),
        ("the status of an answer (h2)", with(":status", "200"), malformed),
        ("CONNECT with a path (h2)", instead(":method", "CONNECT"), malformed),
        ("a tunnel by protocol (h2)", with(":protocol", "websocket"), malformed),
        ("a name in capitals (h2)", with("X-Words", "canary"), Fate::GoAway(PROTOCOL)),
        ("a line end in a value (h2)", with("x-words", "a\r\nb"), Fate::GoAway(PROTOCOL)),
        // Ours.
        ("two keys", with("authorization", "Bearer other"), Fate::Status(400)),
        ("two content types", with("content-type", "text/plain"), Fate::Status(400)),
        ("another expectation", with("expect", "200-ok"), Fate::Status(400)),
        ("an expectation that nobody meets", with("expect", "100-continue"), Fate::Status(200)),
        ("another content type", instead("content-type", "text/plain"), Fate::Status(415)),
        ("another method", instead(":method", "PUT"), Fate::Status(404)),
    ] {
        let got = fate(gateway.data, &request(&fields, 1)).await;
        passed += usize::from(expected == Fate::Status(200));
        if got != expected {
            faults.push(format!("{name}: {got:?} instead of {expected:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    gateway.upstream.seen(|seen| assert_eq!(seen.requests.len(), passed));
    assert!(!gateway.upstream.received("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_request_go_nowhere() {
    let gateway = TestGateway::secure(Limits::default()).await;
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &block(&good(&bearer())));
    bytes.extend(frame(DATA, 0, 1, chat("hello").as_bytes()));
    let words = block(&[("x-words", "canary"), ("authorization", "Bearer canary")]);
    bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &words));
    assert_eq!(fate(gateway.data, &bytes).await, Fate::Status(200));
    assert!(!gateway.upstream.received("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_its_bound_is_refused() {
    let limits = Limits { head_bytes: 1024, ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    let (bearer, long) = (bearer(), "a".repeat(2048));
    let fields = [good(&bearer), vec![("x-long", &long)]].concat();
    assert_eq!(fate(gateway.data, &request(&fields, 1)).await, Fate::Status(431));
    gateway.upstream.seen(|seen| assert_eq!(seen.connections, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_the_connection_or_change_nothing() {
    const MANY: usize = 10_000;
    let limits = Limits { streams: 3, ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    let bearer = bearer();
    let head = block(&good(&bearer));
    let open = frame(HEADERS, END_HEADERS, 1, &head);
    let odd = |turn: usize| u32::try_from(2 * turn + 1).expect("a stream's number");
    let asked = request(&good(&bearer), 1);
    let many = |before: Vec<u8>, one: Vec<u8>| [before, one.repeat(MANY)].concat();
    let reset_after = |before: Vec<u8>| -> Vec<u8> {
        let of = |turn| {
            let mut bytes = frame(HEADERS, END_HEADERS, odd(turn), &head);
            bytes.extend(frame(RST_STREAM, 0, odd(turn), &8_u32.to_be_bytes()));
            bytes
        };
        (0..1000).fold(before, |all, turn| [all, of(turn)].concat())
    };
    for (name, bytes, expected) in [
        (
            "CONTINUATION without end (h2)",
            many(frame(HEADERS, 0, 1, &head), frame(CONTINUATION, 0, 1, &block(&[("x", "y")]))),
            &[Fate::GoAway(CALM)][..],
        ),
        ("empty DATA (h2)", many(open.clone(), frame(DATA, 0, 1, b"")), &[Fate::GoAway(CALM)]),
        (
            "tiny DATA within the window (h2)",
            many(open.clone(), frame(DATA, 0, 1, b"a")),
            &[Fate::GoAway(CALM), Fate::Status(413)],
        ),
        ("streams that are reset at once", reset_after(Vec::new()), &[Fate::GoAway(CALM)]),
        (
            "SETTINGS (h2)",
            [frame(SETTINGS, 0, 0, &[]).repeat(MANY), asked.clone()].concat(),
            &[Fate::Status(200)],
        ),
        (
            "PING (h2)",
            [frame(PING, 0, 0, &[0; 8]).repeat(MANY), asked.clone()].concat(),
            &[Fate::Status(200)],
        ),
        (
            "a window that cannot grow by nothing (h2)",
            [open.clone(), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
            &[Fate::GoAway(PROTOCOL)],
        ),
        ("DATA of no stream (h2)", frame(DATA, 0, 0, b"a"), &[Fate::GoAway(PROTOCOL)]),
        (
            "a stream with an even number (h2)",
            frame(HEADERS, END_HEADERS, 2, &head),
            &[Fate::GoAway(PROTOCOL)],
        ),
    ] {
        let got = tokio::time::timeout(Duration::from_secs(20), fate(gateway.data, &bytes)).await;
        let got = got.unwrap_or_else(|_| panic!("{name}: nothing became of it"));
        // A connection that is ended while frames are still on their way may be reset under its last
        // words.
        let ends = expected.iter().any(|fate| matches!(fate, Fate::GoAway(_)));
        assert!(expected.contains(&got) || ends && got == Fate::Closed, "{name}: {got:?}");
    }
    // Nobody else has suffered.
    assert_eq!(fate(gateway.data, &asked).await, Fate::Status(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_makes_us_reset_streams_without_end_is_cut_off() {
    const FLOW_CONTROL: u32 = 3;
    let gateway = TestGateway::secure(Limits::default()).await;
    let head = block(&good(&bearer()));
    let mut frames = Frames::connect(gateway.data, &[]).await;
    let mut last = Fate::Status(0);
    for turn in 0..1000 {
        // A good request, and then a window beyond all bounds, which resets it.
        let stream = 2 * turn + 1;
        frames.send(&frame(HEADERS, END_HEADERS, stream, &head)).await;
        frames.send(&frame(WINDOW_UPDATE, 0, stream, &i32::MAX.to_be_bytes())).await;
        last = frames.fate(stream).await;
        if last != Fate::Reset(FLOW_CONTROL) {
            break;
        }
    }
    assert!(matches!(last, Fate::GoAway(CALM) | Fate::Closed), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_the_bound_are_refused() {
    const REFUSED: u32 = 7;
    let limits = Limits { streams: 2, ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    let head = block(&good(&bearer()));
    let mut frames = Frames::connect(gateway.data, &[]).await;
    // Read to here, the client knows how many streams it may open, and opens more all the same.
    for stream in [1, 3, 5] {
        frames.send(&frame(HEADERS, END_HEADERS, stream, &head)).await;
    }
    assert_eq!(frames.fate(5).await, Fate::Reset(REFUSED));
    frames.send(&frame(DATA, END_STREAM, 1, chat("hello").as_bytes())).await;
    assert_eq!(frames.fate(1).await, Fate::Status(200), "those within it are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_opens_its_window_is_let_go() {
    const INTERNAL: u32 = 2;
    let limits = Limits { write_timeout: Duration::from_millis(200), ..Limits::default() };
    let gateway = TestGateway::secure(limits).await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0: no byte of a body may be sent.
    let mut frames = Frames::connect(gateway.data, &[0, 4, 0, 0, 0, 0]).await;
    frames.send(&request(&good(&bearer()), 1)).await;
    assert_eq!(frames.fate(1).await, Fate::Status(200), "the head needs no window");
    assert_eq!(frames.fate(1).await, Fate::Reset(INTERNAL), "what it got does not look whole");
}
