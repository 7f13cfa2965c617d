//! Beginnings that many prompts share, read once: their keys and values in every layer.
//!
//! What a token sees lies before it, so the keys and values of a beginning are the same whatever
//! follows. A prompt that starts with the same tokens computes only the others. How much is shared is
//! found by comparing tokens, never by trusting a name or a hash.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Result, Tensor};

use crate::llama_guard::forward::{Llama, Packed};

/// A shared beginning shorter than this is not worth the copying.
pub(super) const SHORTEST: usize = 16;

/// The tokens of a beginning, and their rotated keys and their values side by side, `[tokens, 2 *
/// kv_heads * head_dim]` per layer.
pub struct Prefix {
    ids: Vec<u32>,
    /// Where the first of them are kept.
    base: Option<Behind>,
    /// Keys and values of the others.
    layers: Vec<Tensor>,
}

impl Prefix {
    /// Reads a beginning.
    ///
    /// # Errors
    ///
    /// It is empty, or longer than the model's longest prompt.
    pub fn new(model: &Llama, ids: &[u32]) -> Result<Self> {
        let mut packed = Packed::default();
        packed.push(ids.iter().copied(), [ids.len().saturating_sub(1)]);
        packed.keep(ids.len());
        let (_, mut kept) = model.hidden_and_kept(&packed)?;
        match kept.pop() {
            Some(prefix) => Ok(prefix),
            None => candle_core::bail!("nothing is kept of {} tokens", ids.len()),
        }
    }

    /// Keys and values of the first `tokens` tokens in a layer.
    pub(super) fn layer(&self, layer: usize, tokens: usize) -> Result<(Tensor, Tensor)> {
        let both = self.both(layer, tokens)?;
        let width = both.dim(1)? / 2;
        Ok((both.narrow(1, 0, width)?, both.narrow(1, width, width)?))
    }

    fn both(&self, layer: usize, tokens: usize) -> Result<Tensor> {
        let Some(own) = self.layers.get(layer) else {
            candle_core::bail!("a beginning of {} layers has no layer {layer}", self.layers.len());
        };
        match &self.base {
            None => own.narrow(0, 0, tokens),
            Some(base) if tokens <= base.tokens => base.prefix.both(layer, tokens),
            Some(base) => {
                let own = own.narrow(0, 0, tokens - base.tokens)?;
                Tensor::cat(&[base.prefix.both(layer, base.tokens)?, own], 0)
            }
        }
    }

    /// Its first tokens by themselves.
    pub(super) fn first(&self, tokens: usize) -> Result<Self> {
        let copy = |layer| self.both(layer, tokens)?.force_contiguous();
        let layers = (0..self.layers.len()).map(copy).collect::<Result<_>>()?;
        let ids = self.ids.get(..tokens).unwrap_or_default().to_vec();
        Ok(Self { ids, base: None, layers })
    }

    /// Where the first of its tokens are kept.
    pub(super) fn base(&self) -> Option<&Behind> {
        self.base.as_ref()
    }

    /// Its tokens.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many tokens of a prompt begin as this does.
    pub(super) fn shared(&self, ids: &[u32]) -> usize {
        self.ids.iter().zip(ids).take_while(|(ours, theirs)| ours == theirs).count()
    }

    /// What it takes in memory, its base apart.
    pub(super) fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        self.layers.iter().map(of).sum::<usize>() + self.ids.len() * size_of::<u32>()
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

/// What is to be kept of a forward pass while it goes through the layers.
#[derive(Default)]
pub(super) struct Keeping(Vec<Wanted>);

struct Wanted {
    /// The rows of the pass, behind what was kept before.
    rows: Range<usize>,
    kept: Prefix,
}

impl Keeping {
    /// Keeps the first `tokens` tokens of a sequence whose computed tokens are `ids`, from row `row`
    /// on.
    pub(super) fn want(&mut self, row: usize, ids: &[u32], behind: Option<Behind>, tokens: usize) {
        let before = behind.as_ref().map_or(&[][..], |Behind { prefix, tokens }| {
            prefix.ids.get(..*tokens).unwrap_or_default()
        });
        let Some(own) = tokens.checked_sub(before.len()).filter(|own| *own > 0) else { return };
        let own = ids.get(..own).unwrap_or(ids);
        let (ids, rows) = ([before, own].concat(), row..row + own.len());
        self.0.push(Wanted { rows, kept: Prefix { ids, base: behind, layers: Vec::new() } });
    }

    /// Takes in the keys and values of a layer, side by side.
    pub(super) fn take(&mut self, keys_values: &Tensor) -> Result<()> {
        for Wanted { rows, kept } in &mut self.0 {
            // Copies, so that the rest of the pass is let go.
            kept.layers.push(keys_values.narrow(0, rows.start, rows.len())?.force_contiguous()?);
        }
        Ok(())
    }

    /// Everything that is kept.
    pub(super) fn done(self) -> Vec<Prefix> {
        self.0.into_iter().map(|wanted| wanted.kept).collect()
    }
}

/// The beginnings that all prompts of a family share.
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
        longest(&self.0, ids, most)
    }
}

/// What the most of a prompt's first tokens, at most `most`, are kept in.
pub(super) fn longest<'a>(
    kept: impl IntoIterator<Item = &'a Arc<Prefix>>,
    ids: &[u32],
    most: usize,
) -> Option<Behind> {
    let shared = kept.into_iter().map(|prefix| (prefix, prefix.shared(ids).min(most)));
    let (prefix, tokens) = shared.max_by_key(|(_, tokens)| *tokens)?;
    if tokens < SHORTEST { None } else { Behind::new(Arc::clone(prefix), tokens) }
}
