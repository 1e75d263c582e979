//! Lorito: train a small GPT on your own text, in your browser.
//!
//! Data flows downwards through these modules; ARCHITECTURE.md says what each holds.

#![deny(missing_docs, clippy::missing_errors_doc)]

pub mod architecture;
pub mod chat;
pub mod checks;
pub mod config;
pub mod copied;
pub mod corpus;
pub mod device;
pub mod error;
pub mod formats;
pub mod generate;
pub mod inspect;
pub mod json;
pub mod model;
pub mod ops;
pub mod session;
pub mod tokenizer;
pub mod train;
pub mod warm_up;

#[cfg(target_arch = "wasm32")]
#[allow(clippy::missing_errors_doc)] // the module says what all its methods throw
pub mod web;
