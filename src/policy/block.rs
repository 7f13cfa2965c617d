//! How a block is told: in which form, in which words.

use std::ops::Range;
use std::sync::Arc;

use crate::policy::file::{Faults, Table};
use crate::policy::rule::Phase;
use crate::policy::wanted::Wanted;

/// In which form a client is told of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// An error. In a stream that has begun, an error event ends it.
    Error,
    /// An answer like any other, which declines.
    Refusal,
    /// An answer that says why it ends, in its dialect's own word: `finish_reason: "content_filter"`.
    ContentFilter,
}

/// How blocks are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    prompt: Style,
    response: Style,
    text: Option<Arc<str>>,
    /// By the code of the category that led to the block.
    texts: Vec<(String, Arc<str>)>,
}

impl Default for Block {
    fn default() -> Self {
        let (prompt, response) = (Style::Error, Style::ContentFilter);
        Self { prompt, response, text: None, texts: Vec::new() }
    }
}

impl Block {
    /// The form for a phase.
    pub fn style(&self, phase: Phase) -> Style {
        match phase {
            Phase::Prompt => self.prompt,
            Phase::Response => self.response,
        }
    }

    /// The words for a block that these categories led to, the one with the highest score first: the
    /// first words that are a category's own, or else those for all.
    pub fn words<'c>(&self, mut codes: impl Iterator<Item = &'c str>) -> Option<&Arc<str>> {
        let own = codes.find_map(|code| {
            self.texts.iter().find(|(known, _)| known == code).map(|(_, text)| text)
        });
        own.or(self.text.as_ref())
    }
}

const STYLES: [(&str, Style); 3] = [
    ("error", Style::Error),
    ("refusal", Style::Refusal),
    ("content_filter", Style::ContentFilter),
];

/// How long a text may be, in bytes.
const LONGEST: usize = 4096;

/// Reads `[block]`.
pub(super) fn read(root: &Table<'_, '_>, wanted: &Wanted, faults: &mut Faults) -> Block {
    let default = Block::default();
    let Some(table) = root.table("block", faults) else { return default };
    table.only(&["prompt", "response", "text", "texts"], faults);
    let mut texts = Vec::new();
    if let Some(table) = table.table("texts", faults) {
        for (code, place) in table.keys() {
            if wanted.taxonomy.by_code(code).is_none() {
                wanted.note_unknown(code, place, faults);
            }
            let text = table.string(code, faults);
            texts.extend(
                text.and_then(|text| Some((code.to_owned(), checked(&table, code, text, faults)?))),
            );
        }
    }
    Block {
        prompt: table.word("prompt", &STYLES, faults).unwrap_or(default.prompt),
        response: table.word("response", &STYLES, faults).unwrap_or(default.response),
        text: table.string("text", faults).and_then(|text| checked(&table, "text", text, faults)),
        texts,
    }
}

fn checked(
    table: &Table<'_, '_>,
    key: &str,
    (text, place): (String, Range<usize>),
    faults: &mut Faults,
) -> Option<Arc<str>> {
    if text.trim().is_empty() {
        let what = format!("`{}` is empty", table.below(key));
        faults.note(place, what, "write what the client is to read, or leave it out");
        return None;
    }
    if text.len() > LONGEST {
        let what = format!("`{}` is over {LONGEST} bytes", table.below(key));
        faults.note(place, what, "shorten it");
        return None;
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::Style;
    use crate::policy::compile::compile;
    use crate::policy::rule::Phase;
    use crate::taxonomy::Taxonomy;

    fn block(source: &str) -> super::Block {
        let source = format!("name = \"x\"\n{source}");
        let compiled = compile(&source, "x.toml", &Taxonomy::llama_guard_2());
        compiled.unwrap_or_else(|problems| panic!("{problems}")).policy.block().clone()
    }

    #[test]
    fn a_prompt_is_refused_by_an_error_and_an_answer_says_why_it_ends_unless_told_otherwise() {
        let check = |source: &str, prompt: Style, response: Style| {
            let block = block(source);
            let styles = (block.style(Phase::Prompt), block.style(Phase::Response));
            assert_eq!(styles, (prompt, response), "{source}");
        };
        check("", Style::Error, Style::ContentFilter);
        check("[block]\ntext = \"no\"", Style::Error, Style::ContentFilter);
        check("[block]\nprompt = \"refusal\"", Style::Refusal, Style::ContentFilter);
        check("[block]\nresponse = \"error\"", Style::Error, Style::Error);
    }

    #[test]
    fn the_words_are_those_of_the_leading_category_that_has_any() {
        let block = block("[block]\ntext = \"no\"\n[block.texts]\nS10 = \"call\"\nS9 = \"hush\"");
        let words =
            |codes: &[&str]| block.words(codes.iter().copied()).map(|words| words.to_string());
        assert_eq!(words(&["S1", "S9", "S10"]).as_deref(), Some("hush"));
        assert_eq!(words(&["S10"]).as_deref(), Some("call"));
        assert_eq!(words(&["S1"]).as_deref(), Some("no"));
        assert_eq!(words(&[]).as_deref(), Some("no"));
    }
}
