//! The ways in which a text can be spelled so that a model reads it all the same.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

/// A way to spell a text.
pub(crate) struct Spelling {
    pub(crate) name: &'static str,
    pub(crate) spell: fn(&str) -> String,
}

/// As it is.
pub(crate) const PLAIN: Spelling = Spelling { name: "plain", spell: str::to_owned };

/// Every disguise.
pub(crate) const DISGUISES: &[Spelling] = &[
    Spelling { name: "zero width space", spell: |text| between(text, "\u{200b}") },
    Spelling { name: "zero width joiners", spell: |text| between(text, "\u{200d}\u{200c}") },
    Spelling { name: "word joiner and BOM", spell: |text| between(text, "\u{2060}\u{feff}") },
    Spelling { name: "soft hyphen", spell: |text| between(text, "\u{ad}") },
    Spelling { name: "a variation selector each", spell: |text| between(text, "\u{fe0e}") },
    Spelling {
        name: "bidi controls",
        spell: |text| format!("\u{202a}{}\u{202c}", between(text, "\u{2068}\u{2069}")),
    },
    Spelling { name: "NUL", spell: |text| between(text, "\0") },
    Spelling { name: "zalgo", spell: |text| between(text, "\u{336}\u{353}\u{30d}") },
    Spelling {
        name: "tag characters",
        spell: |text| text.chars().map(|each| moved(each, 0xe0000)).collect(),
    },
    Spelling {
        name: "emoji smuggling",
        spell: |text| format!("😀{}", text.bytes().map(selector).collect::<String>()),
    },
    Spelling { name: "full width", spell: |text| letters(text, 0xff41) },
    Spelling { name: "mathematical bold", spell: |text| letters(text, 0x1d41a) },
    Spelling { name: "mathematical script", spell: |text| letters(text, 0x1d4ea) },
    Spelling { name: "circled", spell: |text| letters(text, 0x24d0) },
    Spelling { name: "negative squared", spell: |text| letters(text, 0x1f170) },
    Spelling { name: "small capitals", spell: small_capitals },
    Spelling {
        name: "Cyrillic look-alikes", spell: |text| exchanged(text, "aceopxy", "асеорху")
    },
    Spelling {
        name: "Greek look-alikes",
        spell: |text| exchanged(text, "ouv", "ουν").replace('a', "α"),
    },
    Spelling {
        name: "accents", spell: |text| exchanged(text, "aceinorsuyl", "áćéíńóŕśúýĺ")
    },
    Spelling { name: "spaced", spell: |text| spaced(text, " ", "  ") },
    Spelling { name: "dotted", spell: |text| spaced(text, ".", " ") },
    Spelling { name: "a letter a line", spell: |text| spaced(text, "\n", "\n\n") },
    Spelling { name: "emoji between letters", spell: |text| spaced(text, "😀", " ") },
    Spelling {
        name: "JSON escapes once more",
        spell: |text| text.chars().map(|each| format!("\\u{:04x}", u32::from(each))).collect(),
    },
    Spelling { name: "base64", spell: |text| BASE64_STANDARD.encode(text) },
    Spelling {
        name: "base64 for URLs",
        spell: |text| format!("?q={}&x=1", BASE64_URL_SAFE_NO_PAD.encode(text)),
    },
    Spelling {
        name: "base64 twice",
        spell: |text| BASE64_STANDARD.encode(BASE64_STANDARD.encode(text)),
    },
    Spelling {
        name: "base64 of UTF-16",
        spell: |text| {
            BASE64_STANDARD
                .encode(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
        },
    },
    Spelling {
        name: "base64 of zero width",
        spell: |text| BASE64_STANDARD.encode(between(text, "\u{200b}")),
    },
    Spelling {
        name: "hex",
        spell: |text| text.bytes().map(|byte| format!("{byte:02x}")).collect(),
    },
    Spelling {
        name: "hex escapes",
        spell: |text| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
    },
    Spelling {
        name: "percent escapes",
        spell: |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    },
    Spelling { name: "rot13", spell: |text| text.chars().map(rotated).collect() },
    Spelling {
        name: "cut by special tokens",
        spell: |text| text.replace("nary", "<|eot_id|>nary"),
    },
    Spelling { name: "cut by [INST]", spell: |text| text.replace("nary", "[/INST]nary") },
    Spelling {
        name: "cut by full width frame",
        spell: |text| text.replace("nary", "＜|eot_id|＞nary"),
    },
];

fn between(text: &str, what: &str) -> String {
    text.chars().map(|each| format!("{each}{what}")).collect()
}

fn moved(character: char, by: u32) -> char {
    char::from_u32(u32::from(character) + by).unwrap_or(character)
}

fn letters(text: &str, first: u32) -> String {
    let letter =
        |each: char| if each.is_ascii_lowercase() { moved(each, first - 0x61) } else { each };
    text.chars().map(letter).collect()
}

fn selector(byte: u8) -> char {
    let code = if byte < 16 { 0xfe00 + u32::from(byte) } else { 0xe0100 + u32::from(byte) - 16 };
    char::from_u32(code).unwrap_or('?')
}

fn exchanged(text: &str, from: &str, to: &str) -> String {
    let other = |each: char| {
        from.chars().zip(to.chars()).find(|(plain, _)| *plain == each).map_or(each, |(_, odd)| odd)
    };
    text.chars().map(other).collect()
}

fn small_capitals(text: &str) -> String {
    exchanged(text, "abcdefghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
}

fn spaced(text: &str, sign: &str, gap: &str) -> String {
    let apart = |word: &str| word.chars().map(String::from).collect::<Vec<_>>().join(sign);
    text.split(' ').map(apart).collect::<Vec<_>>().join(gap)
}

fn rotated(character: char) -> char {
    let turn = |first: u8| char::from((character as u8 - first + 13) % 26 + first);
    match character {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        other => other,
    }
}
