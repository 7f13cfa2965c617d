//! What cutting a stream into events costs, whole and in small pieces.
//!
//! `cargo bench --no-default-features --bench sse`

#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::time::{Duration, Instant};

use wardgate::wire::sse::Reader;

fn main() {
    println!("{:>9} {:>12} {:>9}", "piece", "ns an event", "MB/s");
    let event = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(100)
    );
    let stream = event.repeat(20_000).into_bytes();
    for piece in [1, 16, 1460, 65_536] {
        let (took, events) = (0..5).map(|_| read(&stream, piece)).min().unwrap_or_default();
        let seconds = took.as_secs_f64();
        println!(
            "{piece:>9} {:>12.0} {:>9.1}",
            seconds * 1e9 / events as f64,
            stream.len() as f64 / seconds / 1e6,
        );
    }
}

fn read(stream: &[u8], piece: usize) -> (Duration, usize) {
    let start = Instant::now();
    let mut reader = Reader::new(1 << 20);
    let mut events = 0;
    for piece in stream.chunks(piece) {
        reader.push(piece);
        while let Ok(Some(_)) = reader.next_event() {
            events += 1;
        }
    }
    assert_eq!(events, 20_000, "every event is seen");
    (start.elapsed(), events)
}
