//! OpenAI's moderation: the field of a request that asks for it, and what is answered.
//!
//! A request of Chat Completions or Responses may ask in its own field `moderation` to have prompt and
//! answer moderated. Here the guard of this gateway does it. So the field is taken out of what is sent:
//! the provider would do it again, with a model of its own, and what is sent is what was judged.

use serde_json::{Map, Value, json};

use crate::verdict::{Score, Unscored};
use crate::wire::field::{PartPath, is_id};
use crate::wire::finding::Finding;
use crate::wire::malformed::Malformed;
use crate::wire::vocabulary::{OPENAI, openai};

/// The field.
pub(super) const FIELD: &str = "moderation";

/// What a request asks for in the field. The model it names is not looked for: the guard is the one
/// there is, and says its name in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moderation {
    /// For the prompt.
    pub input: ModerationMode,
    /// For the answer.
    pub output: ModerationMode,
}

/// What is to be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ModerationMode {
    /// It is told.
    #[default]
    Score,
    /// What is flagged is blocked, also under a policy that only observes.
    Block,
}

impl Moderation {
    /// Takes the field out of a request.
    ///
    /// # Errors
    ///
    /// It is not what OpenAI's clients send: what nobody understands is not passed over.
    pub(super) fn take(root: &mut Map<String, Value>) -> Result<Option<Self>, Malformed> {
        match root.shift_remove(FIELD) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(fields)) => Self::read(&fields).map(Some),
            Some(_) => Err(unfit("", "an object with `model`, and `policy` if need be")),
        }
    }

    fn read(fields: &Map<String, Value>) -> Result<Self, Malformed> {
        only(fields, &["model", "policy"], "")?;
        let model = fields.get("model").and_then(Value::as_str);
        if !model.is_some_and(|model| !model.is_empty() && is_id(model)) {
            return Err(unfit(".model", "the name of a model"));
        }
        match fields.get("policy") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(policy)) => {
                only(policy, &["input", "output"], ".policy")?;
                Ok(Self { input: mode(policy, "input")?, output: mode(policy, "output")? })
            }
            Some(_) => Err(unfit(".policy", "an object with `input` and `output`")),
        }
    }
}

fn mode(policy: &Map<String, Value>, side: &str) -> Result<ModerationMode, Malformed> {
    let wanted = "an object with `mode`, \"score\" or \"block\"";
    let fault = || unfit(&format!(".policy.{side}"), wanted);
    match policy.get(side) {
        None | Some(Value::Null) => Ok(ModerationMode::default()),
        Some(Value::Object(side)) if side.len() == 1 => {
            match side.get("mode").and_then(Value::as_str) {
                Some("score") => Ok(ModerationMode::Score),
                Some("block") => Ok(ModerationMode::Block),
                _ => Err(fault()),
            }
        }
        Some(_) => Err(fault()),
    }
}

fn only(fields: &Map<String, Value>, known: &[&str], below: &str) -> Result<(), Malformed> {
    let all_known = fields.keys().all(|key| known.contains(&key.as_str()));
    if all_known {
        Ok(())
    } else {
        Err(unfit(below, "an object with the fields that OpenAI's API has"))
    }
}

fn unfit(below: &str, wanted: &'static str) -> Malformed {
    Malformed::Unfit { field: PartPath::from(format!("{FIELD}{below}").as_str()), wanted }
}

/// What was found, under OpenAI's keys and our own codes: `flagged`, `categories` and the rest.
pub fn moderated(flagged: bool, findings: &[Finding]) -> Map<String, Value> {
    let mut scores: Vec<(&str, Score, bool)> =
        OPENAI.iter().map(|key| (*key, Score::ZERO, false)).collect();
    for finding in findings {
        let entry = (finding.score, finding.filtered);
        for key in openai(&finding.name) {
            let known = scores.iter_mut().filter(|(known, _, _)| known == key);
            known.for_each(|(_, score, filtered)| {
                (*score, *filtered) = (score.max(entry.0), *filtered || entry.1);
            });
        }
        scores.push((&finding.code, entry.0, entry.1));
    }
    let of = |value: &dyn Fn(Score, bool) -> Value| -> Value {
        let entries = scores
            .iter()
            .map(|(key, score, filtered)| ((*key).to_owned(), value(*score, *filtered)));
        Value::Object(entries.collect())
    };
    let result = [
        ("flagged", Value::Bool(flagged)),
        ("categories", of(&|_, filtered| filtered.into())),
        ("category_scores", of(&|score, _| serde_json::to_value(score).unwrap_or_default())),
        ("category_applied_input_types", of(&|_, _| json!(["text"]))),
    ];
    result.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One result inside an answer, by this model.
pub fn moderation_result(model: &str, flagged: bool, findings: &[Finding]) -> Value {
    let mut result = Map::from_iter([
        ("type".to_owned(), Value::from("moderation_result")),
        ("model".to_owned(), Value::from(model)),
    ]);
    result.extend(moderated(flagged, findings));
    Value::Object(result)
}

/// The same where there is no verdict.
pub fn moderation_error(reason: Unscored) -> Value {
    let (code, message) = if reason.is_lasting() {
        ("content_unreadable", "the content guard cannot judge all of this")
    } else {
        ("guard_unavailable", "the content guard has no verdict now")
    };
    json!({"type": "error", "code": code, "message": message})
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Moderation, ModerationMode, moderated};
    use crate::verdict::Score;
    use crate::wire::finding::Finding;

    #[test]
    fn the_field_is_taken_out_and_understood_or_refused() {
        let check =
            |field: Value, expected: Result<Option<(ModerationMode, ModerationMode)>, &str>| {
                let mut request = json!({"model": "m", "moderation": field, "n": 1});
                let taken = Moderation::take(request.as_object_mut().unwrap());
                let taken = taken.map(|taken| taken.map(|taken| (taken.input, taken.output)));
                let taken = taken.map_err(|fault| fault.param().unwrap_or_default().to_owned());
                assert_eq!(taken, expected.map_err(str::to_owned), "{field}");
                assert_eq!(request, json!({"model": "m", "n": 1}));
            };
        use ModerationMode::{Block, Score};
        check(Value::Null, Ok(None));
        check(json!({"model": "omni-moderation-latest"}), Ok(Some((Score, Score))));
        check(json!({"model": "x", "policy": null}), Ok(Some((Score, Score))));
        let policy = json!({"input": {"mode": "block"}, "output": null});
        check(json!({"model": "x", "policy": policy}), Ok(Some((Block, Score))));
        let policy = json!({"output": {"mode": "block"}});
        check(json!({"model": "x", "policy": policy}), Ok(Some((Score, Block))));
        for (field, at) in [
            (json!(true), "moderation"),
            (json!({}), "moderation.model"),
            (json!({"model": "two words"}), "moderation.model"),
            (json!({"model": "x", "new": 1}), "moderation"),
            (json!({"model": "x", "policy": 1}), "moderation.policy"),
            (json!({"model": "x", "policy": {"new": 1}}), "moderation.policy"),
            (json!({"model": "x", "policy": {"input": "block"}}), "moderation.policy.input"),
            (
                json!({"model": "x", "policy": {"output": {"mode": "off"}}}),
                "moderation.policy.output",
            ),
        ] {
            check(field, Err(at));
        }
    }

    #[test]
    fn findings_are_told_under_openais_keys_and_our_codes() {
        let finding = |code: &str, name: &str, score: f32, filtered: bool| Finding {
            code: code.to_owned(),
            name: name.to_owned(),
            score: Score::new(score).unwrap(),
            filtered,
        };
        let findings = [
            finding("S3", "Sex Crimes", 0.5, true),
            finding("S6", "Privacy", 0.125, false),
            finding("S11", "Sexual Content", 0.25, false),
        ];
        let result = Value::Object(moderated(true, &findings));
        assert_eq!(result["flagged"], true);
        let (flags, scores) = (&result["categories"], &result["category_scores"]);
        for (key, flag, score) in [
            ("sexual", true, 0.5),
            ("illicit", true, 0.5),
            ("S3", true, 0.5),
            ("S6", false, 0.125),
            ("S11", false, 0.25),
            ("hate", false, 0.0),
            ("harassment/threatening", false, 0.0),
        ] {
            assert_eq!((&flags[key], &scores[key]), (&json!(flag), &json!(score)), "{key}");
            assert_eq!(result["category_applied_input_types"][key], json!(["text"]));
        }
    }
}
