//! An answer that we give in the place of the model, whole or streamed: it looks like any other.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::wire::dialect::Dialect;
use crate::wire::farewell::Farewell;
use crate::wire::frame::Frame;
use crate::wire::reply::Stamp;
use crate::wire::withhold::withheld;

/// The words of a farewell, as an answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    /// How it is spoken.
    pub dialect: Dialect,
    /// What its id ends with.
    pub id: &'a str,
    /// When, in seconds since 1970.
    pub created: u64,
    /// The model that was asked.
    pub model: &'a str,
    /// How many choices were asked for: each of them says the same.
    pub choices: u32,
    /// What it says.
    pub farewell: &'a Farewell,
}

impl Spoken<'_> {
    /// The answer as a body; `None` where the dialect's answers say nothing.
    pub fn body(&self) -> Option<Bytes> {
        let head = self.head()?;
        let mut frame = Frame::of(self.dialect);
        frame.note(&head);
        if let Some(whole) = frame.whole(self.farewell) {
            return Some(Bytes::from(whole.to_string()));
        }
        let mut stamp = Stamp::answer_of(self.dialect);
        stamp.note(&head);
        let choices = (0..self.choices).map(|index| withheld(self.dialect, index, self.farewell));
        let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
        let further = Map::from_iter([("usage".to_owned(), usage)]);
        Some(Bytes::from(stamp.body(choices.collect(), further).to_string()))
    }

    /// The answer as the events of a stream; `None` where the dialect's answers say nothing.
    pub fn events(&self) -> Option<Bytes> {
        let mut frame = Frame::of(self.dialect);
        frame.note(&self.head()?);
        let mut events = BytesMut::new();
        for choice in 0..self.choices {
            events.extend_from_slice(&frame.opening(choice));
            events.extend_from_slice(&frame.closing(choice, self.farewell));
        }
        events.extend_from_slice(&frame.done());
        Some(events.freeze())
    }

    fn head(&self) -> Option<Value> {
        let kind = match self.dialect {
            Dialect::Chat => "chatcmpl-",
            Dialect::Completions => "cmpl-",
            Dialect::Messages => "msg_",
            Dialect::Responses => "resp_",
            Dialect::Embeddings => return None,
        };
        let id = format!("{kind}{}", self.id);
        let created = self.created;
        Some(json!({"id": id, "model": self.model, "created": created, "created_at": created}))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Spoken;
    use crate::wire::dialect::Dialect;
    use crate::wire::farewell::{End, Farewell};

    fn bodies(dialect: Dialect, end: End) -> (Value, Vec<Value>) {
        let farewell = Farewell::new("not that", end);
        let (id, model) = ("01J", "m");
        let spoken = Spoken { dialect, id, created: 7, model, choices: 1, farewell: &farewell };
        let events = String::from_utf8(spoken.events().unwrap().to_vec()).unwrap();
        let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
        let data = data.filter(|data| *data != "[DONE]");
        let data = data.map(|data| serde_json::from_str(data).unwrap()).collect();
        (serde_json::from_slice(&spoken.body().unwrap()).unwrap(), data)
    }

    #[test]
    fn a_chat_answer_of_ours_looks_like_any_other() {
        let (body, events) = bodies(Dialect::Chat, End::Natural);
        assert_eq!(
            body,
            json!({"id": "chatcmpl-01J", "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop", "message":
                    {"role": "assistant", "content": "not that", "refusal": null}}],
                "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})
        );
        let choice = |event: &Value| (event["id"].clone(), event["choices"][0].clone());
        let id = json!("chatcmpl-01J");
        let said = |delta: Value, finish: Value| {
            (id.clone(), json!({"index": 0, "delta": delta, "finish_reason": finish}))
        };
        let expected = [
            said(json!({"role": "assistant", "content": ""}), Value::Null),
            said(json!({"content": "not that"}), Value::Null),
            said(json!({}), "stop".into()),
        ];
        assert_eq!(events.iter().map(choice).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_answer_that_gives_its_reason_gives_it_in_the_words_of_its_dialect() {
        for (dialect, at, reason) in [
            (Dialect::Chat, "/choices/0/finish_reason", "content_filter"),
            (Dialect::Completions, "/choices/0/finish_reason", "content_filter"),
            (Dialect::Messages, "/stop_reason", "refusal"),
            (Dialect::Responses, "/incomplete_details/reason", "content_filter"),
        ] {
            let (body, events) = bodies(dialect, End::Filtered);
            assert_eq!(body.pointer(at), Some(&json!(reason)), "{body}");
            let events = Value::from(events).to_string();
            assert!(events.contains(reason) && !events.contains("not that"), "{events}");
        }
    }

    #[test]
    fn events_of_a_response_of_ours_are_numbered_and_end_with_it() {
        let (body, events) = bodies(Dialect::Responses, End::Natural);
        assert_eq!(body["status"], "completed");
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(
            kinds,
            [
                "response.created",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed",
            ]
        );
        let numbers = events.iter().map(|event| event["sequence_number"].as_u64());
        assert!(numbers.eq((0..8).map(Some)));
        assert_eq!(events[7]["response"]["output"], body["output"]);
    }

    #[test]
    fn a_message_of_ours_is_said_in_a_block_of_its_own() {
        let (body, events) = bodies(Dialect::Messages, End::Natural);
        assert_eq!(body["content"], json!([{"type": "text", "text": "not that"}]));
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        assert_eq!(kinds[1..4], block);
        assert_eq!((kinds[0], kinds[5]), ("message_start", "message_stop"));
        assert_eq!(events[4]["delta"]["stop_reason"], "end_turn");
    }
}
