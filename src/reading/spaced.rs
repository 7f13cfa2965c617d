//! Words that were pulled apart: `c a n a r y`, `c.a.n.a.r.y`, one letter a line.

/// How many single letters make a word.
const LEAST: usize = 4;

/// How many characters may stand between two words that were pulled apart.
const WIDEST: usize = 3;

/// The text with its words joined; `None` where none was pulled apart.
///
/// Letters that stand by themselves, each one sign from the next and always the same, are a word.
/// Where blanks or several of the signs stand between them, another word begins.
pub(super) fn joined(text: &str) -> Option<String> {
    if text.is_ascii() && !has_neighbours(text) {
        return None;
    }
    let mut joined: Option<String> = None;
    let mut copied = 0;
    let mut after_word = false;
    let mut at = 0;
    while let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if after_word || !is_lone(text, at, character) {
            after_word = character.is_alphanumeric();
            at += character.len_utf8();
            continue;
        }
        let run = Run::read(text, at, character);
        if run.links + 1 >= LEAST {
            let joined = joined.get_or_insert_with(|| String::with_capacity(text.len()));
            joined.push_str(text.get(copied..at).unwrap_or_default());
            joined.push_str(&run.letters);
            copied = run.resume;
            at = run.resume;
            after_word = run.resume == run.end;
        } else {
            after_word = true;
            at += character.len_utf8();
        }
    }
    joined.map(|joined| joined + text.get(copied..).unwrap_or_default())
}

/// Whether two single letters or digits stand one sign apart anywhere in a text of ASCII.
fn has_neighbours(text: &str) -> bool {
    let (mut word, mut gap, mut after_single) = (0_usize, 0_usize, false);
    for byte in text.bytes().chain([b' ']) {
        if byte.is_ascii_alphanumeric() {
            word += 1;
            continue;
        }
        // The second half of a line's end is none.
        gap += usize::from(byte != b'\r');
        if word == 0 {
            continue;
        }
        if word == 1 && after_single && gap == 2 {
            return true;
        }
        (after_single, gap, word) = (word == 1, 1, 0);
    }
    false
}

/// Whether a character is a letter with no other behind it.
fn is_lone(text: &str, at: usize, character: char) -> bool {
    let next = || text.get(at + character.len_utf8()..).and_then(|rest| rest.chars().next());
    character.is_alphabetic() && next().is_none_or(|next| !next.is_alphanumeric())
}

/// Single letters in a row.
struct Run {
    letters: String,
    /// How many of them follow another at a distance of one.
    links: usize,
    end: usize,
    /// Where to read on: at the last letter once more, where another sign follows it.
    resume: usize,
}

impl Run {
    /// Reads on from a single letter.
    fn read(text: &str, at: usize, first: char) -> Self {
        let end = at + first.len_utf8();
        let mut run = Self { letters: String::from(first), links: 0, end, resume: end };
        let mut last = first;
        let mut sign: Option<char> = None;
        while let Some((between, letter)) = run.next(text) {
            let mut signs = between.chars().filter(|sign| *sign != '\r');
            let (one, more) = (signs.next(), signs.next().is_some());
            let is_same = |other: char| match sign {
                None => true,
                Some(sign) => sign == other || !(sign.is_ascii() || other.is_ascii()),
            };
            let same = one.is_some_and(is_same);
            if same && !more {
                sign = sign.or(one);
                run.links += 1;
            } else if sign.is_some()
                && between.chars().all(|each| each.is_whitespace() || is_same(each))
            {
                run.letters.push(' ');
            } else {
                run.resume = run.end - last.len_utf8();
                break;
            }
            run.letters.push(letter);
            run.end += between.len() + letter.len_utf8();
            run.resume = run.end;
            last = letter;
        }
        run
    }

    /// The next single letter, and what stands before it.
    fn next<'t>(&self, text: &'t str) -> Option<(&'t str, char)> {
        let rest = text.get(self.end..)?;
        let (width, letter) =
            rest.char_indices().take(WIDEST + 1).find(|(_, each)| each.is_alphanumeric())?;
        is_lone(text, self.end + width, letter).then_some((rest.get(..width)?, letter))
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn words_that_were_pulled_apart_are_joined() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(joined(text).as_deref(), expected, "{text:?}");
        };
        check("c a n a r y", Some("canary"));
        check("the c-a-n-a-r-y sings", Some("the canary sings"));
        check("c😀a🎉n😀a🎉r😀y", Some("canary"));
        check("(c a n a r y)", Some("(canary)"));
        check("c\r\na\r\nn\r\na", Some("cana"));
        check("h o w   t o   m a k e.", Some("how to make."));
        check("b o m b and b o m b", Some("bomb and bomb"));
        check("a, b, c, d, e", None);
        check("U.S.A. is i.e. x y z", None);
        check("a c-a-n-a", Some("a cana"));
        check("x y z c-a-n-a-r-y", Some("xyzccanary"));
        check("x c a n a r yes", Some("xcanar yes"));
        check("1 2 3 4 5 6", None);
        check("", None);
    }
}
