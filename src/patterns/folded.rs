//! A text with its many kinds of digits, blanks and dashes made one kind each, and the way back.
//!
//! A number is the same number in full-width digits, with narrow blanks between its groups or with
//! something invisible in it. Rules are written for the plain form; what they find is told in bytes of
//! the text as it came.

use std::borrow::Cow;
use std::ops::Range;

/// The first digits, zero, of the scripts whose digits follow each other.
const ZEROS: [u32; 14] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0e50, 0x0ed0,
];

/// A text in plain form.
pub(super) struct Folded<'t> {
    text: Cow<'t, str>,
    /// Where a stretch that was copied as it is begins, in plain form and as it came; none where all
    /// was.
    stretches: Vec<(usize, usize)>,
}

impl<'t> Folded<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let Some(first) = text.char_indices().find(|(_, c)| plain(*c) != Some(*c)) else {
            return Self { text: Cow::Borrowed(text), stretches: Vec::new() };
        };
        let (before, rest) = text.split_at(first.0);
        let mut folded = before.to_owned();
        let mut stretches = vec![(0, 0)];
        for (at, c) in rest.char_indices() {
            let (at, form) = (first.0 + at, plain(c));
            if form == Some(c) {
                folded.push(c);
                continue;
            }
            if form.is_some() {
                stretches.push((folded.len(), at));
            }
            folded.extend(form);
            stretches.push((folded.len(), at + c.len_utf8()));
        }
        Self { text: Cow::Owned(folded), stretches }
    }

    /// The plain form.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where a range of the plain form stands in the text as it came. Whole characters stay whole.
    pub(super) fn range(&self, plain: Range<usize>) -> Range<usize> {
        self.place(plain.start)..self.place(plain.end)
    }

    fn place(&self, at: usize) -> usize {
        let next = self.stretches.partition_point(|(plain, _)| *plain <= at);
        match next.checked_sub(1).and_then(|last| self.stretches.get(last)) {
            Some((plain, came)) => came + (at - plain),
            None => at,
        }
    }
}

/// The last end of a character at or before `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The plain form of a character: itself, another, or none where it cannot be seen.
fn plain(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    let code = u32::from(c);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code));
    if let Some(zero) = zero {
        return char::from_digit(code - zero, 10);
    }
    match code {
        // Soft hyphen, zero width, direction, joiners, variation selectors, tags.
        0xad | 0x34f | 0x61c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e => None,
        0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff | 0xe_0000..=0xe_01ef => None,
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Some(' '),
        0x2010..=0x2015 | 0x2212 | 0xfe58 | 0xfe63 => Some('-'),
        0x2024 | 0xfe52 => Some('.'),
        0xfe6b => Some('@'),
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        0x1_d7ce..=0x1_d7ff => char::from_digit((code - 0x1_d7ce) % 10, 10),
        _ => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Folded;

    #[test]
    fn digits_blanks_and_dashes_become_plain() {
        let check = |text: &str, expected: &str| assert_eq!(Folded::of(text).text(), expected);
        check("plain 4111-1111", "plain 4111-1111");
        check("４１１１　１１１１", "4111 1111");
        check("123\u{2013}45\u{00a0}6\u{200b}7", "123-45 67");
        check("a＠ｂ．com", "a@b.com");
        check("९४५१ ٤٥", "9451 45");
        check("é ü 東京", "é ü 東京");
    }

    #[test]
    fn a_range_leads_back_to_the_text_as_it_came() {
        let text = "é ４１\u{200b}１ x";
        let folded = Folded::of(text);
        let at = folded.text().find("411").expect("it is there");
        assert_eq!(text.get(folded.range(at..at + 3)), Some("４１\u{200b}１"));
    }

    proptest! {
        #[test]
        fn ranges_stand_at_the_ends_of_characters(
            pieces in prop::collection::vec("[a9]|[é٤\u{200b}\u{200b}４\u{a0}東]", 0..40),
            ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        ) {
            let text = pieces.concat();
            let folded = Folded::of(&text);
            let bounds: Vec<usize> = folded.text().char_indices().map(|(at, _)| at)
                .chain([folded.text().len()]).collect();
            let (a, b) = (bounds[ends.0.index(bounds.len())], bounds[ends.1.index(bounds.len())]);
            let range = folded.range(a.min(b)..a.max(b));
            prop_assert!(text.get(range.clone()).is_some(), "{range:?} of {text:?}");
            let again = Folded::of(&text[range]);
            prop_assert_eq!(again.text(), &folded.text()[a.min(b)..a.max(b)]);
        }
    }
}
