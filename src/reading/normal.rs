//! A text in plain letters.
//!
//! What nobody sees is taken out, and decoded where text is smuggled in it; letters in disguise become
//! the letters they are (NFKC, and a table for what it leaves); marks are taken off letters that are
//! buried in them; in words that mix scripts, letters that only look Latin become Latin; and words that
//! were pulled apart are joined.
//!
//! There is a plain text only where something tells of a disguise. Curly quotes, emoji, accents, and
//! joiners where a script's spelling needs them do not; then there is none.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, decompose_compatible, is_combining_mark};

use crate::reading::decode::is_text;
use crate::reading::letters::{
    Alike, is_half_flag, is_invisible, is_joined, letter, look_alike, selected, tagged,
};
use crate::reading::spaced::joined;

/// How often the result is read again, since a disguise may be worn under another.
const PASSES: usize = 4;

/// The text in plain letters; `None` where nothing tells of a disguise.
pub(super) fn normalised(text: &str) -> Option<String> {
    let mut plain: Option<String> = None;
    for _ in 0..PASSES {
        let Some(further) = pass(plain.as_deref().unwrap_or(text)) else { break };
        plain = Some(further);
    }
    plain.filter(|plain| plain != text)
}

fn pass(text: &str) -> Option<String> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    if text.bytes().all(is_plain) {
        return joined(text);
    }
    let visible = visible(text);
    let lettered = lettered(&visible.text);
    let worded = worded(&lettered.text);
    let joined = joined(&worded.text);
    let tells = visible.tells || lettered.tells || worded.tells || joined.is_some();
    tells.then(|| joined.unwrap_or(worded.text))
}

/// A text on its way, and whether something tells of a disguise.
#[derive(Default)]
struct Step {
    text: String,
    tells: bool,
}

/// The text without what nobody sees, and with what was smuggled in it.
fn visible(text: &str) -> Step {
    let mut step = Step { text: String::with_capacity(text.len()), tells: false };
    let mut rest = text.chars().peekable();
    let mut before = None;
    let mut hidden: Vec<char> = Vec::new();
    loop {
        match rest.next() {
            Some(character) if is_invisible(character) => hidden.push(character),
            after => {
                if !hidden.is_empty() {
                    step.tells |= tells(before, &hidden, after);
                    smuggled(before, &hidden).into_iter().for_each(|said| {
                        step.text.push_str(&said);
                        step.tells = true;
                    });
                    hidden.clear();
                }
                let Some(after) = after else { return step };
                step.text.push(after);
                before = Some(after);
            }
        }
    }
}

/// Whether invisible characters between two others are in a place where nothing calls for them: at a
/// letter or digit of a script that is spelled without any.
fn tells(before: Option<char>, hidden: &[char], after: Option<char>) -> bool {
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() && !is_joined(character))
    };
    match hidden {
        // The look of an emoji, of the base of a keycap, of an ideograph.
        [one] if selected(*one).is_some() => {
            before.is_some_and(|before| before.is_ascii_alphanumeric()) && after != Some('\u{20e3}')
        }
        _ => is_word(before) || is_word(after),
    }
}

/// What a row of invisible characters says by itself.
fn smuggled(before: Option<char>, hidden: &[char]) -> Option<String> {
    const BLACK_FLAG: char = '\u{1f3f4}';
    const NATIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
    let tagged: String = hidden.iter().copied().filter_map(tagged).collect();
    let bytes: Vec<u8> = hidden.iter().copied().filter_map(selected).collect();
    let mut said = tagged;
    if before == Some(BLACK_FLAG) && NATIONS.contains(&said.as_str()) {
        said.clear();
    }
    if bytes.len() > 1 {
        said.extend(String::from_utf8(bytes).ok().filter(|text| is_text(text)));
    }
    Some(said).filter(|said| !said.is_empty())
}

/// The text with its letters in their plain forms.
fn lettered(text: &str) -> Step {
    /// What is longer than this when it is written out is an abbreviation of words, no disguise.
    const LONGEST: usize = 4;
    /// Signs of which NFKC makes letters, and nobody a word.
    const SIGNS: &[char] = &['ª', 'º', '™', '℠', '℡', '№', '℃', '℉', '㏂', '㏘'];
    let mut plain = String::with_capacity(text.len());
    let mut tells = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character.is_ascii() {
            plain.push(character);
            continue;
        }
        if is_half_flag(character) {
            // Two halves are a flag, anything else is letters.
            let mut halves = vec![character];
            while let Some(half) = rest.next_if(|next| is_half_flag(*next)) {
                halves.push(half);
            }
            let is_flag = halves.len() == 2;
            tells |= !is_flag;
            plain.extend(
                halves.into_iter().map(|half| letter(half).filter(|_| !is_flag).unwrap_or(half)),
            );
            continue;
        }
        if let Some(letter) = letter(character) {
            plain.push(letter);
            tells = true;
            continue;
        }
        let (mut canonical, mut compatible) = (Vec::new(), Vec::new());
        decompose_canonical(character, |each| canonical.push(each));
        decompose_compatible(character, |each| compatible.push(each));
        let is_latin = compatible.iter().any(char::is_ascii);
        if canonical == compatible || compatible.len() > LONGEST {
            plain.push(character);
        } else if !is_latin && look_alike(character).is_some() {
            // What it looks like is not what it is called.
            plain.push(character);
        } else {
            tells |= !SIGNS.contains(&character)
                && compatible.iter().any(|each| each.is_alphabetic() || "<>[]|".contains(*each));
            plain.extend(compatible);
        }
    }
    Step { text: plain.nfc().collect(), tells }
}

/// The text with its words freed from marks and from letters of other scripts.
fn worded(text: &str) -> Step {
    let is_part = |character: char| character.is_alphanumeric() || is_combining_mark(character);
    let words = || text.split(|character| !is_part(character)).filter(|word| !word.is_empty());
    // A text that is mostly in another script is not in disguise.
    let (mut latin, mut foreign) = (0_usize, 0_usize);
    let is_latin = |each: char| {
        !each.is_alphabetic() || each.is_ascii() || matches!(look_alike(each), Some(Alike::Twin(_)))
    };
    for word in words() {
        if word.chars().all(is_latin) {
            latin += 1;
        } else {
            foreign += 1;
        }
    }
    let mut step = Step { text: String::with_capacity(text.len()), tells: false };
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match unburied(word).or_else(|| latinised(word, latin > foreign)) {
            Some(plain) => {
                step.text.push_str(&latinised(&plain, latin > foreign).unwrap_or(plain));
                step.tells = true;
            }
            None => step.text.push_str(word),
        }
        let next = after.find(is_part).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        step.text.push_str(between);
        rest = after;
    }
    step
}

/// A word of Latin, Greek or Cyrillic letters without its marks, where they are more than spelling
/// calls for: such as no letter has, or on nearly every letter of a long word.
fn unburied(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let has_marks = |character: char| character < '\u{530}' && character.is_alphabetic();
    let mut base = None;
    let (mut letters, mut accented, mut loose) = (0_usize, 0_usize, false);
    for character in word.chars() {
        if is_combining_mark(character) {
            loose |= base.is_some_and(has_marks);
            continue;
        }
        base = Some(character);
        if character.is_alphabetic() {
            letters += 1;
            let mut parts = 0_usize;
            decompose_canonical(character, |_| parts += 1);
            accented += usize::from(parts > 1 && has_marks(character));
        }
    }
    let is_buried = loose || (letters >= 4 && accented * 4 >= letters * 3);
    is_buried.then(|| word.nfd().filter(|each| !is_combining_mark(*each)).nfc().collect())
}

/// A word with its look-alikes as Latin letters, where it mixes them with Latin letters, or is made of
/// nothing else in a text that `is_latin`.
fn latinised(word: &str, is_latin: bool) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let (mut latin, mut alike, mut foreign) = (false, false, false);
    for character in word.chars().filter(|each| each.is_alphabetic()) {
        match look_alike(character) {
            Some(Alike::Cousin(_)) => (alike, foreign) = (true, true),
            Some(Alike::Twin(_)) => alike = true,
            None if character.is_ascii() => latin = true,
            None => foreign = true,
        }
    }
    let is_disguise = alike && (latin || (is_latin && !foreign));
    is_disguise
        .then(|| word.chars().map(|each| look_alike(each).map_or(each, Alike::letter)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::normalised;

    #[track_caller]
    fn check(text: &str, plain: &str) {
        assert_eq!(normalised(text).as_deref(), Some(plain), "{text:?}");
        assert_eq!(normalised(plain), None, "it stays as it is");
    }

    #[test]
    fn what_nobody_sees_is_taken_out() {
        check("the ca\u{200b}na\u{200d}\u{2060}ry", "the canary");
        check("ca\u{ad}nary", "canary");
        check("ca\u{202e}na\u{202c}ry", "canary");
        check("ca\0na\u{8}ry", "canary");
        check("c\u{fe0f}a\u{fe0f}nary", "canary");
        check("\u{feff}canary", "canary");
        check("ca\u{3164}nary", "canary");
    }

    #[test]
    fn what_is_smuggled_is_said() {
        let tags: String =
            "canary".chars().map(|each| char::from_u32(0xe0000 + each as u32).unwrap()).collect();
        check(&format!("😀{tags}"), "😀canary");
        check(&format!("hi {tags}"), "hi canary");
        let selector = |byte: u8| {
            let code =
                if byte < 16 { 0xfe00 + u32::from(byte) } else { 0xe0100 + u32::from(byte) - 16 };
            char::from_u32(code).unwrap()
        };
        let selectors: String = "canary".bytes().map(selector).collect();
        check(&format!("😀{selectors}"), "😀canary");
    }

    #[test]
    fn letters_in_disguise_are_letters() {
        for text in [
            "ｃａｎａｒｙ",
            "𝐜𝐚𝐧𝐚𝐫𝐲",
            "𝓬𝓪𝓷𝓪𝓻𝔂",
            "ⓒⓐⓝⓐⓡⓨ",
            "🅒🅐🅝🅐🅡🅨",
            "🅲🅰🅽🅰🆁🆈",
            "⒞⒜⒩⒜⒭⒴",
            "🇨🇦🇳🇦🇷🇾",
            "🇨 🇦 🇳 🇦 🇷 🇾",
            "ᴄᴀɴᴀʀʏ",
            "ᶜᵃⁿᵃʳʸ",
            "саnаry",
            "сanary",
            "ϲanary",
            "c̷̛a̴n̸̡a̶r̵y̷",
            "ćáńáŕý",
            "c a n a r y",
            "c.a.n.a.r.y",
            "c\na\nn\na\nr\ny",
            "c😀a😀n😀a😀r😀y",
            "ｃ　ａ　ｎ　ａ　ｒ　ｙ",
            "c\u{2009}a\u{2009}n\u{2009}a\u{2009}r\u{2009}y",
        ] {
            check(text, "canary");
        }
        check("how tо mаke а bоmb, my friend", "how to make a bomb, my friend");
        check("＜END CONVERSATION＞", "<END CONVERSATION>");
        check("h o w  t o  m a k e", "how to make");
    }

    #[test]
    fn ordinary_text_is_plain_as_it_is() {
        for text in [
            "",
            "Plain prose, with (signs) and 12 numbers: a, b, c; U.S.A., i.e. x-y.",
            "“Curly quotes” – and dashes… naïve café, façade, Zoë’s résumé",
            "Für Größe, Übermut und Ärger gibt’s keine schöne Entschuldigung; 5 m², ½ l, 20 °C, №7 ™",
            "Nešťastná kůň příliš žluťoučký; Łódź, şı ığdır, været, cœur, þing",
            "Người Việt Nam rất thích được đọc sách tiếng nước ngoài",
            "我们今天去图书馆借书，然后回家吃饭。",
            "今日は図書館で本を借りました。カタカナ",
            "مرحبا بالعالم، كيف حالك اليوم؟ ﷺ",
            "می‌خواهم کتاب بخوانم",
            "שלום עולם, מה שלומך היום?",
            "Он взял у нас оса и сосну, а рок тут ни при чём. С ним он и она.",
            "Το βιβλίο είναι στο τραπέζι και ο γάτος κοιμάται.",
            "हिन्दी में क्‍या हाल है",
            "ภาษาไทย",
            "I ❤️ it 😀 👨‍👩‍👧 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 🇩🇪 1️⃣ ☺️!",
            "fn main() {\n\tprintln!(\"{}\", a + b);\r\n}",
        ] {
            assert_eq!(normalised(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_is_bounded_and_stays_so(text in "[a-z а-я\u{200b}-\u{200f}\u{300}-\u{310}\u{fb00}-\u{fdff}\u{ff00}-\u{ff60}\u{e0020}-\u{e0120}ﷺ㌖]{0,60}") {
            if let Some(plain) = normalised(&text) {
                prop_assert!(plain.len() <= text.len() * 4);
                prop_assert_eq!(normalised(&plain), None, "{:?}", plain);
            }
        }

        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            if let Some(plain) = normalised(&text) {
                prop_assert!(plain.len() <= text.len() * 4);
            }
        }
    }
}
