//! Reads pretrained models in the format of Hugging Face's `transformers`: `config.json`, the weights in one
//! safetensors file or several with an index, and a tokenizer. Every check that can be is made on the files'
//! beginnings; the weights are then read piece by piece, so that they are never in memory twice.

mod config;
mod others;
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
pub use others::MissingPart;
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
    /// Number of rows of a part of a joint tensor, and of numbers from one row to the next in the model.
    #[serde(skip)]
    pub joint: Option<[usize; 2]>,
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
            for (part, first) in parameter.spec.in_files() {
                let found = match (files.find(&part.name()), &head) {
                    // Tied weights may be stored under either name.
                    (Err(_), Some(head)) if parameter.spec.role == embedding => head.clone(),
                    (found, _) => found?,
                };
                let is_transpose = is_linear(parameter) && (transposes || part.transposed_in_files);
                let joint = (part != parameter.spec).then(|| match parameter.shape[..] {
                    [rows, width] => [rows, width],
                    _ => [1, parameter.len()],
                });
                let place = Place { offset: parameter.offset + first, shape: part.shape.axes(), joint };
                pieces.extend(found.pieces(&place, is_transpose)?);
            }
        }
        let mut compared = Vec::new();
        let tokens = layout.tensor(embedding);
        if let (Some(head), Ok(embedding)) = (head, files.find(&tokens.name)) {
            let head = head.pieces(&Place::of(own), false)?;
            let embedding = embedding.pieces(&Place::of(tokens), false)?;
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

/// Where a tensor of a file goes in the flat array.
struct Place<'a> {
    offset: usize,
    /// The shape that it has there.
    shape: &'a [usize],
    /// Rows, and numbers from one row to the next, if it is a part of a joint tensor.
    joint: Option<[usize; 2]>,
}

impl<'a> Place<'a> {
    fn of(parameter: &'a Parameter) -> Self {
        Self { offset: parameter.offset, shape: &parameter.shape, joint: None }
    }
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

    /// The pieces of it for a place, where its transpose may go.
    fn pieces(&self, place: &Place, is_transpose: bool) -> Result<Vec<Piece>> {
        let mut expected = place.shape.to_vec();
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
            offset: place.offset + start,
            tensor: self.name.to_owned(),
            turned: is_transpose.then_some(expected[0]),
            joint: place.joint,
        };
        let len: usize = place.shape.iter().product();
        let step = if is_transpose || place.joint.is_some() { len.max(1) } else { PIECE };
        Ok((0..len).step_by(step).map(|start| piece(start, (start + step).min(len))).collect())
    }
}
