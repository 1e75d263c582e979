//! Model files: written and read, compared with Hugging Face's libraries, and damaged.

mod gguf;
mod hostile;
mod reference;
mod round_trip;
pub mod sample;
