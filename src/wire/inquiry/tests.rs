use serde_json::{Value, json};

use super::{Answerer, Endpoint, Opinion, Subject};
use crate::transcript::Role;
use crate::verdict::Score;
use crate::wire::finding::Finding;
use crate::wire::malformed::Malformed;
use crate::wire::reply::Error;

fn read(endpoint: Endpoint, body: &Value) -> Result<Vec<Subject>, Malformed> {
    endpoint.read(body.to_string().as_bytes())
}

#[test]
fn every_text_of_a_question_is_judged_on_its_side() {
    #[track_caller]
    fn check(endpoint: Endpoint, body: Value, expected: &[(Role, &[&str], u64)]) {
        let subjects = read(endpoint, &body).unwrap();
        let said: Vec<(Role, Vec<String>, u64)> = subjects
            .iter()
            .map(|subject| {
                let texts = subject.transcripts.iter().map(|each| each.judged().text.to_string());
                (subject.role, texts.collect(), subject.unread)
            })
            .collect();
        let expected: Vec<(Role, Vec<String>, u64)> = expected
            .iter()
            .map(|(role, texts, unread)| {
                (*role, texts.iter().map(|text| (*text).to_owned()).collect(), *unread)
            })
            .collect();
        assert_eq!(said, expected, "{body}");
    }
    use Role::{Agent, User};
    check(Endpoint::Moderations, json!({"input": "a"}), &[(User, &["a"], 0)]);
    check(
        Endpoint::Moderations,
        json!({"input": ["a", "b"], "model": "x"}),
        &[(User, &["a"], 0), (User, &["b"], 0)],
    );
    let image = json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}});
    check(
        Endpoint::Moderations,
        json!({"input": [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]}),
        &[(User, &["a\nb"], 1)],
    );
    check(
        Endpoint::LiteLlm,
        json!({"input_type": "request", "texts": ["a", "z"], "images": ["AAAA"],
            "structured_messages": [{"role": "system", "content": "s"},
                {"role": "user", "content": "a"}],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d"}}],
            "request_data": {"user_api_key_alias": "not looked at"}}),
        &[(User, &["s", "a", "z", "f\nd"], 1)],
    );
    check(
        Endpoint::LiteLlm,
        json!({"input_type": "response", "texts": ["a"], "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "f", "arguments": "g"}}]}),
        &[(Agent, &["a", "f\ng"], 0)],
    );
    check(
        Endpoint::DetectContents,
        json!({"contents": ["a", ""], "detector_params": {}}),
        &[(User, &["a"], 0), (User, &[], 0)],
    );
    check(
        Endpoint::DetectChat,
        json!({"messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"}]}),
        &[(Agent, &["a", "b"], 0)],
    );
    check(
        Endpoint::DetectGeneration,
        json!({"prompt": "a", "generated_text": "b"}),
        &[(Agent, &["b"], 0)],
    );
    check(
        Endpoint::AgentRequest,
        json!({"body": {"messages": [{"role": "user", "content": "a"}]}}),
        &[(User, &["a"], 0)],
    );
    check(
        Endpoint::AgentResponse,
        json!({"body": {"choices": [{"message": {"role": "assistant", "content": "a"}},
            {"message": {"role": "assistant", "content": "b"}}]}}),
        &[(Agent, &["a", "b"], 0)],
    );
}

#[test]
fn a_question_that_is_not_understood_is_refused_where_it_is_not() {
    #[track_caller]
    fn check(endpoint: Endpoint, body: Value, at: Option<&str>) {
        let fault = read(endpoint, &body).unwrap_err();
        assert_eq!(fault.param(), at, "{body}");
    }
    check(Endpoint::Moderations, json!([]), None);
    check(Endpoint::Moderations, json!({}), Some("input"));
    check(Endpoint::Moderations, json!({"input": []}), Some("input"));
    check(Endpoint::Moderations, json!({"input": ["a", 7]}), Some("input[1]"));
    check(Endpoint::Moderations, json!({"input": [{"type": "audio"}]}), Some("input[0]"));
    check(Endpoint::LiteLlm, json!({"texts": ["a"]}), Some("input_type"));
    check(Endpoint::LiteLlm, json!({"input_type": "request", "texts": "a"}), Some("texts"));
    check(Endpoint::DetectContents, json!({"contents": "a"}), Some("contents"));
    check(Endpoint::DetectContents, json!({"contents": [{}]}), Some("contents[0]"));
    check(Endpoint::DetectGeneration, json!({"prompt": "a"}), Some("generated_text"));
    check(Endpoint::AgentRequest, json!({"messages": []}), Some("body"));
    check(Endpoint::AgentResponse, json!({"body": {"choices": [{}]}}), Some("body.choices[0]"));
}

fn opinion(blocks: bool) -> Opinion {
    let score = Score::new(0.75).unwrap();
    let (code, name) = ("S9".to_owned(), "Hate".to_owned());
    let finding = Finding { code, name, score, filtered: blocks };
    Opinion {
        flagged: blocks,
        blocks,
        words: "not here".to_owned(),
        findings: vec![finding.clone()],
        noticed: vec![finding],
        p_unsafe: Some(score),
        unscored: None,
        chars: 7,
    }
}

fn told(endpoint: Endpoint, opinions: &[Opinion]) -> Value {
    let who = Answerer { exchange: "01J", guard: "llama-guard-2@9c41" };
    serde_json::from_slice(&endpoint.tell(who, opinions)).unwrap()
}

#[test]
fn an_opinion_is_told_in_the_words_of_whoever_asked() {
    let both = [opinion(false), opinion(true)];
    let moderations = told(Endpoint::Moderations, &both);
    assert_eq!(moderations["id"], "modr-01J");
    assert_eq!(moderations["model"], "llama-guard-2@9c41");
    assert_eq!(moderations["results"][0]["flagged"], false);
    assert_eq!(moderations["results"][1]["flagged"], true);
    assert_eq!(moderations["results"][1]["categories"]["hate"], true);
    assert_eq!(moderations["results"][1]["wardgate"], json!({"unsafe": 0.75}));

    assert_eq!(told(Endpoint::LiteLlm, &both[..1]), json!({"action": "NONE"}));
    assert_eq!(
        told(Endpoint::LiteLlm, &both),
        json!({"action": "BLOCKED", "blocked_reason": "not here"})
    );

    let detection = json!({"detection_type": "wardgate", "detection": "S9", "score": 0.75,
        "evidence": [{"name": "category", "value": "Hate", "score": 0.75}], "metadata": {}});
    assert_eq!(told(Endpoint::DetectChat, &both[1..]), json!([detection]));
    let mut spanning = detection;
    spanning["start"] = 0.into();
    spanning["end"] = 7.into();
    spanning["text"] = "".into();
    assert_eq!(told(Endpoint::DetectContents, &both), json!([[spanning], [spanning]]));

    assert_eq!(told(Endpoint::AgentRequest, &both[..1]), json!({"action": {"reason": "allowed"}}));
    assert_eq!(
        told(Endpoint::AgentResponse, &both),
        json!({"action": {"body": "not here", "status_code": 403, "reason": "content_filter"}})
    );
}

#[test]
fn having_no_opinion_is_not_told_as_one() {
    let check = |endpoint: Endpoint, status: u16, expected: u16, body: Value| {
        let (message, kind) = ("no verdict", "server_error");
        let error = Error { message, kind, param: None, code: "guard_unavailable" };
        let (told, told_body) = endpoint.refuse(status, &error);
        assert_eq!(told, expected, "{endpoint:?}");
        assert_eq!(serde_json::from_slice::<Value>(&told_body).unwrap(), body, "{endpoint:?}");
    };
    let error = json!({"error": {"message": "no verdict", "type": "server_error", "param": null,
        "code": "guard_unavailable"}});
    check(Endpoint::Moderations, 503, 503, error.clone());
    check(Endpoint::LiteLlm, 400, 400, error);
    let blocked = json!({"action": "BLOCKED", "blocked_reason": "no verdict"});
    check(Endpoint::LiteLlm, 503, 200, blocked);
    check(Endpoint::DetectContents, 503, 503, json!({"code": 503, "message": "no verdict"}));
    let rejected = json!({"action": {"body": "no verdict", "status_code": 503,
        "reason": "guard_unavailable"}});
    check(Endpoint::AgentRequest, 503, 200, rejected);
}
