use std::sync::LazyLock;

use proptest::prelude::*;

use super::{COMPILED, Match, Patterns};
use crate::patterns::{CATEGORIES, Own};
use crate::taxonomy::Taxonomy;
use crate::transcript::Transcript;

/// Everything that is built in, and the taxonomy it is found in.
fn everything() -> &'static (Patterns, Taxonomy) {
    static EVERYTHING: LazyLock<(Patterns, Taxonomy)> = LazyLock::new(|| {
        let taxonomy = Taxonomy::new(CATEGORIES.iter().copied());
        let category = |code: &str| taxonomy.by_code(code).into_iter().collect();
        (Patterns::new(category, Vec::new()), taxonomy)
    });
    &EVERYTHING
}

/// What is found in a text that is surer than not: code and stretch.
fn found(text: &str) -> Vec<(String, String)> {
    let (patterns, taxonomy) = everything();
    let sure = patterns.find(text).into_iter().filter(|each| each.score.get() >= 0.5);
    let named =
        |each: Match| (taxonomy.code(each.category).to_owned(), text[each.range].to_owned());
    sure.map(named).collect()
}

#[track_caller]
fn check(text: &str, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(code, what)| ((*code).to_owned(), (*what).to_owned())).collect();
    assert_eq!(found(text), expected, "in {text:?}");
}

#[test]
fn every_rule_compiles_and_has_a_category() {
    let (patterns, taxonomy) = everything();
    assert_eq!(patterns.rules.len(), COMPILED.len(), "an expression does not compile");
    assert!(patterns.numbers.is_some() && patterns.marks.is_some());
    assert_eq!(taxonomy.len(), CATEGORIES.len());
    for (code, _) in CATEGORIES {
        assert!(COMPILED.iter().any(|(rule, _)| rule.code == *code), "no rule finds {code}");
    }
}

#[test]
fn personal_data_is_found_where_it_stands() {
    check("write to jo.doe+x@mail.example.org.", &[("PII.EMAIL", "jo.doe+x@mail.example.org")]);
    check("<ÿümit@bücher.de>", &[("PII.EMAIL", "ÿümit@bücher.de")]);
    check("邮箱是jo@example.com吗", &[("PII.EMAIL", "jo@example.com")]);
    check("card 4111 1111 1111 1111 123", &[("PII.CARD", "4111 1111 1111 1111")]);
    check("4111-1111-1111-1111", &[("PII.CARD", "4111-1111-1111-1111")]);
    check(
        "378282246310005,5555555555554444",
        &[("PII.CARD", "378282246310005"), ("PII.CARD", "5555555555554444")],
    );
    check("pay DE89 3704 0044 0532 0130 00 now", &[("PII.IBAN", "DE89 3704 0044 0532 0130 00")]);
    check("GB82WEST12345698765432", &[("PII.IBAN", "GB82WEST12345698765432")]);
    check("from 203.0.113.9:443", &[("PII.IP", "203.0.113.9")]);
    check("2001:db8:85a3::8a2e:370:7334", &[("PII.IP", "2001:db8:85a3::8a2e:370:7334")]);
    check("aa:bb:cc:dd:ee:0f", &[("PII.MAC", "aa:bb:cc:dd:ee:0f")]);
    check("born on 3.4.1985", &[("PII.BIRTH_DATE", "3.4.1985")]);
    check("\"dateOfBirth\": \"1985-04-03\"", &[("PII.BIRTH_DATE", "1985-04-03")]);
    check("née le 3 avril 1985", &[("PII.BIRTH_DATE", "3 avril 1985")]);
    check("her birthday is March 3rd, 1985", &[("PII.BIRTH_DATE", "March 3rd, 1985")]);
    check(
        "+49 (0)30 901820, or (212) 555-0123",
        &[("PII.PHONE", "+49 (0)30 901820"), ("PII.PHONE", "(212) 555-0123")],
    );
    check("01 42 68 53 00", &[("PII.PHONE", "01 42 68 53 00")]);
    check("020 7946 0958", &[("PII.PHONE", "020 7946 0958")]);
    check("Tel.: 0171/1234567", &[("PII.PHONE", "0171/1234567")]);
    check("teléfono 612 345 678", &[("PII.PHONE", "612 345 678")]);
}

#[test]
fn national_numbers_are_found_where_they_stand() {
    check("219-09-9998", &[("PII.US_SSN", "219-09-9998")]);
    check("SSN 219099998", &[("PII.US_SSN", "219099998")]);
    check("912-70-1234", &[("PII.US_ITIN", "912-70-1234")]);
    check("NI number AB 12 34 56 C", &[("PII.UK_NINO", "AB 12 34 56 C")]);
    check("NHS 943-476-5919", &[("PII.UK_NHS", "943-476-5919")]);
    check("86 095 742 719", &[("PII.DE_TAX_ID", "86 095 742 719")]);
    check("Steuer-ID: 86095742719", &[("PII.DE_TAX_ID", "86095742719")]);
    check("Personalausweis L01X00T471", &[("PII.DE_ID_CARD", "L01X00T471")]);
    check("2 55 08 14 168 025 38", &[("PII.FR_NIR", "2 55 08 14 168 025 38")]);
    check("12345678Z y X1234567L", &[("PII.ES_DNI", "12345678Z"), ("PII.ES_DNI", "X1234567L")]);
    check("RSSMRA85T10A562S", &[("PII.IT_FISCAL_CODE", "RSSMRA85T10A562S")]);
    check("2341 2341 2346", &[("PII.IN_AADHAAR", "2341 2341 2346")]);
    check("PAN: ABCPE1234F", &[("PII.IN_PAN", "ABCPE1234F")]);
}

#[test]
fn secrets_are_found_where_they_stand() {
    let key = "9fK2mQ7xPz4LrT8vB1nC6wY3hJ5sD0gA";
    let openai = format!("sk-proj-{key}{key}");
    check(&format!("key={openai};"), &[("SECRET.OPENAI_KEY", &openai)]);
    check("AKIAQ3EGRWZ2TN7XKPLM", &[("SECRET.AWS_KEY", "AKIAQ3EGRWZ2TN7XKPLM")]);
    let aws = "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";
    check(
        &format!("aws_secret_access_key = {aws}"),
        &[("SECRET.AWS_KEY", aws), ("SECRET.TOKEN", aws)],
    );
    let google = format!("AIza{key}abc");
    check(&google, &[("SECRET.GOOGLE_KEY", &google)]);
    // The example that was published with the format.
    let github = "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";
    check(github, &[("SECRET.GITHUB_TOKEN", github)]);
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{key}");
    check(&jwt, &[("SECRET.JWT", &jwt)]);
    let pem =
        format!("-----BEGIN RSA PRIVATE KEY-----\n{key}\n{key}==\n-----END RSA PRIVATE KEY-----");
    check(&format!("here:\n{pem}\nthanks"), &[("SECRET.PRIVATE_KEY", &pem)]);
    check("postgres://app:s3cr3t!@db.internal:5432/x", &[("SECRET.CONNECTION", "s3cr3t!")]);
    check("DB_PASSWORD=hunter2!x", &[("SECRET.PASSWORD", "hunter2!x")]);
    check(&format!("\"api_key\": \"{key}\""), &[("SECRET.TOKEN", key)]);
    check(&format!("Authorization: Bearer {key}"), &[("SECRET.TOKEN", key)]);
}

#[test]
fn what_only_looks_alike_is_left_alone() {
    for text in [
        "4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "version 1.2.3.4 of it",
        "127.0.0.1 and 0.0.0.0",
        "on 3.4.1985 it rained",
        "order 1234567890",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "3.14159265358979",
        "logo@2x.png",
        "git@github.com:x/y.git",
        "std::collections::HashMap and a::b",
        "12:34:56 on 2024-01-01T12:34:56.789Z",
        "api_key = YOUR_API_KEY_GOES_HERE_0001",
        "password: required",
        "the password is incorrect.",
        "token = get_token(request_with_id_1234)",
        "postgres://user:${PASSWORD}@host/x",
        "000-12-3456 and 666-12-3456",
    ] {
        check(text, &[]);
    }
}

#[test]
fn digits_of_all_kinds_are_digits() {
    check(
        "карта ４１１１　１１１１　１１１１　１１１１.",
        &[("PII.CARD", "４１１１　１１１１　１１１１　１１１１")],
    );
    check("4111\u{200b}111111111111", &[("PII.CARD", "4111\u{200b}111111111111")]);
    check(
        "4111\u{2011}1111\u{2011}1111\u{2011}1111",
        &[("PII.CARD", "4111\u{2011}1111\u{2011}1111\u{2011}1111")],
    );
    check("आधार २३४१ २३४१ २३४६", &[("PII.IN_AADHAAR", "२३४१ २३४१ २३४६")]);
}

#[test]
fn a_policy_finds_its_own() {
    let taxonomy = Taxonomy::new([("CUSTOMER", "Customer"), ("PROJECT", "Project")]);
    let category = |code: &str| taxonomy.by_code(code).into_iter().collect::<Vec<_>>();
    let own = vec![
        (Own::regex("C-[0-9]{4}", &["customer".to_owned()]).unwrap(), category("CUSTOMER")),
        (Own::words(&["Nightingale".to_owned()], &[]).unwrap(), category("PROJECT")),
    ];
    let patterns = Patterns::new(|_| Vec::new(), own);
    let text =
        "C-1111, and then so much else that nobody would think of it: customer C-2222, nightingale";
    let found: Vec<_> = patterns.find(text).into_iter().map(|each| &text[each.range]).collect();
    assert_eq!(found, ["C-2222", "nightingale"]);
}

#[test]
fn what_is_hidden_in_another_reading_is_found_somewhere_in_the_text() {
    let (patterns, taxonomy) = everything();
    let check = |text: &str, expected: &[(&str, &str)]| {
        let judged = patterns.judge(&[Transcript::user("a"), Transcript::user(text)]);
        let named = judged.spans.iter().map(|span| {
            assert_eq!(span.transcript, 1);
            (taxonomy.code(span.category), &text[span.range.clone()])
        });
        assert_eq!(named.collect::<Vec<_>>(), expected, "{text}");
    };
    check("at jo@example.org", &[("PII.EMAIL", "jo@example.org")]);
    let escaped = r#"{"to": "jo\u0040example.org"}"#;
    check(escaped, &[("PII.EMAIL", escaped)]);
}

/// Pieces that rules begin with, are made of, or stumble over.
fn pieces() -> impl Strategy<Value = String> {
    const SEEDS: &[&str] = &[
        "@",
        "://",
        "sk-",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "eyJ",
        ".eyJ",
        "ghp_",
        "AKIA",
        "+49",
        "(",
        ")",
        "-",
        " ",
        ".",
        "_",
        "=",
        "password=",
        "token: ",
        "\u{200b}",
        "é",
        "東",
        "４",
        "4111 1111 1111 1111",
        "DE89 3704",
        "a@b.co",
        "ſ",
        "İ",
        "K",
        "\u{0}",
        "\n",
        "\"",
        "\\",
        ":",
        "aa:bb:",
        "1.2.3.4",
        "Q~",
        "JQQJ99",
        ":AA",
        "-us",
        "born ",
        "٤",
    ];
    prop_oneof![prop::sample::select(SEEDS).prop_map(str::to_owned), "[0-9A-Za-z]{1,12}", ".{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_searched_and_matches_are_whole_characters(
        pieces in prop::collection::vec(pieces(), 0..40),
    ) {
        let text = pieces.concat();
        let (patterns, _) = everything();
        let found = patterns.find(&text);
        for each in &found {
            let matched = text.get(each.range.clone());
            prop_assert!(matched.is_some_and(|matched| !matched.is_empty()), "{each:?}");
        }
        prop_assert!(found.is_sorted_by_key(|each| each.range.start));
    }

    /// Around it there may be anything that does not go on it.
    #[test]
    fn a_card_is_found_in_any_surroundings(before in "[a-z ,;:\"東é]{0,30}", behind in "[ ,;\"東é][a-z ]{0,30}") {
        let text = format!("{before} 5555 5555 5555 4444{behind}");
        prop_assert!(found(&text).contains(&("PII.CARD".into(), "5555 5555 5555 4444".into())), "{text}");
    }
}
