//! The in-process Llama engine behind the guard: Llama Guard 2, or a small model made to answer like
//! it, on candle.
//!
//! A transcript becomes prompts ([`Prompts`]), several prompts one packed forward pass ([`Llama`]),
//! and its logits scores ([`scores`]). [`LlamaGuard`] ties them together, and [`embedded`] is the
//! guard that ships in the binary.

mod attention;
mod config;
mod embedded;
mod engine;
mod family;
mod fault;
mod forward;
mod kernels;
mod prompt;
mod score;
mod settings;
mod weights;

pub use config::{Llama3Scaling, ModelConfig, Rope};
pub use embedded::embedded;
pub use engine::LlamaGuard;
pub use family::Family;
pub use fault::LoadFault;
pub use forward::{Llama, Packed};
pub use prompt::{Prompted, Prompts, WindowPrompt, Words};
pub use score::scores;
pub use settings::{Bos, EngineSettings, Window};
pub use weights::Weights;
