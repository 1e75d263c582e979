//! Finds tensors in weight files by their names, and converts their bytes to numbers.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde::Deserialize;

use super::{
    Piece, Place,
    found::{self, Found},
};
use crate::{
    architecture::{Family, TensorSpec},
    config::{LlamaFamily, ModelConfig},
    error::{Error, Result},
    formats::{
        ggml::Encoding,
        parts::{Parts, Stop},
        safetensors::nearest,
    },
    model::Layout,
};

/// Name components that PyTorch adds for wrapped modules: compiled ones, sharded ones, those with activation
/// checkpointing.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// The names of an index, of safetensors files and of PyTorch's.
pub const INDICES: [&str; 2] = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];

/// Largest accepted size of an index in bytes, and largest number of its files.
const LARGEST_INDEX: usize = 4 << 20;
const MOST_FILES: usize = 256;

/// The tensors of all files.
pub struct Files<'a> {
    /// Each tensor with the name of its file.
    found: Vec<(&'a str, Found)>,
    /// The index in `found` of each tensor, by its plain name.
    by_name: HashMap<String, usize>,
    naming: Naming,
}

/// How files name their tensors.
enum Naming {
    /// As transformers do. The plain name is that in the model without a head.
    HuggingFace { family: &'static Family, blocks: &'static str },
    /// As llama.cpp does, without any variants.
    Gguf,
}

impl<'a> Files<'a> {
    /// Reads the headers of a folder's weight files, which name tensors as transformers do. With an `index`, exactly
    /// the files that it names must exist. `blocks`: the prefix of the names of blocks' tensors.
    pub fn of_folder(
        index: Option<&(String, Vec<u8>)>,
        files: &'a [Parts],
        family: &'static Family,
        blocks: &'static str,
    ) -> Result<Self> {
        if let Some((index, bytes)) = index {
            for name in named(index, bytes)? {
                if !files.iter().any(|file| file.name == name) {
                    return Err(Error::FileMissing { name });
                }
            }
        }
        if files.is_empty() {
            return Err(Error::FileMissing { name: "model.safetensors".into() });
        }
        let mut found = Vec::new();
        for file in files {
            found.extend(found_in(file)?.into_iter().map(|tensor| (&file.name[..], tensor)));
        }
        let unwrapped: Vec<_> = found.iter().map(|(_, tensor)| unwrapped(&tensor.name)).collect();
        let body = body(unwrapped.iter().map(|name| &name[..]), family);
        let mut by_name = HashMap::new();
        for (index, name) in unwrapped.iter().enumerate() {
            match by_name.entry(plain(name, body, family).to_owned()) {
                Entry::Vacant(free) => free.insert(index),
                Entry::Occupied(_) => return Err(twice(found[index].0, &found[index].1.name)),
            };
        }
        Ok(Self { found, by_name, naming: Naming::HuggingFace { family, blocks } })
    }

    /// Reads the headers of the GGUF files of a model.
    pub fn of_gguf(files: impl Iterator<Item = &'a Parts>) -> Result<Self> {
        let mut found = Vec::new();
        for file in files {
            found.extend(found_in(file)?.into_iter().map(|tensor| (&file.name[..], tensor)));
        }
        let by_name = found.iter().enumerate().map(|(index, (_, tensor))| (tensor.name.clone(), index)).collect();
        Ok(Self { found, by_name, naming: Naming::Gguf })
    }

    /// The name of a tensor in such files.
    fn name(&self, spec: &TensorSpec) -> String {
        match self.naming {
            Naming::HuggingFace { .. } => spec.name(),
            Naming::Gguf => spec.gguf(),
        }
    }

    /// The name by which a tensor is found.
    fn plain(&self, spec: &TensorSpec) -> String {
        let name = self.name(spec);
        match self.naming {
            Naming::HuggingFace { family, .. } => plain(&name, family.body, family).to_owned(),
            Naming::Gguf => name,
        }
    }

    /// Finds a tensor.
    pub fn find(&self, spec: &TensorSpec) -> Result<&Found> {
        self.entry(spec).map(|(_, found)| found)
    }

    fn entry(&self, spec: &TensorSpec) -> Result<&(&'a str, Found)> {
        let missing = || {
            let tensor = self.name(spec);
            let all: Vec<_> = self.found.iter().map(|(_, found)| found.name.clone()).collect();
            Error::TensorMissing { found: nearest(&tensor, &all), tensor }
        };
        let index = self.by_name.get(&self.plain(spec)).ok_or_else(missing)?;
        Ok(&self.found[*index])
    }

    /// The pieces of a tensor for a place, where its transpose may go.
    pub fn pieces(&self, spec: &TensorSpec, place: &Place, is_transpose: bool) -> Result<Vec<Piece>> {
        let (file, found) = self.entry(spec)?;
        found.pieces(file, place, is_transpose)
    }

    /// The width of the heads whose rows llama.cpp's converter has put in another order: those of the queries and keys
    /// of the family `llama` alone (`LlamaModel.permute` in `convert_hf_to_gguf.py`, release v0.5.0).
    pub fn interleaved(&self, part: &TensorSpec, config: &ModelConfig) -> Option<usize> {
        let is_llama = config.variant.llama.is_some_and(|llama| llama.family == LlamaFamily::Llama);
        let rotated = ["blk.#.attn_q", "blk.#.attn_k"].contains(&part.names.gguf);
        (matches!(self.naming, Naming::Gguf) && is_llama && rotated).then(|| config.head_width())
    }

    /// Refuses tensors that the architecture does not have, because with them the model computes something else. In
    /// transformers' files only blocks count, without the masks of older files: tensors outside do not affect the
    /// logits.
    pub fn refuse_unknown(&self, layout: &Layout, head: &TensorSpec) -> Result<()> {
        let all = layout.parameters.iter().flat_map(|parameter| parameter.spec.in_files()).map(|(part, _)| part);
        let known: HashSet<_> = all.chain([*head]).map(|spec| self.plain(&spec)).collect();
        let counts = |name: &str| match self.naming {
            Naming::HuggingFace { family, blocks } => {
                let is_mask = family.masks.iter().any(|mask| name.ends_with(mask));
                name.starts_with(plain(blocks, family.body, family)) && !is_mask
            }
            Naming::Gguf => true,
        };
        let is_unknown = |name: &str| counts(name) && !known.contains(name);
        // The first one by name, so that the same folder always gives the same error.
        let unknown = self.by_name.iter().filter(|(plain, _)| is_unknown(plain));
        let unknown = unknown.map(|(_, &index)| &self.found[index].1.name).min();
        unknown.map_or(Ok(()), |name| Err(Error::TensorUnknown { tensor: name.clone() }))
    }
}

fn found_in(file: &Parts) -> Result<Vec<Found>> {
    found::read(file).map_err(|stop| match stop {
        Stop::Refused(error) => error,
        // The page asks which parts are wanted before.
        Stop::Wanted(ranges) => {
            let expected = ranges.iter().map(|range| range.end).max().unwrap_or_default();
            Error::FileTruncated { found: file.held(), expected }
        }
    })
}

/// The error for a tensor that several files have, or one file under several names.
fn twice(file: &str, tensor: &str) -> Error {
    let reason = format!("{tensor} comes twice");
    match file.ends_with(".safetensors") {
        true => Error::SafetensorsInvalid { reason },
        false => Error::TorchFileInvalid { reason },
    }
}

/// A name without PyTorch's wrapper components.
fn unwrapped(name: &str) -> String {
    let parts: Vec<_> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    parts.join(".")
}

/// The prefix of the body's names: that of a model with a head, nothing, or one of programs that wrap the model in
/// another module, such as `module.transformer.`. It is derived from the tensor that every file has exactly once.
fn body<'n>(names: impl Iterator<Item = &'n str>, family: &Family) -> &'n str {
    let before = |name: &'n str| name.strip_suffix(family.landmark).filter(|it| it.is_empty() || it.ends_with('.'));
    match names.filter_map(before).collect::<Vec<_>>()[..] {
        [only] => only,
        // Of several bodies, the one with the standard names.
        _ => family.body,
    }
}

/// A tensor's name in the model without a head, or the head's own name. `body`: the prefix of the body's names in its
/// file.
fn plain<'n>(name: &'n str, body: &str, family: &Family) -> &'n str {
    let around = body.strip_suffix(family.body).unwrap_or(body);
    let name = name.strip_prefix(body).or_else(|| name.strip_prefix(around)).unwrap_or(name);
    name.strip_prefix(family.body).unwrap_or(name)
}

/// The files that an index names: plain file names of the same folder, never paths.
fn named(index: &str, bytes: &[u8]) -> Result<HashSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::HashMap<String, String>,
    }

    let invalid = |reason: String| Error::ConfigurationInvalid { reason: format!("{index}: {reason}") };
    if bytes.len() > LARGEST_INDEX {
        return Err(invalid(format!("{} bytes are too many", bytes.len())));
    }
    let Index { weight_map } = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
    let names: HashSet<String> = weight_map.into_values().collect();
    if names.len() > MOST_FILES {
        return Err(invalid(format!("{} files are too many", names.len())));
    }
    match names.iter().find(|name| name.contains(['/', '\\']) || name.starts_with('.') || name.is_empty()) {
        Some(name) => Err(invalid(format!("{name:?} is no name of a file beside it"))),
        None => Ok(names),
    }
}

/// Converts the bytes of a piece to numbers.
///
/// # Errors
/// [`Error::FileTruncated`] for another number of bytes, [`Error::WeightsNotFinite`] for numbers that are not finite.
pub fn numbers(piece: &Piece, bytes: &[u8]) -> Result<Vec<f32>> {
    check_length(piece, bytes)?;
    let mut numbers = read_numbers(piece.encoding, bytes, &piece.tensor)?;
    if let (Some(width), Some(rows)) = (piece.interleaved, piece.turned) {
        numbers = in_halves(&numbers, rows, width);
    }
    Ok(match piece.turned {
        Some(rows) => turned(&numbers, rows),
        None => numbers,
    })
}

/// Checks that a piece has come with all of its bytes.
pub fn check_length(piece: &Piece, bytes: &[u8]) -> Result<()> {
    match bytes.len() as u64 == piece.to - piece.from {
        true => Ok(()),
        false => Err(Error::FileTruncated { found: piece.from + bytes.len() as u64, expected: piece.to }),
    }
}

/// The row of a matrix in llama.cpp's order that is this one in transformers'.
pub fn interleaved_row(row: usize, width: usize) -> usize {
    row / width * width + row % width % (width / 2) * 2 + row % width / (width / 2)
}

/// Brings the rows of each head of this width from llama.cpp's order, in which the two that rotate together are
/// neighbours, to that of transformers, in which they are half a head apart.
fn in_halves(values: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..rows).flat_map(|row| &values[interleaved_row(row, width) * columns..][..columns]).copied().collect()
}

/// Transposes a matrix of `rows` rows.
pub fn turned(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..values.len()).map(|index| values[index % rows * columns + index / rows]).collect()
}

/// Converts bytes to numbers. `tensor`: its name, for the error.
pub fn read_numbers(encoding: Encoding, bytes: &[u8], tensor: &str) -> Result<Vec<f32>> {
    let numbers = encoding.read(bytes);
    match numbers.iter().all(|number| number.is_finite()) {
        true => Ok(numbers),
        false => Err(Error::WeightsNotFinite { tensor: tensor.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::FAMILIES;

    const GPT2: &Family = FAMILIES[0];

    #[test]
    fn prefixes_and_wrappers_are_removed_from_names() {
        for (position, token, head) in [
            ("wpe.weight", "wte.weight", "lm_head.weight"),
            ("transformer.wpe.weight", "transformer.wte.weight", "lm_head.weight"),
            ("_orig_mod.transformer.wpe.weight", "_orig_mod.transformer.wte.weight", "_orig_mod.lm_head.weight"),
            ("transformer._orig_mod.wpe.weight", "transformer._orig_mod.wte.weight", "lm_head.weight"),
            ("module.transformer.wpe.weight", "module.transformer.wte.weight", "module.lm_head.weight"),
            ("module._orig_mod.wpe.weight", "module._orig_mod.wte.weight", "module.lm_head.weight"),
            ("a.model.transformer.wpe.weight", "a.model.transformer.wte.weight", "a.model.lm_head.weight"),
            ("model.wpe.weight", "model.wte.weight", "lm_head.weight"),
        ] {
            let all = [position, token, head].map(unwrapped);
            let body = body(all.iter().map(|name| &name[..]), GPT2);
            let plain = [&all[0], &all[1], &all[2]].map(|name| plain(name, body, GPT2));
            assert_eq!(plain, ["wpe.weight", "wte.weight", "lm_head.weight"], "{position}");
        }
        // Of two models in one file, the one that transformers would open.
        assert_eq!(body(["transformer.wpe.weight", "reference.transformer.wpe.weight"].into_iter(), GPT2), GPT2.body);
        assert_eq!(
            plain("reference.transformer.h.0.ln_1.bias", GPT2.body, GPT2),
            "reference.transformer.h.0.ln_1.bias"
        );
    }

    #[test]
    fn rows_of_a_head_are_brought_back_from_llama_cpp_s_order() {
        // Two heads of width 4: 0 and 2, 1 and 3 rotate together.
        let numbers: Vec<f32> = [0, 2, 1, 3, 4, 6, 5, 7].into_iter().flat_map(|row| [row as f32, 0.5]).collect();
        let right: Vec<f32> = (0..8).flat_map(|row| [row as f32, 0.5]).collect();
        assert_eq!(in_halves(&numbers, 8, 4), right);
    }

    #[test]
    fn a_matrix_is_transposed() {
        assert_eq!(turned(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
