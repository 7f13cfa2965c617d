//! What came of all cases, as a table.

use std::collections::BTreeMap;
use std::fmt;

use crate::suite::case::Case;

/// Classes of attacks, how many cases each had, and what went around the guard.
#[derive(Default)]
pub(crate) struct Report {
    classes: BTreeMap<&'static str, (usize, usize)>,
    failures: Vec<String>,
}

/// What the logs are called in the table.
const LOG: &str = "K audit logs with text or keys in them (LiteLLM)";

impl Report {
    pub(super) fn note(&mut self, case: &Case, failure: Option<String>) {
        let name = format!("{}: {}", case.class, case.name);
        self.count(case.class, failure.map(|failure| format!("{name}: {failure}")));
    }

    pub(super) fn note_log(&mut self, failure: Option<String>) {
        self.count(LOG, failure);
    }

    fn count(&mut self, class: &'static str, failure: Option<String>) {
        let (cases, bypasses) = self.classes.entry(class).or_default();
        *cases += 1;
        *bypasses += usize::from(failure.is_some());
        self.failures.extend(failure);
    }

    pub(super) fn absorb(&mut self, other: Self) {
        for (class, (cases, bypasses)) in other.classes {
            let counted = self.classes.entry(class).or_default();
            *counted = (counted.0 + cases, counted.1 + bypasses);
        }
        self.failures.extend(other.failures);
    }

    /// How many cases there were.
    pub(crate) fn cases(&self) -> usize {
        self.classes.values().map(|(cases, _)| cases).sum()
    }

    /// What went around the guard, or did not come through harmless.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &String> {
        self.failures.iter()
    }
}

impl fmt::Display for Report {
    /// As a table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| class | cases | bypasses |\n|---|---:|---:|")?;
        for (class, (cases, bypasses)) in &self.classes {
            writeln!(f, "| {class} | {cases} | {bypasses} |")?;
        }
        let bypasses: usize = self.classes.values().map(|(_, bypasses)| bypasses).sum();
        write!(f, "| all | {} | {bypasses} |", self.cases())
    }
}
