//! What is known of characters: which of them nobody sees, and which of them are letters in disguise.

use unicode_security::skeleton;

/// Whether a character leaves no trace on paper: Unicode's default ignorables, controls, and blanks
/// that no keyboard has.
pub fn is_invisible(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        character => character.is_control(),
    }
}

/// The letter that a tag character stands for.
pub(super) fn tagged(character: char) -> Option<char> {
    match character {
        '\u{e0020}'..='\u{e007e}' => char::from_u32(u32::from(character) - 0xe0000),
        _ => None,
    }
}

/// The byte that a variation selector stands for where text is smuggled in a row of them.
pub(super) fn selected(character: char) -> Option<u8> {
    let byte = match character {
        '\u{fe00}'..='\u{fe0f}' => u32::from(character) - 0xfe00,
        '\u{e0100}'..='\u{e01ef}' => u32::from(character) - 0xe0100 + 16,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// Whether a character belongs to a script whose spelling needs invisible characters: from Hebrew to
/// Burmese, and Khmer and Mongolian.
pub(super) fn is_joined(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Whether a character is one half of a flag.
pub(super) fn is_half_flag(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Small capitals and their like, of which Unicode says nothing, and the letters they are.
const SMALL: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";
const OTHERS: [(char, char); 3] = [('ĸ', 'k'), ('ʍ', 'm'), ('ǫ', 'q')];

/// The letter that a character is by another name: in a circle, in a square, as a small capital, as
/// the half of a flag.
pub(super) fn letter(character: char) -> Option<char> {
    let first = match character {
        '\u{249c}'..='\u{24b5}' => 0x249c,
        '\u{1f110}'..='\u{1f129}' => 0x1f110,
        '\u{1f150}'..='\u{1f169}' => 0x1f150,
        '\u{1f170}'..='\u{1f189}' => 0x1f170,
        '\u{1f1e6}'..='\u{1f1ff}' => 0x1f1e6,
        character => {
            let other = OTHERS.iter().find(|(odd, _)| *odd == character).map(|(_, plain)| *plain);
            let small = || SMALL.chars().zip('a'..='z').find(|(odd, _)| *odd == character);
            return other
                .or_else(|| small().map(|(_, plain)| plain))
                .filter(|_| !character.is_ascii());
        }
    };
    char::from_u32(u32::from(character) - first + u32::from('a'))
}

/// The ASCII letter that a letter of another script looks like. Letters of the Latin alphabets of
/// Europe are nobody's disguise, and the scripts of East Asia have no such letters.
pub(super) fn look_alike(character: char) -> Option<Alike> {
    if !matches!(character, '\u{250}'..='\u{2e7f}' | '\u{a4d0}'..='\u{abff}' | '\u{10280}'..='\u{118ff}')
        || !character.is_alphabetic()
        || is_joined(character)
    {
        return None;
    }
    let mut bytes = [0; 4];
    let mut alike = skeleton(character.encode_utf8(&mut bytes));
    let (first, second) = (alike.next()?, alike.next());
    match (first, second) {
        ('r', Some('n')) => Some(Alike::Twin('m')),
        ('l', None) if character.is_uppercase() => Some(Alike::Twin('I')),
        (first, None) if first.is_ascii_alphabetic() => Some(Alike::Twin(first)),
        (first, None) => letter(first).map(Alike::Cousin),
        _ => None,
    }
}

/// The ASCII letter that a letter looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Alike {
    /// Nobody can tell them apart.
    Twin(char),
    /// It looks like its small capital.
    Cousin(char),
}

impl Alike {
    pub(super) fn letter(self) -> char {
        match self {
            Self::Twin(letter) | Self::Cousin(letter) => letter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alike, is_invisible, letter, look_alike};

    #[test]
    fn what_nobody_sees_is_known() {
        for character in ['\u{200b}', '\u{ad}', '\u{feff}', '\u{e0041}', '\u{fe0f}', '\0', '\u{1b}']
        {
            assert!(is_invisible(character), "{character:?}");
        }
        for character in ['a', ' ', '\n', '\u{a0}', 'é', '字', '😀', '\u{301}'] {
            assert!(!is_invisible(character), "{character:?}");
        }
    }

    #[test]
    fn letters_by_other_names_are_letters() {
        for (odd, plain) in [('🅒', 'c'), ('🅰', 'a'), ('⒩', 'n'), ('ʀ', 'r'), ('ʏ', 'y'), ('ᴢ', 'z')]
        {
            assert_eq!(letter(odd), Some(plain), "{odd}");
        }
        for other in ['x', 'é', '字', '1'] {
            assert_eq!(letter(other), None, "{other}");
        }
    }

    #[test]
    fn letters_of_other_scripts_look_alike_and_those_of_europe_do_not() {
        for (odd, plain) in [
            ('а', 'a'),
            ('с', 'c'),
            ('е', 'e'),
            ('о', 'o'),
            ('І', 'I'),
            ('і', 'i'),
            ('ν', 'v'),
            ('Α', 'A'),
            ('ո', 'n'),
            ('Ꭺ', 'A'),
        ] {
            assert_eq!(look_alike(odd).map(Alike::letter), Some(plain), "{odd}");
        }
        for other in ['ü', 'ß', 'ı', 'æ', 'þ', 'ж', 'λ', '一', 'あ', 'ا'] {
            assert_eq!(look_alike(other), None, "{other}");
        }
    }
}
