//! What a line says.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::policy::{Decision, Fired};
use crate::taxonomy::Taxonomy;
use crate::verdict::{Coverage, Judgement, Score, Unscored};

/// Scores below this are left out.
const LEAST: f32 = 0.001;

/// How an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The answer went to the client.
    Delivered,
    /// The request was refused.
    Refused,
    /// The answer, or a choice of it, was kept back.
    Withheld,
    /// The stream was cut.
    Cut,
    /// The upstream or the gateway failed.
    Failed,
    /// The client left.
    Abandoned,
}

impl Outcome {
    /// The word for records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether something was done to the exchange, which must be on disk before it shows.
    pub(super) fn is_action(self) -> bool {
        match self {
            Self::Refused | Self::Withheld | Self::Cut => true,
            Self::Delivered | Self::Failed | Self::Abandoned => false,
        }
    }
}

/// What was found and decided in one phase.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PhaseRecord {
    decision: &'static str,
    #[serde(rename = "unsafe")]
    unsafe_: Option<Value>,
    scores: Map<String, Value>,
    rules: Vec<Value>,
    coverage: Coverage,
    unscored: Option<Unscored>,
    guard_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<u32>,
    /// How much of the coverage's total the policy leaves unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_over: Option<u64>,
}

impl PhaseRecord {
    /// Sums up a phase; `guard` is how long the guard took, waiting included.
    pub fn new(
        judgement: &Judgement,
        decision: &Decision,
        taxonomy: &Taxonomy,
        guard: Duration,
        windows: Option<u32>,
    ) -> Self {
        let scores = taxonomy.categories().filter_map(|category| {
            let score = judgement.highest_of(category).filter(|score| score.get() >= LEAST)?;
            Some((taxonomy.code(category).to_owned(), round(score)))
        });
        let rule = |fired: &Fired| {
            let mut rule = json!({
                "on": fired.on,
                "action": fired.action.as_str(),
                "threshold": round(fired.threshold),
                "score": round(fired.score),
            });
            if !fired.reading.is_faithful() {
                rule["reading"] = fired.reading.as_str().into();
            }
            rule
        };
        Self {
            decision: decision.action.as_str(),
            unsafe_: judgement.highest().map(round),
            scores: scores.collect(),
            rules: decision.rules.iter().map(rule).collect(),
            coverage: judgement.coverage,
            unscored: judgement.unscored,
            guard_ms: millis(guard),
            windows,
            passed_over: None,
        }
    }

    /// The same, of which the policy leaves so much unread.
    #[must_use]
    pub fn passing_over(self, units: u64) -> Self {
        Self { passed_over: (units > 0).then_some(units), ..self }
    }
}

/// Milliseconds with one digit after the point.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Six digits are enough to replay a decision, and do not pretend to more.
fn round(score: Score) -> Value {
    json!((f64::from(score.get()) * 1e6).round() / 1e6)
}
