//! A look inside a model: a slow, plain pass whose intermediate values have names, what they say in tokens, the token
//! embeddings as a map, and one training step taken apart. Nothing here changes a model; training and generation never call it.

mod map;
mod plain;
mod prediction;
mod slow_step;
mod trace;

pub use map::{EmbeddingMap, Embeddings};
pub use prediction::{Candidate, Prediction};
pub use slow_step::{Part, PartUpdate, SlowStep, WeightChange, counted, slow_step};
pub use trace::{Site, Trace};
