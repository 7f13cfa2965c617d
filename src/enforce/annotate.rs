//! Says what was found, beside the answer.
//!
//! | dialect | in a body | in a stream |
//! |---|---|---|
//! | chat, completions | Azure's `prompt_filter_results`, `content_filter_results` in each choice, `wardgate` | the first in a chunk before all others, the rest in one before `[DONE]`, in choices that say nothing |
//! | responses | Azure's `content_filters`, `wardgate` | both in a `keepalive` event before the last |
//! | messages | `wardgate` | in a `ping` event before the last |
//! | embeddings | `prompt_filter_results`, `wardgate` | |
//!
//! `wardgate` is our own object, with scores as numbers. Where OpenAI's `moderation` was asked for, it
//! stands in the same places. What an upstream has said under these names gives way to ours.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::taxonomy::Taxonomy;
use crate::verdict::{Coverage, Judgement, Score, Unscored};
use crate::wire::field::is_id;
use crate::wire::json;
use crate::wire::{Dialect, Frame};

/// Scores below this are left out.
const LEAST: f32 = 0.001;

/// What is said beside an answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Annotation {
    /// In which dialect.
    pub dialect: Dialect,
    /// What was found, where the policy wants it said.
    pub found: Option<Found>,
    /// What was found in OpenAI's shape, where the client asked for it.
    pub moderation: Option<Value>,
}

/// What was found in an exchange, in Azure's shape and in ours.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// In our own.
    pub account: Account,
    /// In the prompt, in Azure's.
    pub prompt: Phrased,
    /// In each choice, by its number; in the whole answer, where it is not divided.
    pub choices: Vec<(u32, Phrased)>,
}

/// Findings in Azure's shape.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Phrased {
    /// One entry per category.
    pub results: Map<String, Value>,
    /// Whether they led to a block.
    pub blocked: bool,
}

/// What was found in an exchange.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Account {
    /// The exchange's id, as in the audit log.
    pub exchange: String,
    /// The policy, as `name@version`.
    pub policy: String,
    /// What was found in the prompt.
    pub prompt: Option<Summary>,
    /// What was found in the response.
    pub response: Option<Summary>,
}

/// What was found in one phase.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The decision: `allow`, `annotate`, `redact` or `block`.
    pub decision: &'static str,
    /// The highest p(unsafe); `null` where nothing was read.
    #[serde(rename = "unsafe")]
    pub unsafe_: Option<Score>,
    /// The highest score per category, by code.
    pub scores: Map<String, Value>,
    /// How much was read.
    pub coverage: Coverage,
    /// Why not everything was.
    pub unscored: Option<Unscored>,
}

impl Summary {
    /// Sums up a judgement and the decision on it.
    pub fn new(judgement: &Judgement, taxonomy: &Taxonomy, decision: &'static str) -> Self {
        let scores = taxonomy.categories().filter_map(|category| {
            let score = judgement.highest_of(category).filter(|score| score.get() >= LEAST)?;
            Some((taxonomy.code(category).to_owned(), serde_json::to_value(score).ok()?))
        });
        Self {
            decision,
            unsafe_: judgement.highest(),
            scores: scores.collect(),
            coverage: judgement.coverage,
            unscored: judgement.unscored,
        }
    }
}

impl Summary {
    /// The same on one line, for a header: `annotate; unsafe=0.412; S2=0.398`.
    pub fn line(&self) -> String {
        let mut line = self.decision.to_owned();
        if let Some(score) = self.unsafe_ {
            line.push_str(&format!("; unsafe={:.3}", score.get()));
        }
        for (code, score) in self.scores.iter().filter(|(code, _)| is_id(code)) {
            let score = score.as_f64().unwrap_or_default();
            line.push_str(&format!("; {code}={score:.3}"));
        }
        if let Some(unscored) = self.unscored {
            line.push_str(&format!("; unscored={}", unscored.code()));
        }
        line
    }
}

/// Azure's name for what was found in a choice.
const RESULTS: &str = "content_filter_results";

/// The field of a choice that Azure's clients look for.
pub fn choice_field(results: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(RESULTS.to_owned(), Value::Object(results))])
}

impl Annotation {
    /// The body of an answer with the annotation. Where nothing is said inside its choices, everything
    /// else keeps its bytes. What is not a JSON object stays as it is.
    pub fn onto(&self, body: &Bytes) -> Bytes {
        let Ok(Value::Object(mut object)) = json::parse(body) else { return body.clone() };
        let fields = self.fields(true);
        let is_said_before = fields.keys().any(|name| object.contains_key(name));
        let end = body.iter().rposition(|byte| *byte == b'}').and_then(|end| body.get(..end));
        let appended = end.filter(|_| !self.speaks_of_choices() && !is_said_before);
        if let (Some(before), false) = (appended, object.is_empty()) {
            let ours = Value::Object(fields).to_string();
            let ours = ours.strip_prefix('{').unwrap_or_default();
            return Bytes::from([before, b",", ours.as_bytes()].concat());
        }
        let choices = object.get_mut("choices").and_then(Value::as_array_mut);
        for (position, choice) in choices.into_iter().flatten().enumerate() {
            let found = self.found.as_ref().and_then(|found| found.choices.get(position));
            if let (Value::Object(choice), Some((_, phrased))) = (choice, found) {
                choice.extend(choice_field(phrased.results.clone()));
            }
        }
        object.extend(fields);
        Bytes::from(Value::Object(object).to_string())
    }

    /// What is said of the prompt before a stream begins; `None` where that is not done, or there is
    /// nothing to say.
    pub fn first_event(&self) -> Option<Bytes> {
        let prompt = self.found.as_ref().filter(|_| self.is_chunked())?.prompt_results();
        Some(Frame::of(self.dialect).beside(&[], prompt))
    }

    /// What is said at the end of a stream, in an event that says nothing else. `prompt_too`, unless
    /// that went out before. Choices that were blocked have said it themselves.
    pub fn last_event(&self, frame: &Frame, prompt_too: bool) -> Bytes {
        let choices = self.found.iter().flat_map(|found| &found.choices);
        let choices = choices.filter(|(_, phrased)| self.is_chunked() && !phrased.blocked);
        let choices: Vec<(u32, Map<String, Value>)> = choices
            .map(|(index, phrased)| (*index, choice_field(phrased.results.clone())))
            .collect();
        frame.beside(&choices, self.fields(prompt_too))
    }

    /// What is said beside the choices.
    fn fields(&self, prompt_too: bool) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(found) = &self.found {
            match self.dialect {
                Dialect::Chat | Dialect::Completions | Dialect::Embeddings if prompt_too => {
                    fields.extend(found.prompt_results());
                }
                Dialect::Responses => {
                    fields.insert("content_filters".to_owned(), found.content_filters());
                }
                Dialect::Chat | Dialect::Completions | Dialect::Embeddings | Dialect::Messages => {}
            }
            let account = serde_json::to_value(&found.account).unwrap_or_default();
            fields.insert("wardgate".to_owned(), account);
        }
        let moderation = self.moderation.clone();
        fields.extend(moderation.map(|moderation| ("moderation".to_owned(), moderation)));
        fields
    }

    fn is_chunked(&self) -> bool {
        matches!(self.dialect, Dialect::Chat | Dialect::Completions)
    }

    fn speaks_of_choices(&self) -> bool {
        self.is_chunked() && self.found.as_ref().is_some_and(|found| !found.choices.is_empty())
    }
}

impl Found {
    fn prompt_results(&self) -> Map<String, Value> {
        let mut prompt = Map::from_iter([("prompt_index".to_owned(), Value::from(0))]);
        prompt.extend(choice_field(self.prompt.results.clone()));
        Map::from_iter([("prompt_filter_results".to_owned(), json!([prompt]))])
    }

    /// The same as Azure's Responses have it.
    fn content_filters(&self) -> Value {
        let entry = |source: &str, phrased: &Phrased| {
            json!({
                "blocked": phrased.blocked,
                "source_type": source,
                "content_filter_raw": [],
                "content_filter_results": phrased.results,
                "content_filter_offsets": {"start_offset": 0, "end_offset": 0, "check_offset": 0},
            })
        };
        let answers = self.choices.iter().map(|(_, phrased)| entry("completion", phrased));
        Value::Array(std::iter::once(entry("prompt", &self.prompt)).chain(answers).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Map, Value, json};

    use super::{Account, Annotation, Found, Phrased, Summary};
    use crate::taxonomy::Taxonomy;
    use crate::verdict::{Judgement, Score, Scores};
    use crate::wire::{Dialect, Frame};

    fn annotation(dialect: Dialect) -> Annotation {
        let taxonomy = Taxonomy::new([("A", "a"), ("B", "b")]);
        let score = |value| Score::new(value).unwrap();
        let scores = Scores::new(score(0.5), vec![score(0.25), score(0.0001)]);
        let prompt = Summary::new(&Judgement::read(scores, 3), &taxonomy, "annotate");
        let account = Account {
            exchange: "01J".to_owned(),
            policy: "default@1f3a".to_owned(),
            prompt: Some(prompt),
            response: None,
        };
        let results = |word: &str| Map::from_iter([("A".to_owned(), Value::from(word))]);
        let phrased = |word: &str| Phrased { results: results(word), blocked: false };
        let found = Found { account, prompt: phrased("p"), choices: vec![(0, phrased("c"))] };
        Annotation { dialect, found: Some(found), moderation: None }
    }

    const OURS: &str = concat!(
        r#""wardgate":{"exchange":"01J","policy":"default@1f3a","prompt":{"decision":"annotate","#,
        r#""unsafe":0.5,"scores":{"A":0.25},"coverage":{"read":3,"total":3},"unscored":null},"#,
        r#""response":null}"#,
    );

    const PROMPT: &str =
        r#""prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"A":"p"}}]"#;

    #[test]
    fn an_annotated_answer_says_so_where_its_clients_look() {
        #[track_caller]
        fn check(dialect: Dialect, body: &'static str, expected: &str) {
            let annotated = annotation(dialect).onto(&Bytes::from_static(body.as_bytes()));
            let expected = expected.replace("OURS", OURS).replace("PROMPT", PROMPT);
            assert_eq!(annotated, expected, "{body}");
        }
        let messages = |body, expected| check(Dialect::Messages, body, expected);
        messages(r#" { "a" : 1.50 , "b":{} } "#, r#" { "a" : 1.50 , "b":{} ,OURS}"#);
        messages("{}", "{OURS}");
        messages(r#"{"wardgate":"forged","a":1}"#, r#"{OURS,"a":1}"#);
        messages("[1]", "[1]");
        check(
            Dialect::Chat,
            r#"{"a":1,"choices":[{"b":2},{"b":3}]}"#,
            r#"{"a":1,"choices":[{"b":2,"content_filter_results":{"A":"c"}},{"b":3}],PROMPT,OURS}"#,
        );
    }

    #[test]
    fn a_response_is_annotated_as_azures_are() {
        let body = Bytes::from_static(br#"{"output":[]}"#);
        let body: Value =
            serde_json::from_slice(&annotation(Dialect::Responses).onto(&body)).unwrap();
        let of = |at: usize| &body["content_filters"][at];
        assert_eq!(
            (&of(0)["source_type"], &of(1)["source_type"]),
            (&json!("prompt"), &json!("completion"))
        );
        assert_eq!(of(1)["content_filter_results"], json!({"A": "c"}));
        assert_eq!(of(1)["blocked"], false);
    }

    #[test]
    fn a_stream_is_annotated_by_chunks_of_its_own() {
        let head = r#"data: {"id":"","object":"chat.completion.chunk","created":0,"model":"","#;
        let chat = annotation(Dialect::Chat);
        let expected = format!("{head}\"choices\":[],{PROMPT}}}\n\n");
        assert_eq!(chat.first_event().unwrap(), expected);
        let choice =
            r#"{"index":0,"delta":{},"finish_reason":null,"content_filter_results":{"A":"c"}}"#;
        let expected = format!("{head}\"choices\":[{choice}],{OURS}}}\n\n");
        assert_eq!(chat.last_event(&Frame::of(Dialect::Chat), false), expected);

        let message = annotation(Dialect::Messages);
        assert_eq!(message.first_event(), None);
        let expected = format!("event: ping\ndata: {{\"type\":\"ping\",{OURS}}}\n\n");
        assert_eq!(message.last_event(&Frame::of(Dialect::Messages), true), expected);
    }

    #[test]
    fn a_summary_fits_on_a_line() {
        let found = annotation(Dialect::Chat).found.unwrap();
        let line = found.account.prompt.map(|prompt| prompt.line());
        assert_eq!(line.as_deref(), Some("annotate; unsafe=0.500; A=0.250"));
    }
}
