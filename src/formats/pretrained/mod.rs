//! Models of GPT-2's family as Hugging Face's `transformers` keep them: `config.json`, the weights in one safetensors file
//! or several with an index, and a tokenizer. All that can be refused is refused by the files' beginnings; the weights then
//! come piece by piece, so that they are never in memory twice.

mod config;
mod weights;

use std::{collections::HashMap, ops::Range};

use safetensors::tensor::Dtype;
use serde::Serialize;

use super::safetensors::Header;
use crate::{
    config::ModelConfig,
    error::{Error, Result},
    model::Layout,
    tokenizer::{Opened, Tokenizer},
};
pub use config::{activation_name, read};
pub use weights::numbers;
pub(super) use weights::read_numbers;

/// The beginning of one file of weights: the length of the header, and the header.
pub struct Beginning {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Bytes of the whole file.
    pub total: u64,
}

/// The small files of a folder, as they are.
#[derive(Default)]
pub struct Folder {
    pub config: Vec<u8>,
    /// Those of [`TOKENIZER_FILES`](crate::tokenizer::TOKENIZER_FILES) that are there, by their names.
    pub tokenizer: HashMap<String, Vec<u8>>,
    /// `model.safetensors.index.json`
    pub index: Option<Vec<u8>>,
    pub weights: Vec<Beginning>,
}

/// Bytes of a file that are to be read at once, and where their numbers go.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Piece {
    pub file: String,
    /// First byte in the file, and the one after the last.
    pub from: u64,
    pub to: u64,
    #[serde(skip)]
    pub dtype: Numbers,
    /// Index of the first number in the model's flat array.
    #[serde(skip)]
    pub offset: usize,
    #[serde(skip)]
    pub tensor: String,
}

/// How a file spells its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    F32,
    F16,
    Bf16,
}

impl Numbers {
    pub(super) fn of(dtype: Dtype, tensor: &str) -> Result<Self> {
        match dtype {
            Dtype::F32 => Ok(Self::F32),
            Dtype::F16 => Ok(Self::F16),
            Dtype::BF16 => Ok(Self::Bf16),
            _ => Err(Error::TensorType {
                tensor: tensor.to_owned(),
                found: dtype.to_string(),
                supported: ["F32", "F16", "BF16"].map(String::from).to_vec(),
            }),
        }
    }

    fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// A model that can be opened.
#[derive(Debug)]
pub struct Pretrained {
    pub config: ModelConfig,
    pub tokenizer: Opened,
    pub layout: Layout,
    /// What to read, in order.
    pub pieces: Vec<Piece>,
}

/// Numbers of a piece, at most: 4 MiB of f32. A multiple of what the GPU can bind at.
const PIECE: usize = 1 << 20;

impl Pretrained {
    /// Finds out whether the folder can be opened, and how.
    pub fn plan(folder: &Folder) -> Result<Self> {
        if folder.config.is_empty() {
            return Err(Error::FileMissing { name: "config.json".into() });
        }
        let config = config::read(&folder.config)?;
        // Rows that no token has, to make a round number, are common.
        let file = |name: &str| match name {
            "config.json" => Some(&folder.config[..]),
            _ => folder.tokenizer.get(name).map(Vec::as_slice),
        };
        let tokenizer = Tokenizer::from_folder(file, config.vocabulary)?;
        let layout = Layout::new(&config);
        let files = weights::Files::read(folder.index.as_deref(), &folder.weights)?;
        let mut pieces = Vec::new();
        for parameter in &layout.parameters {
            let found = files.find(&parameter.name)?;
            if found.shape != parameter.shape {
                let (found, expected) = (found.shape.to_vec(), parameter.shape.clone());
                return Err(Error::TensorShape { tensor: parameter.name.clone(), found, expected });
            }
            let dtype = Numbers::of(found.dtype, &parameter.name)?;
            for start in (0..parameter.len()).step_by(PIECE) {
                let end = (start + PIECE).min(parameter.len());
                let byte = |number: usize| found.from + (number * dtype.bytes()) as u64;
                pieces.push(Piece {
                    file: found.file.to_owned(),
                    from: byte(start),
                    to: byte(end),
                    dtype,
                    offset: parameter.offset + start,
                    tensor: parameter.name.clone(),
                });
            }
        }
        files.refuse_unknown(&layout)?;
        Ok(Self { config, tokenizer, layout, pieces })
    }
}

/// Where a tensor lies.
struct Found<'a> {
    file: &'a str,
    dtype: Dtype,
    shape: &'a [usize],
    /// First byte in the file.
    from: u64,
}

impl<'a> Found<'a> {
    fn of(file: &'a str, header: &'a Header, name: &str) -> Option<Self> {
        let (dtype, shape, Range { start, .. }) = header.place(name)?;
        Some(Self { file, dtype, shape, from: start })
    }
}
