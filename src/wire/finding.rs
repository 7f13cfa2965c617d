//! What a client may be told of a judgement: categories, how severe, and which of them led to an
//! action. Never the text.

use serde_json::{Map, Value, json};

use crate::taxonomy::Taxonomy;
use crate::verdict::{Judgement, Score};
use crate::wire::vocabulary::azure;

/// What was found of one category.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The category's code, such as `S6`.
    pub code: String,
    /// Its name, such as `Privacy`.
    pub name: String,
    /// Its highest score.
    pub score: Score,
    /// Whether it led to the block.
    pub filtered: bool,
}

/// How severe a score is, in Azure's four words. Azure's severities grade the harm, ours how sure
/// the guard is; clients that only look for `safe` or compare with a threshold are served all the
/// same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Below 0.25.
    Safe,
    /// From 0.25.
    Low,
    /// From 0.5.
    Medium,
    /// From 0.75.
    High,
}

impl Severity {
    /// The severity of a score.
    pub fn of(score: Score) -> Self {
        match score.get() {
            score if score >= 0.75 => Self::High,
            score if score >= 0.5 => Self::Medium,
            score if score >= 0.25 => Self::Low,
            _ => Self::Safe,
        }
    }

    /// Azure's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One finding per category of the taxonomy, in order; of what patterns look for, where something was
/// found. `blocked_on` names what the rules that blocked are on: codes of categories, or `unsafe`, for
/// which the guard's category with the highest score stands.
pub fn findings(judgement: &Judgement, taxonomy: &Taxonomy, blocked_on: &[&str]) -> Vec<Finding> {
    let score = |category| judgement.highest_of(category).unwrap_or_default();
    let shares = taxonomy.categories().filter(|category| taxonomy.is_share(*category));
    let highest = shares.reduce(
        |highest, category| {
            if score(category) > score(highest) { category } else { highest }
        },
    );
    let leading = highest.filter(|_| blocked_on.contains(&"unsafe"));
    let is_said = |category: &_| taxonomy.is_share(*category) || score(*category) > Score::ZERO;
    taxonomy
        .categories()
        .filter(is_said)
        .map(|category| Finding {
            code: taxonomy.code(category).to_owned(),
            name: taxonomy.name(category).to_owned(),
            score: score(category),
            filtered: leading == Some(category) || blocked_on.contains(&taxonomy.code(category)),
        })
        .collect()
}

/// The findings in Azure's shape: under our own codes, and under Azure's words, where several categories
/// may share one and the most severe counts. What was filtered is at least of low severity.
pub fn results(findings: &[Finding]) -> Map<String, Value> {
    let mut graded: Vec<(&str, bool, Severity)> = Vec::new();
    for finding in findings {
        let least = if finding.filtered { Severity::Low } else { Severity::Safe };
        let severity = Severity::of(finding.score).max(least);
        for key in azure(&finding.name) {
            match graded.iter_mut().find(|(known, _, _)| known == key) {
                Some((_, filtered, worst)) => {
                    *filtered |= finding.filtered;
                    *worst = severity.max(*worst);
                }
                None => graded.push((key, finding.filtered, severity)),
            }
        }
        graded.push((&finding.code, finding.filtered, severity));
    }
    let result = |(key, filtered, severity): (&str, bool, Severity)| {
        (key.to_owned(), json!({"filtered": filtered, "severity": severity.as_str()}))
    };
    graded.into_iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{findings, results};
    use crate::taxonomy::Taxonomy;
    use crate::verdict::{Judgement, Score, Scores};

    fn check(scores: [f32; 3], blocked_on: &[&str], expected: Value) {
        let taxonomy = Taxonomy::new([("A", "a"), ("B", "b"), ("C", "c")]);
        let score = |value| Score::new(value).unwrap();
        let first = scores.into_iter().map(score).collect();
        let judgement = Judgement::read(Scores::new(Score::ONE, first), 1);
        let found = results(&findings(&judgement, &taxonomy, blocked_on));
        assert_eq!(Value::Object(found), expected);
    }

    #[test]
    fn categories_that_share_one_of_azures_words_are_told_by_the_most_severe() {
        let taxonomy = Taxonomy::llama_guard_2();
        let score = |value| Score::new(value).unwrap();
        let mut first = vec![Score::ZERO; taxonomy.len()];
        (first[2], first[10]) = (score(0.3), score(0.6));
        let judgement = Judgement::read(Scores::new(score(0.9), first), 1);
        let found = results(&findings(&judgement, &taxonomy, &["S3"]));
        assert_eq!(found["sexual"], json!({"filtered": true, "severity": "medium"}));
        assert_eq!(found["S3"], json!({"filtered": true, "severity": "low"}));
        assert_eq!(found["S11"], json!({"filtered": false, "severity": "medium"}));
        for word in ["hate", "self_harm", "violence"] {
            assert_eq!(found[word], json!({"filtered": false, "severity": "safe"}), "{word}");
        }
    }

    #[test]
    fn severities_follow_scores_and_filtered_follows_rules() {
        let entry =
            |filtered: bool, severity: &str| json!({"filtered": filtered, "severity": severity});
        let (safe, low) = (entry(false, "safe"), entry(false, "low"));
        check([0.1, 0.3, 0.9], &["C"], json!({"A": safe, "B": low, "C": entry(true, "high")}));
        check(
            [0.1, 0.6, 0.2],
            &["unsafe"],
            json!({"A": safe, "B": entry(true, "medium"), "C": safe}),
        );
        check(
            [0.1, 0.6, 0.2],
            &["A"],
            json!({"A": entry(true, "low"), "B": entry(false, "medium"), "C": safe}),
        );
        check([0.0, 0.0, 0.0], &[], json!({"A": safe, "B": safe, "C": safe}));
    }
}
