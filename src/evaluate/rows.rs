//! What is kept of labelled data once it has been read: labels, and where the scores stand.

use std::collections::BTreeMap;

use crate::evaluate::data::{DataFault, Dataset, Example, Mapping};
use crate::evaluate::scores::{Digest, Scores};
use crate::policy::Phase;
use crate::taxonomy::{Category, Taxonomy};

/// Labelled data without its texts.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// What it is called.
    pub name: String,
    /// One for each text.
    pub rows: Vec<Row>,
    /// The kinds of text there are, in the order of their appearance.
    pub kinds: Vec<String>,
    /// Labels that are no category of the guard, each with how many rows have it.
    pub unmapped: BTreeMap<String, u64>,
}

/// One labelled text.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which text.
    pub digest: Digest,
    /// Prompt or answer.
    pub phase: Phase,
    /// Whether it is unsafe.
    pub unsafe_: bool,
    /// Its categories, a bit each.
    categories: u64,
    /// Its kind.
    kind: Option<u16>,
}

impl Row {
    /// Whether people put it into a category.
    pub fn is_in(&self, category: Category) -> bool {
        self.categories & bit(category) != 0
    }

    /// How many categories people put it into.
    pub fn categories(&self) -> u32 {
        self.categories.count_ones()
    }

    /// Whether it is of the kind at this position.
    pub fn is_of_kind(&self, kind: usize) -> bool {
        self.kind.map(usize::from) == Some(kind)
    }

    /// Where its scores stand, if it has any.
    pub fn place(&self, scores: &Scores) -> Option<u32> {
        scores.find(self.digest)
    }
}

/// A guard with more categories than bits has none beyond them here.
fn bit(category: Category) -> u64 {
    u32::try_from(category.index()).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or(0)
}

impl Rows {
    /// Reads a file to its end: every fault shows here, before anything is judged.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn read(
        dataset: &Dataset,
        mapping: &Mapping,
        taxonomy: &Taxonomy,
        partial: bool,
    ) -> Result<Self, DataFault> {
        let mut rows = Self { name: dataset.name(), ..Self::default() };
        for example in dataset.examples(mapping, taxonomy)? {
            rows.push(&example?, taxonomy);
        }
        let answers = rows.rows.iter().any(|row| row.phase == Phase::Response);
        dataset.expect_rows(rows.rows.len() as u64, answers, partial)?;
        Ok(rows)
    }

    fn push(&mut self, example: &Example, taxonomy: &Taxonomy) {
        let label = &example.label;
        for name in &label.unmapped {
            *self.unmapped.entry(name.clone()).or_default() += 1;
        }
        let codes = label.categories.iter().filter_map(|code| taxonomy.by_code(code));
        let kind = label.kind.as_ref().and_then(|kind| {
            let known = self.kinds.iter().position(|known| known == kind);
            let at = known.unwrap_or_else(|| {
                self.kinds.push(kind.clone());
                self.kinds.len() - 1
            });
            u16::try_from(at).ok()
        });
        self.rows.push(Row {
            digest: Digest::of(&example.transcript),
            phase: example.phase(),
            unsafe_: label.unsafe_,
            categories: codes.fold(0, |all, category| all | bit(category)),
            kind,
        });
    }

    /// The prompts and the answers apart, where there are both; under names of their own.
    #[must_use]
    pub fn by_phase(self) -> Vec<Self> {
        let apart = Phase::ALL.map(|phase| Self {
            name: format!("{} {}s", self.name, phase.as_str()),
            rows: self.rows.iter().copied().filter(|row| row.phase == phase).collect(),
            kinds: self.kinds.clone(),
            unmapped: self.unmapped.clone(),
        });
        if apart.iter().any(|rows| rows.rows.is_empty()) {
            return vec![self];
        }
        apart.into()
    }

    /// Each kind by itself, where there are any; under names of their own.
    #[must_use]
    pub fn by_kind(self) -> Vec<Self> {
        if self.kinds.is_empty() {
            return vec![self];
        }
        let of_kind = |(at, kind): (usize, &String)| Self {
            name: format!("{} {kind}", self.name),
            rows: self.rows.iter().copied().filter(|row| row.is_of_kind(at)).collect(),
            kinds: Vec::new(),
            unmapped: BTreeMap::new(),
        };
        self.kinds.iter().enumerate().map(of_kind).collect()
    }
}
