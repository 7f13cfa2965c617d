//! Refuses: a prompt, a whole answer, or some of its choices. Says why in categories, and repeats
//! nothing of the text.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use crate::policy::{Block, Phase, Style};
use crate::verdict::Unscored;
use crate::wire::reply::{Error, content_filter_error};
use crate::wire::{Answer, Dialect, End, Farewell, Finding, PartPath, results};

/// What is said in the place of an answer to a prompt that was refused, where the policy has no words.
const DECLINED: &str = "This request was declined by the content policy.";

/// What stands in the place of a choice that was withheld, where the policy has no words.
const WITHHELD: &str = "This answer was withheld by the content policy.";

/// The error for a prompt that is refused for what it says.
pub fn refuse_prompt(dialect: Dialect, block: &Block, findings: &[Finding]) -> Bytes {
    let message = reason(block, Phase::Prompt, findings);
    content_filter_error(dialect, &message, Some(dialect.asked()), &results(findings))
}

/// The error for an answer that is refused for what it says.
pub fn refuse_answer(dialect: Dialect, block: &Block, findings: &[Finding]) -> Bytes {
    let message = reason(block, Phase::Response, findings);
    content_filter_error(dialect, &message, None, &results(findings))
}

/// Why something is refused, in words: the policy's own, or the categories that led to it.
pub fn reason(block: &Block, phase: Phase, findings: &[Finding]) -> String {
    let default = match phase {
        Phase::Prompt => "the prompt was refused by the content policy",
        Phase::Response => "the answer was withheld by the content policy",
    };
    if let Some(words) = words(block, findings) {
        return words.to_string();
    }
    let filtered = findings.iter().filter(|finding| finding.filtered);
    let named: Vec<String> =
        filtered.map(|finding| format!("{} ({})", finding.name, finding.code)).collect();
    if named.is_empty() { default.to_owned() } else { format!("{default}: {}", named.join(", ")) }
}

/// The policy's words for what led to a block.
fn words<'b>(block: &'b Block, findings: &[Finding]) -> Option<&'b Arc<str>> {
    let mut filtered: Vec<&Finding> = findings.iter().filter(|finding| finding.filtered).collect();
    filtered.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
    block.words(filtered.into_iter().map(|finding| finding.code.as_str()))
}

/// How an answer ends that the policy blocks, or that answers a prompt it blocks.
pub fn farewell(block: &Block, phase: Phase, findings: &[Finding]) -> Farewell {
    let default = match phase {
        Phase::Prompt => DECLINED,
        Phase::Response => WITHHELD,
    };
    let words = words(block, findings).cloned().unwrap_or_else(|| default.into());
    let end = match block.style(phase) {
        Style::Error => End::Error,
        Style::Refusal => End::Natural,
        Style::ContentFilter => End::Filtered,
    };
    Farewell::new(words, end)
}

/// The error for a prompt, or an answer, that is refused because there is no verdict on it. `unread`
/// names the parts nobody can read, where that is the reason.
pub fn refuse_unscored(dialect: Dialect, reason: Unscored, unread: &[PartPath]) -> Bytes {
    let first = unread.first().map(PartPath::as_str);
    if !reason.is_lasting() {
        let message = "the content guard has no verdict now; try again later";
        let error = Error { message, kind: "server_error", param: None, code: "guard_unavailable" };
        return error.body(dialect);
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
    let (message, kind) = (message.as_str(), "invalid_request_error");
    Error { message, kind, param: first, code: "content_unreadable" }.body(dialect)
}

/// The answer without what the choices at these positions say. The others stay as they are.
pub fn withhold(answer: &Answer, blocked: &[(usize, Farewell)]) -> Bytes {
    answer.without(blocked)
}

/// An answer that says nothing of what this one says, in the choices or beside them; `None` where its
/// dialect has no words for that, or it is an error to begin with.
pub fn withhold_all(answer: &Answer, farewell: &Farewell) -> Option<Bytes> {
    answer.withheld(farewell)
}

/// The error in the place of an answer that no dialect of ours can withhold in part.
pub fn refuse_whole(dialect: Dialect) -> Bytes {
    let message = "the model provider's answer was withheld by this gateway's policy";
    Error { message, kind: "server_error", param: None, code: "content_filter" }.body(dialect)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{
        WITHHELD, farewell, refuse_prompt, refuse_unscored, refuse_whole, withhold, withhold_all,
    };
    use crate::policy::{Block, Phase, compile};
    use crate::taxonomy::Taxonomy;
    use crate::verdict::{Score, Unscored};
    use crate::wire::{Answer, Dialect, End, Finding, PartPath};

    fn read(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    fn finding(code: &str, name: &str, score: f32, filtered: bool) -> Finding {
        let score = Score::new(score).unwrap();
        Finding { code: code.to_owned(), name: name.to_owned(), score, filtered }
    }

    #[test]
    fn a_refused_prompt_is_told_its_categories() {
        let findings = [
            finding("S1", "Violent Crimes", 0.9, true),
            finding("S2", "Non-Violent Crimes", 0.1, false),
        ];
        let body = read(&refuse_prompt(Dialect::Chat, &Block::default(), &findings));
        let results = json!({"violence": {"filtered": true, "severity": "high"},
            "S1": {"filtered": true, "severity": "high"},
            "S2": {"filtered": false, "severity": "safe"}});
        let message = "the prompt was refused by the content policy: Violent Crimes (S1)";
        let expected = json!({"error": {"message": message, "type": "invalid_request_error",
            "param": "messages", "code": "content_filter", "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": results, "content_filter_results": results}}});
        assert_eq!(body, expected);
    }

    #[test]
    fn a_block_is_told_in_the_words_of_its_policy() {
        let source = "name = \"x\"\n[block]\nresponse = \"refusal\"\ntext = \"no\"\n[block.texts]\nS10 = \"call us\"";
        let policy = compile(source, "x", &Taxonomy::llama_guard_2()).unwrap().policy;
        let violent = finding("S1", "Violent Crimes", 0.7, true);
        let harm = |score, filtered| finding("S10", "Self-Harm", score, filtered);
        let check = |findings: &[Finding], expected: &str| {
            let farewell = farewell(policy.block(), Phase::Response, findings);
            assert_eq!((&*farewell.words, farewell.end), (expected, End::Natural));
            let error = read(&refuse_prompt(Dialect::Chat, policy.block(), findings));
            assert_eq!(error["error"]["message"], expected);
        };
        check(&[violent.clone(), harm(0.2, false)], "no");
        check(&[violent.clone(), harm(0.2, true)], "call us");
        check(&[violent, harm(0.9, true)], "call us");
        check(&[], "no");
    }

    #[test]
    fn a_refusal_without_a_verdict_says_what_to_do() {
        fn check(reason: Unscored, unread: &[&str], code: &str, words: &str) {
            let unread: Vec<PartPath> = unread.iter().map(|path| PartPath::from(*path)).collect();
            let error = read(&refuse_unscored(Dialect::Chat, reason, &unread))["error"].take();
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
        let parse =
            |body: Value| Answer::parse(Dialect::Chat, Bytes::from(body.to_string())).unwrap();
        let answer = parse(answer);
        let choice = |index: u32| {
            json!({"index": index, "logprobs": null, "finish_reason": "content_filter",
                "message": {"role": "assistant", "content": WITHHELD, "refusal": null}})
        };

        let farewell = farewell(&Block::default(), Phase::Response, &[]);
        let mut expected = answer.value().clone();
        expected["choices"][1] = choice(1);
        assert_eq!(read(&withhold(&answer, &[(1, farewell.clone())])), expected);

        let expected = json!({"id": "c-1", "object": "chat.completion", "created": 3, "model": "m",
            "choices": [choice(0), choice(1)]});
        assert_eq!(read(&withhold_all(&answer, &farewell).unwrap()), expected);

        let error = parse(json!({"error": canary}));
        assert_eq!(withhold_all(&error, &farewell), None);
        assert_eq!(read(&refuse_whole(Dialect::Chat))["error"]["code"], "content_filter");
    }
}
