//! Reads pretrained models that other programs have written: folders of Hugging Face's `transformers` (`config.json`, the
//! weights as safetensors or as PyTorch's files, in one or in several with an index, and a tokenizer), and GGUF files,
//! which hold all of it. Every check that can be is made on the files' headers; the weights are then read piece by
//! piece, so that they are never in memory twice.

mod config;
mod found;
mod gguf;
mod gguf_shards;
mod others;
mod packing;
mod weights;

use std::collections::HashMap;

use serde::Serialize;

use super::{ggml::Encoding, git_lfs::refuse_pointer, parts::Parts};
use crate::{
    architecture::{Module, Role, Shape},
    config::{ModelConfig, Variant},
    error::{Error, Result},
    model::{Layout, Parameter},
    tokenizer::{Opened, Tokenizer},
};
use weights::Files;

pub use config::{form, read};
pub use found::{PIECE, wanted};
pub use others::MissingPart;
pub use packing::Packing;
pub use weights::{INDICES, numbers};
pub(super) use weights::{read_numbers, turned};

/// What has been read of a model's files: the small ones whole, and of the weights what [`wanted`] asks for.
#[derive(Default)]
pub struct Folder {
    /// `config.json`; empty if it is missing, as beside a GGUF file.
    pub config: Vec<u8>,
    /// The existing files of [`TOKENIZER_FILES`](crate::tokenizer::TOKENIZER_FILES), by name.
    pub tokenizer: HashMap<String, Vec<u8>>,
    /// The name of one of [`INDICES`], and its content.
    pub index: Option<(String, Vec<u8>)>,
    /// The weight files, or a GGUF file, which may be in several.
    pub weights: Vec<Parts>,
}

impl Folder {
    /// The weight file of this name; a new one of `total` bytes if there is none yet.
    pub fn weight_file(&mut self, name: String, total: u64) -> &mut Parts {
        let found = self.weights.iter().position(|file| file.name == name);
        let index = found.unwrap_or_else(|| {
            self.weights.push(Parts::new(name, total));
            self.weights.len() - 1
        });
        &mut self.weights[index]
    }

    fn refuse_pointers(&self) -> Result<()> {
        let index = self.index.as_ref().map(|(name, bytes)| (&name[..], Some(bytes)));
        let named = [("config.json", Some(&self.config))].into_iter().chain(index);
        let mut tokenizer: Vec<_> = self.tokenizer.iter().map(|(name, bytes)| (name.as_str(), Some(bytes))).collect();
        tokenizer.sort_unstable();
        for (name, bytes) in named.chain(tokenizer) {
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
    pub encoding: Encoding,
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
    /// The width of the heads whose rows are in llama.cpp's own order; the piece is then the whole matrix.
    #[serde(skip)]
    pub interleaved: Option<usize>,
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

impl Pretrained {
    /// Checks whether the files can be opened, and plans how.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::GitLfsPointer`], [`Error::ArchitectureUnsupported`],
    /// [`Error::SettingUnsupported`], [`Error::ConfigurationInvalid`], those of tokenizers, those of the weight files'
    /// forms, and those of tensors that are missing, unknown or of another shape.
    pub fn plan(folder: &Folder) -> Result<Self> {
        let files: Vec<&Parts> = folder.weights.iter().filter(|file| found::is_gguf(&file.name)).collect();
        match files.is_empty() {
            false => gguf::plan(&files),
            true => Self::plan_folder(folder),
        }
    }

    fn plan_folder(folder: &Folder) -> Result<Self> {
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
        let architecture = config.architecture();
        let blocks = architecture.block_prefix();
        let files = Files::of_folder(folder.index.as_ref(), &folder.weights, architecture.family, blocks)?;
        Self::of(config, tokenizer, &files)
    }

    fn of(config: ModelConfig, tokenizer: Opened, files: &Files) -> Result<Self> {
        let layout = Layout::new(&config);
        let [embedding, head] = [Module::TokenEmbedding, Module::Head].map(Role::weight);
        // The head that the model would have if it were not tied.
        let own = Layout::new(&own_head(config));
        let own = own.tensor(head);
        let has_head = config.variant.tied && files.find(&own.spec).is_ok();
        // Programs that store linear layers as PyTorch does, nanoGPT and llama.cpp among them, have transposed matrices
        // in all blocks. The matrix of attention's input is never square, so its shape shows it.
        let mut blocks = layout.parameters.iter().filter(|parameter| is_linear(parameter));
        let is_transpose =
            |first: &Parameter| files.find(&first.spec).is_ok_and(|found| found.shape.iter().rev().eq(&first.shape));
        let transposes = blocks.next().is_some_and(is_transpose);
        let mut pieces = Vec::new();
        for parameter in &layout.parameters {
            // Tied weights may be stored under either name.
            let is_under_head = parameter.spec.role == embedding && has_head && files.find(&parameter.spec).is_err();
            if is_under_head {
                pieces.extend(files.pieces(&own.spec, &Place::of(parameter), false)?);
                continue;
            }
            for (part, first) in parameter.spec.in_files() {
                let is_transpose = is_linear(parameter) && (transposes || part.transposed_in_files);
                let joint = (part != parameter.spec).then(|| match parameter.shape[..] {
                    [rows, width] => [rows, width],
                    _ => [1, parameter.len()],
                });
                let interleaved = files.interleaved(&part, &config);
                let place = Place { offset: parameter.offset + first, shape: part.shape.axes(), joint, interleaved };
                pieces.extend(files.pieces(&part, &place, is_transpose)?);
            }
        }
        let mut compared = Vec::new();
        let tokens = layout.tensor(embedding);
        if has_head && files.find(&tokens.spec).is_ok() {
            let head = files.pieces(&own.spec, &Place::of(own), false)?;
            let embedding = files.pieces(&tokens.spec, &Place::of(tokens), false)?;
            compared = embedding.into_iter().zip(head.clone()).flat_map(|(ours, theirs)| [ours, theirs]).collect();
            pieces.extend(head);
        }
        files.refuse_unknown(&layout, &own.spec)?;
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
    /// The width of the heads, if the file has their rows in llama.cpp's own order.
    interleaved: Option<usize>,
}

impl<'a> Place<'a> {
    fn of(parameter: &'a Parameter) -> Self {
        Self { offset: parameter.offset, shape: &parameter.shape, joint: None, interleaved: None }
    }
}
