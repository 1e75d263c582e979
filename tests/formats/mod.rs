//! Models as files: written and read, against Hugging Face's libraries, and against files that lie.

mod gguf;
mod hostile;
mod reference;
mod round_trip;
pub mod sample;
