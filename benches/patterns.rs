//! What patterns find and what they take for it, on data generated with a seed; and how fast.
//!
//! `cargo bench --no-default-features --bench patterns`
//!
//! Each category has positives with check digits that were computed here, not by the rules: half of them
//! with a word beside them that names them, half bare. The negatives are what looks alike: orders,
//! versions, hashes, prices, dates, times, and numbers of the same lengths. A match counts from a score of
//! 0.5; it is right where it lies on a value of its category, else wrong.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its result and trusts what it has built"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use regex::Regex;
use wardgate::patterns::{CATEGORIES, Patterns, expressions};
use wardgate::taxonomy::Taxonomy;

const SEED: u64 = 20_261_125;
/// Positives of each kind, named and bare.
const POSITIVES: usize = 400;
const NEGATIVES: usize = 40_000;
const THRESHOLD: f32 = 0.5;

/// SplitMix64: good enough to deal digits, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    /// So many characters out of these.
    fn of(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| alphabet[self.below(alphabet.len() as u64) as usize]).collect()
    }

    fn digits(&mut self, count: usize) -> String {
        self.of("0123456789", count)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }
}

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const HEX: &str = "0123456789abcdef";
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn values(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(36)).collect()
}

/// The digit that makes Luhn's sum divisible by ten.
fn with_luhn(body: &str) -> String {
    let sum: u32 = values(body).iter().rev().enumerate().fold(0, |sum, (at, digit)| {
        let counted = if at % 2 == 0 { digit * 2 } else { *digit };
        sum + counted / 10 + counted % 10
    });
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// The last character, found by trying: for checks whose test is simpler than their making.
fn closing(body: &str, alphabet: &str, holds: impl Fn(&str) -> bool) -> Option<String> {
    alphabet.chars().map(|last| format!("{body}{last}")).find(|whole| holds(whole))
}

fn modulo(text: &str, modulus: u64) -> u64 {
    text.bytes().fold(0, |rest, digit| (rest * 10 + u64::from(digit - b'0')) % modulus)
}

fn card(dice: &mut Dice) -> String {
    let (prefix, length) = match dice.below(5) {
        0 => ("4", 16),
        1 => ("5", 16),
        2 => ("37", 15),
        3 => ("6011", 16),
        _ => ("2345", 16),
    };
    let prefix = if prefix == "5" { format!("5{}", dice.between(1, 5)) } else { prefix.to_owned() };
    let body = dice.digits(length - 1 - prefix.len());
    let number = with_luhn(&format!("{prefix}{body}"));
    grouped(&number, &[4, 4, 4, 4], dice.pick(&["", " ", "-"]))
}

fn grouped(text: &str, groups: &[usize], joint: &str) -> String {
    let mut rest = text;
    let mut parts = Vec::new();
    for group in groups {
        let (part, behind) = rest.split_at((*group).min(rest.len()));
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts.join(joint)
}

fn iban(dice: &mut Dice) -> String {
    let (country, account) = match dice.below(5) {
        0 => ("DE", dice.digits(18)),
        1 => ("GB", format!("{}{}", dice.of(UPPER, 4), dice.digits(14))),
        2 => ("NL", format!("{}{}", dice.of(UPPER, 4), dice.digits(10))),
        3 => ("ES", dice.digits(20)),
        _ => ("BE", dice.digits(12)),
    };
    let spelled: String =
        values(&format!("{account}{country}00")).iter().map(u32::to_string).collect();
    let iban = format!("{country}{:02}{account}", 98 - modulo(&spelled, 97));
    grouped(&iban, &[4; 8], dice.pick(&["", " "]))
}

fn verhoeff(number: &str) -> bool {
    const PERMUTED: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    const PRODUCT: [[usize; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    let digits = values(number).into_iter().rev().enumerate();
    digits.fold(0, |sum, (place, digit)| {
        let moved = (0..place % 8).fold(digit as usize, |digit, _| PERMUTED[digit]);
        PRODUCT[sum][moved]
    }) == 0
}

fn nhs(dice: &mut Dice) -> String {
    loop {
        let body = dice.digits(9);
        let sum: u32 = values(&body).iter().zip((2..=10).rev()).map(|(digit, by)| digit * by).sum();
        if let check @ 0..=9 = (11 - sum % 11) % 11 {
            return grouped(&format!("{body}{check}"), &[3, 3], dice.pick(&["", " "]));
        }
    }
}

fn tax_id(dice: &mut Dice) -> String {
    loop {
        let body = format!("{}{}", dice.between(1, 9), dice.digits(9));
        let count = |digit: char| body.matches(digit).count();
        let repeated: Vec<usize> = ('0'..='9').map(count).filter(|count| *count > 1).collect();
        if !matches!(repeated.as_slice(), [2 | 3]) {
            continue;
        }
        let product = values(&body).iter().fold(10, |product, digit| {
            let sum = (digit + product) % 10;
            if sum == 0 { 10 * 2 % 11 } else { sum * 2 % 11 }
        });
        let check = (11 - product) % 10;
        return grouped(&format!("{body}{check}"), &[2, 3, 3], dice.pick(&["", " "]));
    }
}

fn id_card(dice: &mut Dice) -> String {
    const LETTERS: &str = "CFGHJKLMNPRTVWXYZ0123456789";
    let serial = format!("L{}{}", dice.of(LETTERS, 7), dice.between(0, 9));
    let sum: u32 = values(&serial).iter().zip([7, 3, 1].iter().cycle()).map(|(v, by)| v * by).sum();
    format!("{serial}{}", sum % 10)
}

fn nir(dice: &mut Dice) -> String {
    let (sex, year, month) = (dice.between(1, 2), dice.digits(2), dice.between(1, 12));
    let body = format!("{sex}{year}{month:02}{:02}{}", dice.between(1, 95), dice.digits(6));
    let whole = format!("{body}{:02}", 97 - modulo(&body, 97));
    grouped(&whole, &[1, 2, 2, 2, 3, 3], dice.pick(&["", " "]))
}

fn dni(dice: &mut Dice) -> String {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let length = if dice.below(2) == 0 { 8 } else { 7 };
    let number = dice.digits(length);
    let (shown, counted) = match number.len() {
        8 => (number.clone(), number),
        _ => {
            let first = dice.below(3);
            (format!("{}{number}", ["X", "Y", "Z"][first as usize]), format!("{first}{number}"))
        }
    };
    format!("{shown}{}", char::from(LETTERS[(modulo(&counted, 23)) as usize]))
}

fn fiscal_code(dice: &mut Dice) -> String {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let day = dice.between(1, 31);
    let body = format!(
        "{}{}{}{day:02}{}{}",
        dice.of(UPPER, 6),
        dice.digits(2),
        dice.of("ABCDEHLMPRST", 1),
        dice.of("ABCDEFGHIL", 1),
        dice.digits(3),
    );
    let sum: u32 = body.chars().enumerate().fold(0, |sum, (at, c)| {
        let value = c.to_digit(10).unwrap_or_else(|| u32::from(c) - u32::from('A'));
        sum + if at % 2 == 0 { ODD[value as usize] } else { value }
    });
    format!("{body}{}", char::from(b'A' + u8::try_from(sum % 26).unwrap()))
}

fn checked_token(dice: &mut Dice, prefix: &str) -> String {
    let random = dice.of(BASE62, 30);
    let mut crc = u32::MAX;
    for byte in random.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut rest = !crc as usize;
    let mut check = [0; 6];
    for place in check.iter_mut().rev() {
        *place = BASE62.as_bytes()[rest % 62];
        rest /= 62;
    }
    format!("{prefix}{random}{}", std::str::from_utf8(&check).unwrap())
}

fn phone(dice: &mut Dice) -> String {
    let area = format!("{}{}", dice.between(2, 9), dice.digits(2));
    let exchange = format!("{}{}", dice.between(2, 9), dice.digits(2));
    match dice.below(7) {
        0 => format!("+49 {} {}", dice.pick(&["30", "89", "171"]), dice.digits(7)),
        1 => format!("+1 {area} {exchange} {}", dice.digits(4)),
        2 => format!("({area}) {exchange}-{}", dice.digits(4)),
        3 => format!("{area}-{exchange}-{}", dice.digits(4)),
        4 => grouped(&format!("0{}{}", dice.between(1, 7), dice.digits(8)), &[2; 5], " "),
        5 => format!("020 {} {}", dice.digits(4), dice.digits(4)),
        _ => format!("0{}/{}", dice.pick(&["30", "171", "6221"]), dice.digits(7)),
    }
}

fn birth_date(dice: &mut Dice) -> String {
    let (day, month, year) = (dice.between(1, 28), dice.between(1, 12), dice.between(1930, 2012));
    match dice.below(4) {
        0 => format!("{day}.{month}.{year}"),
        1 => format!("{year}-{month:02}-{day:02}"),
        2 => format!("{month:02}/{day:02}/{year}"),
        _ => format!("{day} {} {year}", dice.pick(&["March", "July", "October"])),
    }
}

/// One value of a category, and words that name it.
fn value(code: &str, dice: &mut Dice) -> (String, &'static [&'static str]) {
    let secret = |dice: &mut Dice, count| dice.of(BASE62, count);
    match code {
        "PII.EMAIL" => {
            let host = dice.pick(&["example.org", "mail.example.co.uk", "firma.de", "x-y.io"]);
            (format!("{}.{}@{host}", dice.of(LOWER, 5), dice.of(LOWER, 7)), &["mail", "write to"])
        }
        "PII.PHONE" => (phone(dice), &["phone:", "call", "mobile"]),
        "PII.CARD" => (card(dice), &["card", "visa"]),
        "PII.IBAN" => (iban(dice), &["IBAN", "account"]),
        "PII.IP" => {
            let octet = |dice: &mut Dice| dice.between(1, 223);
            let [a, b, c, d] = [octet(dice), octet(dice), octet(dice), octet(dice)];
            let a = if a == 127 { 126 } else { a };
            (format!("{a}.{b}.{c}.{d}"), &["IP address", "from host"])
        }
        "PII.MAC" => {
            let bytes: Vec<String> = (0..6).map(|_| dice.of(HEX, 2)).collect();
            (bytes.join(dice.pick(&[":", "-"])), &["MAC", "interface"])
        }
        "PII.BIRTH_DATE" => (birth_date(dice), &["born", "date of birth:", "geboren am"]),
        "PII.US_SSN" => {
            let (area, group) = (dice.between(1, 665), dice.between(1, 99));
            (
                format!("{area:03}-{group:02}-{:04}", dice.between(1, 9999)),
                &["SSN", "social security"],
            )
        }
        "PII.US_ITIN" => {
            (format!("9{}-{}-{}", dice.digits(2), dice.between(70, 88), dice.digits(4)), &["ITIN"])
        }
        "PII.UK_NINO" => {
            let pair = dice.of("ABCEHJLMPRSTWXY", 2).replace("GB", "AB");
            let number = format!("{pair}{}{}", dice.digits(6), dice.of("ABCD", 1));
            (
                grouped(&number, &[2, 2, 2, 2], dice.pick(&["", " "])),
                &["National Insurance", "NINO"],
            )
        }
        "PII.UK_NHS" => (nhs(dice), &["NHS number", "patient"]),
        "PII.DE_TAX_ID" => (tax_id(dice), &["Steuer-ID", "IdNr."]),
        "PII.DE_ID_CARD" => (id_card(dice), &["Personalausweis", "Ausweisnummer"]),
        "PII.FR_NIR" => (nir(dice), &["NIR", "sécurité sociale"]),
        "PII.ES_DNI" => (dni(dice), &["DNI", "NIE"]),
        "PII.IT_FISCAL_CODE" => (fiscal_code(dice), &["codice fiscale"]),
        "PII.IN_AADHAAR" => {
            let body = format!("{}{}", dice.between(2, 9), dice.digits(10));
            let number = closing(&body, "0123456789", verhoeff).unwrap();
            (grouped(&number, &[4, 4], dice.pick(&["", " "])), &["Aadhaar", "UIDAI"])
        }
        "PII.IN_PAN" => {
            let holder = dice.of("ABCFGHJLPT", 1);
            let name = dice.of(UPPER, 1);
            let (head, tail) = (dice.of(UPPER, 3), dice.of(UPPER, 1));
            (format!("{head}{holder}{name}{}{tail}", dice.digits(4)), &["PAN", "income tax"])
        }
        "SECRET.OPENAI_KEY" => (format!("sk-proj-{}", secret(dice, 120)), &["key"]),
        "SECRET.ANTHROPIC_KEY" => (format!("sk-ant-api03-{}", secret(dice, 95)), &["key"]),
        "SECRET.AWS_KEY" => {
            (format!("AKIA{}", dice.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)), &["aws"])
        }
        "SECRET.GOOGLE_KEY" => (format!("AIza{}", secret(dice, 35)), &["key"]),
        "SECRET.AZURE_KEY" => (format!("{}8Q~{}", secret(dice, 3), secret(dice, 34)), &["azure"]),
        "SECRET.GITHUB_TOKEN" => (checked_token(dice, "ghp_"), &["token"]),
        "SECRET.GITLAB_TOKEN" => (format!("glpat-{}", secret(dice, 20)), &["token"]),
        "SECRET.SLACK_TOKEN" => {
            (format!("xoxb-{}-{}", dice.digits(12), secret(dice, 24)), &["slack"])
        }
        "SECRET.STRIPE_KEY" => (format!("sk_live_{}", secret(dice, 24)), &["stripe"]),
        "SECRET.HUGGINGFACE_TOKEN" => {
            (format!("hf_{}", dice.of(&format!("{LOWER}{UPPER}"), 34)), &["token"])
        }
        "SECRET.NPM_TOKEN" => (checked_token(dice, "npm_"), &["npm"]),
        "SECRET.PYPI_TOKEN" => (format!("pypi-AgEIcHlwaS5vcmc{}", secret(dice, 80)), &["pypi"]),
        "SECRET.TWILIO_KEY" => (format!("SK{}", dice.of(HEX, 32)), &["twilio"]),
        "SECRET.SENDGRID_KEY" => {
            (format!("SG.{}.{}", secret(dice, 22), secret(dice, 43)), &["sendgrid"])
        }
        "SECRET.API_KEY" => match dice.below(3) {
            0 => (format!("gsk_{}", secret(dice, 52)), &["groq"]),
            1 => (format!("dop_v1_{}", dice.of(HEX, 64)), &["key"]),
            _ => (format!("shpat_{}", dice.of(HEX, 32)), &["shopify"]),
        },
        "SECRET.PRIVATE_KEY" => {
            let lines: Vec<String> = (0..8).map(|_| secret(dice, 64)).collect();
            let armour = "PRIVATE KEY-----";
            let body = lines.join("\n");
            (format!("-----BEGIN {armour}\n{body}\n-----END {armour}"), &["key"])
        }
        "SECRET.JWT" => {
            let (head, body) = (secret(dice, 33), secret(dice, 70));
            (format!("eyJ{head}.eyJ{body}.{}", secret(dice, 43)), &["session"])
        }
        "SECRET.CONNECTION" => (secret(dice, 12), &["postgres://app:"]),
        "SECRET.PASSWORD" => {
            (format!("{}{}!", dice.of(LOWER, 6), dice.digits(3)), &["password:", "PASSWORD="])
        }
        _ => (secret(dice, 32), &["api_key =", "client_secret:"]),
    }
}

/// A text with a value in it, and where.
struct Case {
    code: &'static str,
    named: bool,
    text: String,
    at: Range<usize>,
}

fn case(code: &'static str, named: bool, dice: &mut Dice) -> Case {
    let (value, names) = value(code, dice);
    let before =
        dice.pick(&["", "Hello, ", "As I said before, ", "Bitte prüfen: ", "{\"note\": \""]);
    let behind = dice.pick(&["", ".", ", thanks", " and so on", "\"}", "\nRegards"]);
    // A connection string and a password are what they are only where they stand.
    let always = ["SECRET.CONNECTION", "SECRET.PASSWORD", "SECRET.TOKEN"].contains(&code);
    let joint = if code == "SECRET.CONNECTION" { "" } else { " " };
    let behind = if code == "SECRET.CONNECTION" { "@db.example.org/x" } else { behind };
    let name = if named || always { format!("{}{joint}", dice.pick(names)) } else { String::new() };
    let mut text = format!("{before}{name}");
    let start = text.len();
    text.push_str(&value);
    let at = start..text.len();
    text.push_str(behind);
    Case { code, named, text, at }
}

/// What looks like something and is nothing.
fn negative(dice: &mut Dice) -> String {
    let count = dice.between(8, 16) as usize;
    match dice.below(22) {
        0 => format!("order {}", dice.digits(count)),
        1 => format!("invoice no. {}-{}", dice.digits(4), dice.digits(6)),
        2 => format!(
            "version {}.{}.{}.{}",
            dice.below(20),
            dice.below(30),
            dice.below(9),
            dice.below(9)
        ),
        3 => format!("commit {}", dice.of(HEX, 40)),
        4 => format!("sha256:{}", dice.of(HEX, 64)),
        5 => {
            let [a, b, c] = [dice.of(HEX, 8), dice.of(HEX, 4), dice.of(HEX, 4)];
            format!("id {a}-{b}-4{}-{c}-{}", dice.of(HEX, 3), dice.of(HEX, 12))
        }
        6 => format!("costs {}.{:02} EUR", dice.below(100_000), dice.below(100)),
        7 => format!("ISBN 978-{}-{}-{}", dice.digits(1), dice.digits(4), dice.digits(5)),
        8 => format!(
            "at {:02}:{:02}:{:02}.{}",
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.digits(3)
        ),
        9 => format!(
            "on {}.{}.{}",
            dice.between(1, 28),
            dice.between(1, 12),
            dice.between(1990, 2026)
        ),
        10 => format!(
            "{}-{:02}-{:02}T10:00:00Z",
            dice.between(1990, 2026),
            dice.between(1, 12),
            dice.between(1, 28)
        ),
        11 => format!("pi is 3.{}", dice.digits(15)),
        12 => {
            format!("{}.{}, {}.{}", dice.below(90), dice.digits(6), dice.below(180), dice.digits(6))
        }
        13 => format!("see {}_{}.png and logo@2x.png", dice.of(LOWER, 5), dice.digits(8)),
        14 => format!("GET /api/v1/items/{}?page={}", dice.digits(count), dice.below(50)),
        15 => format!("let x{} = {}::{}();", dice.digits(2), dice.of(LOWER, 6), dice.of(LOWER, 4)),
        16 => format!("#{} and 0x{}", dice.of(HEX, 6), dice.of(HEX, 8)),
        17 => format!("timestamp {}", 1_500_000_000_000 + dice.below(300_000_000_000)),
        18 => format!("data:image/png;base64,{}", dice.of(BASE62, 120)),
        19 => format!("part {}{}-{}", dice.of(UPPER, 2), dice.digits(4), dice.of(UPPER, 3)),
        20 => format!("token = get_token({})", dice.of(LOWER, 12)),
        _ => format!("the number {}", dice.digits(count)),
    }
}

#[derive(Default)]
struct Count {
    named: usize,
    bare: usize,
    right: usize,
    wrong: usize,
}

fn main() {
    let taxonomy = Taxonomy::new(CATEGORIES.iter().copied());
    let patterns = Patterns::new(|code| taxonomy.by_code(code).into_iter().collect(), Vec::new());
    let mut dice = Dice(SEED);
    let mut cases = Vec::new();
    for (code, _) in CATEGORIES {
        for at in 0..POSITIVES {
            cases.push(case(code, at % 2 == 0, &mut dice));
        }
    }
    let negatives: Vec<String> = (0..NEGATIVES).map(|_| negative(&mut dice)).collect();
    report(&patterns, &taxonomy, &cases, &negatives);
    throughput(&patterns, &negatives, &cases);
}

fn report(patterns: &Patterns, taxonomy: &Taxonomy, cases: &[Case], negatives: &[String]) {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut score = |text: &str, truth: Option<&Case>| {
        let mut hit = false;
        for found in patterns.find(text).iter().filter(|found| found.score.get() >= THRESHOLD) {
            let code = taxonomy.code(found.category);
            let right = truth.is_some_and(|case| {
                let overlaps = found.range.start < case.at.end && case.at.start < found.range.end;
                case.code == code && overlaps
            });
            hit |= right;
            let code = CATEGORIES.iter().find(|(known, _)| *known == code).unwrap().0;
            // A key that is also called a token is both.
            let also = code == "SECRET.TOKEN"
                && truth.is_some_and(|case| case.code.starts_with("SECRET."));
            let count = counts.entry(code).or_default();
            if right {
                count.right += 1;
            } else if !also {
                count.wrong += 1;
            }
        }
        if let Some(case) = truth.filter(|_| hit) {
            let count = counts.entry(case.code).or_default();
            *(if case.named { &mut count.named } else { &mut count.bare }) += 1;
        }
    };
    cases.iter().for_each(|case| score(&case.text, Some(case)));
    negatives.iter().for_each(|text| score(text, None));
    println!(
        "{} positives a category, {NEGATIVES} negatives, from a score of {THRESHOLD}\n",
        POSITIVES
    );
    println!("{:<26} {:>13} {:>12} {:>10}", "category", "recall named", "recall bare", "precision");
    let half = POSITIVES as f64 / 2.0;
    for (code, _) in CATEGORIES {
        let count = counts.remove(code).unwrap_or_default();
        let all = (count.right + count.wrong).max(1) as f64;
        let (named, bare) = (count.named as f64 / half, count.bare as f64 / half);
        println!("{code:<26} {named:>13.3} {bare:>12.3} {:>10.3}", count.right as f64 / all);
    }
}

fn throughput(patterns: &Patterns, negatives: &[String], cases: &[Case]) {
    let prose = "The quick brown fox jumps over the lazy dog, and then it rests for a while. ";
    let mut mixed = String::new();
    for (negative, case) in negatives.iter().zip(cases.iter().cycle()).take(10_000) {
        let _ = writeln!(mixed, "{prose}{prose}{negative} {prose}{}", case.text);
    }
    let texts = [
        ("prose", prose.repeat(40_000)),
        ("prose with values", mixed),
        ("numbers only", negatives.concat()),
    ];
    let one_by_one: Vec<Regex> = expressions().map(|each| Regex::new(each).unwrap()).collect();
    println!("\n{:<20} {:>6} {:>12} {:>22}", "text", "MB", "MB/s", "MB/s, one by one");
    for (name, text) in texts {
        let rate = |took: Duration| text.len() as f64 / took.as_secs_f64() / 1e6;
        let ours = best(|| patterns.find(&text).len());
        let theirs = best(|| one_by_one.iter().map(|each| each.find_iter(&text).count()).sum());
        let size = text.len() as f64 / 1e6;
        println!("{name:<20} {size:>6.1} {:>12.1} {:>22.1}", rate(ours), rate(theirs));
    }
}

fn best(mut work: impl FnMut() -> usize) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed()
    };
    (0..3).map(once).min().unwrap_or_default()
}
