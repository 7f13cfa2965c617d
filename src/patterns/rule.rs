//! A rule: what one kind of value looks like, written down as data.

/// How one form of a value is recognised. A category may have several.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// The category it finds, such as `PII.EMAIL`.
    pub(super) code: &'static str,
    /// Where it may begin. Nothing is searched elsewhere.
    pub(super) start: Start,
    /// What stands there. Group 1, where there is one, is what is found; else all of it.
    pub(super) regex: &'static str,
    /// The most bytes it may take, its lead-in included. A longer one is found as far as that.
    pub(super) reach: usize,
    /// What else must hold, a check digit say.
    pub(super) check: Option<fn(&str) -> bool>,
    /// Words that make it likelier, where they stand near it.
    pub(super) near: &'static [&'static str],
    /// Words that say it is something else, where they stand nearer.
    pub(super) far: &'static [&'static str],
    /// The score of a match by itself; at zero it counts only near one of its words.
    pub(super) alone: f32,
    /// The score of a match near one of its words.
    pub(super) led: f32,
}

/// Where a match may begin.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// With a word that has a digit in it or right behind it, or with the `+` or `(` before one.
    Number,
    /// With one of these, at the beginning of a word. Written in lower case, found in any.
    Word(&'static [&'static str]),
    /// With one of these, also inside a word.
    Anywhere(&'static [&'static str]),
    /// Around this, with so many bytes of a kind before it at most.
    Around(&'static str, fn(char) -> bool, usize),
}

/// How far numbers reach: an IBAN in groups is the longest, with its country's whole name for a word
/// before it.
const NUMBER_REACH: usize = 64;

/// How much of a stream's end is to be searched once more with what comes behind it: as much as anything
/// needs to be found, and more than most are long. Tokens and keys beyond it show themselves at their
/// beginning.
pub const OVERLAP: usize = 512;

/// How far other values reach unless said otherwise.
const REACH: usize = 320;

impl Rule {
    /// A rule whose matches are certain by their form alone.
    pub(super) const fn new(code: &'static str, start: Start, regex: &'static str) -> Self {
        let reach = if matches!(start, Start::Number) { NUMBER_REACH } else { REACH };
        let (near, far): (&[&str], &[&str]) = (&[], &[]);
        Self { code, start, regex, reach, check: None, near, far, alone: 1.0, led: 1.0 }
    }

    /// The same with a check.
    pub(super) const fn checked(mut self, check: fn(&str) -> bool) -> Self {
        self.check = Some(check);
        self
    }

    /// The same with so much reach.
    pub(super) const fn reaching(mut self, bytes: usize) -> Self {
        self.reach = bytes;
        self
    }

    /// The same, with one score alone, and another near one of these words.
    pub(super) const fn scoring(
        mut self,
        alone: f32,
        led: f32,
        near: &'static [&'static str],
    ) -> Self {
        self.alone = alone;
        self.led = led;
        self.near = near;
        self
    }

    /// The same, for nothing that stands nearer to one of these words.
    pub(super) const fn unless(mut self, far: &'static [&'static str]) -> Self {
        self.far = far;
        self
    }
}

/// All built-in rules.
pub(super) fn built_in() -> impl Iterator<Item = &'static Rule> {
    let lists = [super::personal::RULES, super::national::RULES, super::secrets::RULES];
    lists.into_iter().flatten()
}

/// The expressions of all built-in rules, for whoever wants to measure what becomes of them.
pub fn expressions() -> impl Iterator<Item = &'static str> {
    built_in().map(|rule| rule.regex)
}

/// The codes and names of the categories that the built-in rules find, in order.
pub const CATEGORIES: &[(&str, &str)] = &[
    ("PII.EMAIL", "E-mail address"),
    ("PII.PHONE", "Telephone number"),
    ("PII.CARD", "Payment card number"),
    ("PII.IBAN", "Bank account (IBAN)"),
    ("PII.IP", "IP address"),
    ("PII.MAC", "Hardware (MAC) address"),
    ("PII.BIRTH_DATE", "Date of birth"),
    ("PII.US_SSN", "US Social Security number"),
    ("PII.US_ITIN", "US taxpayer number (ITIN)"),
    ("PII.UK_NINO", "UK National Insurance number"),
    ("PII.UK_NHS", "UK NHS number"),
    ("PII.DE_TAX_ID", "German tax number (Steuer-ID)"),
    ("PII.DE_ID_CARD", "German identity card number"),
    ("PII.FR_NIR", "French social security number (NIR)"),
    ("PII.ES_DNI", "Spanish identity number (DNI, NIE)"),
    ("PII.IT_FISCAL_CODE", "Italian fiscal code"),
    ("PII.IN_AADHAAR", "Indian Aadhaar number"),
    ("PII.IN_PAN", "Indian tax number (PAN)"),
    ("SECRET.OPENAI_KEY", "OpenAI API key"),
    ("SECRET.ANTHROPIC_KEY", "Anthropic API key"),
    ("SECRET.AWS_KEY", "AWS access key"),
    ("SECRET.GOOGLE_KEY", "Google API key or OAuth secret"),
    ("SECRET.AZURE_KEY", "Azure key or client secret"),
    ("SECRET.GITHUB_TOKEN", "GitHub token"),
    ("SECRET.GITLAB_TOKEN", "GitLab token"),
    ("SECRET.SLACK_TOKEN", "Slack token or webhook"),
    ("SECRET.STRIPE_KEY", "Stripe key"),
    ("SECRET.HUGGINGFACE_TOKEN", "Hugging Face token"),
    ("SECRET.NPM_TOKEN", "npm token"),
    ("SECRET.PYPI_TOKEN", "PyPI token"),
    ("SECRET.TWILIO_KEY", "Twilio API key"),
    ("SECRET.SENDGRID_KEY", "SendGrid API key"),
    ("SECRET.API_KEY", "API key of another known service"),
    ("SECRET.PRIVATE_KEY", "Private key"),
    ("SECRET.JWT", "JSON Web Token"),
    ("SECRET.CONNECTION", "Password in a connection string"),
    ("SECRET.PASSWORD", "Password"),
    ("SECRET.TOKEN", "Random token called a secret"),
];
