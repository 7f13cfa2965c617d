//! The readings of a text: what a model may make of it that a guard, shown the letters, would not.
//!
//! Text can be spelled so that a model understands it and a classifier does not: with invisible
//! characters inside its words, in letters that only look like letters, in base64; or so that a
//! classifier takes it for the end of its own instructions. A guard is therefore shown the text as it
//! stands, and, only where they differ, further readings of it; the highest score counts, and the rule
//! that fires says in which [reading](crate::transcript::Reading) its score was found.
//!
//! In the order of reading:
//!
//! * `readings` says how the readings of a text follow from each other, and bounds them. It is called
//!   in one place, where texts go to the guard, so prompts, answers and windows of streams all get it.
//! * `unescape` takes off JSON's escapes.
//! * `normal` brings a text into plain letters; `letters` holds what is known of characters, `spaced`
//!   joins words that were pulled apart.
//! * `forged` finds what imitates the frame of a guard's prompt, and makes it blunt or takes it out.
//! * `decode` decodes base64, hex and rot13.
//!
//! Text in plain letters has no further reading, and finding that out is a few passes over its bytes.
//!
//! # What is not read
//!
//! Other ciphers and codes (morse, binary, leetspeak, reversed words, ASCII art), base64 shorter than
//! twelve digits or with blanks in it, rot13 without any of the commonest English words, words cut by a
//! single sign (`ca-nary`), and whatever takes reasoning. A guard sees such text as it stands.

mod decode;

mod forged;

mod letters;

mod normal;

mod readings;

mod spaced;

mod unescape;

/// The readings' version, for what is kept of a text: its scores are those of its readings, too. To be
/// raised whenever a text gets other readings than before.
pub const VERSION: u32 = 1;

pub use decode::spells;
pub use letters::is_invisible;
pub use readings::{Readings, readings};
