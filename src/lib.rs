//! Lorito: train a small GPT on your own text, in your browser.
//!
//! Data flows downwards through these rooms; ARCHITECTURE.md says what each holds.

#![deny(missing_docs, clippy::missing_errors_doc)]

pub mod architecture;
pub mod chat;
pub mod checks;
pub mod config;
pub mod corpus;
pub mod device;
pub mod error;
#[allow(missing_docs, clippy::missing_errors_doc)] // to be written
pub mod formats;
pub mod generate;
pub mod json;
#[allow(missing_docs, clippy::missing_errors_doc)] // to be written
pub mod model;
pub mod ops;
pub mod rehearsal;
pub mod session;
pub mod tokenizer;
pub mod train;

#[cfg(target_arch = "wasm32")]
#[allow(clippy::missing_errors_doc)] // the module says what all its methods throw
pub mod web;
