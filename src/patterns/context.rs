//! The words around a match, which say what it is.

use std::ops::Range;

use crate::patterns::folded::floor;

/// How many bytes before a match its name may stand.
const BEFORE: usize = 48;

/// And how many behind it.
const BEHIND: usize = 24;

/// What the words around a match make of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Context {
    /// It is called what it looks like.
    Named,
    /// Nothing is said.
    Silent,
    /// It is called something else.
    Otherwise,
}

/// Looks for the words of `near` and `far` around a match. The one that stands nearest before it
/// counts; behind it only `near` is looked for.
pub(super) fn around<N: AsRef<str>>(
    text: &str,
    range: &Range<usize>,
    near: &[N],
    far: &[&str],
) -> Context {
    if near.is_empty() && far.is_empty() {
        return Context::Silent;
    }
    let from = floor(text, range.start.saturating_sub(BEFORE));
    let before = words(text.get(from..range.start).unwrap_or_default());
    let last = |word: &str| occurrences(&before, word).last();
    let named = near.iter().filter_map(|word| last(word.as_ref())).max();
    let otherwise = far.iter().filter_map(|word| last(word)).max();
    if otherwise > named {
        return Context::Otherwise;
    }
    let behind = || {
        let to = floor(text, range.end + BEHIND);
        let behind = words(text.get(range.end..to).unwrap_or_default());
        near.iter().any(|word| occurrences(&behind, word.as_ref()).next().is_some())
    };
    if named.is_some() || behind() { Context::Named } else { Context::Silent }
}

/// The text in lower case, with `dateOfBirth` and `date_of_birth` in three words.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 8);
    let mut was_lower = false;
    for c in text.chars() {
        if was_lower && c.is_uppercase() {
            words.push(' ');
        }
        was_lower = c.is_lowercase();
        if c == '_' {
            words.push(' ');
        } else {
            words.extend(c.to_lowercase());
        }
    }
    words
}

/// Where a word begins that stands by itself.
fn occurrences(text: &str, word: &str) -> impl Iterator<Item = usize> {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|behind| behind.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::{Context, around};

    #[test]
    fn the_nearest_word_says_what_it_is() {
        let check = |text: &str, expected: Context| {
            let at = text.find('#').expect("a match");
            let found = around(text, &(at..at + 1), &["phone", "date of birth"], &["order"]);
            assert_eq!(found, expected, "{text}");
        };
        check("my phone: #", Context::Named);
        check("phoneNumber=#", Context::Named);
        check("user_phone #", Context::Named);
        check("{\"dateOfBirth\": #", Context::Named);
        check("# is my phone", Context::Named);
        check("phone of order #", Context::Otherwise);
        check("order by phone: #", Context::Named);
        check("headphones #", Context::Silent);
        check(
            "phone, and then a long way in which nothing of the kind is said: #",
            Context::Silent,
        );
        check("#", Context::Silent);
    }
}
