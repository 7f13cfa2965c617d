//! What a tenant's policy leaves to the reading of requests.

use std::collections::BTreeSet;

use crate::wire::dialect::Dialect;

/// Under which terms a request is read. The default is the strictest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// How much of a conversation is read.
    pub history: History,
    /// Fields that are refused elsewhere, by their names.
    pub allowed: Vec<String>,
}

/// How much of a conversation is read, where a request holds one.
///
/// Clients send the whole conversation with every request, and nothing proves that it ever took place:
/// whoever writes requests himself can put anything before an answer that he made up. So
/// [`History::Latest`] is for applications that keep the conversation themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum History {
    /// All of it.
    #[default]
    All,
    /// What `system` and `developer` say, and everything from the user's side since the model spoke
    /// last: a question, results of tools, and the beginning of an answer that is to be continued.
    /// What was said before is passed over: neither judged nor unread, but counted.
    Latest,
}

impl Terms {
    /// Whether a field that is refused elsewhere is taken.
    pub(super) fn allow(&self, field: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == field)
    }

    /// Every name of a field that is refused unless it is allowed, in whatever dialect.
    pub fn allowable() -> BTreeSet<&'static str> {
        Dialect::ALL.into_iter().flat_map(|dialect| dialect.shape().requests.refused()).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{History, Terms};
    use crate::wire::dialect::Dialect;
    use crate::wire::malformed::Malformed;
    use crate::wire::request::Request;

    fn read(dialect: Dialect, terms: Terms, fields: &Value) -> Result<Request, Malformed> {
        let mut request = json!({"model": "m"});
        let Value::Object(fields) = fields.clone() else { panic!() };
        request.as_object_mut().unwrap().extend(fields);
        Request::parse_under(terms, dialect, Bytes::from(request.to_string()))
    }

    fn texts(request: &Request) -> Vec<String> {
        request.transcripts().iter().map(|each| each.judged().text.to_string()).collect()
    }

    #[test]
    fn with_the_latest_history_only_what_follows_the_last_answer_is_judged() {
        let say = |role: &str, text: &str| json!({"role": role, "content": text});
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "g"}}]});
        let image = json!({"role": "user", "content": [
            {"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "u"}}]});
        let chat = |messages: Value| (Dialect::Chat, json!({"messages": messages, "user": "who"}));
        let table: [((Dialect, Value), &[&str], u64); 10] = [
            // Nothing was said before.
            (chat(json!([say("user", "a")])), &["a", "who"], 0),
            (chat(json!([say("user", "a"), say("user", "b")])), &["a", "b", "who"], 0),
            // A question behind an answer.
            (
                chat(json!([
                    say("system", "s"),
                    say("user", "old"),
                    say("assistant", "answer"),
                    say("developer", "d"),
                    say("user", "b"),
                    say("user", "c")
                ])),
                &["s", "d", "b", "c", "who"],
                9,
            ),
            // Results of tools, and all of them.
            (
                chat(json!([say("user", "old"), call, say("tool", "r1"), say("tool", "r2")])),
                &["r1", "r2", "who"],
                6,
            ),
            // An answer that is to be continued is as new as its question.
            (
                chat(json!([
                    say("user", "old"),
                    say("assistant", "x"),
                    say("user", "b"),
                    say("assistant", "Sure")
                ])),
                &["b", "Sure", "who"],
                4,
            ),
            // Nobody but the model and the system: all of it.
            (chat(json!([say("assistant", "x"), say("system", "s")])), &["x", "s", "who"], 0),
            // What cannot be read is passed over with the rest.
            (chat(json!([image, say("assistant", "x"), say("user", "b")])), &["b", "who"], 5),
            (
                (
                    Dialect::Messages,
                    json!({"system": "s", "tools": [{"name": "t"}], "messages": [
                    say("user", "old"), say("assistant", "x"),
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                        "content": "r"}, {"type": "text", "text": "b"}]}]}),
                ),
                &["b", "r", "s", "t"],
                4,
            ),
            (
                (
                    Dialect::Responses,
                    json!({"instructions": "s", "input": [
                    say("user", "old"), {"type": "reasoning", "summary": [
                        {"type": "summary_text", "text": "hm"}]},
                    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "g"},
                    {"type": "function_call_output", "call_id": "a", "output": "r"}]}),
                ),
                &["r", "s"],
                8,
            ),
            ((Dialect::Completions, json!({"prompt": ["a", "b"]})), &["a", "b"], 0),
        ];
        for ((dialect, fields), judged, passed_over) in table {
            let terms = Terms { history: History::Latest, ..Terms::default() };
            let latest = read(dialect, terms, &fields).unwrap();
            assert_eq!(
                (texts(&latest), latest.passed_over()),
                (judged.iter().map(ToString::to_string).collect(), passed_over),
                "{fields}"
            );
            assert_eq!(latest.unread(), []);
            // All of it is judged where nothing else is asked for.
            let all = read(dialect, Terms::default(), &fields).unwrap();
            assert!(texts(&all).len() >= judged.len() && all.passed_over() == 0, "{fields}");
            assert_eq!(latest.asked(), all.asked(), "the answer is judged in the same light");
        }
    }

    #[test]
    fn a_field_that_is_refused_is_taken_where_it_is_allowed_by_name() {
        #[track_caller]
        fn check(dialect: Dialect, field: &str, value: Value, judged: &[&str], unread: &[&str]) {
            let mut fields = json!({dialect.asked(): [{"role": "user", "content": "a"}]});
            if matches!(dialect, Dialect::Completions | Dialect::Embeddings) {
                fields[dialect.asked()] = "a".into();
            }
            fields[field] = value;
            let refused = read(dialect, Terms::default(), &fields).unwrap_err();
            assert_eq!((refused.code(), refused.param()), ("field_refused", Some(field)));
            let others = Terms { allowed: vec!["x".to_owned()], ..Terms::default() };
            assert!(read(dialect, others, &fields).is_err());
            let terms = Terms { allowed: vec![field.to_owned()], ..Terms::default() };
            let request = read(dialect, terms, &fields).unwrap();
            assert_eq!(texts(&request).get(1..).unwrap(), judged);
            let paths: Vec<&str> = request.unread().iter().map(|path| path.as_str()).collect();
            assert_eq!(paths, unread);
            assert!(Terms::allowable().contains(field));
        }
        check(Dialect::Chat, "logit_bias", json!({"5": 1}), &[], &["logit_bias"]);
        check(Dialect::Chat, "chat_template", json!("say x"), &["say x"], &[]);
        check(Dialect::Chat, "echo", json!(true), &[], &[]);
        check(Dialect::Completions, "truncate_prompt_tokens", json!(5), &[], &[]);
        check(Dialect::Completions, "prompt_embeds", json!("AAAA"), &["AAAA"], &["prompt_embeds"]);
        check(Dialect::Embeddings, "truncate", json!("END"), &["END"], &[]);
        check(
            Dialect::Messages,
            "context_management",
            json!({"edits": [{"type": "clear"}]}),
            &["edits\ntype\nclear"],
            &[],
        );
        check(Dialect::Responses, "truncation", json!("auto"), &["auto"], &[]);
        check(Dialect::Chat, "bad_words", json!(["a", "b"]), &["a\nb"], &[]);
        check(Dialect::Chat, "vllm_xargs", json!({"x": [1, 2]}), &["x"], &["vllm_xargs.*"]);
    }

    #[test]
    fn what_is_not_refused_by_name_is_not_changed_by_allowing_it() {
        let fields = json!({"messages": [{"role": "user", "content": "a"}], "store": true,
            "previous_response_id": "r", "x": "y"});
        let names = ["messages", "previous_response_id", "x", "model"];
        let terms = Terms { allowed: names.map(str::to_owned).to_vec(), ..Terms::default() };
        let (allowed, plain) = (
            read(Dialect::Chat, terms, &fields).unwrap(),
            read(Dialect::Chat, Terms::default(), &fields).unwrap(),
        );
        assert_eq!(texts(&allowed), texts(&plain));
        assert_eq!(allowed.unread(), plain.unread());
        assert!(names.iter().all(|name| !Terms::allowable().contains(name)));
    }
}
