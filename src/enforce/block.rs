//! Refuses: a prompt, a whole answer, or some of its choices. Says why in categories, and repeats
//! nothing of the text.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::enforce::finding::{Finding, results};
use crate::verdict::Unscored;
use crate::wire::reply::{self, Stamp};
use crate::wire::{ChatResponse, PartPath, choice_index};

/// What stands in the place of a choice that was withheld.
const WITHHELD: &str = "This answer was withheld by the content policy.";

/// The error for a prompt that is refused for what it says.
pub fn refuse_prompt(findings: &[Finding]) -> Bytes {
    let filtered = findings.iter().filter(|finding| finding.filtered);
    let named: Vec<String> =
        filtered.map(|finding| format!("{} ({})", finding.name, finding.code)).collect();
    let mut message = "the prompt was refused by the content policy".to_owned();
    if !named.is_empty() {
        message.push_str(": ");
        message.push_str(&named.join(", "));
    }
    reply::content_filter_error(&message, &results(findings))
}

/// The error for a prompt, or an answer, that is refused because there is no verdict on it. `unread`
/// names the parts nobody can read, where that is the reason.
pub fn refuse_unscored(reason: Unscored, unread: &[PartPath]) -> Bytes {
    let first = unread.first().map(PartPath::as_str);
    if !reason.is_lasting() {
        let message = "the content guard has no verdict now; try again later";
        return reply::error(message, "server_error", None, Some("guard_unavailable"));
    }
    let message = match (reason, first) {
        (Unscored::Unreadable, Some(first)) if unread.len() == 1 => {
            format!("`{first}` cannot be read by the content guard; remove it, or send it as text")
        }
        (Unscored::Unreadable, Some(first)) => format!(
            "`{first}` and {} more cannot be read by the content guard; remove them, or send them as text",
            unread.len() - 1
        ),
        (Unscored::TooLong, _) => {
            "the text is longer than the content guard reads; shorten it".to_owned()
        }
        _ => "the content guard cannot judge this; change it before sending it again".to_owned(),
    };
    reply::error(&message, "invalid_request_error", first, Some("content_unreadable"))
}

/// The answer without what the choices at these positions say. The others stay as they are.
pub fn withhold(response: &ChatResponse, positions: &[usize]) -> Bytes {
    let mut value = response.value().clone();
    let list = value.get_mut("choices").and_then(Value::as_array_mut);
    for (position, choice) in list.into_iter().flatten().enumerate() {
        if positions.contains(&position) {
            *choice = withheld(choice_index(choice, position));
        }
    }
    Bytes::from(value.to_string())
}

/// An answer that says nothing of what this one says, in the choices or beside them.
pub fn withhold_all(response: &ChatResponse) -> Bytes {
    let choices = response.value().get("choices").and_then(Value::as_array);
    let Some(choices) = choices else {
        let message = "the upstream's answer was withheld by the content policy";
        return reply::error(message, "server_error", None, Some("content_filter"));
    };
    let withheld = choices
        .iter()
        .enumerate()
        .map(|(position, choice)| withheld(choice_index(choice, position)));
    let mut stamp = Stamp::completion();
    stamp.note(response.value());
    Bytes::from(stamp.body(withheld.collect(), Map::new()).to_string())
}

fn withheld(index: u32) -> Value {
    json!({
        "index": index,
        "message": {"role": "assistant", "content": WITHHELD, "refusal": null},
        "logprobs": null,
        "finish_reason": "content_filter",
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{WITHHELD, refuse_prompt, refuse_unscored, withhold, withhold_all};
    use crate::enforce::finding::Finding;
    use crate::verdict::{Score, Unscored};
    use crate::wire::{ChatResponse, PartPath};

    fn read(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_refused_prompt_is_told_its_categories() {
        let finding = |code: &str, name: &str, score: f32, filtered: bool| Finding {
            code: code.to_owned(),
            name: name.to_owned(),
            score: Score::new(score).unwrap(),
            filtered,
        };
        let body = read(&refuse_prompt(&[
            finding("S1", "Violent Crimes", 0.9, true),
            finding("S2", "Non-Violent Crimes", 0.1, false),
        ]));
        let results = json!({"S1": {"filtered": true, "severity": "high"},
            "S2": {"filtered": false, "severity": "safe"}});
        let message = "the prompt was refused by the content policy: Violent Crimes (S1)";
        let expected = json!({"error": {"message": message, "type": "invalid_request_error",
            "param": "messages", "code": "content_filter", "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": results, "content_filter_results": results}}});
        assert_eq!(body, expected);
    }

    #[test]
    fn a_refusal_without_a_verdict_says_what_to_do() {
        fn check(reason: Unscored, unread: &[&str], code: &str, words: &str) {
            let unread: Vec<PartPath> = unread.iter().map(|path| PartPath::from(*path)).collect();
            let error = read(&refuse_unscored(reason, &unread))["error"].take();
            assert_eq!(error["code"], code);
            assert!(error["message"].as_str().unwrap().contains(words), "{error}");
            assert_eq!(error["param"].as_str(), unread.first().map(PartPath::as_str));
        }
        check(Unscored::Deadline, &[], "guard_unavailable", "try again later");
        check(Unscored::GuardDown, &[], "guard_unavailable", "try again later");
        check(Unscored::Unreadable, &["store"], "content_unreadable", "`store` cannot be read");
        check(Unscored::Unreadable, &["store", "x"], "content_unreadable", "and 1 more");
        check(Unscored::TooLong, &[], "content_unreadable", "shorten it");
        check(Unscored::Derailed, &[], "content_unreadable", "cannot judge this");
    }

    #[test]
    fn of_a_withheld_choice_nothing_is_left() {
        let canary = "the canary";
        let answer = json!({"id": "c-1", "object": "chat.completion", "created": 3, "model": "m",
            "note": canary, "usage": {"total_tokens": 3}, "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": canary, "tool_calls": [{"function": {"name": canary}}]},
             "text": canary, canary: 1, "logprobs": {"content": [{"token": canary}]}}]});
        let answer = ChatResponse::parse(Bytes::from(answer.to_string())).unwrap();
        let choice = |index: u32| {
            json!({"index": index, "logprobs": null, "finish_reason": "content_filter",
                "message": {"role": "assistant", "content": WITHHELD, "refusal": null}})
        };

        let mut expected = answer.value().clone();
        expected["choices"][1] = choice(1);
        assert_eq!(read(&withhold(&answer, &[1])), expected);

        let expected = json!({"id": "c-1", "object": "chat.completion", "created": 3, "model": "m",
            "choices": [choice(0), choice(1)]});
        assert_eq!(read(&withhold_all(&answer)), expected);

        let error = ChatResponse::parse(Bytes::from_static(b"{\"error\":\"the canary\"}")).unwrap();
        assert_eq!(read(&withhold_all(&error))["error"]["code"], "content_filter");
    }
}
