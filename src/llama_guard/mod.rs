//! The in-process engine behind the guard, on candle: Llama, and what is made like it.
//!
//! A transcript becomes prompts ([`Prompts`]) in the words of a [`Family`], several prompts one packed
//! forward pass ([`Llama`]), and its logits scores ([`scores`]). [`LlamaGuard`] ties them together, and
//! [`embedded`] is the guard that ships in the binary.
//!
//! What a model is (its family, its shape) can be told without computing with it, and so in every
//! build: a configuration is checked against the categories of the guard it names.

#[cfg(feature = "candle")]
mod attention;
mod choice;
mod config;
#[cfg(feature = "candle")]
mod cutter;
#[cfg(feature = "candle")]
mod embedded;
#[cfg(feature = "candle")]
mod encoder;
#[cfg(feature = "candle")]
mod engine;
mod families;
mod family;
mod fault;
#[cfg(feature = "candle")]
mod floor;
#[cfg(feature = "candle")]
mod forward;
#[cfg(feature = "candle")]
mod further;
#[cfg(feature = "candle")]
mod gguf;
#[cfg(feature = "candle")]
mod head;
#[cfg(feature = "candle")]
mod kernels;
#[cfg(feature = "candle")]
mod matrix;
#[cfg(feature = "candle")]
mod place;
#[cfg(feature = "candle")]
mod prefix;
#[cfg(feature = "candle")]
mod prompt;
#[cfg(feature = "candle")]
mod recall;
mod recognise;
#[cfg(feature = "candle")]
mod score;
mod settings;
#[cfg(feature = "candle")]
mod stages;
#[cfg(feature = "candle")]
mod steps;
#[cfg(feature = "candle")]
mod weights;

pub use choice::{DeviceChoice, Quantization};
pub use config::{Architecture, Gemma, Llama3Scaling, ModelConfig, Rope};
#[cfg(feature = "candle")]
pub use embedded::{embedded, embedded_with};
#[cfg(feature = "candle")]
pub use engine::LlamaGuard;
pub use family::{Family, Question};
pub use fault::LoadFault;
#[cfg(feature = "candle")]
pub use floor::Floor;
#[cfg(feature = "candle")]
pub use forward::{Llama, Packed};
#[cfg(feature = "candle")]
pub use place::Place;
#[cfg(feature = "candle")]
pub use prefix::{Behind, Prefix};
#[cfg(feature = "candle")]
pub use prompt::{Prompted, Prompts, WindowPrompt, Words};
#[cfg(feature = "candle")]
pub use score::{Verdict, scores, verdict};
pub use settings::{Bos, Calibration, EngineSettings, Window};
#[cfg(feature = "candle")]
pub use stages::Stage;
#[cfg(feature = "candle")]
pub use weights::Weights;
