//! The Llama forward pass over packed sequences: several prompts as one long row of tokens, each
//! with its own positions, and logits only at the rows that are asked for.

use candle_core::{DType, Device, IndexOp, Result, Tensor};

use crate::llama_guard::attention::{Heads, Keys, Span, attend};
use crate::llama_guard::config::{ModelConfig, Rope};
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::head::Head;
use crate::llama_guard::kernels::{Add, Gated, Norm, Rotate};
use crate::llama_guard::prefix::Behind;
use crate::llama_guard::weights::Weights;

/// A Llama model in f32 on the CPU.
pub struct Llama {
    config: ModelConfig,
    /// As narrow as its file has it.
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Head,
    /// Cosines and sines of every position up to the longest prompt.
    angles: Vec<f32>,
}

struct Layer {
    before_attention: Vec<f32>,
    /// Query, key and value projections, one below the other, transposed.
    qkv: Tensor,
    out: Tensor,
    before_inner: Vec<f32>,
    /// Gate and up projections, one below the other, transposed.
    gate_up: Tensor,
    down: Tensor,
}

/// Several sequences to go through the model together.
#[derive(Clone, Default)]
pub struct Packed {
    ids: Vec<u32>,
    sequences: Vec<Sequence>,
}

#[derive(Clone)]
struct Sequence {
    /// Tokens that are computed.
    length: usize,
    /// Tokens before them whose keys and values are kept.
    behind: Option<Behind>,
    /// Positions in the whole sequence.
    reads: Vec<usize>,
}

impl Packed {
    /// Adds a sequence that is read at `rows` (positions in it, ascending). An empty one, or a row
    /// behind its end, makes the forward pass fail.
    pub fn push(&mut self, ids: impl IntoIterator<Item = u32>, rows: impl Into<Vec<usize>>) {
        self.push_behind(None, ids, rows);
    }

    /// Adds the rest of a sequence whose beginning is kept. The rows are positions in the whole
    /// sequence; one in the beginning makes the forward pass fail.
    pub fn push_behind(
        &mut self,
        behind: Option<Behind>,
        rest: impl IntoIterator<Item = u32>,
        rows: impl Into<Vec<usize>>,
    ) {
        let before = self.ids.len();
        self.ids.extend(rest);
        let length = self.ids.len() - before;
        self.sequences.push(Sequence { length, behind, reads: rows.into() });
    }

    /// Tokens of all sequences together that are computed.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }
}

impl Llama {
    /// Takes the model out of `weights`; prompts of up to `positions` tokens can be read.
    pub fn new(
        config: ModelConfig,
        mut weights: Weights,
        positions: usize,
    ) -> std::result::Result<Self, LoadFault> {
        let ModelConfig { hidden, inner, vocab, .. } = config;
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let embedding = weights.take_as_stored("model.embed_tokens.weight", &[vocab, hidden])?;
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut take = |name: &str, shape: &[usize]| {
                weights.take(&format!("model.layers.{layer}.{name}.weight"), shape)
            };
            layers.push(Layer {
                before_attention: numbers(take("input_layernorm", &[hidden])?)?,
                qkv: join(&[
                    take("self_attn.q_proj", &[q, hidden])?,
                    take("self_attn.k_proj", &[kv, hidden])?,
                    take("self_attn.v_proj", &[kv, hidden])?,
                ])?,
                out: join(&[take("self_attn.o_proj", &[hidden, q])?])?,
                before_inner: numbers(take("post_attention_layernorm", &[hidden])?)?,
                gate_up: join(&[
                    take("mlp.gate_proj", &[inner, hidden])?,
                    take("mlp.up_proj", &[inner, hidden])?,
                ])?,
                down: join(&[take("mlp.down_proj", &[hidden, inner])?])?,
            });
        }
        let norm = numbers(weights.take("model.norm.weight", &[hidden])?)?;
        let head = if config.tied {
            embedding.clone()
        } else {
            weights.take_as_stored("lm_head.weight", &[vocab, hidden])?
        };
        let head = Head::new(head).map_err(unexpected)?;
        let angles = angles(&config.rope, config.head_dim, positions.min(config.max_positions));
        Ok(Self { config, embedding, layers, norm, head, angles })
    }

    /// The shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The output head.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Logits of every token at the rows asked for: `[reads, vocab]`.
    pub fn logits(&self, packed: &Packed) -> Result<Tensor> {
        self.head.logits(&self.hidden(packed)?)
    }

    /// The last hidden state, behind the final norm, at the rows asked for, sequence by sequence:
    /// `[reads, hidden]`.
    pub fn hidden(&self, packed: &Packed) -> Result<Tensor> {
        let plan = self.plan(packed)?;
        let mut x = self.embed(packed)?;
        let Some((last, layers)) = self.layers.split_last() else { return Ok(x) };
        for (number, layer) in layers.iter().enumerate() {
            (x, _) = self.layer(number, layer, &x, &plan)?;
        }
        // Behind the last layer nobody looks at the rows that are not read.
        let x = self.last_layer(last, &x, &plan)?;
        x.apply_op1_no_bwd(&Norm { weight: &self.norm, eps: self.config.norm_eps })
    }

    /// The rotated keys and the values of a sequence in every layer, `[tokens, kv_heads * head_dim]`
    /// each.
    pub(super) fn keys_and_values(&self, ids: &[u32]) -> Result<Vec<(Tensor, Tensor)>> {
        let mut packed = Packed::default();
        packed.push(ids.iter().copied(), [ids.len().saturating_sub(1)]);
        let plan = self.plan(&packed)?;
        let (q, kv) = self.widths();
        let mut x = self.embed(&packed)?;
        let mut kept = Vec::with_capacity(self.layers.len());
        for (number, layer) in self.layers.iter().enumerate() {
            let qkv;
            (x, qkv) = self.layer(number, layer, &x, &plan)?;
            // Copies, so that the queries are let go.
            let keys = qkv.narrow(1, q, kv)?.contiguous()?;
            kept.push((keys, qkv.narrow(1, q + kv, kv)?.contiguous()?));
        }
        Ok(kept)
    }

    fn plan(&self, packed: &Packed) -> Result<Plan> {
        Plan::new(packed, self.angles.len() / self.config.head_dim)
    }

    fn embed(&self, packed: &Packed) -> Result<Tensor> {
        let ids = Tensor::new(packed.ids.as_slice(), &Device::Cpu)?;
        self.embedding.index_select(&ids, 0)?.to_dtype(DType::F32)
    }

    /// What the layer makes of its input, and its queries, keys and values side by side.
    fn layer(
        &self,
        number: usize,
        layer: &Layer,
        x: &Tensor,
        plan: &Plan,
    ) -> Result<(Tensor, Tensor)> {
        let (q, kv) = self.widths();
        let h = x.apply_op1_no_bwd(&self.norm_of(&layer.before_attention))?;
        let qkv = h.matmul(&layer.qkv)?;
        self.rotate(&qkv, self.config.heads + self.config.kv_heads, &plan.positions)?;
        let attended = attend(
            &self.heads(),
            &qkv.narrow(1, 0, q)?,
            &Keys { number, keys: &qkv.narrow(1, q, kv)?, values: &qkv.narrow(1, q + kv, kv)? },
            &plan.spans,
            &plan.limits,
        )?;
        Ok((self.behind_attention(layer, x, &attended)?, qkv))
    }

    fn last_layer(&self, layer: &Layer, x: &Tensor, plan: &Plan) -> Result<Tensor> {
        let (q, kv) = self.widths();
        let h = x.apply_op1_no_bwd(&self.norm_of(&layer.before_attention))?;
        let keys_values = h.matmul(&layer.qkv.narrow(1, q, 2 * kv)?)?;
        self.rotate(&keys_values, self.config.kv_heads, &plan.positions)?;
        let rows = Tensor::new(plan.read_rows.as_slice(), &Device::Cpu)?;
        let queries = h.index_select(&rows, 0)?.matmul(&layer.qkv.narrow(1, 0, q)?)?;
        self.rotate(&queries, self.config.heads, &plan.read_positions)?;
        let attended = attend(
            &self.heads(),
            &queries,
            &Keys {
                number: self.layers.len() - 1,
                keys: &keys_values.narrow(1, 0, kv)?,
                values: &keys_values.narrow(1, kv, kv)?,
            },
            &plan.read_spans,
            &plan.read_limits,
        )?;
        self.behind_attention(layer, &x.index_select(&rows, 0)?, &attended)
    }

    fn behind_attention(&self, layer: &Layer, x: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let x1 = attended.matmul(&layer.out)?;
        x1.inplace_op2(x, &Add)?;
        let h = x1.apply_op1_no_bwd(&self.norm_of(&layer.before_inner))?;
        let x2 = h.matmul(&layer.gate_up)?.apply_op1_no_bwd(&Gated)?.matmul(&layer.down)?;
        x2.inplace_op2(&x1, &Add)?;
        Ok(x2)
    }

    fn rotate(&self, x: &Tensor, heads: usize, positions: &[usize]) -> Result<()> {
        let head_dim = self.config.head_dim;
        x.inplace_op1(&Rotate { table: &self.angles, positions, heads, head_dim })
    }

    fn norm_of<'a>(&self, weight: &'a [f32]) -> Norm<'a> {
        Norm { weight, eps: self.config.norm_eps }
    }

    fn widths(&self) -> (usize, usize) {
        let ModelConfig { heads, kv_heads, head_dim, .. } = self.config;
        (heads * head_dim, kv_heads * head_dim)
    }

    fn heads(&self) -> Heads {
        let ModelConfig { heads, kv_heads, head_dim, .. } = self.config;
        Heads { queries: heads, keys: kv_heads, dim: head_dim, scale: 1.0 / float(head_dim).sqrt() }
    }
}

/// Where every row of a packed batch stands.
struct Plan {
    positions: Vec<usize>,
    limits: Vec<usize>,
    spans: Vec<Span>,
    read_rows: Vec<u32>,
    read_positions: Vec<usize>,
    read_limits: Vec<usize>,
    read_spans: Vec<Span>,
}

impl Plan {
    fn new(packed: &Packed, longest: usize) -> Result<Self> {
        let mut plan = Self {
            positions: Vec::with_capacity(packed.ids.len()),
            limits: Vec::with_capacity(packed.ids.len()),
            spans: Vec::new(),
            read_rows: Vec::new(),
            read_positions: Vec::new(),
            read_limits: Vec::new(),
            read_spans: Vec::new(),
        };
        for Sequence { length, behind, reads } in &packed.sequences {
            let kept = behind.as_ref().map_or(0, |behind| behind.tokens);
            let whole = kept + length;
            if *length == 0 || whole > longest {
                candle_core::bail!("a sequence of {whole} tokens, at most {longest} can be read");
            }
            if reads.iter().any(|row| !(kept..whole).contains(row)) {
                candle_core::bail!("of {whole} tokens, {kept} of them kept, {reads:?} are read");
            }
            let start = plan.positions.len();
            plan.positions.extend(kept..whole);
            plan.limits.extend(kept + 1..=whole);
            let keys = start..start + length;
            plan.spans.push(Span {
                queries: keys.clone(),
                keys: keys.clone(),
                behind: behind.clone(),
            });
            let first = plan.read_positions.len();
            for row in reads {
                let absolute =
                    u32::try_from(start + row - kept).map_err(candle_core::Error::wrap)?;
                plan.read_rows.push(absolute);
                plan.read_positions.push(*row);
                plan.read_limits.push(row + 1);
            }
            let queries = first..plan.read_positions.len();
            plan.read_spans.push(Span { queries, keys, behind: behind.clone() });
        }
        if plan.read_rows.is_empty() {
            candle_core::bail!("nothing is read");
        }
        Ok(plan)
    }
}

/// Per position the cosines, then the sines, of half a head's angles, computed as transformers does.
fn angles(rope: &Rope, head_dim: usize, positions: usize) -> Vec<f32> {
    let frequencies: Vec<f32> = (0..head_dim / 2)
        .map(|pair| 1.0 / rope.theta.powf(float(2 * pair) / float(head_dim)))
        .map(|frequency| stretched(rope, frequency))
        .collect();
    let mut table = Vec::with_capacity(positions * head_dim);
    for position in 0..positions {
        table.extend(frequencies.iter().map(|frequency| (float(position) * frequency).cos()));
        table.extend(frequencies.iter().map(|frequency| (float(position) * frequency).sin()));
    }
    table
}

fn stretched(rope: &Rope, frequency: f32) -> f32 {
    let Some(scaling) = rope.scaling else { return frequency };
    let wave = std::f32::consts::TAU / frequency;
    let (low, high) = (scaling.low_freq_factor, scaling.high_freq_factor);
    if wave < scaling.original_positions / high {
        frequency
    } else if wave > scaling.original_positions / low {
        frequency / scaling.factor
    } else {
        let smooth = (scaling.original_positions / wave - low) / (high - low);
        (1.0 - smooth) * frequency / scaling.factor + smooth * frequency
    }
}

#[expect(clippy::cast_precision_loss, reason = "positions and widths are far below 2^24")]
fn float(number: usize) -> f32 {
    number as f32
}

/// The matrices one below the other, transposed in memory, which is the order a product reads.
fn join(parts: &[Tensor]) -> std::result::Result<Tensor, LoadFault> {
    Tensor::cat(parts, 0).and_then(|joined| joined.t()?.contiguous()).map_err(unexpected)
}

fn numbers(tensor: Tensor) -> std::result::Result<Vec<f32>, LoadFault> {
    tensor.i(..).and_then(|tensor| tensor.to_vec1()).map_err(unexpected)
}

fn unexpected(error: candle_core::Error) -> LoadFault {
    LoadFault::Settings(format!("the weights could not be laid out: {error}"))
}
