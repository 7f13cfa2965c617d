//! Legacy completions: a text is continued.
//!
//! The choices of several prompts are numbered through, those of the first prompt first, and each is
//! judged in the light of its own prompt. With `echo`, an answer repeats its prompt and is judged with
//! it. Source: OpenAI's API reference, `POST /v1/completions`.

use std::sync::LazyLock;

use crate::wire::dialect::{Asking, Said, Shape};
use crate::wire::field::{Channel, Field, Holds, Table, field};
use crate::wire::shared::{ANSWER, BEHIND, CHOICE, ELSEWHERE, ERROR, SAMPLING, STREAMED, TOKEN};

/// `POST /v1/completions`.
pub(super) static SHAPE: Shape = Shape {
    name: "completions",
    path: "/completions",
    asked: "prompt",
    asking: Asking::Texts,
    said: Said::Choices("choices"),
    moderates: false,
    key_header: None,
    headers: &[],
    requests: LazyLock::new(|| {
        Table::new(&[("", REQUEST), ("", STREAMED), ("", SAMPLING), ("", ELSEWHERE), ("", BEHIND)])
    }),
    answers: LazyLock::new(|| {
        Table::new(&[
            ("", ANSWER),
            ("", ERROR),
            ("choices[].", CHOICE),
            ("choices[].", LOGPROBS),
            ("choices[].logprobs.content[].", TOKEN),
            ("choices[].logprobs.refusal[].", TOKEN),
        ])
    }),
};

const REQUEST: &[Field] = &[
    field("model", Holds::Id, "which model is asked; chooses the upstream"),
    field("prompt", Holds::Judged, "the text; a list of numbers is token ids, and unread"),
    field("suffix", Holds::Judged, "text behind the answer"),
    field("echo", Holds::Number, "whether the answer repeats the prompt"),
    field("logprobs", Holds::Number, "how many probabilities are told"),
    field("stop", Holds::Judged, "words at which the answer ends"),
    field("stop[]", Holds::Judged, "one of them"),
    field("user", Holds::Judged, "free text for the end user's name"),
    field("response_format", Holds::Schema, "the shape of the answer: the model may read it"),
];

/// The probabilities of a choice, in lists side by side.
const LOGPROBS: &[Field] = &[
    field("logprobs.tokens", Holds::Judged, "the tokens"),
    field("logprobs.tokens[]", Holds::Text(Channel::Tokens), "a token"),
    field("logprobs.token_logprobs", Holds::Number, "their probabilities"),
    field("logprobs.text_offset", Holds::Number, "where in the text they begin"),
    field("logprobs.top_logprobs", Holds::Judged, "per token"),
    field(
        "logprobs.top_logprobs[]",
        Holds::Keys(Channel::Alternatives),
        "alternatives, each with its probability",
    ),
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use crate::wire::answer::Answer;
    use crate::wire::asked::Asked;
    use crate::wire::dialect::Dialect;
    use crate::wire::malformed::Malformed;
    use crate::wire::request::Request;

    fn parse(request: &Value) -> Result<Request, Malformed> {
        Request::parse(Dialect::Completions, Bytes::from(request.to_string()))
    }

    #[track_caller]
    fn check(fields: Value, judged: &[&str], unread: &[&str], questions: &[&str]) {
        let mut request = json!({"model": "m"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = parse(&request).unwrap();
        let transcripts = request.transcripts();
        let texts: Vec<&str> = transcripts.iter().map(|each| &*each.judged().text).collect();
        assert_eq!(texts, judged);
        assert!(transcripts.iter().all(|each| each.context().is_empty()), "of the user's side");
        let paths: Vec<&str> = request.unread().iter().map(|path| path.as_str()).collect();
        assert_eq!(paths, unread);
        let asked = request.asked();
        let of: Vec<String> =
            (0..asked.choices()).map(|choice| asked.question(choice).to_string()).collect();
        assert_eq!(of, questions);
    }

    #[test]
    fn each_prompt_is_judged_by_itself_and_is_the_question_of_its_choices() {
        check(json!({"prompt": "a"}), &["a"], &[], &["a"]);
        check(json!({"prompt": ["a", "b"], "n": 2}), &["a", "b"], &[], &["a", "a", "b", "b"]);
        check(
            json!({"prompt": "a", "suffix": "b", "echo": true, "best_of": 3, "stop": ["c"], "x": "d",
                "logprobs": 5, "max_tokens": 7}),
            &["a", "b", "c", "x\nd"],
            &[],
            &["a"],
        );
    }

    #[test]
    fn token_ids_are_unread() {
        check(json!({"prompt": [1, 2]}), &[], &["prompt"], &[""]);
        check(json!({"prompt": [[1], [2]]}), &[], &["prompt[0]", "prompt[1]"], &["", ""]);
        check(json!({"prompt": ["a", [1]]}), &["a"], &["prompt[1]"], &["", ""]);
    }

    #[test]
    fn what_is_malformed_is_refused_in_words() {
        #[track_caller]
        fn check(fields: Value, code: &str, param: &str) {
            let mut request = json!({"model": "m"});
            request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let malformed = parse(&request).unwrap_err();
            assert_eq!((malformed.code(), malformed.param()), (code, Some(param)));
        }
        check(json!({}), "missing_required_parameter", "prompt");
        for prompt in [json!([]), json!(null), json!(7), json!({"a": "b"})] {
            check(json!({"prompt": prompt}), "invalid_value", "prompt");
        }
        check(json!({"prompt": "a", "n": 129}), "invalid_value", "n");
        let many = vec!["a"; 43];
        check(json!({"prompt": many, "n": 3, "stream": true}), "invalid_value", "prompt");
        assert!(parse(&json!({"model": "m", "prompt": many, "n": 3})).is_ok());
        for field in ["chat_template", "prompt_embeds", "logit_bias", "bad_words"] {
            check(json!({"prompt": "a", field: 1}), "field_refused", field);
        }
    }

    #[test]
    fn probabilities_are_judged_where_they_say_something_else() {
        #[track_caller]
        fn check(tokens: Value, others: Value, expected: &[&str]) {
            let answer = json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "text": "hi you", "finish_reason": "stop", "logprobs": {
                    "tokens": tokens, "token_logprobs": [-1.5, null], "text_offset": [0, 2],
                    "top_logprobs": others}}]});
            let answer = Bytes::from(answer.to_string());
            let answer = Answer::parse(Dialect::Completions, answer).unwrap();
            let asked = Asked::new(Dialect::Completions, "q", 1);
            let choices: Vec<_> = answer.choices(&asked).collect();
            let transcripts = choices.iter().flat_map(|choice| choice.transcripts());
            let texts: Vec<String> =
                transcripts.map(|each| each.judged().text.to_string()).collect();
            assert_eq!(texts, expected);
            assert!(answer.rest_transcripts().is_empty());
            assert!(choices.iter().all(|choice| choice.unread.is_empty()));
        }
        check(json!(["hi", " you"]), json!(null), &["hi you"]);
        check(json!(["hi", " bomb"]), json!(null), &["hi you", "hi bomb"]);
        check(
            json!(["hi", " you"]),
            json!([{"hi": -1}, {" you": -1, "7": -2}]),
            &["hi you", "hi  you 7"],
        );
    }
}
