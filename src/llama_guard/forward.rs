//! The Llama forward pass over packed sequences: several prompts as one long row of tokens, each
//! with its own positions, and logits only at the rows that are asked for. Mistral is Llama under
//! another name; Qwen 3 and Gemma 2 differ in a few steps.

use candle_core::quantized::GgmlDType;
use candle_core::{Result, Tensor};

use crate::llama_guard::attention::{Block, Heads, Keys, Span, attend};
use crate::llama_guard::config::{Architecture, ModelConfig, Rope};
use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::head::Head;
use crate::llama_guard::matrix::Matrix;
use crate::llama_guard::place::Place;
use crate::llama_guard::prefix::{Behind, Keeping, Prefix};
use crate::llama_guard::steps::{Gate, Steps, Turns};
use crate::llama_guard::weights::Weights;

/// A model on a device.
pub struct Llama {
    config: ModelConfig,
    /// As narrow as its file has it.
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Head,
    steps: Steps,
}

struct Layer {
    before_attention: Tensor,
    /// Query, key and value projections.
    qkv: Matrix,
    /// The norms of a query's and of a key's head, if the model has them.
    head_norms: Option<(Tensor, Tensor)>,
    out: Matrix,
    /// Gemma norms what attention gives, too.
    behind_attention: Option<Tensor>,
    before_inner: Tensor,
    /// Gate and up projections.
    gate_up: Matrix,
    down: Matrix,
    /// And what the inner part gives.
    behind_inner: Option<Tensor>,
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
    /// How many tokens of the whole sequence are to be kept.
    keep: usize,
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
        self.sequences.push(Sequence { length, behind, reads: rows.into(), keep: 0 });
    }

    /// Has the first `tokens` tokens of the last sequence kept for others that begin with them.
    pub(super) fn keep(&mut self, tokens: usize) {
        if let Some(sequence) = self.sequences.last_mut() {
            sequence.keep = tokens;
        }
    }

    /// Tokens of all sequences together that are computed.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    fn keeping(&self) -> Keeping {
        let mut keeping = Keeping::default();
        let mut row = 0;
        for Sequence { length, behind, keep, .. } in &self.sequences {
            let ids = self.ids.get(row..row + length).unwrap_or_default();
            keeping.want(row, ids, behind.clone(), *keep);
            row += length;
        }
        keeping
    }
}

impl Llama {
    /// Takes the model out of `weights` to a device; prompts of up to `positions` tokens can be read.
    pub fn new(
        config: ModelConfig,
        mut weights: Weights,
        positions: usize,
        place: Place,
    ) -> std::result::Result<Self, LoadFault> {
        let ModelConfig { hidden, inner, vocab, .. } = config;
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let embedding = weights.take_as_stored("model.embed_tokens.weight", &[vocab, hidden])?;
        let embedding = embedding.to_device(&place.device).map_err(unexpected)?;
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut take = |name: &str, shape: &[usize]| {
                weights.take(&format!("model.layers.{layer}.{name}.weight"), shape, &place)
            };
            let head_norms = match config.architecture {
                Architecture::Qwen3 => Some((
                    take("self_attn.q_norm", &[config.head_dim])?,
                    take("self_attn.k_norm", &[config.head_dim])?,
                )),
                _ => None,
            };
            let mut norm = |name: &str| counted(take(name, &[hidden])?, &config);
            let before_attention = norm("input_layernorm")?;
            let (behind_attention, before_inner, behind_inner) = match config.architecture.gemma() {
                None => (None, norm("post_attention_layernorm")?, None),
                Some(_) => (
                    Some(norm("post_attention_layernorm")?),
                    norm("pre_feedforward_layernorm")?,
                    Some(norm("post_feedforward_layernorm")?),
                ),
            };
            let mut join = |parts: &[(&str, usize)], width: usize| {
                let take = |(part, rows): &(&str, usize)| {
                    let name = format!("model.layers.{layer}.{part}.weight");
                    weights.take_stored(&name, &[*rows, width])
                };
                let parts = parts.iter().map(take).collect::<std::result::Result<_, _>>()?;
                Matrix::join(parts, &place).map_err(unexpected)
            };
            layers.push(Layer {
                before_attention,
                head_norms,
                behind_attention,
                before_inner,
                behind_inner,
                qkv: join(
                    &[("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)],
                    hidden,
                )?,
                out: join(&[("self_attn.o_proj", hidden)], q)?,
                gate_up: join(&[("mlp.gate_proj", inner), ("mlp.up_proj", inner)], hidden)?,
                down: join(&[("mlp.down_proj", hidden)], inner)?,
            });
        }
        let norm = counted(weights.take("model.norm.weight", &[hidden], &place)?, &config)?;
        let head = if config.tied {
            embedding.clone()
        } else {
            weights.take_as_stored("lm_head.weight", &[vocab, hidden])?
        };
        let cap = config.architecture.gemma().map(|gemma| gemma.logit_cap);
        let head = Head::new(head, cap, &place).map_err(unexpected)?;
        let angles = angles(&config.rope, config.head_dim, positions.min(config.max_positions));
        let steps = Steps::new(place, angles, config.head_dim);
        Ok(Self { config, embedding, layers, norm, head, steps })
    }

    /// The shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where it is computed.
    pub(super) fn place(&self) -> &Place {
        &self.steps.place
    }

    /// The word for the numbers of its matrices.
    pub(super) fn numbers(&self) -> String {
        match self.layers.first().and_then(|layer| layer.down.kind().or(layer.qkv.kind())) {
            Some(GgmlDType::Q4K) => "q4_k".to_owned(),
            Some(GgmlDType::Q6K) => "q6_k".to_owned(),
            Some(kind) => format!("{kind:?}").to_lowercase(),
            None => self.place().dtype_name().to_owned(),
        }
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
        self.hidden_and_kept(packed).map(|(hidden, _)| hidden)
    }

    /// The same, and what was to be kept of the sequences, in their order.
    pub(super) fn hidden_and_kept(&self, packed: &Packed) -> Result<(Tensor, Vec<Prefix>)> {
        let plan = self.plan(packed)?;
        let mut keeping = packed.keeping();
        let (q, kv) = self.widths();
        let mut x = self.embed(packed)?;
        let Some((last, layers)) = self.layers.split_last() else { return Ok((x, Vec::new())) };
        for (number, layer) in layers.iter().enumerate() {
            let qkv;
            (x, qkv) = self.layer(number, layer, &x, &plan)?;
            keeping.take(&qkv.narrow(1, q, 2 * kv)?)?;
        }
        // Behind the last layer nobody looks at the rows that are not read.
        let (x, keys_values) = self.last_layer(last, &x, &plan)?;
        keeping.take(&keys_values)?;
        let x = self.steps.norm(&x, &self.norm, self.config.norm_eps)?;
        Ok((x, keeping.done()))
    }

    fn plan(&self, packed: &Packed) -> Result<Plan> {
        Plan::new(packed, &self.steps, self.config.heads / self.config.kv_heads)
    }

    fn embed(&self, packed: &Packed) -> Result<Tensor> {
        let ids = Tensor::new(packed.ids.as_slice(), &self.steps.place.device)?;
        let embedded = self.embedding.index_select(&ids, 0)?.to_dtype(self.steps.place.dtype)?;
        match self.config.architecture.gemma() {
            Some(_) => embedded * f64::from(float(self.config.hidden).sqrt()),
            None => Ok(embedded),
        }
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
        let h = self.norm_with(x, &layer.before_attention)?;
        let heads = self.config.heads + self.config.kv_heads;
        let qkv = layer.qkv.times(&h)?;
        let qkv = match &layer.head_norms {
            Some((query, key)) => {
                let queries = self.norm_heads(&qkv.narrow(1, 0, q)?, query)?;
                let keys = self.norm_heads(&qkv.narrow(1, q, kv)?, key)?;
                Tensor::cat(&[queries, keys, qkv.narrow(1, q + kv, kv)?], 1)?
            }
            None => qkv,
        };
        let qkv = self.steps.rotate(qkv, heads, &plan.turns)?;
        let attended = attend(
            &self.steps,
            &self.heads(),
            &qkv.narrow(1, 0, q)?,
            &Keys { number, keys: &qkv.narrow(1, q, kv)?, values: &qkv.narrow(1, q + kv, kv)? },
            &plan.spans,
        )?;
        Ok((self.behind_attention(layer, x, &attended)?, qkv))
    }

    /// What the last layer makes of the rows that are read, and the keys and values of all.
    fn last_layer(&self, layer: &Layer, x: &Tensor, plan: &Plan) -> Result<(Tensor, Tensor)> {
        let (q, kv) = self.widths();
        let (steps, ModelConfig { heads, kv_heads, .. }) = (&self.steps, &self.config);
        let h = self.norm_with(x, &layer.before_attention)?;
        let mut keys_values = layer.qkv.times_rows(&h, q, 2 * kv)?;
        if let Some((_, key)) = &layer.head_norms {
            let keys = self.norm_heads(&keys_values.narrow(1, 0, kv)?, key)?;
            keys_values = Tensor::cat(&[keys, keys_values.narrow(1, kv, kv)?], 1)?;
        }
        let keys_values = steps.rotate(keys_values, *kv_heads, &plan.turns)?;
        let rows = Tensor::new(plan.read_rows.as_slice(), &steps.place.device)?;
        let mut queries = layer.qkv.times_rows(&h.index_select(&rows, 0)?, 0, q)?;
        if let Some((query, _)) = &layer.head_norms {
            queries = self.norm_heads(&queries, query)?;
        }
        let queries = steps.rotate(queries, *heads, &plan.read_turns)?;
        let attended = attend(
            steps,
            &self.heads(),
            &queries,
            &Keys {
                number: self.layers.len() - 1,
                keys: &keys_values.narrow(1, 0, kv)?,
                values: &keys_values.narrow(1, kv, kv)?,
            },
            &plan.read_spans,
        )?;
        let x = self.behind_attention(layer, &x.index_select(&rows, 0)?, &attended)?;
        Ok((x, keys_values))
    }

    fn behind_attention(&self, layer: &Layer, x: &Tensor, attended: &Tensor) -> Result<Tensor> {
        let attended = self.norm_if(layer.out.times(attended)?, layer.behind_attention.as_ref())?;
        let x = self.steps.add(attended, x)?;
        let h = self.norm_with(&x, &layer.before_inner)?;
        let gate = match self.config.architecture {
            Architecture::Gemma2(_) => Gate::Gelu,
            _ => Gate::Silu,
        };
        let inner = self.steps.gated(&layer.gate_up.times(&h)?, gate)?;
        let inner = self.norm_if(layer.down.times(&inner)?, layer.behind_inner.as_ref())?;
        self.steps.add(inner, &x)
    }

    fn norm_if(&self, x: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
        match weight {
            Some(weight) => self.norm_with(&x, weight),
            None => Ok(x),
        }
    }

    /// Every head of every row by itself.
    fn norm_heads(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let heads = x.reshape((rows * width / self.config.head_dim, self.config.head_dim))?;
        self.norm_with(&heads, weight)?.reshape((rows, width))
    }

    fn norm_with(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.steps.norm(x, weight, self.config.norm_eps)
    }

    fn widths(&self) -> (usize, usize) {
        let ModelConfig { heads, kv_heads, head_dim, .. } = self.config;
        (heads * head_dim, kv_heads * head_dim)
    }

    fn heads(&self) -> Heads {
        let ModelConfig { heads, kv_heads, head_dim, architecture, .. } = self.config;
        let gemma = architecture.gemma();
        let width = gemma.map_or(float(head_dim), |gemma| gemma.attention_width);
        Heads {
            queries: heads,
            keys: kv_heads,
            dim: head_dim,
            scale: 1.0 / width.sqrt(),
            cap: gemma.map(|gemma| gemma.attention_cap),
        }
    }
}

/// Where every row of a packed batch stands.
struct Plan {
    turns: Turns,
    spans: Vec<Span>,
    read_rows: Vec<u32>,
    read_turns: Turns,
    read_spans: Vec<Span>,
}

impl Plan {
    /// The plan for a device; `group` query heads share a key head.
    fn new(packed: &Packed, steps: &Steps, group: usize) -> Result<Self> {
        let longest = steps.positions();
        let (mut positions, mut read_positions) = (Vec::new(), Vec::new());
        let (mut spans, mut read_spans) = (Vec::new(), Vec::new());
        let mut read_rows = Vec::new();
        for Sequence { length, behind, reads, .. } in &packed.sequences {
            let kept = behind.as_ref().map_or(0, |behind| behind.tokens);
            let whole = kept + length;
            if *length == 0 || whole > longest {
                candle_core::bail!("a sequence of {whole} tokens, at most {longest} can be read");
            }
            if reads.iter().any(|row| !(kept..whole).contains(row)) {
                candle_core::bail!("of {whole} tokens, {kept} of them kept, {reads:?} are read");
            }
            let start = positions.len();
            positions.extend(kept..whole);
            let keys = start..start + length;
            let limits: Vec<usize> = (kept + 1..=whole).collect();
            spans.push(Span {
                queries: keys.clone(),
                keys: keys.clone(),
                behind: behind.clone(),
                blocks: Block::all(steps, &limits, group)?,
            });
            let first = read_positions.len();
            for row in reads {
                let absolute = start + row - kept;
                read_rows.push(u32::try_from(absolute).map_err(candle_core::Error::wrap)?);
                read_positions.push(*row);
            }
            let limits: Vec<usize> = reads.iter().map(|row| row + 1).collect();
            read_spans.push(Span {
                queries: first..read_positions.len(),
                keys,
                behind: behind.clone(),
                blocks: Block::all(steps, &limits, group)?,
            });
        }
        if read_rows.is_empty() {
            candle_core::bail!("nothing is read");
        }
        let (turns, read_turns) = (steps.turns(positions)?, steps.turns(read_positions)?);
        Ok(Self { turns, spans, read_rows, read_turns, read_spans })
    }
}

/// Per position the cosines, then the sines, of half a head's angles, computed as transformers does.
fn angles(rope: &Rope, head_dim: usize, positions: usize) -> Vec<f32> {
    let frequencies: Vec<f32> = (0..head_dim / 2)
        .map(|pair| 1.0 / rope.theta.powf(float(2 * pair) / float(head_dim)))
        .map(|frequency| stretched(rope, frequency))
        .enumerate()
        .map(|(pair, frequency)| frequency / rope.factors.get(pair).copied().unwrap_or(1.0))
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

/// A norm's weight, as what numbers are multiplied with.
fn counted(norm: Tensor, config: &ModelConfig) -> std::result::Result<Tensor, LoadFault> {
    match config.architecture {
        Architecture::Gemma2(_) => (norm + 1.0).map_err(unexpected),
        _ => Ok(norm),
    }
}

fn unexpected(error: candle_core::Error) -> LoadFault {
    LoadFault::Settings(format!("the weights could not be laid out: {error}"))
}
