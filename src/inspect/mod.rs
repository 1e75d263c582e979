//! Inspects a model: a slow, plain forward pass with named intermediate values, its predictions as tokens, a map of the
//! token embeddings, and one training step stage by stage. Nothing here changes a model; training and generation never
//! call it.

mod map;
mod plain;
mod prediction;
mod slow_step;
mod trace;

pub use map::{EmbeddingMap, Embeddings};
pub use prediction::{Candidate, Prediction};
pub use slow_step::{Part, PartUpdate, SlowStep, WeightChange, counted, slow_step};
pub use trace::{Site, Trace};
