//! Says what was found, in an object `wardgate` beside the answer.
//!
//! The shapes that Azure's clients know are still to come; this is our own, with scores as numbers.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::taxonomy::Taxonomy;
use crate::verdict::{Coverage, Judgement, Score, Unscored};
use crate::wire::Frame;
use crate::wire::json;

/// The name of our object.
const NAME: &str = "wardgate";

/// Scores below this are left out.
const LEAST: f32 = 0.001;

/// What was found in an exchange.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Annotation {
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

impl Annotation {
    /// The body of an answer with the annotation. Everything else keeps its bytes, unless the body
    /// has an object of our name already: ours takes its place. What is not a JSON object stays as
    /// it is.
    pub fn onto(&self, body: &Bytes) -> Bytes {
        let Ok(Value::Object(mut object)) = json::parse(body) else { return body.clone() };
        let ours = self.value();
        let end = body.iter().rposition(|byte| *byte == b'}').and_then(|end| body.get(..end));
        let (false, Some(before)) = (object.contains_key(NAME) || object.is_empty(), end) else {
            object.insert(NAME.to_owned(), ours);
            return Bytes::from(Value::Object(object).to_string());
        };
        let ours = format!(",\"{NAME}\":{ours}}}");
        Bytes::from([before, ours.as_bytes()].concat())
    }

    /// The annotation as one event of a stream, which says nothing else.
    pub fn as_event(&self, frame: &Frame) -> Bytes {
        frame.beside(Map::from_iter([(NAME.to_owned(), self.value())]))
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Annotation, Summary};
    use crate::taxonomy::Taxonomy;
    use crate::verdict::{Judgement, Score, Scores};
    use crate::wire::{Dialect, Frame};

    fn annotation() -> Annotation {
        let taxonomy = Taxonomy::new([("A", "a"), ("B", "b")]);
        let score = |value| Score::new(value).unwrap();
        let scores = Scores::new(score(0.5), vec![score(0.25), score(0.0001)]);
        let prompt = Summary::new(&Judgement::read(scores, 3), &taxonomy, "annotate");
        Annotation {
            exchange: "01J".to_owned(),
            policy: "default@1f3a".to_owned(),
            prompt: Some(prompt),
            response: None,
        }
    }

    const OURS: &str = concat!(
        r#""wardgate":{"exchange":"01J","policy":"default@1f3a","prompt":{"decision":"annotate","#,
        r#""unsafe":0.5,"scores":{"A":0.25},"coverage":{"read":3,"total":3},"unscored":null},"#,
        r#""response":null}"#,
    );

    #[test]
    fn an_annotated_answer_keeps_its_other_bytes() {
        let check = |body: &'static str, expected: &str| {
            let annotated = annotation().onto(&Bytes::from_static(body.as_bytes()));
            assert_eq!(annotated, expected.replace("OURS", OURS), "{body}");
        };
        check(r#" { "a" : 1.50 , "b":{} } "#, r#" { "a" : 1.50 , "b":{} ,OURS}"#);
        check("{}", "{OURS}");
        check(r#"{"wardgate":"forged","a":1}"#, r#"{OURS,"a":1}"#);
        check("[1]", "[1]");
    }

    #[test]
    fn a_stream_is_annotated_by_a_chunk_without_choices() {
        let head = r#"data: {"id":"","object":"chat.completion.chunk","created":0,"model":"","#;
        let expected = format!("{head}\"choices\":[],{OURS}}}\n\n");
        assert_eq!(annotation().as_event(&Frame::of(Dialect::Chat)), expected);
    }
}
