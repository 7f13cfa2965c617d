//! Where sentences end.

use std::ops::Range;

const ENDS: [char; 10] = ['.', '!', '?', '…', '\n', '。', '！', '？', '।', '؟'];
const BEHIND: [char; 9] = ['"', '\'', ')', ']', '”', '’', '»', '*', ' '];
/// Ends behind which no blank is needed.
const WIDE: [char; 5] = ['\n', '。', '！', '？', '।'];

/// Whether a text ends where a sentence does.
pub(crate) fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(BEHIND).ends_with(ENDS)
}

/// The sentences of a text: every byte is in one of them, the blanks behind a sentence are part of it.
pub(crate) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((_, character)) = characters.next() {
        if !ENDS.contains(&character) {
            continue;
        }
        let mut blank = WIDE.contains(&character);
        while let Some((_, next)) = characters.peek() {
            if !(ENDS.contains(next) || BEHIND.contains(next) || next.is_whitespace()) {
                break;
            }
            blank |= next.is_whitespace() || WIDE.contains(next);
            characters.next();
        }
        let end = characters.peek().map_or(text.len(), |(at, _)| *at);
        // A point inside a word or a number ends no sentence.
        if blank || end == text.len() {
            found.push(start..end);
            start = end;
        }
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sentences;

    #[test]
    fn a_text_falls_into_its_sentences() {
        fn check(text: &str, expected: &[&str]) {
            let found: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expected);
        }
        check("One. Two! Three", &["One. ", "Two! ", "Three"]);
        check(
            "He said \"no.\" Then v1.5 of a.b came...  Out\nnow",
            &["He said \"no.\" ", "Then v1.5 of a.b came...  ", "Out\n", "now"],
        );
        check("你好。再见！", &["你好。", "再见！"]);
        check("", &[]);
        check("...", &["..."]);
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_sentence(text in "[a-z.!? \n\"é。]{0,40}") {
            let joined: String = sentences(&text).into_iter().map(|range| &text[range]).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
