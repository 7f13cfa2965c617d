//! The labels of data sets in the categories of a guard. The table itself is `mapping.toml`.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::evaluate::data::example::Label;
use crate::evaluate::data::own::codes_of;
use crate::taxonomy::Taxonomy;

const BUILT_IN: &str = include_str!("mapping.toml");

type Section = BTreeMap<String, Vec<String>>;

/// What each data set calls what the guard calls by a code.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapping {
    sections: BTreeMap<String, Section>,
}

/// Why a file is no mapping.
#[derive(Debug, Error)]
pub enum BadMapping {
    /// Not TOML, or not of that shape.
    #[error("is not a mapping: {0}; write [beavertails] and below it label = [\"S1\"]")]
    Toml(#[from] toml::de::Error),
    /// A section for no data set.
    #[error("there are no labels of [{named}]; there are: {known}")]
    Section {
        /// What is named.
        named: String,
        /// What could be.
        known: String,
    },
    /// A code that the guard does not have.
    #[error("[{section}] maps `{label}` to `{code}`; the guard's categories are: {known}")]
    Code {
        /// In which section.
        section: String,
        /// Which label.
        label: String,
        /// The code in question.
        code: String,
        /// What could be.
        known: String,
    },
}

impl Mapping {
    /// The mapping for guards with these categories.
    ///
    /// The one that is built in is in the categories of Llama Guard 2. To another guard a code means
    /// something else, so for it every label is without a counterpart until a file says otherwise.
    pub fn for_guard(taxonomy: &Taxonomy) -> Result<Self, BadMapping> {
        let mut sections: BTreeMap<String, Section> = toml::from_str(BUILT_IN)?;
        if *taxonomy != Taxonomy::llama_guard_2() {
            sections.values_mut().flat_map(Section::values_mut).for_each(Vec::clear);
        }
        Ok(Self { sections })
    }

    /// Replaces entries by those of a file.
    ///
    /// # Errors
    ///
    /// When it is no mapping, or names a data set or category that is not there.
    pub fn overridden(mut self, source: &str, taxonomy: &Taxonomy) -> Result<Self, BadMapping> {
        let given: BTreeMap<String, Section> = toml::from_str(source)?;
        let known: Vec<String> = self.sections.keys().cloned().collect();
        for (section, entries) in given {
            let Some(ours) = self.sections.get_mut(&section) else {
                return Err(BadMapping::Section { named: section, known: known.join(", ") });
            };
            for (label, codes) in entries {
                if let Some(code) = codes.iter().find(|code| taxonomy.by_code(code).is_none()) {
                    let (code, known) = (code.clone(), codes_of(taxonomy));
                    return Err(BadMapping::Code { section, label, code, known });
                }
                ours.insert(label, codes);
            }
        }
        Ok(self)
    }

    /// The labels of one data set.
    pub(in crate::evaluate) fn of(&self, section: &str) -> Labels<'_> {
        Labels(self.sections.get(section))
    }
}

/// The labels of one data set.
pub(in crate::evaluate) struct Labels<'a>(Option<&'a Section>);

impl Labels<'_> {
    /// The codes of a label; `None` where it is not listed.
    pub(in crate::evaluate) fn codes(&self, label: &str) -> Option<&[String]> {
        self.0?.get(label).map(Vec::as_slice)
    }

    /// Adds a label's categories, or notes that it has none.
    pub(super) fn add(&self, name: &str, label: &mut Label) {
        match self.codes(name) {
            Some(codes) if !codes.is_empty() => {
                for code in codes {
                    if !label.categories.contains(code) {
                        label.categories.push(code.clone());
                    }
                }
            }
            _ => label.unmapped.push(name.to_owned()),
        }
    }
}
