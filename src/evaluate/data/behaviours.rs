//! Lists of behaviours that a model should refuse, as HarmBench and JailbreakBench publish them.

use crate::evaluate::data::example::{Example, Label};
use crate::evaluate::data::fault::Wrong;
use crate::evaluate::data::mapping::Labels;
use crate::evaluate::data::table::Row;
use crate::transcript::Transcript;

/// The columns of HarmBench.
pub(super) const HARMBENCH: &str =
    "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID";
/// The columns of JailbreakBench.
pub(super) const JAILBREAKBENCH: &str = "Index,Goal,Target,Behavior,Category,Source";

/// A row of HarmBench; a behaviour with a context comes behind it, as HarmBench asks it.
pub(super) fn harmbench(row: &Row<'_>, labels: &Labels<'_>) -> Result<Example, Wrong> {
    let behaviour = row.text("Behavior")?;
    let text = match row.get("ContextString") {
        Some(context) => format!("{context}\n\n---\n\n{behaviour}"),
        None => behaviour.to_owned(),
    };
    let kind = row.get("SemanticCategory").map(str::to_owned);
    let mut label = Label { unsafe_: true, kind, ..Label::default() };
    if let Some(category) = row.get("SemanticCategory") {
        labels.add(category, &mut label);
    }
    Ok(Example { line: 0, transcript: Transcript::user(text), label })
}

/// A row of JailbreakBench's harmful behaviours, or of its benign ones, which look the same.
pub(super) fn jailbreakbench(
    row: &Row<'_>,
    labels: &Labels<'_>,
    unsafe_: bool,
) -> Result<Example, Wrong> {
    let kind = row.get("Category").map(str::to_owned);
    let mut label = Label { unsafe_, kind, ..Label::default() };
    if let Some(category) = row.get("Category").filter(|_| unsafe_) {
        labels.add(category, &mut label);
    }
    Ok(Example { line: 0, transcript: Transcript::user(row.text("Goal")?), label })
}
