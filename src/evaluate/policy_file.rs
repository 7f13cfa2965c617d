//! Tuned thresholds as a policy file: the base policy with other numbers in it, and comments that tell
//! where each is from.

use std::fmt::Write as _;

use thiserror::Error;
use toml::{Table, Value};

use crate::evaluate::tune::{FEWEST, HELD_OUT, Outcome, TunedPhase};
use crate::policy::{Phase, Policy};
use crate::taxonomy::{Category, Taxonomy};

/// Where thresholds come from, for the head of the file.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The name of the new policy.
    pub name: String,
    /// The guard, with its fingerprint.
    pub guard: String,
    /// The files of data.
    pub data: Vec<String>,
    /// What was wanted, in words.
    pub wanted: String,
    /// What to expect, a line each.
    pub expected: Vec<String>,
}

/// Why a policy cannot be written.
#[derive(Debug, Error)]
pub enum PolicyFileError {
    /// The base is no TOML, although it was read as a policy.
    #[error("the base policy cannot be read as TOML: {0}")]
    Read(#[from] toml::de::Error),
    /// The new policy is none.
    #[error("the tuned policy cannot be written as TOML: {0}")]
    Write(#[from] toml::ser::Error),
}

/// Writes the policy. Everything of the base but its comments, name, description and tuned thresholds
/// stays.
///
/// # Errors
///
/// When the base is no TOML.
pub fn write_policy(
    source: &str,
    base: &Policy,
    taxonomy: &Taxonomy,
    tuned: &[TunedPhase],
    origin: &Origin,
) -> Result<String, PolicyFileError> {
    let mut table: Table = source.parse()?;
    table.insert("name".to_owned(), origin.name.clone().into());
    table.insert("description".to_owned(), format!("Tuned for {}.", origin.wanted).into());
    for phase in tuned {
        let key = phase.phase.as_str();
        if let Some(threshold) = phase.unsafe_ {
            within(&mut table, "unsafe", |rules| block_from(rules, key, threshold));
        }
        for (category, _, outcome) in &phase.categories {
            change(&mut table, taxonomy.code(*category), phase.phase, *outcome);
        }
    }
    let mut text = head(base, taxonomy, tuned, origin);
    text.push_str(&toml::to_string(&table)?);
    Ok(text)
}

/// Gives a category the threshold that came of it, or takes away a rule that [unsafe] makes idle.
fn change(table: &mut Table, code: &str, phase: Phase, outcome: Outcome) {
    let key = phase.as_str();
    match outcome {
        Outcome::Threshold(threshold) => {
            within(table, "category", |categories| {
                within(categories, code, |rules| block_from(rules, key, threshold));
            });
        }
        Outcome::Covered => {
            let Some(Value::Table(categories)) = table.get_mut("category") else { return };
            let Some(Value::Table(own)) = categories.get_mut(code) else { return };
            // Switched off is not idle.
            if own.get(key).is_some_and(Value::is_table) {
                own.remove(key);
            }
        }
        Outcome::TooFew | Outcome::Inseparable => {}
    }
}

/// Changes a table inside a table; where there is none, or a word such as "allow", there is one then.
fn within(table: &mut Table, key: &str, change: impl FnOnce(&mut Table)) {
    let mut child = match table.remove(key) {
        Some(Value::Table(child)) => child,
        _ => Table::new(),
    };
    change(&mut child);
    table.insert(key.to_owned(), child.into());
}

/// Sets the threshold for blocking; milder actions begin no later than it.
fn block_from(rules: &mut Table, key: &str, threshold: f32) {
    // By way of its digits: the nearest double of a single is a long one.
    let threshold: f64 = threshold.to_string().parse().unwrap_or(1.0);
    within(rules, key, |thresholds| {
        for milder in ["annotate", "redact"] {
            if let Some(score) = thresholds.get_mut(milder) {
                let later = score.as_float().is_some_and(|score| score > threshold);
                if later || score.as_integer().is_some_and(|score| score > 0) {
                    *score = threshold.into();
                }
            }
        }
        thresholds.insert("block".to_owned(), threshold.into());
    });
}

fn head(base: &Policy, taxonomy: &Taxonomy, tuned: &[TunedPhase], origin: &Origin) -> String {
    let Origin { guard, data, wanted, expected, .. } = origin;
    let mut text = format!(
        "# Thresholds for {wanted}, from labelled data. Everything else is that of {}.\n\
         # Guard: {guard}. With another guard, or other settings of it, they mean nothing.\n",
        base.label()
    );
    for data in data {
        let _ = writeln!(text, "# Data: {}", data.escape_debug());
    }
    let _ =
        writeln!(text, "# One text in {HELD_OUT} was held out. To expect, on texts like those:");
    for line in expected {
        let _ = writeln!(text, "#   {line}");
    }
    let _ = writeln!(text, "# What the rules were tuned on:");
    for phase in tuned {
        let (positives, safe) = phase.tuned_on;
        let kept = if phase.unsafe_.is_some() { "" } else { ": too few; kept as it was" };
        let word = phase.phase.as_str();
        let _ =
            writeln!(text, "#   [unsafe] {word}: {positives} unsafe and {safe} safe {word}s{kept}");
        for (category, n, outcome) in &phase.categories {
            text.push_str(&of_category(taxonomy, *category, *n, *outcome, word));
        }
    }
    text.push('\n');
    text
}

fn of_category(
    taxonomy: &Taxonomy,
    category: Category,
    n: usize,
    outcome: Outcome,
    phase: &str,
) -> String {
    let (code, name) = (taxonomy.code(category), taxonomy.name(category));
    let said = match outcome {
        // Nothing is known of it, and nothing is said.
        Outcome::TooFew if n == 0 => return String::new(),
        Outcome::Threshold(_) => String::new(),
        Outcome::Covered => ": [unsafe] does as well".to_owned(),
        Outcome::TooFew => format!(": fewer than {FEWEST}, or too few safe ones; kept as it was"),
        Outcome::Inseparable => ": with scores like those of safe ones; kept as it was".to_owned(),
    };
    format!("#   {code} {name}, {phase}: {n} unsafe {phase}s{said}\n")
}
