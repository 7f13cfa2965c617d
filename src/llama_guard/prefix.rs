//! Beginnings that many prompts share, read once: their keys and values in every layer.
//!
//! What a token sees lies before it, so the keys and values of a beginning are the same whatever
//! follows. A prompt that starts with the same tokens computes only the others. How much is shared is
//! found by comparing tokens, never by trusting a name or a hash.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use crate::llama_guard::forward::Llama;

/// A shared beginning shorter than this is not worth the copying.
const SHORTEST: usize = 16;

/// The tokens of a beginning, and their rotated keys and their values, `[tokens, kv_heads * head_dim]`
/// per layer.
pub struct Prefix {
    ids: Vec<u32>,
    layers: Vec<(Tensor, Tensor)>,
}

impl Prefix {
    /// Reads a beginning.
    ///
    /// # Errors
    ///
    /// It is empty, or longer than the model's longest prompt.
    pub fn new(model: &Llama, ids: &[u32]) -> Result<Self> {
        Ok(Self { ids: ids.to_vec(), layers: model.keys_and_values(ids)? })
    }

    /// Keys and values of the first `tokens` tokens in a layer.
    pub(super) fn layer(&self, layer: usize, tokens: usize) -> Result<(Tensor, Tensor)> {
        let Some((keys, values)) = self.layers.get(layer) else {
            candle_core::bail!("a beginning of {} layers has no layer {layer}", self.layers.len());
        };
        Ok((keys.narrow(0, 0, tokens)?, values.narrow(0, 0, tokens)?))
    }

    /// How many tokens of a prompt begin as this does.
    fn shared(&self, ids: &[u32]) -> usize {
        self.ids.iter().zip(ids).take_while(|(ours, theirs)| ours == theirs).count()
    }
}

/// The first tokens of a sequence, kept from before.
#[derive(Clone)]
pub struct Behind {
    pub(super) prefix: Arc<Prefix>,
    pub(super) tokens: usize,
}

impl Behind {
    /// The first `tokens` tokens of a beginning, if it has as many.
    pub fn new(prefix: Arc<Prefix>, tokens: usize) -> Option<Self> {
        (1..=prefix.ids.len()).contains(&tokens).then_some(Self { prefix, tokens })
    }
}

/// The beginnings that are kept.
#[derive(Default)]
pub(super) struct Prefixes(Vec<Arc<Prefix>>);

impl Prefixes {
    /// Keeps another beginning, unless it is too short to be of use.
    pub(super) fn keep(&mut self, model: &Llama, ids: &[u32]) -> Result<()> {
        if ids.len() >= SHORTEST {
            self.0.push(Arc::new(Prefix::new(model, ids)?));
        }
        Ok(())
    }

    /// The longest beginning of a prompt that is kept, of at most `most` tokens.
    pub(super) fn longest(&self, ids: &[u32], most: usize) -> Option<Behind> {
        let shared = self.0.iter().map(|prefix| (prefix, prefix.shared(ids).min(most)));
        let (prefix, tokens) = shared.max_by_key(|(_, tokens)| *tokens)?;
        if tokens < SHORTEST { None } else { Behind::new(Arc::clone(prefix), tokens) }
    }
}
