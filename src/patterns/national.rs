//! Numbers that a state gives to people.
//!
//! A check digit lets one of ten numbers by chance through (one of eleven, one of 97), so how far a
//! number is believed without a word near it follows from how much its form and its check leave out.

use crate::patterns::checks;
use crate::patterns::rule::{Rule, Start};

const SSN_WORDS: &[&str] = &["ssn", "social security", "social", "soc sec", "ss#"];
const ITIN_WORDS: &[&str] = &["itin", "taxpayer", "tax id", "tin", "tax"];
const NINO_WORDS: &[&str] = &["nino", "national insurance", "ni number", "ni no", "insurance"];
const NHS_WORDS: &[&str] = &["nhs", "patient", "national health"];
const TAX_ID_WORDS: &[&str] = &[
    "steuer-id",
    "steuerid",
    "steueridentifikationsnummer",
    "steuer-identifikationsnummer",
    "idnr",
    "idnr.",
    "id nr",
    "id nr.",
    "steuernummer",
    "identifikationsnummer",
    "tax id",
    "tin",
    "steuerliche",
];
const ID_CARD_WORDS: &[&str] = &[
    "personalausweis",
    "ausweis",
    "ausweisnummer",
    "personalausweisnummer",
    "id card",
    "identity card",
    "reisepass",
    "passport",
    "pass-nr",
    "dokumentennummer",
    "document number",
];
const NIR_WORDS: &[&str] = &[
    "nir",
    "insee",
    "sécurité sociale",
    "securite sociale",
    "sécu",
    "social security",
    "numéro de sécu",
    "vitale",
];
const DNI_WORDS: &[&str] = &["dni", "nif", "nie", "documento", "identidad", "extranjero"];
const FISCAL_WORDS: &[&str] = &["codice fiscale", "c.f.", "cf", "fiscal code", "fiscale"];
const AADHAAR_WORDS: &[&str] = &["aadhaar", "aadhar", "adhaar", "uidai", "uid", "आधार"];
const PAN_WORDS: &[&str] = &["pan", "permanent account", "income tax", "pan card", "tax"];

pub(super) const RULES: &[Rule] = &[
    Rule::new("PII.US_SSN", Start::Number, r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}")
        .checked(checks::us_ssn)
        .scoring(0.7, 1.0, SSN_WORDS),
    Rule::new("PII.US_SSN", Start::Number, r"[0-8][0-9]{2}[ .]?[0-9]{2}[ .]?[0-9]{4}")
        .checked(checks::us_ssn)
        .scoring(0.0, 0.9, SSN_WORDS),
    Rule::new("PII.US_ITIN", Start::Number, r"9[0-9]{2}-[5-9][0-9]-[0-9]{4}")
        .checked(checks::us_itin)
        .scoring(0.7, 1.0, ITIN_WORDS),
    Rule::new("PII.US_ITIN", Start::Number, r"9[0-9]{2} ?[5-9][0-9] ?[0-9]{4}")
        .checked(checks::us_itin)
        .scoring(0.0, 0.9, ITIN_WORDS),
    Rule::new(
        "PII.UK_NINO",
        Start::Number,
        r"(?i)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
    )
    .checked(checks::uk_nino)
    .scoring(0.8, 1.0, NINO_WORDS),
    Rule::new("PII.UK_NHS", Start::Number, r"[0-9]{3} [0-9]{3} [0-9]{4}")
        .checked(checks::uk_nhs)
        .scoring(0.5, 1.0, NHS_WORDS),
    Rule::new("PII.UK_NHS", Start::Number, r"[0-9]{3}-?[0-9]{3}-?[0-9]{4}")
        .checked(checks::uk_nhs)
        .scoring(0.2, 1.0, NHS_WORDS),
    Rule::new("PII.DE_TAX_ID", Start::Number, r"[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}")
        .checked(checks::de_tax_id)
        .scoring(0.7, 1.0, TAX_ID_WORDS),
    Rule::new("PII.DE_TAX_ID", Start::Number, r"[1-9][0-9]{10}")
        .checked(checks::de_tax_id)
        .scoring(0.4, 1.0, TAX_ID_WORDS),
    // The serial number and its check digit, as in the machine-readable zone.
    Rule::new("PII.DE_ID_CARD", Start::Number, r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]")
        .checked(checks::de_id_card)
        .scoring(0.4, 1.0, ID_CARD_WORDS),
    // As it is printed, without.
    Rule::new("PII.DE_ID_CARD", Start::Number, r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}")
        .checked(checks::is_mixed)
        .scoring(0.0, 0.8, ID_CARD_WORDS),
    Rule::new(
        "PII.FR_NIR",
        Start::Number,
        r"(?ix)[12378][\ .-]?[0-9]{2}[\ .-]?(?:0[1-9]|1[0-2]|[2-9][0-9])[\ .-]?
          (?:2[AB]|[0-9]{2})[\ .-]?[0-9]{3}[\ .-]?[0-9]{3}[\ .-]?[0-9]{2}",
    )
    .checked(checks::fr_nir)
    .scoring(0.9, 1.0, NIR_WORDS),
    Rule::new("PII.ES_DNI", Start::Number, r"(?i)[0-9]{8}[ -]?[A-HJ-NP-TV-Z]")
        .checked(checks::es_dni)
        .scoring(0.8, 1.0, DNI_WORDS),
    Rule::new("PII.ES_DNI", Start::Number, r"(?i)[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]")
        .checked(checks::es_dni)
        .scoring(0.9, 1.0, DNI_WORDS),
    Rule::new(
        "PII.IT_FISCAL_CODE",
        Start::Number,
        r"(?ix)[A-Z]{3}\ ?[A-Z]{3}\ ?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}\ ?[A-Z][0-9LMNP-V]{3}[A-Z]",
    )
    .checked(checks::it_fiscal_code)
    .scoring(1.0, 1.0, FISCAL_WORDS),
    Rule::new("PII.IN_AADHAAR", Start::Number, r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}")
        .checked(checks::in_aadhaar)
        .scoring(0.6, 1.0, AADHAAR_WORDS),
    Rule::new("PII.IN_AADHAAR", Start::Number, r"[2-9][0-9]{11}")
        .checked(checks::in_aadhaar)
        .scoring(0.3, 1.0, AADHAAR_WORDS),
    Rule::new("PII.IN_PAN", Start::Number, r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]")
        .scoring(0.7, 1.0, PAN_WORDS),
];
