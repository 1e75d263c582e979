//! File formats of models: Lorito's own, which is also a checkpoint; the folder for Hugging Face's transformers, with
//! scripts that continue training; PEFT's adapters; GGUF of llama.cpp; Ollama's Modelfile; and PyTorch's files of weights.
//!
//! Files are untrusted: every size is checked against the bytes that are there before anything is allocated for it, and
//! a hash covers all data that is used.

mod carry_on;
mod columns;
mod ggml;
mod gguf;
mod git_lfs;
mod history;
mod hugging_face;
mod llama_cpp;
mod model_card;
mod model_file;
mod ollama;
mod parts;
mod peft;
mod pretrained;
mod safetensors;
mod torch;
mod words;
mod zip;

pub use hugging_face::{hugging_face, hugging_face_in};
pub use llama_cpp::{GgufPrecision, llama_cpp};
pub use model_file::{AdapterWeights, ModelFile, check_header, read, write, write_in_8_bits};
pub use ollama::modelfile;
pub use parts::Parts;
pub use peft::{peft, read_peft};
pub use pretrained::{
    Folder, INDICES, MissingPart, PIECE, Packing, Piece, Pretrained, form as pretrained_form, numbers,
    read as pretrained_config, wanted as wanted_parts,
};
pub use safetensors::{LARGEST_HEADER, check_weights};
pub use words::Words;
