//! What was measured as tables: Markdown that also reads well on a terminal, and HTML from the same cells.

use std::fmt::Write as _;

use crate::evaluate::measure::{Measured, OfCategory};
use crate::evaluate::metrics::Interval;

/// A table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// What to know when reading it; may be empty.
    pub note: String,
    /// What stands above the columns.
    pub header: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self {
            title: title.into(),
            header: header.iter().map(|&name| name.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The table as Markdown, its columns aligned.
    pub fn markdown(&self) -> String {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let cells = |row: &[String]| -> Vec<String> {
            row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect()
        };
        let widths: Vec<usize> = (0..self.header.len())
            .map(|at| {
                let widths = all().filter_map(|row| cells(row).get(at).map(|c| c.chars().count()));
                widths.max().unwrap_or(0).max(3)
            })
            .collect();
        let line = |row: &[String]| -> String {
            let mut line = String::from("|");
            for (at, (cell, width)) in cells(row).iter().zip(&widths).enumerate() {
                // Names to the left, numbers to the right.
                let _ = match at {
                    0 => write!(line, " {cell:<width$} |"),
                    _ => write!(line, " {cell:>width$} |"),
                };
            }
            line
        };
        let mut text = String::new();
        if !self.title.is_empty() {
            let _ = writeln!(text, "### {}\n", self.title);
        }
        if !self.note.is_empty() {
            let _ = writeln!(text, "{}\n", self.note);
        }
        let _ = writeln!(text, "{}", line(&self.header));
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, width)| match at {
                0 => format!("{}-", "-".repeat(width + 1)),
                _ => format!("{}:", "-".repeat(width + 1)),
            })
            .collect();
        let _ = writeln!(text, "|{}|", rule.join("|"));
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        text
    }

    /// The table as HTML.
    pub fn html(&self) -> String {
        let mut text = String::new();
        if !self.title.is_empty() {
            let _ = writeln!(text, "<h3>{}</h3>", escaped(&self.title));
        }
        if !self.note.is_empty() {
            let _ = writeln!(text, "<p>{}</p>", escaped(&self.note));
        }
        let cells = |row: &[String], tag: &str| -> String {
            row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
        };
        let _ = writeln!(text, "<table>\n<tr>{}</tr>", cells(&self.header, "th"));
        for row in &self.rows {
            let _ = writeln!(text, "<tr>{}</tr>", cells(row, "td"));
        }
        text.push_str("</table>\n");
        text
    }
}

/// A text as it may stand in HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Three digits, as cards have them; a dash where there is no number.
pub fn three(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.3}"))
}

/// Three digits with the interval behind them.
pub fn with_interval(number: Option<f64>, interval: Option<Interval>) -> String {
    match interval {
        Some(Interval(low, high)) if number.is_some() => {
            format!("{} [{low:.3}, {high:.3}]", three(number))
        }
        _ => three(number),
    }
}

/// All tables of some sets, the summary first.
pub fn of_sets(sets: &[Measured]) -> Vec<Table> {
    let mut tables = vec![summary(sets)];
    for set in sets {
        tables.extend(categories(set));
        tables.extend(confusion(set));
        tables.extend(kinds(set));
        tables.extend(unmapped(set));
    }
    tables
}

/// One line a set, and below it what is published on it.
fn summary(sets: &[Measured]) -> Table {
    let header = [
        "set", "n", "unsafe", "at", "F1", "AUPRC", "AUROC", "FPR", "recall", "TP", "FP", "FN",
        "TN", "ECE",
    ];
    let mut table = Table::new("All sets", &header);
    table.note =
        "In brackets the middle 95 % of a bootstrap. ECE is the expected calibration error."
            .to_owned();
    for set in sets {
        let (counts, intervals) = (set.counts, set.intervals);
        table.rows.push(vec![
            set.name.clone(),
            set.n.to_string(),
            set.positives.to_string(),
            format!("{:.2}", set.threshold),
            with_interval(Some(set.f1).filter(|_| set.positives > 0), intervals.f1),
            with_interval(set.auprc, intervals.auprc),
            with_interval(set.auroc, intervals.auroc),
            with_interval(set.fpr, intervals.fpr),
            with_interval(set.recall, intervals.recall),
            counts.tp.to_string(),
            counts.fp.to_string(),
            counts.fn_.to_string(),
            counts.tn.to_string(),
            three(Some(set.reliability.error)),
        ]);
        if let Some(half) = &set.at_half {
            let mut row = vec![format!("{} at 0.5", set.name), set.n.to_string()];
            row.extend([set.positives.to_string(), "0.50".to_owned(), three(Some(half.f1))]);
            row.extend([three(set.auprc), three(set.auroc), three(half.fpr), three(half.recall)]);
            let counts = half.counts;
            row.extend(
                [counts.tp, counts.fp, counts.fn_, counts.tn].map(|count| count.to_string()),
            );
            row.push(three(Some(set.reliability.error)));
            table.rows.push(row);
        }
        if let Some(card) = &set.published {
            let count = |count: Option<u64>| {
                count.map_or_else(|| "–".to_owned(), |count| count.to_string())
            };
            let dash = || "–".to_owned();
            table.rows.push(vec![
                format!("{} {}", set.name, card.guard),
                dash(),
                dash(),
                "0.50".to_owned(),
                three(Some(card.f1)),
                dash(),
                dash(),
                three(Some(card.fpr)),
                dash(),
                count(card.tp),
                count(card.fp),
                dash(),
                dash(),
                dash(),
            ]);
        }
    }
    table
}

fn categories(set: &Measured) -> Option<Table> {
    let known: Vec<&OfCategory> = set
        .categories
        .iter()
        .filter(|category| category.n > 0 || category.false_alarms > 0)
        .collect();
    if !set.categories.iter().any(|category| category.n > 0) {
        return None;
    }
    let published = known.iter().any(|category| category.published_fnr.is_some());
    let header =
        ["category", "n", "missed", "FNR", "missed by name", "FNR by name", "false alarms", "FPR"];
    let mut table = Table::new(format!("{}: by category", set.name), &header);
    table.note = "Missed: not flagged, whatever category it would have been (the card's way to count). \
                  Missed by name: not flagged as this category. False alarms: safe texts flagged with this \
                  category first."
        .to_owned();
    if published {
        table.header.push("FNR of Llama Guard 2 (published)".to_owned());
        table.note.push_str(" The published figures are for answers of Meta's own set.");
    }
    for category in known {
        let mut row = vec![
            format!("{} {}", category.code, category.name),
            category.n.to_string(),
            category.missed.to_string(),
            with_interval(category.fnr, category.fnr_interval),
            category.missed_by_name.to_string(),
            three(category.fnr_by_name),
            category.false_alarms.to_string(),
            three(category.fpr),
        ];
        if published {
            row.push(three(category.published_fnr));
        }
        table.rows.push(row);
    }
    Some(table)
}

fn confusion(set: &Measured) -> Option<Table> {
    let confusion = &set.confusion;
    let title = format!("{}: which category was named first", set.name);
    let mut table = Table { title, ..Table::default() };
    table.note =
        "Unsafe texts in exactly one category, by that category (down) and the one the guard \
                  named first (across)."
            .to_owned();
    table.header.push("is".to_owned());
    table.header.extend(confusion.codes.iter().cloned());
    table.header.push("not flagged".to_owned());
    for (code, row) in confusion.codes.iter().zip(&confusion.rows) {
        if row.iter().any(|count| *count > 0) {
            let mut cells = vec![code.clone()];
            cells.extend(row.iter().map(|count| match count {
                0 => String::new(),
                count => count.to_string(),
            }));
            table.rows.push(cells);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

fn kinds(set: &Measured) -> Option<Table> {
    let header = ["type", "n", "unsafe", "flagged", "recall", "FPR"];
    let mut table = Table::new(format!("{}: by type", set.name), &header);
    for kind in &set.kinds {
        table.rows.push(vec![
            kind.kind.clone(),
            kind.n.to_string(),
            kind.positives.to_string(),
            kind.flagged.to_string(),
            three(kind.recall),
            three(kind.fpr),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

fn unmapped(set: &Measured) -> Option<Table> {
    let mut table =
        Table::new(format!("{}: labels without a category", set.name), &["label", "rows"]);
    table.note = "They count as unsafe, in no category; --mapping can give them one.".to_owned();
    for (label, rows) in &set.unmapped {
        table.rows.push(vec![label.clone(), rows.to_string()]);
    }
    (!table.rows.is_empty()).then_some(table)
}
