//! The categories a classifier can name.
//!
//! A [`Taxonomy`] is the ordered list; a [`Category`] is an index into one. What a category means is
//! the classifier's business; what to do about it is the policy's.
//!
//! A policy works with its guard's categories and, behind them, those of the patterns it looks for. So
//! an index into the guard's own list means the same in the longer one.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// The MLCommons hazard categories as Llama Guard 2 numbers them.
///
/// Codes and names are those of its prompt template, not of its model card, which words some
/// differently.
const LLAMA_GUARD_2: [(&str, &str); 11] = [
    ("S1", "Violent Crimes"),
    ("S2", "Non-Violent Crimes"),
    ("S3", "Sex Crimes"),
    ("S4", "Child Exploitation"),
    ("S5", "Specialized Advice"),
    ("S6", "Privacy"),
    ("S7", "Intellectual Property"),
    ("S8", "Indiscriminate Weapons"),
    ("S9", "Hate"),
    ("S10", "Self-Harm"),
    ("S11", "Sexual Content"),
];

/// An ordered list of categories. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Taxonomy {
    entries: Arc<[Entry]>,
    /// How many of them, the first ones, are a guard's.
    shares: usize,
}

#[derive(PartialEq, Eq)]
struct Entry {
    code: String,
    name: String,
}

/// One category of a [`Taxonomy`]: its position in the list, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Category(u8);

impl Category {
    /// The position in the taxonomy, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Taxonomy {
    /// S1 to S11 of Llama Guard 2.
    pub fn llama_guard_2() -> Self {
        static TAXONOMY: LazyLock<Taxonomy> = LazyLock::new(|| Taxonomy::new(LLAMA_GUARD_2));
        TAXONOMY.clone()
    }

    /// Makes a taxonomy of (code, name) pairs, at most 255 of them; what is beyond is left out.
    pub fn new<C: Into<String>, N: Into<String>>(
        entries: impl IntoIterator<Item = (C, N)>,
    ) -> Self {
        let entries: Arc<[Entry]> = entries
            .into_iter()
            .take(usize::from(u8::MAX))
            .map(|(code, name)| Entry { code: code.into(), name: name.into() })
            .collect();
        Self { shares: entries.len(), entries }
    }

    /// The same with further categories behind, which are found and are no share of p(unsafe).
    #[must_use]
    pub fn extended<'n>(&'n self, found: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        let own = self.entries.iter().map(|entry| (entry.code.as_str(), entry.name.as_str()));
        Self { shares: self.shares, ..Self::new(own.chain(found)) }
    }

    /// Whether a category's score is a share of p(unsafe): a guard's is, a pattern's is not.
    pub fn is_share(&self, category: Category) -> bool {
        category.index() < self.shares
    }

    /// How many categories there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no category at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All categories in order.
    pub fn categories(&self) -> impl Iterator<Item = Category> + use<> {
        (0..self.entries.len()).filter_map(|index| u8::try_from(index).ok().map(Category))
    }

    /// The category with this code (`"S6"`), if there is one.
    pub fn by_code(&self, code: &str) -> Option<Category> {
        self.categories().find(|category| self.code(*category) == code)
    }

    /// The code of a category, such as `S6`; empty for a category of another taxonomy.
    pub fn code(&self, category: Category) -> &str {
        self.entries.get(category.index()).map_or("", |entry| &entry.code)
    }

    /// The name of a category, such as `Privacy`; empty for a category of another taxonomy.
    pub fn name(&self, category: Category) -> &str {
        self.entries.get(category.index()).map_or("", |entry| &entry.name)
    }
}

impl fmt::Debug for Taxonomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.code)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Taxonomy;

    #[test]
    fn a_code_leads_to_its_category_and_back() {
        let taxonomy = Taxonomy::llama_guard_2();
        assert_eq!(taxonomy.len(), 11);
        for category in taxonomy.categories() {
            assert_eq!(taxonomy.by_code(taxonomy.code(category)), Some(category));
        }
        assert_eq!(taxonomy.by_code("S10").map(|found| taxonomy.name(found)), Some("Self-Harm"));
        assert_eq!(taxonomy.by_code("S12"), None);
    }

    #[test]
    fn what_is_added_leaves_a_guards_categories_where_they_are() {
        let guards = Taxonomy::llama_guard_2();
        let longer = guards.extended([("PII.EMAIL", "E-mail address")]);
        for category in guards.categories() {
            assert_eq!(longer.code(category), guards.code(category));
            assert!(longer.is_share(category));
        }
        let added = longer.by_code("PII.EMAIL").expect("it was added");
        assert!(added.index() == 11 && !longer.is_share(added));
        assert_ne!(longer, guards);
    }
}
