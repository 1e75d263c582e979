//! The files of weights by their headers: which tensor lies where, and its bytes as numbers.

use std::collections::HashSet;

use half::{bf16, f16};
use serde::Deserialize;

use super::{Beginning, Found, Numbers, Piece};
use crate::{
    error::{Error, Result},
    formats::safetensors::Header,
    model::Layout,
};

/// `GPT2LMHeadModel` has this before all names but the head's, `GPT2Model` has not.
const PREFIX: &str = "transformer.";

const INDEX: &str = "model.safetensors.index.json";

/// A longer index, or one with more files, is none.
const LARGEST_INDEX: usize = 4 << 20;
const MOST_FILES: usize = 256;

/// Every file's header.
pub struct Files<'a> {
    headers: Vec<(&'a str, Header)>,
}

impl<'a> Files<'a> {
    /// Reads all headers. With an `index`, exactly the files that it names must be there.
    pub fn read(index: Option<&[u8]>, files: &'a [Beginning]) -> Result<Self> {
        if let Some(index) = index {
            for name in named(index)? {
                if !files.iter().any(|file| file.name == name) {
                    return Err(Error::FileMissing { name });
                }
            }
        }
        if files.is_empty() {
            return Err(Error::FileMissing { name: "model.safetensors".into() });
        }
        let read = |file: &'a Beginning| Ok((&file.name[..], Header::read(&file.bytes, Some(file.total))?));
        let headers = files.iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        for name in headers.iter().flat_map(|(_, header)| &header.names) {
            if !seen.insert(plain(name)) {
                return Err(Error::SafetensorsInvalid { reason: format!("{name} comes twice") });
            }
        }
        Ok(Self { headers })
    }

    /// A tensor by its name in [`Layout`], with or without the prefix.
    pub fn find(&self, name: &str) -> Result<Found<'_>> {
        let names = [name, plain(name)];
        let mut all = self.headers.iter().flat_map(|(file, header)| names.map(|name| Found::of(file, header, name)));
        all.find_map(|found| found).ok_or_else(|| Error::TensorMissing { tensor: name.into() })
    }

    /// Refuses tensors of blocks that GPT-2's blocks have not: with them the model computes something else. The masks that
    /// older files hold are no weights, and what stands outside the blocks does not reach the logits.
    pub fn refuse_unknown(&self, layout: &Layout) -> Result<()> {
        let known: HashSet<_> = layout.parameters.iter().map(|parameter| plain(&parameter.name)).collect();
        for name in self.headers.iter().flat_map(|(_, header)| &header.names) {
            let plain = plain(name);
            let is_mask = plain.ends_with(".attn.bias") || plain.ends_with(".attn.masked_bias");
            if plain.starts_with("h.") && !is_mask && !known.contains(plain) {
                return Err(Error::TensorUnknown { tensor: name.clone() });
            }
        }
        Ok(())
    }
}

fn plain(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The files that an index names. They are names in the same folder, never ways into another.
fn named(index: &[u8]) -> Result<HashSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::HashMap<String, String>,
    }

    let invalid = |reason: String| Error::ConfigurationInvalid { reason: format!("{INDEX}: {reason}") };
    if index.len() > LARGEST_INDEX {
        return Err(invalid(format!("{} bytes are too many", index.len())));
    }
    let Index { weight_map } = serde_json::from_slice(index).map_err(|error| invalid(error.to_string()))?;
    let names: HashSet<String> = weight_map.into_values().collect();
    if names.len() > MOST_FILES {
        return Err(invalid(format!("{} files are too many", names.len())));
    }
    match names.iter().find(|name| name.contains(['/', '\\']) || name.starts_with('.') || name.is_empty()) {
        Some(name) => Err(invalid(format!("{name:?} is no name of a file beside it"))),
        None => Ok(names),
    }
}

/// The numbers of a piece that has been read.
///
/// # Errors
/// [`Error::FileTruncated`] for another count of bytes, [`Error::WeightsNotFinite`] for what no model can have.
pub fn numbers(piece: &Piece, bytes: &[u8]) -> Result<Vec<f32>> {
    let expected = piece.to - piece.from;
    if bytes.len() as u64 != expected {
        return Err(Error::FileTruncated { found: piece.from + bytes.len() as u64, expected: piece.to });
    }
    read_numbers(piece.dtype, bytes, &piece.tensor)
}

/// Bytes as numbers. `tensor`: its name, for the error.
pub fn read_numbers(dtype: Numbers, bytes: &[u8], tensor: &str) -> Result<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    let numbers: Vec<f32> = match dtype {
        Numbers::F32 => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Numbers::F16 => pairs().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        Numbers::Bf16 => pairs().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
    };
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(numbers),
        false => Err(Error::WeightsNotFinite { tensor: tensor.to_owned() }),
    }
}
