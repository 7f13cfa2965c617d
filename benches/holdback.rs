//! What holding a stream back costs, with a guard that answers at once: time per event and per byte,
//! for streams of few and of many events, which must not differ.
//!
//! `cargo bench --no-default-features --bench holdback`

#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::time::{Duration, Instant};

use wardgate::enforce::holdback::Settings;
use wardgate::enforce::{Holdback, Ruling};
use wardgate::wire::{Asked, Dialect};

fn main() {
    println!(
        "{:>9} {:>8} {:>10} {:>12} {:>9}",
        "events", "choices", "windows", "ns an event", "MB/s"
    );
    for choices in [1, 4] {
        for events in [1_000, 10_000, 100_000] {
            let stream = stream(events, choices);
            let (took, windows) = (0..5).map(|_| drive(&stream, choices)).min().unwrap_or_default();
            let seconds = took.as_secs_f64();
            println!(
                "{events:>9} {choices:>8} {windows:>10} {:>12.0} {:>9.1}",
                seconds * 1e9 / f64::from(events),
                stream.len() as f64 / seconds / 1e6,
            );
        }
    }
}

fn stream(events: u32, choices: u32) -> Vec<u8> {
    const WORDS: [&str; 8] = [" the", " quick", " brown", " fox", " jumps", " over", " it", "."];
    let mut stream = String::new();
    for (event, word) in (0..events).zip(WORDS.iter().cycle()) {
        let index = event % choices;
        stream.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
             \"model\":\"demo\",\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{word}\"}},\
             \"finish_reason\":null}}]}}\n\n"
        ));
    }
    stream.push_str("data: [DONE]\n\n");
    stream.into_bytes()
}

/// Pushes the stream in pieces of a TCP segment each; how long it took, and over how many windows.
fn drive(stream: &[u8], choices: u32) -> (Duration, usize) {
    let start = Instant::now();
    let asked = Asked::new(Dialect::Chat, "What does it do?", choices);
    let mut hold = Holdback::new(Settings::default(), asked);
    let (mut windows, mut released) = (0, 0);
    for piece in stream.chunks(1460) {
        if hold.push(piece).is_err() {
            break;
        }
        while let Some(window) = hold.due() {
            windows += 1;
            hold.settle(window, Ruling::Pass);
        }
        released += hold.released().len();
    }
    assert_eq!(released, stream.len(), "everything passes");
    (start.elapsed(), windows)
}
