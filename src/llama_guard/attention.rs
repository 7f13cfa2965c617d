//! Causal attention over packed sequences, in blocks of plain matrix products.
//!
//! The query heads that share a key head are rows of one product (grouped queries need no copy of
//! the keys), and a block of rows sees only the keys up to its own end.

use std::ops::Range;

use candle_core::{Result, Tensor};

use crate::llama_guard::prefix::Behind;
use crate::llama_guard::steps::{Sight, Steps};

/// Rows of queries that look at the keys of one sequence.
pub(super) struct Span {
    /// The rows of the query tensor.
    pub(super) queries: Range<usize>,
    /// The sequence in the key tensor.
    pub(super) keys: Range<usize>,
    /// What of the sequence is kept from before, and not in the key tensor.
    pub(super) behind: Option<Behind>,
    /// The queries, cut into blocks.
    pub(super) blocks: Vec<Block>,
}

/// Some rows of queries that attend together.
pub(super) struct Block {
    pub(super) rows: usize,
    /// How many keys any of them sees.
    pub(super) seen: usize,
    pub(super) sight: Sight,
}

impl Block {
    /// The blocks of query rows that see as many keys of their sequence as `limits` says.
    pub(super) fn all(steps: &Steps, limits: &[usize], group: usize) -> Result<Vec<Self>> {
        let of = |limits: &[usize]| {
            let seen = limits.iter().copied().max().unwrap_or(0);
            Ok(Self { rows: limits.len(), seen, sight: steps.sight(limits, group)? })
        };
        limits.chunks(steps.block()).map(of).collect()
    }
}

/// The keys and values of one layer, `[tokens, kv_heads * dim]` each.
pub(super) struct Keys<'a> {
    /// Which layer it is.
    pub(super) number: usize,
    pub(super) keys: &'a Tensor,
    pub(super) values: &'a Tensor,
}

impl Keys<'_> {
    /// Those of one sequence, what is kept of it first.
    fn of(&self, span: &Span) -> Result<(Tensor, Tensor)> {
        let own = |tensor: &Tensor| tensor.narrow(0, span.keys.start, span.keys.len());
        let (keys, values) = (own(self.keys)?, own(self.values)?);
        let Some(Behind { prefix, tokens }) = &span.behind else { return Ok((keys, values)) };
        let (kept_keys, kept_values) = prefix.layer(self.number, *tokens)?;
        Ok((Tensor::cat(&[kept_keys, keys], 0)?, Tensor::cat(&[kept_values, values], 0)?))
    }
}

/// Shape and scale of the heads.
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) dim: usize,
    pub(super) scale: f32,
    /// What scores are bent to stay below, if anything.
    pub(super) cap: Option<f32>,
}

/// Attention of `q` `[rows, heads * dim]` over keys and values. Strided views will do for all three.
pub(super) fn attend(
    steps: &Steps,
    heads: &Heads,
    q: &Tensor,
    keys: &Keys<'_>,
    spans: &[Span],
) -> Result<Tensor> {
    let group = heads.queries / heads.keys;
    let mut pieces = Vec::new();
    for span in spans {
        let (all_keys, all_values) = keys.of(span)?;
        let mut start = span.queries.start;
        for Block { rows, seen, sight } in &span.blocks {
            let (rows, seen) = (*rows, *seen);
            let queries = q
                .narrow(0, start, rows)?
                .reshape((rows, heads.keys, group, heads.dim))?
                .transpose(0, 1)?
                .reshape((heads.keys, rows * group, heads.dim))?;
            let keys = all_keys
                .narrow(0, 0, seen)?
                .reshape((seen, heads.keys, heads.dim))?
                .permute((1, 2, 0))?;
            let scores = queries.matmul(&keys)?;
            let (scores, scale) = match heads.cap {
                Some(cap) => (bent(&(scores * f64::from(heads.scale))?, cap)?, 1.0),
                None => (scores, heads.scale),
            };
            let scores = steps.softmax(scores, scale, sight, group)?;
            let values = all_values
                .narrow(0, 0, seen)?
                .reshape((seen, heads.keys, heads.dim))?
                .transpose(0, 1)?;
            let block = scores
                .matmul(&values)?
                .reshape((heads.keys, rows, group, heads.dim))?
                .transpose(0, 1)?
                .reshape((rows, heads.queries * heads.dim))?;
            pieces.push(block);
            start += rows;
        }
    }
    match pieces.as_slice() {
        [only] => Ok(only.clone()),
        _ => Tensor::cat(&pieces, 0),
    }
}

/// Numbers bent so that none reaches the cap.
pub(super) fn bent(numbers: &Tensor, cap: f32) -> Result<Tensor> {
    let cap = f64::from(cap);
    (numbers / cap)?.tanh()? * cap
}
