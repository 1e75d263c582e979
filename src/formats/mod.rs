//! Models as files: Lorito's own, which is also a checkpoint, and the folder that Hugging Face's transformers open, which
//! holds what it takes to carry on training with them.
//!
//! Files come from anywhere and are read with distrust: every size is checked against the bytes that are there before
//! anything is allocated for it, and a hash covers all that is used.

mod carry_on;
mod hugging_face;
mod model_card;
mod model_file;
mod safetensors;
mod zip;

pub use hugging_face::hugging_face;
pub use model_file::{ModelFile, Moments, check_header, read, write};
pub use safetensors::LARGEST_HEADER;
