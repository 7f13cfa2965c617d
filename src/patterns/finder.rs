//! Finds what the wanted rules look for, in one pass over a text.
//!
//! Nothing is searched from every byte. One automaton finds the words and marks that rules begin with;
//! numbers are looked for where a word with a digit begins, all their rules at once. Only there a rule's
//! own expression is tried, at that place and no further than it reaches.

use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::meta::{Config, Regex};
use regex_automata::{Anchored, Input, PatternSet};

use crate::patterns::context::{self, Context};
use crate::patterns::folded::{Folded, floor};
use crate::patterns::own::{self, Own};
use crate::patterns::rule::{self, Rule, Start};
use crate::reading::readings;
use crate::taxonomy::Category;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Score, Span};

/// How often a match that fails its check is tried once more without its last group: what follows a
/// number may look like a part of it.
const SHORTENINGS: usize = 8;

/// A word longer than this without a digit is none that a number begins with.
const LONGEST_LEAD: usize = 9;

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Match {
    /// Where, in bytes of the text, between whole characters.
    pub range: Range<usize>,
    /// As which category.
    pub category: Category,
    /// How sure it is.
    pub score: Score,
}

/// What a policy looks for. Made once, used by all its exchanges.
#[derive(Clone)]
pub struct Patterns {
    rules: Vec<Wanted>,
    own: Vec<(Own, Vec<Category>)>,
    /// What rules begin with, and which, by their place in `rules`.
    marks: Option<AhoCorasick>,
    marked: Vec<Mark>,
    /// All rules on numbers as one, and their places in `rules`.
    numbers: Option<Regex>,
    numbered: Vec<usize>,
}

#[derive(Clone)]
struct Wanted {
    rule: &'static Rule,
    regex: Regex,
    categories: Vec<Category>,
}

/// What one mark begins.
#[derive(Clone, Copy)]
struct Mark {
    rule: usize,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Word,
    Anywhere,
    Around(fn(char) -> bool, usize),
}

/// A built-in rule with its expression, or none where it does not compile: a test says that all do.
type Compiled = (&'static Rule, OnceLock<Option<Regex>>);

/// The built-in rules' expressions, each compiled when it is first wanted.
static COMPILED: LazyLock<Vec<Compiled>> =
    LazyLock::new(|| rule::built_in().map(|rule| (rule, OnceLock::new())).collect());

impl Patterns {
    /// Looks for what `categories` gives a category to, by the code of the built-in rules; and for these
    /// patterns of a policy's own, for the categories beside them.
    pub fn new(categories: impl Fn(&str) -> Vec<Category>, own: Vec<(Own, Vec<Category>)>) -> Self {
        let compiled = COMPILED.iter().filter_map(|(rule, regex)| {
            let categories = categories(rule.code);
            if categories.is_empty() {
                return None;
            }
            let compile = || own::built_in(&[rule.regex], Config::new());
            let regex = regex.get_or_init(compile).clone()?;
            Some(Wanted { rule, regex, categories })
        });
        let rules: Vec<Wanted> = compiled.collect();
        let mut words: Vec<&str> = Vec::new();
        let mut marked = Vec::new();
        let mut numbered = Vec::new();
        for (at, wanted) in rules.iter().enumerate() {
            let (begins, place): (&[&str], Place) = match &wanted.rule.start {
                Start::Number => {
                    numbered.push(at);
                    continue;
                }
                Start::Word(words) => (words, Place::Word),
                Start::Anywhere(words) => (words, Place::Anywhere),
                Start::Around(mark, kind, most) => {
                    (std::slice::from_ref(mark), Place::Around(*kind, *most))
                }
            };
            words.extend(begins);
            marked.extend(begins.iter().map(|_| Mark { rule: at, place }));
        }
        let marks = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&words)
            .ok()
            .filter(|_| !words.is_empty());
        let sources: Vec<&str> =
            numbered.iter().filter_map(|at| Some(rules.get(*at)?.rule.regex)).collect();
        let all = Config::new().match_kind(regex_automata::MatchKind::All);
        let numbers = own::built_in(&sources, all).filter(|_| !sources.is_empty());
        Self { rules, own, marks, marked, numbers, numbered }
    }

    /// What stands in the judged turns of these texts, in all their readings. Nothing is said of their
    /// coverage: that is the guard's.
    pub fn judge(&self, transcripts: &[Transcript]) -> Judgement {
        let mut spans = Vec::new();
        for (transcript, each) in transcripts.iter().enumerate() {
            let text = &each.judged().text;
            let found = self.find(text);
            let is_known = |other: &Match| {
                found.iter().any(|it| it.category == other.category && it.score >= other.score)
            };
            let further = readings(vec![each.clone()]).transcripts.into_iter().skip(1);
            let hidden = further.flat_map(|reading| self.find(&reading.judged().text));
            // What only a further reading shows stands nowhere in particular: all of the text is meant.
            let hidden = hidden.filter(|it| !is_known(it));
            let hidden: Vec<Match> =
                hidden.map(|it| Match { range: 0..text.len(), ..it }).collect();
            spans.extend(merged(hidden).into_iter().chain(found).map(|it| Span {
                transcript,
                range: it.range,
                category: it.category,
                score: it.score,
            }));
        }
        Judgement { spans, ..Judgement::default() }
    }

    /// What stands in a text, in order; of what overlaps in one category, all of it as one.
    pub fn find(&self, text: &str) -> Vec<Match> {
        let folded = Folded::of(text);
        let mut search = Search {
            text: folded.text(),
            found: Vec::new(),
            numbers: Vec::new(),
            next: vec![0; self.rules.len()],
        };
        self.find_marked(&mut search);
        self.find_numbers(&mut search);
        self.find_own(&mut search);
        let mut found = search.found;
        found.extend(outermost(search.numbers));
        let mut found = merged(found);
        for each in &mut found {
            each.range = folded.range(each.range.clone());
        }
        found
    }

    fn find_marked(&self, search: &mut Search<'_>) {
        let Some(marks) = &self.marks else { return };
        for hit in marks.find_overlapping_iter(search.text) {
            let Some(mark) = self.marked.get(hit.pattern().as_usize()) else { continue };
            let at = match mark.place {
                Place::Word | Place::Anywhere => hit.start(),
                Place::Around(kind, most) => search.before(hit.start(), kind, most),
            };
            if !matches!(mark.place, Place::Anywhere) && search.is_inside_word(at) {
                continue;
            }
            self.attempt(mark.rule, at, search);
        }
    }

    fn find_numbers(&self, search: &mut Search<'_>) {
        let Some(numbers) = &self.numbers else { return };
        let mut which = PatternSet::new(self.numbered.len());
        let text = search.text;
        for at in beginnings(text) {
            if search.is_inside_number(at) {
                continue;
            }
            // Expressions for numbers are shorter than the longest reach, and tried within their own.
            let input = Input::new(text).range(at..text.len()).anchored(Anchored::Yes);
            which.clear();
            numbers.which_overlapping_matches(&input, &mut which);
            for each in which.iter() {
                if let Some(rule) = self.numbered.get(each.as_usize()) {
                    self.attempt(*rule, at, search);
                }
            }
        }
    }

    fn find_own(&self, search: &mut Search<'_>) {
        let text = search.text;
        for (own, categories) in &self.own {
            for hit in own.expression().find_iter(text) {
                let named = own.near.is_empty()
                    || context::around(text, &hit.range(), &own.near, &[]) == Context::Named;
                if named {
                    search.found.extend(matches(hit.range(), categories, Score::ONE));
                }
            }
        }
    }

    /// Tries a rule at one place.
    fn attempt(&self, place: usize, at: usize, search: &mut Search<'_>) {
        let (Some(wanted), Some(next)) = (self.rules.get(place), search.next.get_mut(place)) else {
            return;
        };
        if at < *next {
            return;
        }
        *next = at + 1;
        let rule = wanted.rule;
        let text = search.text;
        let end = floor(text, at + rule.reach);
        let input = Input::new(text).range(at..end).anchored(Anchored::Yes);
        let Some(range) = matched(&wanted.regex, &input) else { return };
        let Some(range) = confirmed(rule, text, range, end) else { return };
        let score = match context::around(text, &range, rule.near, rule.far) {
            Context::Named => rule.led,
            Context::Silent => rule.alone,
            Context::Otherwise => return,
        };
        let Some(score) = Score::new(score).filter(|score| *score > Score::ZERO) else { return };
        *next = range.end;
        let list = match rule.start {
            Start::Number => &mut search.numbers,
            Start::Word(_) | Start::Anywhere(_) | Start::Around(..) => &mut search.found,
        };
        list.extend(matches(range, &wanted.categories, score));
    }
}

/// A search under way.
struct Search<'t> {
    text: &'t str,
    found: Vec<Match>,
    /// The same, of numbers.
    numbers: Vec<Match>,
    /// Per rule: where it may be tried next.
    next: Vec<usize>,
}

impl Search<'_> {
    /// Where the characters of a kind begin that stand before `at`, the first of them a letter or digit.
    fn before(&self, at: usize, kind: fn(char) -> bool, most: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        let run = before.char_indices().rev().take_while(|(_, c)| kind(*c));
        let run = run.take_while(|(start, _)| at - start <= most);
        run.filter(|(_, c)| c.is_alphanumeric()).last().map_or(at, |(start, _)| start)
    }

    fn is_inside_word(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.text.as_bytes().get(before));
        before.is_some_and(|byte| is_word(*byte))
    }

    /// Whether what begins here goes on a number, as the digits behind a decimal point do.
    fn is_inside_number(&self, at: usize) -> bool {
        let byte = |back: usize| self.text.as_bytes().get(at.checked_sub(back)?).copied();
        let is_joint = byte(1).is_some_and(|byte| matches!(byte, b'.' | b'-'));
        is_joint && byte(2).is_some_and(|byte| byte.is_ascii_digit())
    }
}

/// Where a number may begin: at a word with a digit in it, or with one right behind it; also at the sign
/// or bracket before.
fn beginnings(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let words = std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(u8::is_ascii_alphanumeric)?;
        let word = bytes.get(start..)?;
        let length = word.iter().position(|byte| !byte.is_ascii_alphanumeric());
        let length = length.unwrap_or(word.len());
        at = start + length;
        let digit_in = word.get(..length)?.iter().any(u8::is_ascii_digit);
        let joint = word.get(length).is_some_and(|byte| matches!(byte, b' ' | b'-'));
        let digit_behind = joint && word.get(length + 1).is_some_and(u8::is_ascii_digit);
        Some((start, digit_in || (digit_behind && length <= LONGEST_LEAD)))
    });
    words.filter(|(_, numbered)| *numbered).flat_map(move |(start, _)| {
        let before = start.checked_sub(1);
        let sign = before.filter(|at| matches!(bytes.get(*at), Some(b'+' | b'(')));
        // The name of a field may be joined to a value by a blank: `_` stands inside a name.
        let word = Some(start).filter(|_| before.is_none_or(|at| bytes.get(at) != Some(&b'_')));
        sign.into_iter().chain(word)
    })
}

/// What an expression finds at the beginning of its input: its group, where it has one.
fn matched(regex: &Regex, input: &Input<'_>) -> Option<Range<usize>> {
    if regex.captures_len() < 2 {
        return regex.search(input).map(|found| found.range());
    }
    let mut captures = regex.create_captures();
    regex.search_captures(input, &mut captures);
    captures.get_group(1).map(|group| group.range())
}

/// As much of a match as ends where a value may, and passes its check.
fn confirmed(
    rule: &Rule,
    text: &str,
    mut range: Range<usize>,
    limit: usize,
) -> Option<Range<usize>> {
    let is_number = matches!(rule.start, Start::Number);
    for _ in 0..=SHORTENINGS {
        let matched = text.get(range.clone())?;
        // What is longer than its rule reaches ends there.
        let ends = range.end == limit || is_end(text.as_bytes(), range.end, is_number);
        if ends && rule.check.is_none_or(|check| check(matched)) {
            return Some(range);
        }
        if !is_number {
            return None;
        }
        range.end = range.start + matched.rfind([' ', '-', '/'])?;
    }
    None
}

/// Whether a value may end here: nothing goes on.
fn is_end(bytes: &[u8], at: usize, is_number: bool) -> bool {
    let Some(next) = bytes.get(at) else { return true };
    let is_joint = is_number && matches!(next, b'.' | b'-');
    let goes_on = is_joint && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    !(is_word(*next) || goes_on)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// One stretch as each of several categories.
fn matches(
    range: Range<usize>,
    categories: &[Category],
    score: Score,
) -> impl Iterator<Item = Match> {
    categories.iter().map(move |category| Match {
        range: range.clone(),
        category: *category,
        score,
    })
}

/// Numbers, but for those within another that is surer: the digits of an account are no telephone
/// number.
fn outermost(mut numbers: Vec<Match>) -> Vec<Match> {
    numbers.sort_by(|one, other| {
        let key = |each: &Match| (each.range.start, Reverse(each.range.end));
        let surer = other.score.get().total_cmp(&one.score.get());
        key(one).cmp(&key(other)).then(surer)
    });
    let mut widest = (0, Score::ZERO);
    numbers.retain(|each| {
        let is_within = each.range.end <= widest.0 && each.score < widest.1;
        if each.range.end > widest.0 {
            widest = (each.range.end, each.score);
        }
        !is_within
    });
    numbers
}

/// Matches in order, those of one category that overlap as one.
fn merged(mut found: Vec<Match>) -> Vec<Match> {
    found.sort_by_key(|each| (each.category, each.range.start));
    let mut merged: Vec<Match> = Vec::with_capacity(found.len());
    for each in found {
        match merged.last_mut() {
            Some(last) if last.category == each.category && each.range.start < last.range.end => {
                last.range.end = last.range.end.max(each.range.end);
                last.score = last.score.max(each.score);
            }
            _ => merged.push(each),
        }
    }
    merged.sort_by_key(|each| (each.range.start, each.range.end));
    merged
}

/// Two are the same that look for the same.
impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Wanted, &Wanted)| {
            std::ptr::eq(one.rule, other.rule) && one.categories == other.categories
        };
        self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(same)
            && self.own == other.own
    }
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut codes: Vec<&str> = self.rules.iter().map(|wanted| wanted.rule.code).collect();
        codes.dedup();
        f.debug_struct("Patterns").field("codes", &codes).field("own", &self.own.len()).finish()
    }
}

#[cfg(test)]
mod tests;
