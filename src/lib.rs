//! Lorito: train a small GPT on your own text, in your browser.
//!
//! Data flows downwards through these rooms; ARCHITECTURE.md says what each holds.

pub mod config;
pub mod corpus;
pub mod error;
pub mod model;
pub mod ops;
pub mod tokenizer;
pub mod train;
