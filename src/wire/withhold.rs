//! What stands in the place of what an answer may not say.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::wire::answer::{Answer, choice_index};
use crate::wire::dialect::{Dialect, Said};
use crate::wire::frame::Frame;
use crate::wire::reply::Stamp;

impl Answer {
    /// The answer with `words` in the place of the choices at these positions. The others stay as
    /// they are; of an answer that is not divided nothing does.
    pub fn without(&self, positions: &[usize], words: &str) -> Bytes {
        let dialect = self.dialect();
        if let (Said::Whole { .. }, Some(withheld)) = (dialect.shape().said, self.withheld(words)) {
            return withheld;
        }
        let mut value = self.value().clone();
        let name = dialect.shape().said.choices();
        let list = name.and_then(|name| value.get_mut(name)?.as_array_mut());
        for (position, choice) in list.into_iter().flatten().enumerate() {
            if positions.contains(&position) {
                *choice = withheld(dialect, choice_index(choice, position), words);
            }
        }
        Bytes::from(value.to_string())
    }

    /// An answer that says nothing of what this one says, in its choices or beside them; `None` where
    /// this is no answer, or one that has no choices.
    pub fn withheld(&self, words: &str) -> Option<Bytes> {
        let dialect = self.dialect();
        if matches!(dialect.shape().said, Said::Whole { .. }) && self.is_complete() {
            let mut frame = Frame::of(dialect);
            frame.note(self.value());
            return Some(Bytes::from(frame.withheld(words)?.to_string()));
        }
        let name = dialect.shape().said.choices()?;
        let choices = self.value().get(name)?.as_array()?.iter().enumerate();
        let withheld = choices
            .map(|(position, choice)| withheld(dialect, choice_index(choice, position), words));
        let mut stamp = Stamp::answer_of(dialect);
        stamp.note(self.value());
        Some(Bytes::from(stamp.body(withheld.collect(), Map::new()).to_string()))
    }
}

/// A choice that says these words only.
fn withheld(dialect: Dialect, index: u32, words: &str) -> Value {
    match dialect {
        Dialect::Completions => json!({
            "index": index,
            "text": words,
            "logprobs": null,
            "finish_reason": "content_filter",
        }),
        // What follows chat is not divided into choices.
        Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => json!({
            "index": index,
            "message": {"role": "assistant", "content": words, "refusal": null},
            "logprobs": null,
            "finish_reason": "content_filter",
        }),
    }
}
