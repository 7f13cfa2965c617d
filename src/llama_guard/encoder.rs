//! A model's tokenizer, as guards need it: nothing that somebody writes becomes a special token, and a
//! text in the middle of a prompt has the tokens that it has there.

use tokenizers::{AddedToken, Tokenizer};

use crate::llama_guard::family::Family;
use crate::llama_guard::fault::LoadFault;

/// Where a tokenizer is kept.
pub(super) const FILE: &str = "tokenizer.json";

/// A tokenizer, and what it takes for the text before every part but the first.
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    behind: &'static str,
    /// The tokens of `behind`.
    skipped: Vec<u32>,
}

impl Encoder {
    /// Reads a `tokenizer.json`, for a family whose special tokens it must have.
    pub(super) fn new(bytes: &[u8], family: &Family) -> Result<Self, LoadFault> {
        let fault = |error: tokenizers::Error| LoadFault::file(FILE, error);
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(fault)?;
        tokenizer.with_truncation(None).map_err(fault)?.with_padding(None);
        // Added tokens of blanks are ordinary pieces to Gemma. Whatever else there is, contents must not
        // contain it.
        let is_loose = |token: &&AddedToken| !token.special && !is_blank(&token.content);
        let special = |token: &AddedToken| AddedToken { special: true, ..token.clone() };
        let added = tokenizer.get_added_tokens_decoder();
        let loose: Vec<AddedToken> = added.values().filter(is_loose).map(special).collect();
        tokenizer.add_special_tokens(loose).map_err(fault)?;
        let mut encoder = Self { tokenizer, behind: family.behind, skipped: Vec::new() };
        encoder.skipped = encoder.first(family.behind)?;
        for marker in family.markers {
            encoder.special(marker)?;
        }
        Ok(encoder)
    }

    /// Never gives special tokens again, whatever a text looks like.
    pub(super) fn forget_special_tokens(&mut self) {
        self.tokenizer.set_encode_special_tokens(true);
    }

    /// The largest id there is.
    pub(super) fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// The tokens of a text that nothing stands before.
    pub(super) fn first(&self, text: &str) -> Result<Vec<u32>, LoadFault> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| LoadFault::file(FILE, error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text in the middle of a prompt.
    pub(super) fn text(&self, text: &str) -> Result<Vec<u32>, LoadFault> {
        if self.behind.is_empty() {
            return self.first(text);
        }
        let ids = self.first(&format!("{}{text}", self.behind))?;
        match ids.strip_prefix(self.skipped.as_slice()) {
            Some(ids) => Ok(ids.to_vec()),
            None => {
                let reason = format!(
                    "has a token that reaches across {:?}, as none made from SentencePiece has: its \
                     model is of another `family`",
                    self.behind
                );
                Err(LoadFault::file(FILE, reason))
            }
        }
    }

    /// The id of a special token.
    pub(super) fn special(&self, token: &str) -> Result<u32, LoadFault> {
        let missing = || {
            LoadFault::file(FILE, format!("there is no token `{token}`, which the prompt needs"))
        };
        self.tokenizer.token_to_id(token).ok_or_else(missing)
    }

    /// With which token each of the words begins.
    pub(super) fn leads(&self, words: &[impl AsRef<str>]) -> Result<Vec<u32>, LoadFault> {
        words.iter().map(|word| self.lead(word.as_ref())).collect()
    }

    /// With which token a word begins.
    pub(super) fn lead(&self, word: &str) -> Result<u32, LoadFault> {
        let none = || LoadFault::file(FILE, format!("the word `{word}` has no tokens"));
        self.text(word)?.first().copied().ok_or_else(none)
    }
}

/// Two words that begin with the same token cannot be told apart by it.
pub(super) fn distinct<'w>(
    words: impl IntoIterator<Item = &'w (impl AsRef<str> + 'w)>,
    leads: &[u32],
) -> Result<(), LoadFault> {
    let mut known: Vec<(u32, &str)> = Vec::new();
    for (word, lead) in words.into_iter().map(AsRef::as_ref).zip(leads) {
        if let Some((_, other)) = known.iter().find(|(known, _)| known == lead) {
            let reason = format!("the words `{other}` and `{word}` begin with the same token");
            return Err(LoadFault::file(FILE, reason));
        }
        known.push((*lead, word));
    }
    Ok(())
}

/// Whether a token stands for white space, in SentencePiece's spelling as well.
fn is_blank(token: &str) -> bool {
    token.chars().all(|c| c.is_whitespace() || c == '\u{2581}')
}
