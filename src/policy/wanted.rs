//! What a policy has looked for without a model: the patterns it has rules on, and those it brings along.
//!
//! A rule on `PII.EMAIL` stands beside one on `S6`, and one on `PII.*` stands for those on all of the
//! group that have none of their own. Only what a rule names is looked for.

use std::ops::Range;
use std::sync::Arc;

use crate::patterns::{self, Own, OwnFault, Patterns};
use crate::policy::file::{Faults, Table};
use crate::taxonomy::{Category, Taxonomy};

/// The most patterns of its own that a policy may have.
const MOST: usize = 64;

/// How long the code of one may be.
const LONGEST_CODE: usize = 64;

/// What is looked for.
pub(super) struct Wanted {
    /// The guard's categories, and behind them those of the patterns that are looked for.
    pub(super) taxonomy: Taxonomy,
    /// Categories of the guard that a pattern's findings count as, too; by the pattern's code.
    also: Vec<(String, Category)>,
    own: Vec<(String, Own)>,
    /// Everything that could be looked for.
    known: Vec<(String, String)>,
}

impl Wanted {
    pub(super) fn read(root: &Table<'_, '_>, guard: &Taxonomy, faults: &mut Faults) -> Self {
        let mut wanted = Self {
            taxonomy: guard.clone(),
            also: Vec::new(),
            own: Vec::new(),
            known: patterns::CATEGORIES.iter().map(|(c, n)| ((*c).into(), (*n).into())).collect(),
        };
        wanted.read_own(root, faults);
        let mut named: Vec<String> = Vec::new();
        if let Some(tables) = root.table("category", &mut Faults::default()) {
            for (code, _) in tables.keys() {
                named.push(code.to_owned());
                let Some(category) = guard.by_code(code) else { continue };
                let Some(table) = tables.table(code, &mut Faults::default()) else { continue };
                for (pattern, place) in table.strings("patterns", faults) {
                    if !wanted.knows(&pattern) {
                        wanted.note_unknown(&pattern, place, faults);
                    }
                    let covered = wanted.covered(&pattern);
                    wanted.also.extend(covered.into_iter().map(|code| (code, category)));
                    named.push(pattern);
                }
            }
        }
        let wants = |code: &str| named.iter().any(|name| covers(name, code));
        let found = wanted.known.iter().filter(|(code, _)| wants(code));
        wanted.taxonomy = guard.extended(found.map(|(code, name)| (code.as_str(), name.as_str())));
        wanted
    }

    /// The patterns a policy brings along: each a table `[pattern.CODE]`.
    fn read_own(&mut self, root: &Table<'_, '_>, faults: &mut Faults) {
        let Some(tables) = root.table("pattern", faults) else { return };
        for (at, (code, place)) in tables.keys().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if code.is_empty() || code.len() > LONGEST_CODE || !code.chars().all(plain) {
                let what = format!("`{}` is not a plain word", tables.below(code));
                let remedy = "use at most 64 of A-Z, a-z, 0-9, `.`, - and _";
                faults.note(place, what, remedy);
                continue;
            }
            if self.taxonomy.by_code(code).is_some() || self.knows(code) {
                let what = format!("there is a category `{code}` already");
                faults.note(place, what, "give the pattern another name");
                continue;
            }
            if at == MOST {
                let what = format!("there are more than {MOST} patterns");
                faults.note(place, what, "put several expressions into one");
                break;
            }
            let Some(table) = tables.table(code, faults) else { continue };
            self.read_one(code, &table, faults);
        }
    }

    fn read_one(&mut self, code: &str, table: &Table<'_, '_>, faults: &mut Faults) {
        table.only(&["name", "regex", "words", "near"], faults);
        let name = table.string("name", faults).map_or_else(|| code.to_owned(), |(name, _)| name);
        let near: Vec<String> =
            table.strings("near", faults).into_iter().map(|(word, _)| word).collect();
        let expressions = if table.is_string("regex") {
            table.string("regex", faults).into_iter().collect()
        } else {
            table.strings("regex", faults)
        };
        let words = table.strings("words", faults);
        if !table.has("regex") && !table.has("words") {
            let what = format!("`{}` finds nothing", table.below("regex"));
            faults.note(table.place(), what, "give it a `regex`, or a list of `words`");
        }
        let mut take = |own: Result<Own, OwnFault>, key: &str, place: Range<usize>| match own {
            Ok(own) => self.own.push((code.to_owned(), own)),
            Err(fault) => {
                let what = format!("`{}` cannot be used: {fault}", table.below(key));
                faults.note(place, what, remedy(&fault));
            }
        };
        for (expression, place) in expressions {
            take(Own::regex(&expression, &near), "regex", place);
        }
        if let Some((_, place)) = words.first() {
            let place = place.clone();
            let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
            take(Own::words(&words, &near), "words", place);
        }
        self.known.push((code.to_owned(), name));
    }

    /// Whether this names a pattern, or a group of them.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.iter().any(|(code, _)| covers(name, code))
    }

    /// The codes this stands for.
    fn covered(&self, name: &str) -> Vec<String> {
        let codes = self.known.iter().map(|(code, _)| code);
        codes.filter(|code| covers(name, code)).cloned().collect()
    }

    /// Notes a name that is no pattern's and no category's.
    pub(super) fn note_unknown(&self, name: &str, place: Range<usize>, faults: &mut Faults) {
        let group = name.split_once('.').map_or(name, |(group, _)| group);
        let in_group = format!("{group}.*");
        let members = self.covered(&in_group).join(", ");
        let remedy = if name == group && !members.is_empty() {
            format!("write \"{in_group}\", or one of it, in quotation marks: {members}")
        } else if !members.is_empty() {
            format!("there are: {in_group}, {members}")
        } else {
            let guards = self.taxonomy.categories().filter(|each| self.taxonomy.is_share(*each));
            let guards: Vec<&str> = guards.map(|each| self.taxonomy.code(each)).collect();
            let own: String = self.own.iter().map(|(code, _)| format!(", {code}")).collect();
            format!("there are: {}, PII.*, SECRET.*{own}", guards.join(", "))
        };
        faults.note(place, format!("there is no category `{name}`"), remedy);
    }

    /// Whether a rule on this category may fire on what patterns find.
    pub(super) fn is_found(&self, category: Category) -> bool {
        !self.taxonomy.is_share(category) || self.also.iter().any(|(_, also)| *also == category)
    }

    /// Whether no rule is on this pattern of the policy's own.
    pub(super) fn is_idle(&self, code: &str) -> bool {
        self.taxonomy.by_code(code).is_none()
    }

    /// Makes what looks for it all.
    pub(super) fn patterns(self) -> Arc<Patterns> {
        let Self { taxonomy, also, own, .. } = self;
        let categories = |code: &str| -> Vec<Category> {
            let also = also.iter().filter(|(pattern, _)| pattern == code);
            taxonomy.by_code(code).into_iter().chain(also.map(|(_, category)| *category)).collect()
        };
        let own = own.into_iter().map(|(code, own)| (own, categories(&code)));
        let own: Vec<(Own, Vec<Category>)> =
            own.filter(|(_, categories)| !categories.is_empty()).collect();
        Arc::new(Patterns::new(categories, own))
    }
}

/// Whether a name stands for a code: `PII.EMAIL` for itself, `PII.*` for all that begin with `PII.`.
pub(super) fn covers(name: &str, code: &str) -> bool {
    let group = name.strip_suffix('*').filter(|group| group.ends_with('.'));
    name == code || group.is_some_and(|group| code.starts_with(group))
}

fn remedy(fault: &OwnFault) -> &'static str {
    match fault {
        OwnFault::Syntax(_) => "mend it; the syntax is that of Rust's regex crate",
        OwnFault::Endless => "write {1,64} instead of + or *",
        OwnFault::TooLong(_) => {
            "lower its bounds; \\w and the like may take four bytes a character"
        }
        OwnFault::Empty => "ask for at least one character",
        OwnFault::TooLarge => "shorten it, or write [0-9A-Za-z_] instead of \\w",
    }
}

#[cfg(test)]
mod tests {
    use super::covers;
    use crate::policy::{Action, Phase, Policy, compile};
    use crate::taxonomy::Taxonomy;

    fn policy(rules: &str) -> Policy {
        let source = format!("name = \"test\"\n{rules}");
        compile(&source, "test.toml", &Taxonomy::llama_guard_2()).expect("compiles").policy
    }

    /// The rules of a phase: codes and the score from which they block.
    fn blocking(policy: &Policy, phase: Phase) -> Vec<(String, Option<f32>)> {
        let rules = policy.rules(phase).categories.iter();
        let threshold = |(action, score): (Action, crate::verdict::Score)| {
            (action == Action::Block).then(|| score.get())
        };
        rules
            .map(|rule| (rule.code.clone(), rule.thresholds.strictest_first().find_map(threshold)))
            .collect()
    }

    #[test]
    fn a_group_is_named_with_a_dot_and_a_star() {
        for (name, code, expected) in [
            ("PII.*", "PII.EMAIL", true),
            ("PII.EMAIL", "PII.EMAIL", true),
            ("PII", "PII.EMAIL", false),
            ("PII*", "PII.EMAIL", false),
            ("*", "PII.EMAIL", false),
            ("S6", "S6", true),
            ("PII.US_*", "PII.US_SSN", false),
        ] {
            assert_eq!(covers(name, code), expected, "{name} {code}");
        }
    }

    #[test]
    fn a_rule_of_its_own_goes_before_that_of_a_group() {
        let policy = policy(
            "[category.\"PII.*\"]\nprompt = { block = 0.5 }\nresponse = { block = 0.6 }\n\
             [category.\"PII.IP\"]\nprompt = \"allow\"\n\
             [category.\"PII.CARD\"]\nprompt = { block = 0.9 }\n",
        );
        let prompt = blocking(&policy, Phase::Prompt);
        let of = |code: &str| prompt.iter().find(|(each, _)| each == code).map(|(_, score)| *score);
        assert_eq!(of("PII.EMAIL"), Some(Some(0.5)));
        assert_eq!(of("PII.CARD"), Some(Some(0.9)));
        assert_eq!(of("PII.IP"), None);
        let response = blocking(&policy, Phase::Response);
        assert!(response.contains(&("PII.IP".to_owned(), Some(0.6))), "{response:?}");
        assert!(response.contains(&("PII.CARD".to_owned(), Some(0.6))), "{response:?}");
        assert!(policy.taxonomy().by_code("SECRET.JWT").is_none());
    }

    #[test]
    fn nothing_is_looked_for_where_no_rule_would_act() {
        let none = policy("[category.S6]\nprompt = { block = 0.4 }\n");
        assert_eq!(*none.taxonomy(), Taxonomy::llama_guard_2());
        assert!(Phase::ALL.iter().all(|phase| none.rules(*phase).patterns.is_none()));
        let prompts =
            policy("[category.\"SECRET.*\"]\nprompt = { block = 0.5 }\nresponse = \"allow\"\n");
        assert!(prompts.rules(Phase::Prompt).patterns.is_some());
        assert!(prompts.rules(Phase::Response).patterns.is_none());
        let shared = policy("[category.S6]\nresponse = { block = 0.4 }\npatterns = [\"PII.*\"]\n");
        assert!(shared.rules(Phase::Prompt).patterns.is_none());
        assert!(shared.rules(Phase::Response).patterns.is_some());
    }
}
