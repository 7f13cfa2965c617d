//! Secrets: keys that their makers have marked with a prefix, keys in a well-known armour, and random
//! characters that somebody calls a secret.

use crate::patterns::checks;
use crate::patterns::rule::{Rule, Start};

/// How far JSON Web Tokens reach.
const JWT_REACH: usize = 4096;

/// How far keys in armour reach.
const ARMOUR_REACH: usize = 16 << 10;

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_~.-".contains(c)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_hex(c: char) -> bool {
    c.is_ascii_hexdigit()
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+.-".contains(c)
}

/// A key of a known prefix and form.
const fn key(code: &'static str, prefixes: &'static [&'static str], regex: &'static str) -> Rule {
    Rule::new(code, Start::Word(prefixes), regex)
}

/// A key of a known prefix of a service that has no category of its own.
const fn other(prefixes: &'static [&'static str], regex: &'static str) -> Rule {
    key("SECRET.API_KEY", prefixes, regex)
}

pub(super) const RULES: &[Rule] = &[
    key(
        "SECRET.OPENAI_KEY",
        &["sk-"],
        r"sk-(?:(?:proj|svcacct|admin|None)-[0-9A-Za-z_-]{20,200}|[0-9A-Za-z]{20}T3BlbkFJ[0-9A-Za-z]{20}|[0-9A-Za-z]{48})",
    ),
    key("SECRET.ANTHROPIC_KEY", &["sk-ant-"], r"sk-ant-[a-z]{3,8}[0-9]{2}-[0-9A-Za-z_-]{80,120}"),
    key(
        "SECRET.AWS_KEY",
        &["akia", "asia", "abia", "acca"],
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    ),
    key("SECRET.AWS_KEY", &["absk"], r"ABSK[0-9A-Za-z+/]{100,270}={0,2}"),
    Rule::new(
        "SECRET.AWS_KEY",
        Start::Anywhere(&["secret_access_key", "secretaccesskey", "secret access key", "aws_secret"]),
        r#"(?i:secret[_ ]?access[_ ]?key|aws_secret(?:_key)?)["'`\]]{0,2}\s{0,4}(?:=>|:=|[:=]|is)?\s{0,4}["'`]?([0-9A-Za-z/+]{40})"#,
    )
    .checked(checks::random),
    key("SECRET.GOOGLE_KEY", &["aiza"], r"AIza[0-9A-Za-z_-]{35}"),
    key("SECRET.GOOGLE_KEY", &["gocspx-"], r"GOCSPX-[0-9A-Za-z_-]{28}"),
    key("SECRET.GOOGLE_KEY", &["ya29."], r"ya29\.[0-9A-Za-z_-]{30,}").reaching(1024),
    Rule::new(
        "SECRET.AZURE_KEY",
        Start::Anywhere(&["accountkey=", "sharedaccesskey="]),
        r"(?i:accountkey|sharedaccesskey)=([0-9A-Za-z+/]{43}=|[0-9A-Za-z+/]{86}==)",
    ),
    Rule::new(
        "SECRET.AZURE_KEY",
        Start::Around("Q~", is_word, 4),
        r"[0-9A-Za-z_~.-]{3}[0-9]Q~[0-9A-Za-z_~.-]{31,34}",
    ),
    // Keys of Azure's own services carry this mark near their end.
    Rule::new(
        "SECRET.AZURE_KEY",
        Start::Around("JQQJ99", is_word, 52),
        r"[0-9A-Za-z]{52}JQQJ99[0-9A-Za-z]{26}",
    ),
    key(
        "SECRET.GITHUB_TOKEN",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"gh[pousr]_[0-9A-Za-z]{36}",
    )
    .checked(checks::checked_token),
    // Those whose check digits are not as published still are what they look like.
    key(
        "SECRET.GITHUB_TOKEN",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"gh[pousr]_[0-9A-Za-z]{36,255}",
    )
    .scoring(0.8, 0.9, &["token", "github", "authorization"]),
    key("SECRET.GITHUB_TOKEN", &["github_pat_"], r"github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}"),
    key(
        "SECRET.GITLAB_TOKEN",
        &["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glimt-", "glagent-"],
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent)-[0-9A-Za-z_.-]{20,}",
    ),
    key("SECRET.SLACK_TOKEN", &["xox"], r"xox[abeoprs](?:\.xox[bp])?-[0-9A-Za-z-]{10,}"),
    key("SECRET.SLACK_TOKEN", &["xapp-"], r"xapp-[0-9]-[0-9A-Z]{5,}-[0-9]{5,}-[0-9a-z]{20,}"),
    key(
        "SECRET.SLACK_TOKEN",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z+/_-]{20,}",
    ),
    key(
        "SECRET.STRIPE_KEY",
        &["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"],
        r"[rs]k_(?:live|test|prod)_[0-9A-Za-z]{10,}",
    ),
    key("SECRET.STRIPE_KEY", &["whsec_"], r"whsec_[0-9A-Za-z+/=]{24,}"),
    key("SECRET.HUGGINGFACE_TOKEN", &["hf_", "api_org_"], r"(?:hf_|api_org_)[A-Za-z]{34}"),
    key("SECRET.NPM_TOKEN", &["npm_"], r"npm_[0-9A-Za-z]{36}").checked(checks::checked_token),
    key("SECRET.NPM_TOKEN", &["npm_"], r"npm_[0-9A-Za-z]{36}").scoring(
        0.8,
        0.9,
        &["token", "npm", "authtoken"],
    ),
    key("SECRET.PYPI_TOKEN", &["pypi-"], r"pypi-AgE[0-9A-Za-z_-]{50,}").reaching(1024),
    key("SECRET.TWILIO_KEY", &["sk"], r"SK[0-9a-f]{32}").scoring(0.7, 1.0, &["twilio"]),
    Rule::new(
        "SECRET.TWILIO_KEY",
        Start::Anywhere(&["twilio"]),
        r#"(?i:twilio)[0-9A-Za-z_ .-]{0,24}["'`\]]{0,2}\s{0,4}[:=]\s{0,4}["'`]?([0-9a-f]{32})"#,
    ),
    key("SECRET.SENDGRID_KEY", &["sg."], r"SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{40,48}"),
    other(&["gsk_"], r"gsk_[0-9A-Za-z]{52}"),
    other(&["xai-"], r"xai-[0-9A-Za-z]{70,90}"),
    other(&["pplx-"], r"pplx-[0-9A-Za-z]{40,64}"),
    other(&["r8_"], r"r8_[0-9A-Za-z]{37}"),
    other(&["sk-or-v1-"], r"sk-or-v1-[0-9a-f]{64}"),
    other(&["dop_v1_", "doo_v1_", "dor_v1_"], r"do[opr]_v1_[0-9a-f]{64}"),
    other(&["dapi"], r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    other(&["hvs.", "hvb."], r"hv[bs]\.[0-9A-Za-z_-]{24,}"),
    other(&["dckr_pat_", "dckr_oat_"], r"dckr_[op]at_[0-9A-Za-z_-]{27,32}"),
    other(&["lin_api_"], r"lin_api_[0-9A-Za-z]{40}"),
    other(&["ntn_"], r"ntn_[0-9]{11}[0-9A-Za-z]{35}"),
    other(&["shpat_", "shpca_", "shppa_", "shpss_"], r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
    other(&["pmak-"], r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    other(&["glsa_"], r"glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}"),
    other(&["nrak-"], r"NRAK-[0-9A-Z]{27}"),
    other(&["sntrys_", "sntryu_"], r"sntry[su]_[0-9A-Za-z+/=_]{40,}"),
    other(&["atatt3"], r"ATATT3[0-9A-Za-z_=-]{100,}"),
    other(&["figd_"], r"figd_[0-9A-Za-z_-]{40}"),
    other(&["rubygems_"], r"rubygems_[0-9a-f]{48}"),
    other(&["sbp_"], r"sbp_[0-9a-f]{40}"),
    other(&["key-"], r"key-[0-9a-f]{32}"),
    other(&["eaaa"], r"EAAA[0-9A-Za-z_-]{60}"),
    other(&["age-secret-key-1"], r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    Rule::new(
        "SECRET.API_KEY",
        Start::Around("-us", is_hex, 32),
        r"[0-9a-f]{32}-us[0-9]{1,2}",
    ),
    Rule::new(
        "SECRET.API_KEY",
        Start::Around(":AA", is_digit, 10),
        r"[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",
    ),
    key(
        "SECRET.PRIVATE_KEY",
        &["-----begin "],
        r"(?x)-----BEGIN\ (?:[0-9A-Z]{1,12}\ ){0,3}PRIVATE\ KEY(?:\ BLOCK)?-----
          (?:[\s\S]*?-----END\ (?:[0-9A-Z]{1,12}\ ){0,3}PRIVATE\ KEY(?:\ BLOCK)?-----
            |(?:[0-9A-Za-z+/=\\]|\s)*)",
    )
    .reaching(ARMOUR_REACH),
    key(
        "SECRET.JWT",
        &["eyj"],
        r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}(?:\.[0-9A-Za-z_-]{10,})?",
    )
    .reaching(JWT_REACH),
    Rule::new(
        "SECRET.CONNECTION",
        Start::Around("://", is_scheme, 24),
        r#"[A-Za-z][0-9A-Za-z+.-]{1,24}://[^\s:/@"'<>]{0,64}:([^\s/@"'<>]{3,128})@[0-9A-Za-z\[]"#,
    )
    .checked(checks::secret_in_url),
    Rule::new(
        "SECRET.PASSWORD",
        Start::Anywhere(&["password", "passwd", "passphrase", "passcode", "pwd", "passwort", "mot de passe", "contraseña"]),
        r#"(?i:password|passwd|passphrase|passcode|pwd|passwort|mot de passe|contraseña)["'`\]]{0,2}\s{0,4}(?:=>|:=|[:=]|\sis\s|\sist\s)\s{0,4}["'`]?([^\s"'`,;<>]{6,64})"#,
    )
    .checked(checks::password)
    .scoring(0.8, 0.8, &[]),
    Rule::new(
        "SECRET.TOKEN",
        Start::Anywhere(&["secret", "token", "api_key", "apikey", "api-key", "api key", "access_key", "access-key", "credential", "authorization"]),
        r#"(?i:secret|token|api[_ -]?key|access[_-]key|credential|authorization)[0-9A-Za-z_.-]{0,24}["'`\]]{0,2}\s{0,4}(?:=>|:=|[:=]|\sis\s)\s{0,4}["'`]?(?i:bearer\s|basic\s|token\s)?([0-9A-Za-z+/_=.~-]{16,})"#,
    )
    .checked(checks::random)
    .scoring(0.8, 0.8, &[]),
    Rule::new("SECRET.TOKEN", Start::Word(&["bearer "]), r"(?i:bearer)\s([0-9A-Za-z+/_=.~-]{20,})")
        .checked(checks::random)
        .scoring(0.8, 0.8, &[]),
];
