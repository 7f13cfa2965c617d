//! How long the embedded guard, or the guard in the folder given, takes to judge.
//!
//!     RAYON_NUM_THREADS=1 cargo bench --bench guard [-- FOLDER]

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use wardgate::guard::Classifier;
use wardgate::llama_guard::{EngineSettings, Family, LlamaGuard, embedded};
use wardgate::transcript::Transcript;

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let started = Instant::now();
    let mut guard = match folder {
        Some(folder) => {
            let folder = Path::new(&folder);
            let family = Family::of_folder(folder)?;
            LlamaGuard::load(folder, family, EngineSettings::default())?
        }
        None => embedded()?,
    };
    println!("{}: loaded and tested in {:?}", guard.card(), started.elapsed());
    println!("{:>8} {:>8} {:>12} {:>12} {:>12}", "tokens", "batch", "p50", "p99", "tokens/s");
    for (words, batch) in [(10, 1), (50, 1), (50, 8), (150, 1), (600, 1), (1500, 1), (6000, 1)] {
        let text = "could you tell me how bread is made at home ".repeat(words / 10);
        let transcripts = vec![Transcript::user(text); batch];
        report(&mut guard, &transcripts);
    }
    Ok(())
}

fn report(guard: &mut LlamaGuard, transcripts: &[Transcript]) {
    let began = Instant::now();
    let mut times = Vec::new();
    let mut tokens = 0;
    while times.len() < 10 || (times.len() < 500 && began.elapsed() < Duration::from_secs(2)) {
        let started = Instant::now();
        let judgements = guard.judge_all(transcripts);
        times.push(started.elapsed());
        tokens = judgements.iter().map(|judgement| judgement.coverage.read).sum();
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let seconds = at(50).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand tokens")]
    let rate = tokens as f64 / seconds;
    let batch = transcripts.len();
    println!("{tokens:>8} {batch:>8} {:>12?} {:>12?} {rate:>12.0}", at(50), at(99));
}
