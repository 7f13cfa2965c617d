//! As written to as used; reports everything that is wrong at once, each with its place and remedy.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;
use toml::de::DeTable;

use crate::policy::block;
use crate::policy::file::{Faults, Table};
use crate::policy::rule::{
    Action, Annotate, CATEGORY, CategoryRule, FailureMode, History, Mode, Phase, PhaseRules,
    Policy, Thresholds,
};
use crate::policy::wanted::{Wanted, covers};
use crate::taxonomy::{Category, Taxonomy};
use crate::transcript::Grain;
use crate::verdict::Score;

/// How many hex digits of the source's digest make a version.
const VERSION: usize = 8;

/// A policy, and what is allowed and yet odd about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Compiled {
    /// The policy.
    pub policy: Policy,
    /// Thresholds that can never matter, say.
    pub warnings: Vec<Problem>,
    /// The fields it allows by name, each with its line: whether anything is refused by that name is
    /// known to whoever reads requests.
    pub allowed: Vec<(String, usize)>,
}

/// Something wrong, or odd, in a policy file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Everything that is wrong with a policy file, in the order of its lines.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.unwrap_or(1);
        write!(f, "{}:{line}: {}; {}", self.file, self.what, self.remedy)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

/// Reads a policy for a guard with these categories. `file` is only named in problems.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn compile(source: &str, file: &str, taxonomy: &Taxonomy) -> Result<Compiled, Problems> {
    let taxonomy = taxonomy.clone();
    let (faults, oddities) = (Faults::default(), Faults::default());
    let mut reading = Reading { taxonomy, faults, oddities, allowed: Vec::new() };
    let policy = match DeTable::parse(source) {
        Ok(table) => reading.policy(&Table::root(table.get_ref()), source),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            reading.faults.note(at, format!("not TOML: {}", error.message()), "mend the syntax");
            None
        }
    };
    let line = |at: usize| 1 + source.get(..at).unwrap_or(source).matches('\n').count();
    let problems = |faults: Faults| {
        let mut problems: Vec<_> = faults.0;
        problems.sort_by_key(|fault| fault.at);
        // A rule on a group is read once for each of it.
        problems.dedup_by(|one, other| (one.at, &one.what) == (other.at, &other.what));
        let problem = |fault: crate::policy::file::Fault| Problem {
            file: file.to_owned(),
            line: Some(line(fault.at)),
            what: fault.what,
            remedy: fault.remedy,
        };
        problems.into_iter().map(problem).collect::<Vec<_>>()
    };
    match policy {
        Some(policy) if reading.faults.0.is_empty() => {
            let allowed = reading.allowed.into_iter().map(|(name, at)| (name, line(at.start)));
            let allowed = allowed.collect();
            Ok(Compiled { policy, warnings: problems(reading.oddities), allowed })
        }
        _ => Err(Problems(problems(reading.faults))),
    }
}

struct Reading {
    taxonomy: Taxonomy,
    faults: Faults,
    oddities: Faults,
    /// Fields that are allowed by name, each with its place.
    allowed: Vec<(String, Range<usize>)>,
}

const TOP: [&str; 12] = [
    "name",
    "description",
    "mode",
    "annotate",
    "block",
    "history",
    "allow",
    "placeholder",
    "unscored",
    "unsafe",
    "category",
    "pattern",
];
const ANNOTATE: [(&str, Annotate); 3] =
    [("off", Annotate::Off), ("headers", Annotate::Headers), ("body", Annotate::Body)];
const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
const GRAINS: [(&str, Grain); 3] =
    [("span", Grain::Span), ("sentence", Grain::Sentence), ("part", Grain::Part)];
const HISTORY: [(&str, History); 2] = [("all", History::All), ("latest", History::Latest)];
const FAILURE: [(&str, FailureMode); 2] =
    [("block", FailureMode::Closed), ("allow", FailureMode::Open)];

impl Reading {
    fn policy(&mut self, root: &Table<'_, '_>, source: &str) -> Option<Policy> {
        root.only(&TOP, &mut self.faults);
        let name = self.name(root);
        let description = root.string("description", &mut self.faults).map(|(text, _)| text);
        let mode = root.word("mode", &MODES, &mut self.faults).unwrap_or_default();
        let wanted = Wanted::read(root, &self.taxonomy, &mut self.faults);
        self.taxonomy = wanted.taxonomy.clone();
        let annotate = root.word("annotate", &ANNOTATE, &mut self.faults).unwrap_or_default();
        let block = block::read(root, &wanted, &mut self.faults);
        let history = self.history(root);
        if let Some(allow) = root.table("allow", &mut self.faults) {
            allow.only(&["fields"], &mut self.faults);
            self.allowed = allow.strings("fields", &mut self.faults);
        }
        let allowed = self.allowed.iter().map(|(name, _)| name.clone()).collect();
        let placeholder = self.placeholder(root);
        let mut prompt = self.phase(root, Phase::Prompt, &wanted);
        let mut response = self.phase(root, Phase::Response, &wanted);
        self.whole_tables(root, &wanted);
        let looks =
            |rules: &PhaseRules| rules.categories.iter().any(|rule| wanted.is_found(rule.category));
        let (in_prompt, in_response) = (looks(&prompt), looks(&response));
        if in_prompt || in_response {
            let patterns = wanted.patterns();
            prompt.patterns = in_prompt.then(|| Arc::clone(&patterns));
            response.patterns = in_response.then_some(patterns);
        }
        let name = name?;
        let version: String = Sha256::digest(source.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .chars()
            .take(VERSION)
            .collect();
        let label = format!("{name}@{version}");
        let description = description.unwrap_or_default();
        let taxonomy = self.taxonomy.clone();
        Some(Policy {
            name,
            version,
            label,
            description,
            mode,
            taxonomy,
            annotate,
            block,
            history,
            allowed,
            placeholder,
            prompt,
            response,
        })
    }

    fn history(&mut self, root: &Table<'_, '_>) -> History {
        let history = root.word("history", &HISTORY, &mut self.faults).unwrap_or_default();
        if let (History::Latest, Some((_, place))) =
            (history, root.string("history", &mut Faults::default()))
        {
            let what = "`history` = \"latest\" leaves unread what a request gives as said before";
            let remedy = "write \"all\" unless clients cannot write requests themselves";
            self.oddities.note(place, what, remedy);
        }
        history
    }

    fn placeholder(&mut self, root: &Table<'_, '_>) -> String {
        const LONGEST: usize = 200;
        let default = || format!("[redacted: {CATEGORY}]");
        let Some((words, place)) = root.string("placeholder", &mut self.faults) else {
            return default();
        };
        if words.len() > LONGEST || words.chars().any(char::is_control) {
            let what = "`placeholder` is long, or holds control characters";
            let remedy =
                format!("write one line of at most {LONGEST} bytes, such as {}", default());
            self.faults.note(place, what, remedy);
        }
        words
    }

    fn name(&mut self, root: &Table<'_, '_>) -> Option<String> {
        let Some((name, place)) = root.string("name", &mut self.faults) else {
            if !root.has("name") {
                self.faults.note(0..0, "the policy has no `name`", "give it one: name = \"mine\"");
            }
            return None;
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let remedy = "use at most 64 of a-z, 0-9, - and _";
            self.faults.note(place, "`name` is not a plain word", remedy);
            return None;
        }
        Some(name)
    }

    /// Keys that belong to no phase are looked at once.
    fn whole_tables(&mut self, root: &Table<'_, '_>, wanted: &Wanted) {
        let phases = ["prompt", "response"];
        if let Some(unscored) = root.table("unscored", &mut Faults::default()) {
            unscored.only(&phases, &mut self.faults);
        }
        if let Some(unsafe_) = root.table("unsafe", &mut Faults::default()) {
            unsafe_.only(&["prompt", "response", "except"], &mut self.faults);
        }
        let Some(categories) = root.table("category", &mut self.faults) else { return };
        for (code, place) in categories.keys() {
            let known = self.taxonomy.by_code(code);
            let is_guards = known.is_some_and(|category| self.taxonomy.is_share(category));
            if known.is_none() && !wanted.knows(code) {
                wanted.note_unknown(code, place, &mut self.faults);
                continue;
            }
            let Some(category) = categories.table(code, &mut self.faults) else { continue };
            if is_guards {
                category.only(&["prompt", "response", "patterns"], &mut self.faults);
            } else {
                category.only(&phases, &mut self.faults);
            }
        }
        if let Some(patterns) = root.table("pattern", &mut Faults::default()) {
            for (code, place) in patterns.keys().filter(|(code, _)| wanted.is_idle(code)) {
                let what = format!("no rule acts on what [pattern.{code}] finds");
                let remedy = format!("add one: [category.{code}]");
                self.oddities.note(place, what, remedy);
            }
        }
    }

    fn phase(&mut self, root: &Table<'_, '_>, phase: Phase, wanted: &Wanted) -> PhaseRules {
        // A table that is none is noted once, with the prompt.
        let mut noted_before = Faults::default();
        let faults = if phase == Phase::Prompt { &mut self.faults } else { &mut noted_before };
        let unscored_table = root.table("unscored", faults);
        let unsafe_table = root.table("unsafe", faults);
        let unscored = unscored_table
            .and_then(|table| table.word(phase.as_str(), &FAILURE, &mut self.faults))
            .unwrap_or_default();
        let unsafe_ = unsafe_table
            .as_ref()
            .and_then(|table| self.thresholds(table, phase.as_str()))
            .unwrap_or_default();
        let mut excepted = Vec::new();
        if let Some(table) = &unsafe_table {
            for (code, place) in
                table.strings("except", faults_of(phase, &mut self.faults, &mut noted_before))
            {
                let known = self.taxonomy.by_code(&code);
                let share = known.filter(|category| self.taxonomy.is_share(*category));
                if phase == Phase::Prompt && share.is_none() {
                    if wanted.knows(&code) {
                        let what =
                            format!("`{code}` is found by patterns, and no part of p(unsafe)");
                        self.faults.note(place, what, "take it out of `except`");
                    } else {
                        wanted.note_unknown(&code, place, &mut self.faults);
                    }
                }
                excepted.extend(share);
            }
        }
        let categories = self.categories(root, phase, &unsafe_, &mut excepted, wanted);
        PhaseRules { unscored, unsafe_, excepted, categories, patterns: None }
    }

    fn categories(
        &mut self,
        root: &Table<'_, '_>,
        phase: Phase,
        unsafe_: &Thresholds,
        excepted: &mut Vec<Category>,
        wanted: &Wanted,
    ) -> Vec<CategoryRule> {
        let Some(tables) = root.table("category", &mut Faults::default()) else {
            return Vec::new();
        };
        let mut rules = Vec::new();
        for category in self.taxonomy.categories() {
            let code = self.taxonomy.code(category).to_owned();
            let key = phase.as_str();
            let Some(table) = rule_on(&tables, &code, key) else { continue };
            if table.is_string(key) {
                match table.string(key, &mut self.faults) {
                    Some((word, place)) if word != "allow" => {
                        let what = format!("`{}` is \"{word}\"", table.below(key));
                        let remedy = "write \"allow\", or thresholds such as { block = 0.5 }";
                        self.faults.note(place, what, remedy);
                    }
                    _ if !self.taxonomy.is_share(category) => {}
                    _ if excepted.contains(&category) => {}
                    _ => excepted.push(category),
                }
                continue;
            }
            let Some(thresholds) = self.thresholds(&table, key) else { continue };
            if !excepted.contains(&category) && !wanted.is_found(category) {
                self.note_idle(&table, phase, &thresholds, unsafe_);
            }
            rules.push(CategoryRule { category, code, thresholds });
        }
        rules
    }

    /// A category's score never exceeds p(unsafe), so a threshold at or above that of [unsafe] for the
    /// same or a stricter action changes nothing.
    fn note_idle(
        &mut self,
        table: &Table<'_, '_>,
        phase: Phase,
        own: &Thresholds,
        unsafe_: &Thresholds,
    ) {
        for (action, threshold) in own.strictest_first() {
            let covering = unsafe_
                .strictest_first()
                .find(|(stricter, reached)| *stricter >= action && *reached <= threshold);
            if let Some((stricter, reached)) = covering {
                let what = format!(
                    "`{}.{}` = {threshold} can never matter: [unsafe] reaches {} at {reached} already",
                    table.below(phase.as_str()),
                    action.as_str(),
                    stricter.as_str(),
                );
                let remedy = "lower it, or list the category in `except` of [unsafe]";
                self.oddities.note(table.place(), what, remedy);
            }
        }
    }

    fn thresholds(&mut self, parent: &Table<'_, '_>, key: &str) -> Option<Thresholds> {
        let table = parent.table(key, &mut self.faults)?;
        table.only(&["annotate", "redact", "block", "grain"], &mut self.faults);
        let annotate = self.threshold(&table, Action::Annotate);
        let redact = self.threshold(&table, Action::Redact);
        let block = self.threshold(&table, Action::Block);
        let grain = table.word("grain", &GRAINS, &mut self.faults);
        if grain.is_some() && redact.is_none() {
            let what = format!("`{}` says nothing without `redact`", table.below("grain"));
            self.oddities.note(table.place(), what, "add a threshold, or take it out");
        }
        let score = |written: Option<(Score, Range<usize>)>| written.map(|(score, _)| score);
        let (annotate, redact, block) = (score(annotate), score(redact), score(block));
        let rising = [annotate, redact, block].into_iter().flatten();
        if !rising.is_sorted() {
            let what = format!("the thresholds of `{}` fall", parent.below(key));
            self.faults.note(table.place(), what, "a stricter action needs a higher threshold");
        }
        Some(Thresholds { annotate, redact, block, grain })
    }

    fn threshold(
        &mut self,
        table: &Table<'_, '_>,
        action: Action,
    ) -> Option<(Score, Range<usize>)> {
        let (number, place) = table.number(action.as_str(), &mut self.faults)?;
        let in_range = (0.0..=1.0).contains(&number);
        #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
        let score = Score::new(number as f32).filter(|_| in_range);
        let path = table.below(action.as_str());
        if score.is_none() {
            let what = format!("`{path}` is not a probability");
            self.faults.note(place.clone(), what, "write a number from 0 to 1");
        } else if number == 0.0 {
            let what = format!("`{path}` = 0 always applies");
            self.oddities.note(place.clone(), what, "write a number above 0 unless that is meant");
        }
        Some((score?, place))
    }
}

/// The table with the rule on a category in one phase: its own, or that of the smallest group it is in.
fn rule_on<'t, 's>(tables: &Table<'t, 's>, code: &str, phase: &str) -> Option<Table<'t, 's>> {
    let names = tables.keys().map(|(name, _)| name).filter(|name| covers(name, code));
    let tables = names.filter_map(|name| Some((name, tables.table(name, &mut Faults::default())?)));
    let ruling = tables.filter(|(_, table)| table.has(phase));
    ruling.max_by_key(|(name, _)| (*name == code, name.len())).map(|(_, table)| table)
}

fn faults_of<'f>(phase: Phase, first: &'f mut Faults, second: &'f mut Faults) -> &'f mut Faults {
    if phase == Phase::Prompt { first } else { second }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::compile;
    use crate::taxonomy::Taxonomy;

    fn any_file() -> impl Strategy<Value = String> {
        let words = vec![
            "name", "mode", "unsafe", "unscored", "category", "S6", "S99", "prompt", "response",
            "block", "annotate", "except", "=", ".", "\"", "[", "]", "{", "}", ",", "\n", " ",
            "0.5", "-1", "nan", "true", "#", "é", "'", "\\",
        ];
        let line = prop::collection::vec(prop::sample::select(words), 0..40);
        prop_oneof![any::<String>(), line.prop_map(|words| words.concat())]
    }

    proptest! {
        #[test]
        fn any_file_is_a_policy_or_its_problems_are_said(source in any_file()) {
            if let Err(problems) = compile(&source, "p.toml", &Taxonomy::llama_guard_2()) {
                prop_assert!(!problems.to_string().is_empty());
            }
        }
    }
}
