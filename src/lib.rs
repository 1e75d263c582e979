//! Lorito: train a small GPT on your own text, in your browser.
//!
//! Data flows downwards through these rooms; ARCHITECTURE.md says what each holds.

pub mod architecture;
pub mod chat;
pub mod checks;
pub mod config;
pub mod corpus;
pub mod device;
pub mod error;
pub mod formats;
pub mod generate;
pub mod json;
pub mod model;
pub mod ops;
pub mod rehearsal;
pub mod session;
pub mod tokenizer;
pub mod train;

#[cfg(target_arch = "wasm32")]
pub mod web;
