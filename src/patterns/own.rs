//! What a policy looks for on its own account: regular expressions and lists of words.

use regex_automata::meta::{self, Regex};
use regex_automata::util::syntax;
use regex_syntax::hir::Hir;
use thiserror::Error;

use crate::patterns::rule::OVERLAP;

/// The most bytes that a match of a policy's own may have.
pub const OWN_REACH: usize = OVERLAP;

/// The most bytes that one expression may take once compiled.
const COMPILED: usize = 512 << 10;

/// A pattern of a policy's own. Matching takes time in proportion to the text, whatever the expression.
#[derive(Clone, Debug)]
pub struct Own {
    regex: Regex,
    source: String,
    pub(super) near: Vec<String>,
}

/// Two are the same that were written the same.
impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.near) == (&other.source, &other.near)
    }
}

/// Why an expression cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OwnFault {
    /// It cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// It may match without end.
    #[error("its matches have no greatest length")]
    Endless,
    /// It may match too much.
    #[error("its matches may have {0} bytes, and {OWN_REACH} is the most")]
    TooLong(usize),
    /// It may match nothing.
    #[error("it matches where there is nothing")]
    Empty,
    /// It is too large once compiled.
    #[error("it is too large")]
    TooLarge,
}

impl Own {
    /// An expression in the syntax of the `regex` crate, which counts near one of these words; anywhere
    /// where there are none.
    ///
    /// # Errors
    ///
    /// It cannot be read, is too large, or its matches have no bound.
    pub fn regex(source: &str, near: &[String]) -> Result<Self, OwnFault> {
        let hir = regex_syntax::parse(source).map_err(|error| OwnFault::Syntax(summary(&error)))?;
        let properties = hir.properties();
        match properties.maximum_len() {
            _ if properties.minimum_len().is_none_or(|least| least == 0) => Err(OwnFault::Empty),
            None => Err(OwnFault::Endless),
            Some(most) if most > OWN_REACH => Err(OwnFault::TooLong(most)),
            Some(_) => Self::compile(&hir, source.to_owned(), near),
        }
    }

    /// A list of words or phrases, each found where it stands by itself, in upper or lower case.
    ///
    /// # Errors
    ///
    /// They are too many, or one is empty or too long.
    pub fn words(words: &[String], near: &[String]) -> Result<Self, OwnFault> {
        let each: Vec<String> =
            words.iter().map(|word| regex_syntax::escape(word.trim())).collect();
        let source = format!(r"(?i)\b{{start-half}}(?:{})\b{{end-half}}", each.join("|"));
        Self::regex(&source, near)
    }

    fn compile(hir: &Hir, source: String, near: &[String]) -> Result<Self, OwnFault> {
        let config = meta::Config::new().nfa_size_limit(Some(COMPILED));
        let built = Regex::builder().configure(config).build_from_hir(hir);
        let regex = built.map_err(|_| OwnFault::TooLarge)?;
        let near = near.iter().map(|word| word.to_lowercase()).collect();
        Ok(Self { regex, source, near })
    }

    /// The expression.
    pub(super) fn expression(&self) -> &Regex {
        &self.regex
    }
}

/// The last line of a syntax error: what is wrong. Where it stands is drawn in the lines before.
fn summary(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// How expressions of our own are compiled.
pub(super) fn built_in(source: &[&str], config: meta::Config) -> Option<Regex> {
    let syntax = syntax::Config::new().utf8(true);
    Regex::builder().syntax(syntax).configure(config).build_many(source).ok()
}

#[cfg(test)]
mod tests {
    use super::{Own, OwnFault};

    #[test]
    fn an_expression_without_a_bound_is_refused() {
        let check = |source: &str, expected: Result<(), OwnFault>| {
            assert_eq!(Own::regex(source, &[]).map(|_| ()), expected, "{source}");
        };
        check("CUST-[0-9]{8}", Ok(()));
        check("CUST-[0-9]+", Err(OwnFault::Endless));
        check("[0-9]*", Err(OwnFault::Empty));
        check("[a-z]{1,2000}", Err(OwnFault::TooLong(2000)));
        check(r"(?:\w{200}){5}", Err(OwnFault::TooLong(4000)));
        check(r"\p{Greek}{1,100}", Ok(()));
        check(r"(?:[\w\s]{1,16}){2,8}", Err(OwnFault::TooLarge));
        let syntax = Own::regex("(a", &[]);
        assert!(
            matches!(&syntax, Err(OwnFault::Syntax(what)) if what == "unclosed group"),
            "{syntax:?}"
        );
    }

    #[test]
    fn a_word_stands_by_itself() {
        let words = ["Project Nightingale".to_owned(), "c++".to_owned()];
        let own = Own::words(&words, &[]).expect("compiles");
        let found = |text: &str| own.expression().find_iter(text).count();
        assert_eq!(found("on project NIGHTINGALE, in C++."), 2);
        assert_eq!(found("subproject nightingales"), 0);
        assert_eq!(Own::words(&[" ".to_owned()], &[]), Err(OwnFault::Empty));
    }
}
