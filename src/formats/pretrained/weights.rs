//! Locates tensors in weight files by their headers, and converts their bytes to numbers.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use half::{bf16, f16};
use serde::Deserialize;

use super::{Beginning, FloatFormat, Found, Piece};
use crate::{
    architecture::Family,
    error::{Error, Result},
    formats::{
        git_lfs::refuse_pointer,
        safetensors::{Header, nearest},
    },
    model::Layout,
};

/// Name components that PyTorch adds for wrapped modules: compiled ones, sharded ones, those with activation
/// checkpointing.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

pub const INDEX: &str = "model.safetensors.index.json";

/// Largest accepted size of an index in bytes, and largest number of its files.
const LARGEST_INDEX: usize = 4 << 20;
const MOST_FILES: usize = 256;

/// The headers of all files.
pub struct Files<'a> {
    headers: Vec<(&'a str, Header)>,
    /// Each tensor by its name in the model without a head: the index of its header, and its name there.
    places: HashMap<String, (usize, String)>,
    family: &'static Family,
}

impl<'a> Files<'a> {
    /// Reads all headers. With an `index`, exactly the files that it names must exist.
    pub fn read(index: Option<&[u8]>, files: &'a [Beginning], family: &'static Family) -> Result<Self> {
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
        let read = |file: &'a Beginning| {
            refuse_pointer(&file.name, &file.bytes)?;
            Ok((&file.name[..], Header::read(&file.bytes, Some(file.total))?))
        };
        let headers = files.iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut all = Vec::new();
        for (index, (_, header)) in headers.iter().enumerate() {
            all.extend(header.names.iter().map(|name| (unwrapped(name), (index, name.clone()))));
        }
        let body = body(all.iter().map(|(unwrapped, _)| &unwrapped[..]), family);
        let mut places = HashMap::new();
        for (unwrapped, place) in &all {
            match places.entry(plain(unwrapped, body, family).to_owned()) {
                Entry::Vacant(free) => free.insert(place.clone()),
                Entry::Occupied(_) => {
                    return Err(Error::SafetensorsInvalid { reason: format!("{} comes twice", place.1) });
                }
            };
        }
        Ok(Self { headers, places, family })
    }

    /// Finds a tensor by its name in [`Layout`].
    pub fn find(&self, name: &str) -> Result<Found<'_>> {
        let missing = || {
            let all: Vec<_> = self.headers.iter().flat_map(|(_, header)| header.names.iter().cloned()).collect();
            Error::TensorMissing { tensor: name.into(), found: nearest(name, &all) }
        };
        let (index, own) = self.places.get(plain(name, self.family.body, self.family)).ok_or_else(missing)?;
        let (file, header) = &self.headers[*index];
        Found::of(file, header, own).ok_or_else(missing)
    }

    /// Refuses tensors of blocks that the architecture does not have, because with them the model computes something
    /// else. Masks in older files are not weights, and tensors outside the blocks do not affect the logits. `blocks`:
    /// the prefix of the names of blocks' tensors.
    pub fn refuse_unknown(&self, layout: &Layout, blocks: &str) -> Result<()> {
        let plain = |name| plain(name, self.family.body, self.family);
        let in_files = layout.parameters.iter().flat_map(|parameter| parameter.spec.in_files());
        let names: Vec<_> = in_files.map(|(part, _)| part.name()).collect();
        let known: HashSet<_> = names.iter().map(|name| plain(name)).collect();
        let blocks = plain(blocks);
        let is_mask = |name: &str| self.family.masks.iter().any(|mask| name.ends_with(mask));
        let is_unknown = |name: &str| name.starts_with(blocks) && !is_mask(name) && !known.contains(name);
        // The first one by name, so that the same folder always gives the same error.
        let unknown = self.places.iter().filter(|(plain, _)| is_unknown(plain)).map(|(_, (_, name))| name).min();
        unknown.map_or(Ok(()), |name| Err(Error::TensorUnknown { tensor: name.clone() }))
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

/// Converts the bytes of a piece to numbers.
///
/// # Errors
/// [`Error::FileTruncated`] for another number of bytes, [`Error::WeightsNotFinite`] for numbers that are not finite.
pub fn numbers(piece: &Piece, bytes: &[u8]) -> Result<Vec<f32>> {
    let expected = piece.to - piece.from;
    if bytes.len() as u64 != expected {
        return Err(Error::FileTruncated { found: piece.from + bytes.len() as u64, expected: piece.to });
    }
    let numbers = read_numbers(piece.dtype, bytes, &piece.tensor)?;
    Ok(match piece.turned {
        Some(rows) => turned(&numbers, rows),
        None => numbers,
    })
}

/// Transposes a matrix of `rows` rows.
pub fn turned(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..values.len()).map(|index| values[index % rows * columns + index / rows]).collect()
}

/// Converts bytes to numbers. `tensor`: its name, for the error.
pub fn read_numbers(dtype: FloatFormat, bytes: &[u8], tensor: &str) -> Result<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    let numbers: Vec<f32> = match dtype {
        FloatFormat::F32 => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        FloatFormat::F16 => pairs().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        FloatFormat::Bf16 => pairs().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
    };
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
    fn a_matrix_is_transposed() {
        assert_eq!(turned(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
