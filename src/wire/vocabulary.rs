//! What others call our categories: Azure's content filter, and OpenAI's moderation.
//!
//! A code is another category to another guard, so categories are known by their names in the guards'
//! own lists. The table is lossy on purpose: what has no counterpart is not forced into one, and is
//! told under our own code only (specialized advice, privacy, intellectual property ...).

/// A category's name, Azure's keys for it, OpenAI's keys for it.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("Violent Crimes", &["violence"], &["violence"]),
    ("Non-Violent Crimes", &[], &["illicit"]),
    ("Sex Crimes", &["sexual"], &["illicit", "sexual"]),
    ("Child Exploitation", &["sexual"], &["sexual/minors"]),
    ("Indiscriminate Weapons", &["violence"], &["illicit/violent"]),
    ("Hate", &["hate"], &["hate"]),
    ("Self-Harm", &["self_harm"], &["self-harm"]),
    ("Sexual Content", &["sexual"], &["sexual"]),
    // Llama Guard 1.
    ("Violence and Hate", &["violence", "hate"], &["violence", "hate"]),
    ("Criminal Planning", &[], &["illicit"]),
    ("Guns and Illegal Weapons", &["violence"], &["illicit/violent"]),
    ("Regulated or Controlled Substances", &[], &["illicit"]),
];

/// Every key of an answer of OpenAI's moderation: its clients look for all of them.
#[rustfmt::skip]
pub(super) const OPENAI: &[&str] = &[
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/intent", "self-harm/instructions", "sexual",
    "sexual/minors", "violence", "violence/graphic",
];

/// Azure's keys for a category with this name.
pub(super) fn azure(name: &str) -> &'static [&'static str] {
    row(name).map_or(&[], |(_, azure, _)| azure)
}

/// OpenAI's keys for a category with this name.
pub(super) fn openai(name: &str) -> &'static [&'static str] {
    row(name).map_or(&[], |(_, _, openai)| openai)
}

fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|(known, _, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::{OPENAI, ROWS, azure, openai};
    use crate::taxonomy::Taxonomy;

    #[test]
    fn every_key_is_one_that_clients_know() {
        for (name, azure, openai) in ROWS {
            let known = ["hate", "sexual", "violence", "self_harm"];
            assert!(azure.iter().all(|key| known.contains(key)), "{name}");
            assert!(openai.iter().all(|key| OPENAI.contains(key)), "{name}");
        }
    }

    #[test]
    fn llama_guard_2_says_all_of_azures_words() {
        let taxonomy = Taxonomy::llama_guard_2();
        let names = taxonomy.categories().map(|category| taxonomy.name(category).to_owned());
        let mut said: Vec<&str> = names.flat_map(|name| azure(&name).iter().copied()).collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said, ["hate", "self_harm", "sexual", "violence"]);
        assert_eq!(openai("Privacy"), [""; 0]);
    }
}
