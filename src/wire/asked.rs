//! What of a request matters to its answer.

use std::sync::Arc;

use crate::wire::dialect::Dialect;

/// How an answer will be spoken, in the light of what it is judged, and how many choices it may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    dialect: Dialect,
    questions: Vec<Arc<str>>,
    /// How many choices answer each question.
    each: u32,
}

impl Asked {
    /// One question, to which `choices` answers were asked for.
    pub fn new(dialect: Dialect, question: impl Into<Arc<str>>, choices: u32) -> Self {
        Self::each(dialect, vec![question.into()], choices)
    }

    /// Several questions, each of which is answered by `each` choices; a list without any stands for
    /// one that nobody here has read.
    pub(super) fn each(dialect: Dialect, questions: Vec<Arc<str>>, each: u32) -> Self {
        Self { dialect, questions, each }
    }

    /// The dialect of the answer.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many choices were asked for, over all questions.
    pub fn choices(&self) -> u32 {
        let questions = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        self.each.saturating_mul(questions.max(1))
    }

    /// The question that a choice answers: the context in which it is judged. Choices are numbered
    /// through, those of the first question first.
    pub fn question(&self, choice: u32) -> Arc<str> {
        let answered =
            choice.checked_div(self.each).and_then(|number| usize::try_from(number).ok());
        let question = answered.and_then(|number| self.questions.get(number));
        question.or(self.questions.last()).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Asked;
    use crate::wire::dialect::Dialect;

    #[test]
    fn every_choice_has_its_question() {
        let questions = vec![Arc::from("a"), Arc::from("b")];
        let asked = Asked::each(Dialect::Completions, questions, 2);
        let of: Vec<String> = (0..6).map(|choice| asked.question(choice).to_string()).collect();
        assert_eq!((asked.choices(), of.concat().as_str()), (4, "aabbbb"));
        let none = Asked::each(Dialect::Completions, Vec::new(), 1);
        assert_eq!((none.choices(), &*none.question(3)), (1, ""));
    }
}
