//! Reads and writes the safetensors container: eight bytes with the header's length, a JSON header, the tensors' bytes.
//!
//! The `safetensors` crate checks types, shapes and offsets here. Reading the header is our own code because a download
//! is checked before all of it has arrived, and writing is because the same model must give the same bytes: the crate
//! writes metadata in the order of a hash map.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::Range,
};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::Value;

use super::{columns::Columns, git_lfs::refuse_pointer};
use crate::error::{Error, Result};

/// Longer headers are refused. A BPE tokenizer of 32,768 tokens takes little more than one of these megabytes.
pub const LARGEST_HEADER: u64 = 16 << 20;

/// More than three times the tensors of the deepest model (96 layers); a short header cannot announce millions.
const MOST_TENSORS: usize = 4096;

/// Number of bytes of the header's length, which comes first; tensors begin at a multiple of it.
pub const PREFIX: usize = 8;

const METADATA: &str = "__metadata__";

// Numbers are written as they are in memory.
const _: () = assert!(cfg!(target_endian = "little"), "safetensors are little-endian");

/// A header that was checked against its file.
pub struct Header {
    pub metadata: HashMap<String, String>,
    tensors: Metadata,
    /// The names, sorted by their bytes.
    pub names: Vec<String>,
    /// The offset of the tensor data in the file.
    start: u64,
}

/// Checks a weight file of `total` bytes of any origin by its beginning: the length of the header, and the header.
///
/// # Errors
/// [`Error::SafetensorsInvalid`], [`Error::HeaderTooLarge`] or [`Error::FileTruncated`].
pub fn check_weights(beginning: &[u8], total: u64) -> Result<()> {
    Header::read(beginning, Some(total)).map(drop)
}

/// The offset at which the header ends, by the bytes before it.
///
/// # Errors
/// [`Error::HeaderTooLarge`]
pub fn header_end(prefix: &[u8]) -> Result<u64> {
    let length = prefix.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    match length > LARGEST_HEADER {
        true => Err(Error::HeaderTooLarge { bytes: length, limit: LARGEST_HEADER }),
        false => Ok(PREFIX as u64 + length),
    }
}

impl Header {
    /// Reads the header from the beginning of a file of `total` bytes, if that is known.
    pub fn read(beginning: &[u8], total: Option<u64>) -> Result<Self> {
        refuse_pointer("*.safetensors", beginning)?;
        let found = total.unwrap_or(beginning.len() as u64);
        let truncated = |expected: u64| Error::FileTruncated { found, expected };
        let prefix = beginning.get(..PREFIX).ok_or(truncated(PREFIX as u64))?;
        let start = header_end(prefix)?;
        let json = beginning.get(PREFIX..start as usize).ok_or(truncated(start))?;
        let Parsed { metadata, mut tensors } = serde_json::from_slice(json).map_err(invalid)?;
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let names = tensors.iter().map(|(name, _)| name.clone()).collect();
        let tensors = Metadata::new(None, tensors).map_err(invalid)?;
        let header = Self { metadata, tensors, names, start };
        match total {
            Some(total) if total < header.file_len() => Err(truncated(header.file_len())),
            Some(total) if total > header.file_len() => {
                Err(invalid(format!("{} bytes follow the last tensor", total - header.file_len())))
            }
            _ => Ok(header),
        }
    }

    /// Size of the whole file in bytes.
    pub fn file_len(&self) -> u64 {
        self.start + self.data_len()
    }

    /// Size of all tensors in bytes.
    pub fn data_len(&self) -> u64 {
        self.tensors.data_len() as u64
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.info(name).map(|info| &info.shape[..])
    }

    /// Type, shape, and byte range in the file of a tensor.
    pub fn place(&self, name: &str) -> Option<(Dtype, &[usize], Range<u64>)> {
        let info = self.tensors.info(name)?;
        let (from, to) = info.data_offsets;
        Some((info.dtype, &info.shape, self.start + from as u64..self.start + to as u64))
    }

    /// Checks that a tensor exists and has this type and shape.
    pub fn check(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<()> {
        let tensor = || name.to_owned();
        let missing = || Error::TensorMissing { tensor: tensor(), found: nearest(name, &self.names) };
        let info = self.tensors.info(name).ok_or_else(missing)?;
        if info.dtype != dtype {
            let supported = vec![dtype.to_string()];
            return Err(Error::TensorType { tensor: tensor(), found: info.dtype.to_string(), supported });
        }
        if info.shape != shape {
            return Err(Error::TensorShape { tensor: tensor(), found: info.shape.clone(), expected: shape.to_vec() });
        }
        Ok(())
    }

    /// The bytes of a tensor in the whole file, after [`Header::check`].
    pub fn bytes<'a>(&self, name: &str, file: &'a [u8]) -> &'a [u8] {
        let (from, to) = self.tensors.info(name).map_or((0, 0), |info| info.data_offsets);
        &file[self.start as usize..][from..to]
    }
}

fn invalid(reason: impl fmt::Display) -> Error {
    Error::SafetensorsInvalid { reason: reason.to_string() }
}

/// Names for the error about a missing tensor: those with the same ending, or of the same module, or the first ones.
pub fn nearest(wanted: &str, names: &[String]) -> Vec<String> {
    const MOST: usize = 2;
    fn end(name: &str) -> impl Iterator<Item = &str> {
        name.rsplitn(3, '.').take(2)
    }
    let module = wanted.rsplit_once('.').map_or(wanted, |(module, _)| module);
    let ends_alike = |name: &str| end(name).eq(end(wanted));
    let is_beside = |name: &str| name.rsplit_once('.').is_some_and(|(other, _)| other == module);
    let rank = |name: &&String| if ends_alike(name) { 0 } else { 1 + u8::from(!is_beside(name)) };
    let best = names.iter().map(|name| rank(&name)).min();
    names.iter().filter(|name| Some(rank(name)) == best).take(MOST).cloned().collect()
}

/// The strings of `__metadata__`. The format allows nothing else there, and other values do not affect the tensors.
fn texts(metadata: Value) -> HashMap<String, String> {
    let Value::Object(entries) = metadata else { return HashMap::new() };
    let text = |(key, value)| if let Value::String(text) = value { Some((key, text)) } else { None };
    entries.into_iter().filter_map(text).collect()
}

/// The parsed JSON header, with unique names.
struct Parsed {
    metadata: HashMap<String, String>,
    tensors: Vec<(String, TensorInfo)>,
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Parsed;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a map from names to tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Parsed, A::Error> {
                let mut parsed = Parsed { metadata: HashMap::new(), tensors: Vec::new() };
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("{name} comes twice")));
                    }
                    if name == METADATA {
                        parsed.metadata = texts(map.next_value()?);
                    } else if parsed.tensors.len() == MOST_TENSORS {
                        return Err(A::Error::custom("too many tensors"));
                    } else {
                        parsed.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(parsed)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// A tensor to be written.
pub struct Tensor<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub numbers: Numbers<'a>,
}

/// The numbers of a tensor to be written.
pub enum Numbers<'a> {
    /// As they are in memory.
    Bytes(&'a [u8]),
    /// Columns of a matrix, gathered as they are written: the file is then the only copy.
    Columns(Columns<'a>),
}

impl<'a> Tensor<'a> {
    pub fn f32(name: String, shape: &[usize], values: &'a [f32]) -> Self {
        let numbers = Numbers::Bytes(bytemuck::cast_slice(values));
        Self { name, dtype: Dtype::F32, shape: shape.to_vec(), numbers }
    }

    /// The matrix `[columns, rows]` that columns of another one are.
    pub fn transposed(name: String, shape: [usize; 2], columns: Columns<'a>) -> Self {
        Self { name, dtype: Dtype::F32, shape: shape.to_vec(), numbers: Numbers::Columns(columns) }
    }

    fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Bytes(bytes) => bytes.len(),
            Numbers::Columns(columns) => columns.bytes(),
        }
    }
}

/// Appends a whole file to `out`. The tensors' bytes follow one another as given, so wider numbers must precede
/// narrower ones.
///
/// # Errors
/// [`Error::HeaderTooLarge`], because such a file could not be opened again.
pub fn append(out: &mut Vec<u8>, metadata: &[(&str, &str)], tensors: &[Tensor]) -> Result<()> {
    let mut header = serde_json::to_vec(&Written { metadata, tensors }).expect("strings and numbers can be written");
    header.resize(header.len().next_multiple_of(PREFIX), b' ');
    let length = header.len() as u64;
    if length > LARGEST_HEADER {
        return Err(Error::HeaderTooLarge { bytes: length, limit: LARGEST_HEADER });
    }
    let data: usize = tensors.iter().map(Tensor::len).sum();
    out.reserve_exact(PREFIX + header.len() + data);
    out.extend(length.to_le_bytes());
    out.append(&mut header);
    for tensor in tensors {
        match &tensor.numbers {
            Numbers::Bytes(bytes) => out.extend_from_slice(bytes),
            Numbers::Columns(columns) => columns.each().flatten().for_each(|value| out.extend(value.to_le_bytes())),
        }
    }
    Ok(())
}

struct Written<'a> {
    metadata: &'a [(&'a str, &'a str)],
    tensors: &'a [Tensor<'a>],
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Pairs<'a>(&'a [(&'a str, &'a str)]);

        impl Serialize for Pairs<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().copied())
            }
        }

        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(METADATA, &Pairs(self.metadata))?;
        let mut start = 0;
        for tensor in self.tensors {
            let data_offsets = (start, start + tensor.len());
            start = data_offsets.1;
            let info = TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets };
            map.serialize_entry(&tensor.name, &info)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    }

    #[test]
    fn strings_are_read_from_any_metadata() {
        for (metadata, texts) in [
            ("null", 0),
            ("3", 0),
            ("[\"pt\"]", 0),
            ("{}", 0),
            ("{\"format\": \"pt\", \"step\": 120, \"tags\": [\"a\"], \"more\": {\"b\": null}}", 1),
        ] {
            let header = format!(
                r#"{{"__metadata__": {metadata}, "a": {{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}}}"#
            );
            let file = file(&header, 8);
            let header = Header::read(&file, Some(file.len() as u64)).unwrap();
            assert_eq!((header.metadata.len(), header.shape("a").unwrap()), (texts, &[2][..]), "{metadata}");
        }
    }

    #[test]
    fn a_missing_tensor_is_reported_with_tensors_of_the_same_ending() {
        let names = ["a.b.wpe.weight", "a.b.wte.weight", "lm_head.weight"].map(String::from);
        assert_eq!(nearest("transformer.wte.weight", &names), ["a.b.wte.weight"]);
        assert_eq!(nearest("a.b.wte.bias", &names), ["a.b.wte.weight"]);
        assert_eq!(nearest("transformer.h.0.ln_1.bias", &names), names[..2]);
        assert!(nearest("x", &[]).is_empty());
    }
}
