//! Reads models of GPT-2's family in the format of Hugging Face's `transformers`: `config.json`, the weights in one
//! safetensors file or several with an index, and a tokenizer. Every check that can be is made on the files'
//! beginnings; the weights are then read piece by piece, so that they are never in memory twice.

mod config;
mod weights;

use std::{collections::HashMap, ops::Range};

use safetensors::tensor::Dtype;
use serde::Serialize;

use super::{git_lfs::refuse_pointer, safetensors::Header};
use crate::{
    architecture::{Module, Role, Shape},
    config::{ModelConfig, Variant},
    error::{Error, Result},
    model::{Layout, Parameter},
    tokenizer::{Opened, Tokenizer},
};
pub use config::read;
pub use weights::numbers;
pub(super) use weights::{read_numbers, turned};

/// The beginning of a weight file: the length of the header, and the header.
pub struct Beginning {
    /// The name of the file.
    pub name: String,
    /// The eight bytes of the header's length, and the header.
    pub bytes: Vec<u8>,
    /// Size of the whole file in bytes.
    pub total: u64,
}

/// The small files of a folder.
#[derive(Default)]
pub struct Folder {
    /// `config.json`; empty if it is missing.
    pub config: Vec<u8>,
    /// The existing files of [`TOKENIZER_FILES`](crate::tokenizer::TOKENIZER_FILES), by name.
    pub tokenizer: HashMap<String, Vec<u8>>,
    /// `model.safetensors.index.json`
    pub index: Option<Vec<u8>>,
    /// The beginnings of the weight files.
    pub weights: Vec<Beginning>,
}

impl Folder {
    fn refuse_pointers(&self) -> Result<()> {
        let named = [("config.json", Some(&self.config)), (weights::INDEX, self.index.as_ref())];
        let mut tokenizer: Vec<_> = self.tokenizer.iter().map(|(name, bytes)| (name.as_str(), Some(bytes))).collect();
        tokenizer.sort_unstable();
        for (name, bytes) in named.into_iter().chain(tokenizer) {
            bytes.map_or(Ok(()), |bytes| refuse_pointer(name, bytes))?;
        }
        Ok(())
    }
}

/// A piece of a file that is read at once, and its destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Piece {
    /// The name of the file.
    pub file: String,
    /// The offset of its first byte in the file.
    pub from: u64,
    /// The offset after its last byte.
    pub to: u64,
    /// Its number format.
    #[serde(skip)]
    pub dtype: FloatFormat,
    /// Index of the first number in the model's flat array.
    #[serde(skip)]
    pub offset: usize,
    /// The name of the tensor that it belongs to.
    #[serde(skip)]
    pub tensor: String,
    /// Number of rows of the matrix in the file, if it is the transpose of ours; the piece is then the whole matrix.
    #[serde(skip)]
    pub turned: Option<usize>,
}

/// The number format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatFormat {
    /// IEEE 754 with 32 bits.
    F32,
    /// IEEE 754 with 16 bits.
    F16,
    /// bfloat16: the upper half of 32 bits.
    Bf16,
}

impl FloatFormat {
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
    /// The settings of its architecture.
    pub config: ModelConfig,
    /// Its tokenizer, and which added tokens have no embedding row.
    pub tokenizer: Opened,
    /// The layout of its tensors in the flat array.
    pub layout: Layout,
    /// The pieces to read, in order. Pieces beyond the end of the layout belong to a head that equals the embedding.
    pub pieces: Vec<Piece>,
    /// Number of pieces at the beginning that are only compared, those of the embedding and of the head in turn. At the
    /// first pair that differs the head is not tied ([`Pretrained::untie`]), whatever the configuration says, as in
    /// transformers 5 (`tie_weights`).
    pub compared: usize,
}

/// Largest number of elements in a piece: 4 MiB of f32. A multiple of the GPU's alignment.
pub const PIECE: usize = 1 << 20;

impl Pretrained {
    /// Checks whether the folder can be opened, and plans how.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::GitLfsPointer`], [`Error::ArchitectureUnsupported`],
    /// [`Error::SettingUnsupported`], [`Error::ConfigurationInvalid`], those of tokenizers, and those of tensors that
    /// are missing, unknown or of another shape.
    pub fn plan(folder: &Folder) -> Result<Self> {
        if folder.config.is_empty() {
            return Err(Error::FileMissing { name: "config.json".into() });
        }
        folder.refuse_pointers()?;
        let config = config::read(&folder.config)?;
        // Rows without a token, added to make a round number, are common.
        let file = |name: &str| match name {
            "config.json" => Some(&folder.config[..]),
            _ => folder.tokenizer.get(name).map(Vec::as_slice),
        };
        let tokenizer = Tokenizer::from_folder(file, config.vocabulary)?;
        let layout = Layout::new(&config);
        let architecture = config.architecture();
        let files = weights::Files::read(folder.index.as_deref(), &folder.weights, architecture.family)?;
        let [embedding, head] = [Module::TokenEmbedding, Module::Head].map(Role::weight);
        // The head that the model would have if it were not tied.
        let own = Layout::new(&own_head(config));
        let own = own.tensor(head);
        let head = if architecture.tied { files.find(&own.name).ok() } else { None };
        // Programs that store linear layers as PyTorch does, nanoGPT among them, have transposed matrices in all
        // blocks. The matrix of attention's input is never square, so its shape shows it.
        let mut blocks = layout.parameters.iter().filter(|parameter| is_linear(parameter));
        let is_transpose =
            |first: &Parameter| files.find(&first.name).is_ok_and(|found| found.shape.iter().rev().eq(&first.shape));
        let transposes = blocks.next().is_some_and(is_transpose);
        let mut pieces = Vec::new();
        for parameter in &layout.parameters {
            let found = match (files.find(&parameter.name), &head) {
                // Tied weights may be stored under either name.
                (Err(_), Some(head)) if parameter.spec.role == embedding => head.clone(),
                (found, _) => found?,
            };
            pieces.extend(found.pieces(parameter, transposes && is_linear(parameter))?);
        }
        let mut compared = Vec::new();
        let tokens = layout.tensor(embedding);
        if let (Some(head), Ok(embedding)) = (head, files.find(&tokens.name)) {
            let head = head.pieces(own, false)?;
            let embedding = embedding.pieces(tokens, false)?;
            compared = embedding.into_iter().zip(head.clone()).flat_map(|(ours, theirs)| [ours, theirs]).collect();
            pieces.extend(head);
        }
        files.refuse_unknown(&layout, architecture.block_prefix())?;
        let pairs = compared.len();
        compared.append(&mut pieces);
        Ok(Self { config, tokenizer, layout, pieces: compared, compared: pairs })
    }

    /// Makes the head a separate tensor. The tensors before it keep their positions.
    pub fn untie(&mut self) {
        self.config = own_head(self.config);
        self.layout = Layout::new(&self.config);
    }
}

fn own_head(config: ModelConfig) -> ModelConfig {
    ModelConfig { variant: Variant { tied: false, ..config.variant }, ..config }
}

/// Whether it is a matrix of a block.
fn is_linear(parameter: &Parameter) -> bool {
    matches!(parameter.spec.shape, Shape::Linear(_))
}

/// A tensor's position in the files.
#[derive(Clone)]
struct Found<'a> {
    file: &'a str,
    /// The name in the file.
    name: &'a str,
    dtype: Dtype,
    shape: &'a [usize],
    /// The offset of its first byte in the file.
    from: u64,
}

impl<'a> Found<'a> {
    fn of(file: &'a str, header: &'a Header, name: &'a str) -> Option<Self> {
        let (dtype, shape, Range { start, .. }) = header.place(name)?;
        Some(Self { file, name, dtype, shape, from: start })
    }

    /// The pieces of it for `parameter`, whose transpose it may be.
    fn pieces(&self, parameter: &Parameter, is_transpose: bool) -> Result<Vec<Piece>> {
        let mut expected = parameter.shape.clone();
        if is_transpose {
            expected.reverse();
        }
        if self.shape != expected {
            let (tensor, found) = (self.name.to_owned(), self.shape.to_vec());
            return Err(Error::TensorShape { tensor, found, expected });
        }
        let dtype = FloatFormat::of(self.dtype, self.name)?;
        let byte = |number: usize| self.from + (number * dtype.bytes()) as u64;
        let piece = |start: usize, end: usize| Piece {
            file: self.file.to_owned(),
            from: byte(start),
            to: byte(end),
            dtype,
            offset: parameter.offset + start,
            tensor: self.name.to_owned(),
            turned: is_transpose.then_some(expected[0]),
        };
        let len = parameter.len();
        let step = if is_transpose { len.max(1) } else { PIECE };
        Ok((0..len).step_by(step).map(|start| piece(start, (start + step).min(len))).collect())
    }
}
