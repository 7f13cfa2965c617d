//! What it costs to find the readings of a text, and how many there are.
//!
//! `cargo bench --no-default-features --bench readings`

#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::time::{Duration, Instant};

use wardgate::reading::readings;
use wardgate::transcript::Transcript;

/// Texts of about 4 KiB.
const SIZE: usize = 4096;

fn main() {
    let texts = [
        ("English", "The library opens at nine (and closes at six): on Sundays it stays closed. "),
        ("code", "fn area(w: u32, h: u32) -> u32 { w * h } // snake_case_identifiers[0x1f];\n"),
        ("German", "Für größere Übungen öffnet die Bücherei um neun – sonntags bleibt sie zu. "),
        ("Chinese", "图书馆九点开门，六点关门，星期天不开门。"),
        ("Arabic", "تفتح المكتبة أبوابها في التاسعة وتغلق في السادسة. "),
        ("emoji", "I ❤️ it 😀 👨‍👩‍👧 and so do you! "),
        (
            "zero width",
            "t\u{200b}h\u{200b}e\u{200b} l\u{200b}i\u{200b}b\u{200b}r\u{200b}a\u{200b}r\u{200b}y ",
        ),
        ("base64", "VGhlIGxpYnJhcnkgb3BlbnMgYXQgbmluZSwgYW5kIGNsb3NlcyBhdCBzaXgu "),
    ];
    println!("{:<12} {:>9} {:>12} {:>9}", "text", "readings", "us for 4 KiB", "MB/s");
    for (name, text) in texts {
        let text = text.repeat(SIZE / text.len() + 1);
        let transcripts = vec![Transcript::user(text.as_str())];
        let (mut best, mut found) = (Duration::MAX, 0);
        for _ in 0..200 {
            let transcripts = transcripts.clone();
            let start = Instant::now();
            found = readings(transcripts).transcripts.len();
            best = best.min(start.elapsed());
        }
        let seconds = best.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand bytes")]
        let bytes = text.len() as f64;
        println!(
            "{name:<12} {found:>9} {:>12.1} {:>9.0}",
            seconds * 1e6 * SIZE as f64 / bytes,
            bytes / seconds / 1e6,
        );
    }
}
