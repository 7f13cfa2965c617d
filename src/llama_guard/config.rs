//! `config.json` of a checkpoint, as transformers 4 and 5 write it: Llama, and what is made like it.
//!
//! Nothing that changes the numbers has a default here: a rope base that is silently the wrong one
//! gives plausible garbage.

use serde_json::{Map, Value};

use crate::llama_guard::fault::LoadFault;

pub(super) const FILE: &str = "config.json";

/// The shape of a model that is Llama, or differs from it in a few places.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub inner: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Tokens in the vocabulary.
    pub vocab: usize,
    /// The longest sequence the model knows positions for.
    pub max_positions: usize,
    /// The epsilon of the norms.
    pub norm_eps: f32,
    /// The rotary embedding.
    pub rope: Rope,
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// Whose steps it takes.
    pub architecture: Architecture,
}

/// An architecture that differs from Llama's in a few steps, if at all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Architecture {
    /// Llama itself.
    Llama,
    /// Llama, with attention that may slide.
    Mistral,
    /// Queries and keys are normed, head by head, before they are rotated.
    Qwen3,
    /// See [`Gemma`].
    Gemma2(Gemma),
}

#[cfg(feature = "candle")]
impl Architecture {
    /// What Gemma does otherwise, if it is one.
    pub(super) fn gemma(self) -> Option<Gemma> {
        match self {
            Self::Gemma2(gemma) => Some(gemma),
            Self::Llama | Self::Mistral | Self::Qwen3 => None,
        }
    }
}

/// What sets Gemma 2 apart from Llama, besides numbers: its embeddings are scaled, each part of a layer
/// is normed behind itself as well, norms count from one, and its gate is a GELU.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gemma {
    /// Attention is scaled by one over the root of this, whatever the width of a head.
    pub attention_width: f32,
    /// What scores of attention are bent to stay below.
    pub attention_cap: f32,
    /// What logits are bent to stay below.
    pub logit_cap: f32,
}

/// The rotary embedding.
#[derive(Clone, PartialEq, Debug)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f32,
    /// The stretch to longer texts, if any.
    pub scaling: Option<Llama3Scaling>,
    /// The stretch where a file spells it out: what each frequency is divided by. None of them without.
    pub factors: Vec<f32>,
}

/// The stretch of Llama 3.1 and later.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Llama3Scaling {
    /// How much the long waves are stretched.
    pub factor: f32,
    /// Where the stretch begins.
    pub low_freq_factor: f32,
    /// Where it ends.
    pub high_freq_factor: f32,
    /// The length the model was first trained on.
    pub original_positions: f32,
}

impl ModelConfig {
    /// What its weights take in memory, in f32.
    pub fn bytes(&self) -> usize {
        let tables = if self.tied { 1 } else { 2 };
        (self.in_layers() + tables * self.vocab * self.hidden) * size_of::<f32>()
    }

    /// Multiplications and additions for one token in all layers, attention left out.
    #[expect(clippy::cast_precision_loss, reason = "billions at most")]
    pub fn operations(&self) -> f64 {
        2.0 * self.in_layers() as f64
    }

    /// Weights in all layers.
    fn in_layers(&self) -> usize {
        let attention = 2 * (self.heads + self.kv_heads) * self.head_dim;
        self.layers * self.hidden * (attention + 3 * self.inner)
    }

    /// Reads a `config.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LoadFault> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| LoadFault::file(FILE, error))?;
        let Value::Object(map) = &value else {
            return Err(LoadFault::file(FILE, "not a JSON object"));
        };
        let fields = Fields { map, path: "" };
        fields.must_be("model_type", &["llama", "mistral", "qwen3", "gemma2"])?;
        let model = fields.get("model_type").and_then(Value::as_str).unwrap_or("llama");
        let is_gemma = model == "gemma2";
        if is_gemma {
            fields.must_be("hidden_activation", &["gelu_pytorch_tanh"])?;
        } else {
            fields.must_be("hidden_act", &["silu"])?;
        }
        fields.must_not("attention_bias")?;
        fields.must_not("use_sliding_window")?;
        fields.must_not("mlp_bias")?;
        if fields.get("quantization_config").is_some() {
            return Err(
                fields.fault("quantization_config", "is set: quantised weights are not read")
            );
        }
        let hidden = fields.count("hidden_size")?;
        let heads = fields.count("num_attention_heads")?;
        let kv_heads = fields.count_or("num_key_value_heads", heads)?;
        if heads % kv_heads != 0 {
            return Err(fields.fault(
                "num_key_value_heads",
                format!("is {kv_heads}, which does not divide the {heads} attention heads"),
            ));
        }
        if fields.get("head_dim").is_none() && hidden % heads != 0 {
            return Err(fields.fault(
                "hidden_size",
                format!("is {hidden}, which {heads} heads do not divide, and there is no head_dim"),
            ));
        }
        let head_dim = fields.count_or("head_dim", hidden / heads)?;
        if head_dim % 2 != 0 {
            return Err(fields.fault("head_dim", format!("is {head_dim}, which is odd")));
        }
        Ok(Self {
            hidden,
            inner: fields.count("intermediate_size")?,
            layers: fields.count("num_hidden_layers")?,
            heads,
            kv_heads,
            head_dim,
            vocab: fields.count("vocab_size")?,
            max_positions: positions(&fields, model)?,
            norm_eps: fields.positive("rms_norm_eps")?,
            rope: rope(&fields)?,
            tied: fields.flag_or("tie_word_embeddings", is_gemma)?,
            architecture: match model {
                "gemma2" => Architecture::Gemma2(gemma(&fields)?),
                "qwen3" => Architecture::Qwen3,
                "mistral" => Architecture::Mistral,
                _ => Architecture::Llama,
            },
        })
    }
}

/// How long a sequence may be. Attention that slides sees everything of one no longer than its window.
fn positions(fields: &Fields<'_>, model: &str) -> Result<usize, LoadFault> {
    let positions = fields.count("max_position_embeddings")?;
    let slides = matches!(model, "mistral" | "gemma2");
    let window = if slides { fields.count_or("sliding_window", positions)? } else { positions };
    Ok(positions.min(window))
}

fn gemma(fields: &Fields<'_>) -> Result<Gemma, LoadFault> {
    Ok(Gemma {
        attention_width: fields.positive("query_pre_attn_scalar")?,
        attention_cap: fields.positive("attn_logit_softcapping")?,
        logit_cap: fields.positive("final_logit_softcapping")?,
    })
}

fn rope(fields: &Fields<'_>) -> Result<Rope, LoadFault> {
    // transformers 5 has one object, 4 a number beside an object that is null or absent.
    if let Some(parameters) = fields.object("rope_parameters")? {
        let theta = if parameters.get("rope_theta").is_none() && fields.get("rope_theta").is_some()
        {
            fields.positive("rope_theta")?
        } else {
            parameters.positive("rope_theta")?
        };
        return Ok(Rope { theta, scaling: scaling(&parameters)?, factors: Vec::new() });
    }
    if fields.get("rope_theta").is_none() {
        return Err(fields.fault(
            "rope_theta",
            "is missing, and so is `rope_parameters`: the base of the rotary embedding must be given",
        ));
    }
    let scaling = match fields.object("rope_scaling")? {
        Some(object) => scaling(&object)?,
        None => None,
    };
    Ok(Rope { theta: fields.positive("rope_theta")?, scaling, factors: Vec::new() })
}

fn scaling(fields: &Fields<'_>) -> Result<Option<Llama3Scaling>, LoadFault> {
    let key = if fields.get("rope_type").is_some() { "rope_type" } else { "type" };
    match fields.get(key).map(Value::as_str) {
        None | Some(Some("default")) => return Ok(None),
        Some(Some("llama3")) => {}
        Some(_) => {
            return Err(fields.fault(key, "is neither \"default\" nor \"llama3\""));
        }
    }
    let scaling = Llama3Scaling {
        factor: fields.positive("factor")?,
        low_freq_factor: fields.positive("low_freq_factor")?,
        high_freq_factor: fields.positive("high_freq_factor")?,
        original_positions: fields.positive("original_max_position_embeddings")?,
    };
    if scaling.high_freq_factor <= scaling.low_freq_factor {
        return Err(fields.fault("high_freq_factor", "is not above low_freq_factor"));
    }
    Ok(Some(scaling))
}

/// The fields of one JSON object, with the words to complain about them.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Fields<'a> {
    fn fault(&self, field: &str, reason: impl Into<String>) -> LoadFault {
        let field = format!("{}{field}", self.path);
        LoadFault::Field { file: FILE.to_owned(), field, reason: reason.into() }
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn required(&self, field: &str) -> Result<&'a Value, LoadFault> {
        self.get(field).ok_or_else(|| self.fault(field, "is missing"))
    }

    /// A whole number that is at least 1, and small enough for products of three to be exact.
    fn count(&self, field: &str) -> Result<usize, LoadFault> {
        const MOST: u64 = 1 << 20;
        let value = self.required(field)?;
        match value.as_u64() {
            Some(number @ 1..=MOST) => usize::try_from(number)
                .map_err(|_| self.fault(field, "is too large for this machine")),
            _ => Err(self.fault(field, format!("is not a whole number from 1 to {MOST}"))),
        }
    }

    fn count_or(&self, field: &str, otherwise: usize) -> Result<usize, LoadFault> {
        if self.get(field).is_none() { Ok(otherwise) } else { self.count(field) }
    }

    fn positive(&self, field: &str) -> Result<f32, LoadFault> {
        #[expect(clippy::cast_possible_truncation, reason = "checked for what f32 can hold below")]
        let number = self.required(field)?.as_f64().map(|number| number as f32);
        number
            .filter(|number| number.is_normal() && *number > 0.0)
            .ok_or_else(|| self.fault(field, "is not a positive number"))
    }

    fn flag(&self, field: &str) -> Result<bool, LoadFault> {
        self.flag_or(field, false)
    }

    fn flag_or(&self, field: &str, otherwise: bool) -> Result<bool, LoadFault> {
        match self.get(field) {
            None => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.fault(field, "is neither true nor false")),
        }
    }

    fn must_not(&self, field: &str) -> Result<(), LoadFault> {
        match self.flag(field)? {
            false => Ok(()),
            true => Err(self.fault(field, "is true, which this engine does not know")),
        }
    }

    fn must_be(&self, field: &str, known: &[&str]) -> Result<(), LoadFault> {
        match self.get(field).map(Value::as_str) {
            None => Ok(()),
            Some(Some(word)) if known.contains(&word) => Ok(()),
            Some(_) => Err(self.fault(field, format!("is not {}", known.join(" or ")))),
        }
    }

    fn object(&self, field: &'static str) -> Result<Option<Fields<'a>>, LoadFault> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                let path = match field {
                    "rope_parameters" => "rope_parameters.",
                    _ => "rope_scaling.",
                };
                Ok(Some(Fields { map, path }))
            }
            Some(_) => Err(self.fault(field, "is not an object")),
        }
    }
}
