//! Embeddings: texts in, numbers out.
//!
//! Each text is judged by itself, as a prompt. There is nothing to judge in the numbers that come
//! back, but a string among them is. Source: OpenAI's API reference, `POST /v1/embeddings`.

use std::sync::LazyLock;

use crate::wire::dialect::{Asking, Said, Shape};
use crate::wire::field::{Field, Holds, Table, field};
use crate::wire::shared::{ANSWER, BEHIND, ELSEWHERE, ERROR};

/// `POST /v1/embeddings`.
pub(super) static SHAPE: Shape = Shape {
    name: "embeddings",
    path: "/embeddings",
    asked: "input",
    asking: Asking::Texts,
    said: Said::Numbers("data"),
    moderates: false,
    key_header: None,
    headers: &[],
    requests: LazyLock::new(|| Table::new(&[("", REQUEST), ("", ELSEWHERE), ("", BEHIND)])),
    answers: LazyLock::new(|| Table::new(&[("", ANSWER), ("", NUMBERS), ("", ERROR)])),
};

const REQUEST: &[Field] = &[
    field("model", Holds::Id, "which model is asked; chooses the upstream"),
    field("input", Holds::Judged, "the texts; a list of numbers is token ids, and unread"),
    field("encoding_format", Holds::Word(&["float", "base64"]), "how the numbers are written"),
    field("dimensions", Holds::Number, "how many numbers"),
    field("normalize", Holds::Number, "whether they are brought to length one"),
    field("priority", Holds::Number, "the provider's queue"),
    field("stream", Holds::Number, "has no meaning here"),
    field("user", Holds::Judged, "free text for the end user's name"),
    field("truncate", Holds::Refused, "the model sees only a part of the text"),
];

const NUMBERS: &[Field] = &[
    field("data", Holds::Judged, "one entry for each text"),
    field("data[]", Holds::Judged, "an entry"),
    field("data[].object", Holds::Word(&["embedding"]), "what this is"),
    field("data[].index", Holds::Number, "which text it belongs to"),
    field("data[].embedding", Holds::Floats, "the numbers"),
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use crate::wire::answer::Answer;
    use crate::wire::asked::Asked;
    use crate::wire::dialect::Dialect;
    use crate::wire::request::Request;

    #[test]
    fn each_text_is_judged_by_itself() {
        #[track_caller]
        fn check(fields: Value, judged: &[&str], unread: &[&str]) {
            let mut request = json!({"model": "m"});
            request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let request = Bytes::from(request.to_string());
            let request = Request::parse(Dialect::Embeddings, request).unwrap();
            let transcripts = request.transcripts();
            let texts: Vec<&str> = transcripts.iter().map(|each| &*each.judged().text).collect();
            assert_eq!(texts, judged);
            let paths: Vec<&str> = request.unread().iter().map(|path| path.as_str()).collect();
            assert_eq!(paths, unread);
        }
        check(json!({"input": "a", "encoding_format": "base64", "dimensions": 8}), &["a"], &[]);
        check(json!({"input": ["a", "b"], "user": "c", "x": "d"}), &["a", "b", "c", "x\nd"], &[]);
        check(json!({"input": "a", "encoding_format": "odd one"}), &["a", "odd one"], &[]);
        check(json!({"input": [1, 2]}), &[], &["input"]);
        check(json!({"input": [[1], [2]]}), &[], &["input[0]", "input[1]"]);
        check(json!({"input": vec!["a"; 300], "stream": true}), &vec!["a"; 300], &[]);
    }

    #[test]
    fn fields_that_change_what_is_embedded_are_refused() {
        for field in ["truncate", "truncate_prompt_tokens", "add_special_tokens"] {
            let request = json!({"model": "m", "input": "a", field: 1}).to_string();
            let malformed = Request::parse(Dialect::Embeddings, Bytes::from(request)).unwrap_err();
            assert_eq!((malformed.code(), malformed.param()), ("field_refused", Some(field)));
        }
    }

    #[test]
    fn of_an_answer_everything_but_its_numbers_is_judged() {
        #[track_caller]
        fn check(embedding: Value, judged: &[&str]) {
            let answer = json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 1,
                "total_tokens": 1}, "data": [{"object": "embedding", "index": 0,
                "embedding": embedding}]});
            let answer = Bytes::from(answer.to_string());
            let answer = Answer::parse(Dialect::Embeddings, answer).unwrap();
            assert!(answer.is_complete());
            assert_eq!(answer.choices(&Asked::new(Dialect::Embeddings, "q", 1)).count(), 0);
            let transcripts = answer.rest_transcripts();
            let texts: Vec<&str> = transcripts.iter().map(|each| &*each.judged().text).collect();
            assert_eq!(texts, judged);
            assert!(answer.rest_unread().is_empty());
        }
        check(json!([0.25, -1, 3e-5]), &[]);
        check(json!("AACAPwAAAMDNzMw9"), &[]);
        check(json!("the canary"), &["the canary"]);
        check(json!("dGhlIGNhbmFyeSBzaW5ncy4u"), &["dGhlIGNhbmFyeSBzaW5ncy4u"]);
        check(json!([0.25, "the canary"]), &["the canary"]);
        check(json!({"the canary": 1}), &["the canary"]);
    }
}
