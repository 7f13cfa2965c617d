//! What a decision costs: nanoseconds, by how many readings are held against how many rules.
//!
//! `cargo bench --no-default-features --bench decide`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints its result and trusts what it has built"
)]

use std::hint::black_box;
use std::time::Instant;

use wardgate::policy::{Phase, compile, decide};
use wardgate::taxonomy::Taxonomy;
use wardgate::verdict::{Judgement, Score, Scores};

const TIMES: u32 = 20_000;

fn main() {
    println!("{:>6} {:>9} {:>14}", "rules", "readings", "ns a decision");
    for rules in [1, 11] {
        let policy = policy(rules);
        for readings in [1, 16] {
            let mut judgement = Judgement::default();
            (0..readings).for_each(|_| judgement.absorb(Judgement::read(scores(), 64)));
            let nanos = (0..5)
                .map(|_| {
                    let begun = Instant::now();
                    for _ in 0..TIMES {
                        black_box(decide(black_box(&judgement), &policy, Phase::Prompt));
                    }
                    begun.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
                })
                .fold(f64::INFINITY, f64::min);
            println!("{rules:>6} {readings:>9} {nanos:>14.0}");
        }
    }
}

/// A policy with so many rules; all but the first are on categories.
fn policy(rules: usize) -> wardgate::policy::Policy {
    let mut source = "name = \"bench\"\n[unsafe]\nprompt = { block = 0.5 }\n".to_owned();
    for number in 1..rules {
        source.push_str(&format!("[category.S{number}]\nprompt = {{ block = 0.4 }}\n"));
    }
    compile(&source, "bench.toml", &Taxonomy::llama_guard_2()).expect("it compiles").policy
}

/// What a guard finds in a harmless text.
fn scores() -> Scores {
    let share = Score::new(0.01).expect("a probability");
    Scores::new(Score::new(0.11).expect("a probability"), vec![share; 11])
}
