//! An answer that is not streamed, and bodies that are no answer at all.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::transcript::Transcript;
use crate::wire::asked::Asked;
use crate::wire::dialect::{Dialect, Said};
use crate::wire::field::{Found, PartPath, Table, Trail, read_unknown};
use crate::wire::json;
use crate::wire::malformed::Malformed;
use crate::wire::passage::{Edit, Passage};
use crate::wire::request::agent_passages;
use crate::wire::rewrite;

/// The body of an upstream's answer that has one reading: what was asked for, or any other JSON, such
/// as an error.
#[derive(Clone, Debug)]
pub struct Answer {
    dialect: Dialect,
    bytes: Bytes,
    value: Value,
}

/// What one choice of an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChoiceParts {
    /// The number it gives itself; its position where it gives none.
    pub index: u32,
    /// Where it stands in the list.
    pub position: usize,
    /// What is to be judged, and where it stands.
    pub passages: Vec<Passage>,
    /// What nobody here can read.
    pub unread: Vec<PartPath>,
}

impl ChoiceParts {
    fn of(found: Found<'_>, index: u32, position: usize, asked: &Asked) -> Self {
        let passages = agent_passages(&found, &asked.question(index));
        Self { index, position, passages, unread: found.unread }
    }

    /// What the guard is to read of it.
    pub fn transcripts(&self) -> Vec<Transcript> {
        self.passages.iter().flat_map(Passage::transcripts).collect()
    }
}

impl Answer {
    /// Reads a body in a dialect.
    ///
    /// # Errors
    ///
    /// It is not JSON with one reading.
    pub fn parse(dialect: Dialect, bytes: Bytes) -> Result<Self, Malformed> {
        let value = json::parse(&bytes)?;
        Ok(Self { dialect, bytes, value })
    }

    /// How it is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The body as it was received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body as a value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether this is what was asked for, and not an error, say.
    pub fn is_complete(&self) -> bool {
        self.value.get(self.dialect.shape().said.mark()).is_some_and(Value::is_array)
    }

    /// What each choice says, in the light of its question; an answer without choices is one.
    pub fn choices(&self, asked: &Asked) -> impl Iterator<Item = ChoiceParts> {
        let listed = self.list().into_iter().flat_map(move |(name, choices)| {
            let table = self.table().field(name).and_then(Table::items);
            choices.iter().enumerate().map(move |(position, choice)| {
                let found = match table {
                    Some(table) => table.read(choice, Trail::item(name, position)),
                    None => read_unknown(choice),
                };
                ChoiceParts::of(found, choice_index(choice, position), position, asked)
            })
        });
        let whole = self.whole().map(|(table, root)| {
            let found = table.read_entries(root, &[], Trail::default());
            ChoiceParts::of(found, 0, 0, asked)
        });
        listed.chain(whole)
    }

    /// What is said outside the choices; everything, where there are none.
    pub fn rest_passage(&self) -> Option<Passage> {
        self.rest().joined(|_| true).user()
    }

    /// What the guard is to read of what is said outside the choices.
    pub fn rest_transcripts(&self) -> Vec<Transcript> {
        self.rest_passage().iter().flat_map(Passage::transcripts).collect()
    }

    /// The answer with other words in it.
    ///
    /// # Errors
    ///
    /// It cannot be read any more, which is no reason to send it.
    pub fn rewritten(&self, edits: &[Edit]) -> Result<Self, Malformed> {
        let mut value = self.value.clone();
        let table = self.whole().map_or(self.table(), |(table, _)| table);
        rewrite::apply(&mut value, edits, table);
        Self::parse(self.dialect, Bytes::from(value.to_string()))
    }

    /// What nobody here can read outside the choices.
    pub fn rest_unread(&self) -> Vec<PartPath> {
        self.rest().unread
    }

    fn table(&self) -> &'static Table {
        &self.dialect.shape().answers
    }

    /// The list of choices, if there is one, and its name.
    fn list(&self) -> Option<(&'static str, &Vec<Value>)> {
        let name = self.dialect.shape().said.choices()?;
        Some((name, self.value.get(name)?.as_array()?))
    }

    /// The body, where it is an answer that is not divided, and its table.
    fn whole(&self) -> Option<(&'static Table, &Map<String, Value>)> {
        let Said::Whole { event, .. } = self.dialect.shape().said else { return None };
        let table = self.table().field(event).unwrap_or(self.table());
        Some((table, self.value.as_object().filter(|_| self.is_complete())?))
    }

    fn rest(&self) -> Found<'_> {
        if self.whole().is_some() {
            return Found::default();
        }
        let choices: Vec<&str> = self.list().map(|(name, _)| name).into_iter().collect();
        match &self.value {
            Value::Object(root) => self.table().read_entries(root, &choices, Trail::default()),
            value => read_unknown(value),
        }
    }
}

/// The number a choice gives itself, or else its position.
pub(crate) fn choice_index(choice: &Value, position: usize) -> u32 {
    let own = choice.get("index").and_then(Value::as_u64).and_then(|own| u32::try_from(own).ok());
    own.or_else(|| u32::try_from(position).ok()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Answer;
    use crate::transcript::Transcript;
    use crate::wire::asked::Asked;
    use crate::wire::canary::{CANARY, anything, plant, words};
    use crate::wire::dialect::Dialect;

    fn parse(answer: &Value) -> Answer {
        Answer::parse(Dialect::Chat, Bytes::from(answer.to_string())).unwrap()
    }

    #[track_caller]
    fn check(answer: Value, choices: &[&[&str]], rest: &[&str]) {
        let answer = parse(&answer);
        let parts: Vec<_> = answer.choices(&Asked::new(Dialect::Chat, "q", 1)).collect();
        let texts: Vec<Vec<String>> = parts
            .iter()
            .map(|choice| {
                choice.transcripts().iter().map(|each| each.judged().text.to_string()).collect()
            })
            .collect();
        assert_eq!(texts, choices);
        let others = answer.rest_transcripts();
        let others: Vec<&str> = others.iter().map(|each| &*each.judged().text).collect();
        assert_eq!(others, rest);
    }

    #[test]
    fn every_choice_and_channel_is_judged() {
        check(
            json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
                "usage": {"prompt_tokens": 1}, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "a", "refusal": null},
                 "finish_reason": "stop", "logprobs": null},
                {"index": 0, "delta": {"content": "b"}, "text": "c", "finish_reason": "odd one"},
                {"index": 7, "message": {"reasoning": "r", "tool_calls": [
                    {"id": "x", "type": "function", "function": {"name": "f", "arguments": "g"}},
                    {"id": "y", "type": "function", "function": {"name": "h", "arguments": "i"}}]}},
                "lonely"]}),
            &[&["a"], &["b\nc", "odd one"], &["r", "f\ng", "h\ni"], &["lonely"]],
            &[],
        );
    }

    #[test]
    fn probabilities_are_judged_where_they_say_something_else() {
        let answer = |token: &str, bytes: Value, other: &str| {
            json!({"choices": [{"message": {"content": "hi you"}, "logprobs": {"content": [
                {"token": "hi", "bytes": [104, 105], "logprob": -1, "top_logprobs": []},
                {"token": token, "bytes": bytes, "logprob": -1, "top_logprobs":
                    [{"token": other, "bytes": null, "logprob": -2}]}]}}]})
        };
        check(answer(" you", json!([32, 121, 111, 117]), ""), &[&["hi you"]], &[]);
        check(answer(" you", json!([99, 100]), "bomb"), &[&["hi you", "cd bomb"]], &[]);
        check(answer(" bomb", json!(null), ""), &[&["hi you", "hi bomb"]], &[]);
    }

    #[test]
    fn what_is_no_answer_is_judged_whole() {
        check(json!({"error": {"message": "no such thing", "code": 7}}), &[], &["no such thing"]);
        check(json!({"choices": {"a": "b"}}), &[], &["a\nb"]);
        check(json!(["x", {"y": "z"}]), &[], &["x\ny\nz"]);
        check(json!({"choices": [], "note": "n"}), &[], &["note\nn"]);
    }

    proptest! {
        #[test]
        fn a_canary_anywhere_is_seen(
            choices in prop::collection::vec(
                prop::collection::btree_map(words(), anything(), 1..5), 0..4),
            message in prop::collection::btree_map(words(), anything(), 0..5),
            fields in prop::collection::btree_map(words(), anything(), 0..5),
            place in any::<prop::sample::Index>(),
        ) {
            let mut answer = json!({"choices": choices, "last": {"message": message}, "usage": fields});
            plant(&mut answer, &mut place.index(40));
            let planted = answer.to_string().contains(CANARY);
            if let Value::Object(last) = answer["last"].take() {
                answer["choices"].as_array_mut().into_iter().for_each(|list| list.push(last.clone().into()));
            }
            let answer = parse(&answer);
            let planted = planted && answer.value().to_string().contains(CANARY);
            let mut judged: Vec<Transcript> = answer.rest_transcripts();
            judged.extend(answer.choices(&Asked::new(Dialect::Chat, "", 1)).flat_map(|choice| choice.transcripts()));
            let seen = judged.iter().any(|each| each.judged().text.contains(CANARY));
            prop_assert_eq!(seen, planted, "{}", answer.value());
        }
    }
}
