//! What stands in the place of what an answer may not say.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::wire::answer::{Answer, choice_index};
use crate::wire::dialect::{Dialect, Said};
use crate::wire::farewell::Farewell;
use crate::wire::frame::Frame;
use crate::wire::reply::Stamp;

impl Answer {
    /// The answer with a farewell in the place of the choices at these positions. The others stay as
    /// they are; of an answer that is not divided nothing does.
    pub fn without(&self, blocked: &[(usize, Farewell)]) -> Bytes {
        let dialect = self.dialect();
        if let (Said::Whole { .. }, Some((_, farewell))) = (dialect.shape().said, blocked.first())
            && let Some(withheld) = self.withheld(farewell)
        {
            return withheld;
        }
        let mut value = self.value().clone();
        let name = dialect.shape().said.choices();
        let list = name.and_then(|name| value.get_mut(name)?.as_array_mut());
        for (position, choice) in list.into_iter().flatten().enumerate() {
            let farewell = blocked.iter().find(|(blocked, _)| *blocked == position);
            if let Some((_, farewell)) = farewell {
                *choice = withheld(dialect, choice_index(choice, position), farewell);
            }
        }
        Bytes::from(value.to_string())
    }

    /// An answer that says nothing of what this one says, in its choices or beside them; `None` where
    /// this is no answer, or one that has no choices.
    pub fn withheld(&self, farewell: &Farewell) -> Option<Bytes> {
        let dialect = self.dialect();
        if matches!(dialect.shape().said, Said::Whole { .. }) && self.is_complete() {
            let mut frame = Frame::of(dialect);
            frame.note(self.value());
            return Some(Bytes::from(frame.whole(farewell)?.to_string()));
        }
        let name = dialect.shape().said.choices()?;
        let choices = self.value().get(name)?.as_array()?.iter().enumerate();
        let withheld = choices
            .map(|(position, choice)| withheld(dialect, choice_index(choice, position), farewell));
        let mut stamp = Stamp::answer_of(dialect);
        stamp.note(self.value());
        Some(Bytes::from(stamp.body(withheld.collect(), Map::new()).to_string()))
    }
}

/// A choice that says these words only.
pub(super) fn withheld(dialect: Dialect, index: u32, farewell: &Farewell) -> Value {
    let words = &*farewell.words;
    let reason = farewell.reason("stop", "content_filter");
    let mut choice = match dialect {
        Dialect::Completions => json!({
            "index": index,
            "text": words,
            "logprobs": null,
            "finish_reason": reason,
        }),
        // What follows chat is not divided into choices.
        Dialect::Chat | Dialect::Embeddings | Dialect::Messages | Dialect::Responses => json!({
            "index": index,
            "message": {"role": "assistant", "content": words, "refusal": null},
            "logprobs": null,
            "finish_reason": reason,
        }),
    };
    if let Value::Object(choice) = &mut choice {
        choice.extend(farewell.further.clone());
    }
    choice
}
