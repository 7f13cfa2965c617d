//! What sets one family of guards apart from another: strings, as data.
//!
//! A family is a prompt's fixed parts and the words of its answer. The prompts are those of the
//! published chat templates, byte for byte: `tests/families.rs` compares them with what transformers
//! renders. Which family a folder belongs to is decided in `recognise.rs`.

use std::sync::LazyLock;

use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::{Role, Turn};

/// The words a family is prompted with and answers in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family {
    /// What it is called in `gateway.toml`, on the guard's card and in the audit log.
    pub name: &'static str,
    /// What it is asked of a text, each with a prompt of its own: one question about everything, or one
    /// a category.
    pub questions: Vec<Question>,
    /// The same about one category at a time, in the taxonomy's order; none where it was not made for
    /// that.
    pub alone: Vec<Question>,
    /// Before every user's turn.
    pub label_user: &'static str,
    /// Before every turn of the model.
    pub label_agent: &'static str,
    /// Between a label and its content.
    pub before_content: &'static str,
    /// After every content.
    pub after_content: &'static str,
    /// Whether contents are stripped of white space at both ends.
    pub strips: bool,
    /// Whether it reads whole conversations; else it reads an answer with its question, and a question
    /// by itself.
    pub converses: bool,
    /// The special tokens among the fixed parts. Contents are never turned into any.
    pub markers: &'static [&'static str],
    /// The token a text begins with, for those who want it where the template has none.
    pub begin: &'static str,
    /// What every part but the first is tokenised behind, and cut off from again. A tokenizer made
    /// from SentencePiece puts a blank before whatever it takes for the beginning of a text; no token
    /// of it reaches across the end of a line.
    pub behind: &'static str,
    /// What the model says before its verdict, always: it need not be asked for it.
    pub opening: &'static str,
    /// What it answers further, with the same two words, when the model's turn is judged: what stands
    /// before each answer, of which the last is the verdict.
    pub further: &'static [&'static str],
    /// The first word of a verdict on harmless text.
    pub safe: &'static str,
    /// The first words of verdicts on harmful text, the plainest first.
    pub unsafe_: &'static [&'static str],
    /// What the model is made to have said already, so that its next word is a category. Nothing for one
    /// that names none.
    pub forced: &'static str,
    /// What stands between two categories of a verdict. Nothing where there is only ever one.
    pub between: &'static str,
    /// The next words that name the categories, in the taxonomy's order.
    pub codes: Vec<String>,
    /// The categories.
    pub taxonomy: Taxonomy,
}

/// The fixed parts of a prompt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The category it is about; all of them, where it is about none in particular.
    pub category: Option<Category>,
    /// What stands before the conversation when a user's turn is judged.
    pub head_user: String,
    /// What stands before the conversation when the model's turn is judged.
    pub head_agent: String,
    /// What stands behind the conversation when a user's turn is judged.
    pub tail_user: String,
    /// What stands behind the conversation when the model's turn is judged.
    pub tail_agent: String,
}

/// Every family there is.
const FAMILIES: [fn() -> Family; 8] = [
    Family::llama_guard_1,
    Family::llama_guard_2,
    Family::llama_guard_3_8b,
    Family::llama_guard_3_1b,
    Family::md_judge,
    Family::wild_guard,
    Family::shield_gemma,
    Family::qwen3_guard,
];

impl Family {
    /// The family with this name.
    pub fn named(name: &str) -> Option<Self> {
        FAMILIES.iter().map(|family| family()).find(|family| family.name == name)
    }

    /// The names of all families.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family().name)
    }

    /// The whole prompt of a question as text, up to where the model begins to answer: what the family's
    /// chat template prints.
    pub fn prompt(&self, question: &Question, context: &[Turn], judged: &Turn) -> String {
        let turn = |turn: &Turn| format!("{}{}", self.label(turn.role), self.content(&turn.text));
        let turns: String = self.heard(context, judged).iter().chain([judged]).map(turn).collect();
        format!("{}{turns}{}", question.head(judged.role), question.tail(judged.role))
    }

    /// What of the turns before the judged one it reads.
    pub(super) fn heard<'t>(&self, context: &'t [Turn], judged: &Turn) -> &'t [Turn] {
        /// What is answered by an answer that nobody knows the question of.
        static NOTHING: LazyLock<[Turn; 1]> =
            LazyLock::new(|| [Turn { role: Role::User, text: "".into() }]);
        match (self.converses, judged.role, context) {
            (true, _, _) => context,
            (false, Role::User, _) => &[],
            (false, Role::Agent, [.., question]) if question.role == Role::User => {
                std::slice::from_ref(question)
            }
            (false, Role::Agent, _) => &*NOTHING,
        }
    }

    /// The first words of its verdicts, for people.
    #[cfg(feature = "candle")]
    pub(super) fn answers(&self) -> String {
        let words = [self.safe].into_iter().chain(self.unsafe_.iter().copied());
        words.map(|word| format!("`{}`", word.trim())).collect::<Vec<_>>().join(" or ")
    }

    /// A turn's text as it follows its label.
    pub(super) fn content(&self, text: &str) -> String {
        let text = if self.strips { strip(text) } else { text };
        format!("{}{text}{}", self.before_content, self.after_content)
    }

    pub(super) fn label(&self, role: Role) -> &str {
        match role {
            Role::User => self.label_user,
            Role::Agent => self.label_agent,
        }
    }
}

impl Question {
    pub(super) fn head(&self, role: Role) -> &str {
        match role {
            Role::User => &self.head_user,
            Role::Agent => &self.head_agent,
        }
    }

    pub(super) fn tail(&self, role: Role) -> &str {
        match role {
            Role::User => &self.tail_user,
            Role::Agent => &self.tail_agent,
        }
    }
}

/// Python's `str.strip`, which the templates call: it also takes the four separators U+001C to
/// U+001F, which are no white space to Rust.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::{Family, strip};

    #[test]
    fn contents_are_stripped_as_python_does() {
        assert_eq!(strip("\u{1c}\t a b\u{1f}\u{2003}\u{85}\n"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
        assert_eq!(strip(" \n"), "");
    }

    #[test]
    fn every_family_goes_by_its_own_name() {
        for name in Family::names() {
            let family = Family::named(name).unwrap();
            assert_eq!(family.name, name);
            assert!(!family.questions.is_empty(), "{name}");
            if family.forced.is_empty() {
                assert!(family.codes.is_empty(), "{name}");
            } else {
                assert_eq!(family.codes.len(), family.taxonomy.len(), "{name}");
                assert!(family.forced.starts_with(family.unsafe_[0]), "{name}");
            }
            if !family.alone.is_empty() {
                let asked = family.alone.iter().map(|question| question.category);
                assert!(asked.eq(family.taxonomy.categories().map(Some)), "{name}");
            }
        }
        assert_eq!(Family::named("llama-guard-9"), None);
    }
}
