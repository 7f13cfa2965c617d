//! Personal data that looks the same in every country, and telephone numbers.

use crate::patterns::checks;
use crate::patterns::rule::{Rule, Start};

const CARD_WORDS: &[&str] = &[
    "card",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "american express",
    "pan",
    "karte",
    "kreditkarte",
    "carte",
    "tarjeta",
    "carta",
];
const IP_WORDS: &[&str] = &["ip", "ipv4", "ipv6", "address", "host", "client", "from", "login"];
const PHONE_WORDS: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "tel.",
    "mobile",
    "cell",
    "call",
    "fax",
    "whatsapp",
    "sms",
    "telefon",
    "handy",
    "mobil",
    "rufnummer",
    "telefonnummer",
    "téléphone",
    "portable",
    "teléfono",
    "móvil",
    "telefono",
    "cellulare",
    "ring",
    "text me",
    "phone number",
    "contact number",
];
/// What long numbers are called that nobody can dial.
const NO_PHONE: &[&str] = &[
    "order",
    "invoice",
    "id",
    "ticket",
    "isbn",
    "account",
    "serial",
    "version",
    "sku",
    "ref",
    "reference",
    "case",
    "total",
    "amount",
    "timestamp",
    "build",
    "part",
    "tracking",
];
const BIRTH_WORDS: &[&str] = &[
    "born",
    "date of birth",
    "dob",
    "d.o.b.",
    "birthday",
    "birth date",
    "birthdate",
    "birth_date",
    "date_of_birth",
    "geboren",
    "geburtsdatum",
    "geb.",
    "née le",
    "né le",
    "née",
    "né",
    "date de naissance",
    "fecha de nacimiento",
    "nacido",
    "nacida",
    "data di nascita",
    "nato il",
    "nata il",
    "nato",
    "nata",
];

/// Letters, digits and marks that a mailbox is named with.
fn is_mailbox(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._%+-'".contains(c) || is_foreign_letter(c)
}

/// A letter with an accent, Greek or Cyrillic: of scripts that leave blanks between words.
fn is_foreign_letter(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{52f}')
}

/// What stands in hardware and IPv6 addresses.
fn is_hex_or_colon(c: char) -> bool {
    c.is_ascii_hexdigit() || c == ':'
}

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "PII.EMAIL",
        Start::Around("@", is_mailbox, 64),
        r"(?x)[0-9A-Za-z\u{c0}-\u{24f}\u{370}-\u{52f}._%+\-']{1,64}
          @(?:[0-9A-Za-z\u{c0}-\u{24f}\u{370}-\u{52f}][0-9A-Za-z\u{c0}-\u{24f}\u{370}-\u{52f}-]{0,62}\.)+
          (?:xn--[0-9a-z]{2,30}|[A-Za-z\u{c0}-\u{24f}\u{370}-\u{52f}]{2,24})",
    )
    .checked(checks::email),
    Rule::new(
        "PII.CARD",
        Start::Number,
        r"[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,4}(?:[ -]?[0-9]{1,3})?",
    )
    .checked(checks::card)
    .scoring(0.9, 1.0, CARD_WORDS),
    Rule::new("PII.CARD", Start::Number, r"3[0-9]{3}[ -]?[0-9]{6}[ -]?[0-9]{4,5}")
        .checked(checks::card)
        .scoring(0.9, 1.0, CARD_WORDS),
    Rule::new("PII.IBAN", Start::Number, r"(?i)[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}")
        .checked(checks::iban),
    Rule::new("PII.IP", Start::Number, r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
        .checked(checks::ipv4)
        .scoring(0.7, 1.0, IP_WORDS)
        .unless(&["version", "v", "release", "ver", "build", "section", "chapter", "upgrade"]),
    Rule::new(
        "PII.IP",
        Start::Around(":", is_hex_or_colon, 40),
        r"[0-9A-Fa-f:]{2,39}(?::[0-9]{1,3}(?:\.[0-9]{1,3}){3})?",
    )
    .checked(checks::ipv6)
    .scoring(0.8, 1.0, IP_WORDS),
    Rule::new(
        "PII.MAC",
        Start::Around(":", is_hex_or_colon, 24),
        r"(?:[0-9A-Fa-f]{2}:){5,}[0-9A-Fa-f]{2}",
    )
    .checked(checks::mac),
    Rule::new(
        "PII.MAC",
        Start::Number,
        r"(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
    )
    .checked(checks::mac)
    .scoring(0.8, 1.0, &["mac", "hardware", "ethernet", "wifi", "interface"]),
    Rule::new(
        "PII.BIRTH_DATE",
        Start::Number,
        r"[0-9]{1,2}[./-] ?[0-9]{1,2}[./-] ?(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[./-][0-9]{1,2}[./-][0-9]{1,2}",
    )
    .checked(checks::birth_date)
    .scoring(0.0, 1.0, BIRTH_WORDS),
    Rule::new(
        "PII.BIRTH_DATE",
        Start::Number,
        r"(?ix)[0-9]{1,2}(?:st|nd|rd|th|er|\.)?\ (?:de\ |of\ )?
          (?:jan|feb|fév|mar|mär|apr|avr|abr|may|mai|mag|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt|ott|nov|dec|dez|déc|dic|gen|ene)
          [a-zäéû]{0,7}\.?,?\ (?:de\ )?(?:19|20)[0-9]{2}",
    )
    .checked(checks::birth_date)
    .scoring(0.0, 1.0, BIRTH_WORDS),
    Rule::new(
        "PII.BIRTH_DATE",
        Start::Number,
        r"(?ix)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?\ [0-9]{1,2}(?:st|nd|rd|th)?,?\ (?:19|20)[0-9]{2}",
    )
    .checked(checks::birth_date)
    .scoring(0.0, 1.0, BIRTH_WORDS),
    Rule::new("PII.PHONE", Start::Number, r"\+[1-9](?:[ ./-]?\(?[0-9]\)?){6,14}")
        .checked(checks::international_phone)
        .scoring(0.9, 1.0, PHONE_WORDS),
    Rule::new("PII.PHONE", Start::Number, r"00[1-9](?:[ ./-]?\(?[0-9]\)?){7,14}")
        .checked(checks::international_phone)
        .scoring(0.4, 1.0, PHONE_WORDS)
        .unless(NO_PHONE),
    // North America: area and exchange begin with 2 to 9.
    Rule::new(
        "PII.PHONE",
        Start::Number,
        r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[ .-][0-9]{4}",
    )
    .checked(checks::national_phone)
    .scoring(0.7, 1.0, PHONE_WORDS)
    .unless(NO_PHONE),
    // The UK: a zero, then ten digits, grouped by the length of the area code.
    Rule::new(
        "PII.PHONE",
        Start::Number,
        r"\(?0(?:2[0-9]\)?[ -][0-9]{4}|1[0-9]1\)?[ -][0-9]{3}|[17][0-9]{3}\)?[ -][0-9]{3})[ -]?[0-9]{3,4}",
    )
    .checked(checks::national_phone)
    .scoring(0.6, 1.0, PHONE_WORDS)
    .unless(NO_PHONE),
    // France: five pairs.
    Rule::new("PII.PHONE", Start::Number, r"0[1-9](?:[ .-][0-9]{2}){4}")
        .checked(checks::national_phone)
        .scoring(0.7, 1.0, PHONE_WORDS)
        .unless(NO_PHONE),
    // Germany: an area code, a slash or a dash, and the rest.
    Rule::new(
        "PII.PHONE",
        Start::Number,
        r"(?:0[1-9][0-9]{1,4} ?[/-]|\(0[1-9][0-9]{1,4}\)) ?[0-9]{2,4}(?:[ -]?[0-9]{1,4}){1,3}",
    )
    .checked(checks::national_phone)
    .scoring(0.6, 1.0, PHONE_WORDS)
    .unless(NO_PHONE),
    // Everywhere else, and without separators: where it is called a telephone number.
    Rule::new("PII.PHONE", Start::Number, r"\(?[0-9](?:[ ./-]?\(?[0-9]\)?){6,11}")
        .checked(checks::national_phone)
        .scoring(0.0, 0.9, PHONE_WORDS)
        .unless(NO_PHONE),
];
