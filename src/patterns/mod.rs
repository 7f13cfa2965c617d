//! A classifier without a model: personal data and secrets, which have forms of their own, and whatever
//! else a policy looks for.
//!
//! A guard judges what a text means and cannot point at a byte of it; a card number means nothing and is
//! where it is. So the two share categories and decisions and nothing else: a [`Match`] is a stretch of
//! bytes, a category and a score, and policies have thresholds on it as on any other.
//!
//! * `rule` is what a form is, as data; `personal`, `national` and `secrets` are the forms.
//! * `digits` and `checks` hold what else must be true of a match; `entropy` tells chance from writing;
//!   `context` reads the words around it.
//! * `folded` makes digits, blanks and dashes of all kinds plain before anything is looked for.
//! * `own` is what a policy looks for on its own account.
//! * `finder` goes over a text once for all of them.
//!
//! # Scores
//!
//! A score says how sure it is that a match is what it looks like: 1.0 where a prefix or check digits
//! leave no doubt, or a word beside it names it (`IBAN`, `date of birth`); from 0.5 on where the form
//! alone is telling; below where it is mostly something else. Some forms (a date, nine digits) count
//! only near a word that names them.
//!
//! # Bounds
//!
//! Matching is linear in the text. No match is longer than its rule reaches: 64 bytes for numbers, 320
//! for mailboxes and tokens, 4 KiB for JSON Web Tokens, 16 KiB for keys in armour, and 512 bytes
//! for a policy's own. What is longer is found as far as that. In a stream, where a text comes in windows, a
//! window repeats [`OVERLAP`] characters of the one before: so what has as many bytes is seen whole
//! wherever the cut falls, and so is the beginning of anything longer.
//!
//! # How well
//!
//! `benches/patterns.rs` makes 400 values of each category, half of them with a word beside them that
//! names them, and 40,000 stretches that look alike and are nothing. From a score of 0.5 on:
//!
//! | category | recall named | recall bare | precision |
//! |---|---|---|---|
//! | `PII.EMAIL` | 1.00 | 1.00 | 0.50: `user:password@host` has its form |
//! | `PII.CARD` | 1.00 | 1.00 | 0.93: one order number of ten passes Luhn |
//! | `PII.MAC` | 0.98 | 0.97 | 1.00 |
//! | `PII.BIRTH_DATE`, `PII.DE_ID_CARD` | 1.00 | 0.00 | 1.00: they count only where they are named |
//! | `PII.UK_NHS`, `PII.DE_TAX_ID`, `PII.IN_AADHAAR` | 1.00 | 0.48 | 1.00: bare, only in groups |
//! | `PII.FR_NIR` | 1.00 | 1.00 | 0.99 |
//! | every other `PII.*`, every `SECRET.*` | 0.99 or more | 1.00 | 1.00 |
//!
//! Such values are of our own making: what people write is less regular, and names and postal addresses
//! have no form that could be looked for.
//!
//! On one core, all rules together go through 86 MB/s of prose, 21 MB/s of prose with a value in each
//! line, and 15 MB/s of nothing but numbers; the same expressions one by one through 27, 12 and 5.

mod checks;

mod context;

mod digits;

mod entropy;

mod finder;

mod folded;

mod national;

mod own;

mod personal;

mod rule;

mod secrets;

pub use finder::{Match, Patterns};
pub use own::{OWN_REACH, Own, OwnFault};
pub use rule::{CATEGORIES, OVERLAP, expressions};
