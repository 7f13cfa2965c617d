//! The families, each in its own words.

mod llama_guard;
mod md_judge;
mod qwen3_guard;
mod shield_gemma;
mod wild_guard;
