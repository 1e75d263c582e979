//! Reads the header of a GGUF file, version 2 or 3: its metadata, and where its tensors are. The file is untrusted: a
//! count is held against the bytes that are left before anything is allocated for it, and texts and arrays stay where
//! they are in the header.

use std::collections::{HashMap, HashSet};

use serde_json::{Number, Value as Json};

use super::{ALIGNMENT, FREQUENCY_FACTORS, MAGIC, Type};
use crate::{
    error::{Error, Result, shown},
    formats::{
        ggml::{Encoding, unsupported},
        parts::{Cursor, Parts, Reading},
    },
};

/// Versions that can be read. Version 1 has shorter lengths, and was in use for some weeks of 2023.
const VERSIONS: [u32; 2] = [2, 3];

/// Longer headers are refused. Tokenizers of 260,000 tokens take half of it.
const LARGEST_HEADER: u64 = 32 << 20;

/// As many as in other files of weights.
pub const MOST_TENSORS: u64 = 4096;

/// Largest number of axes of a tensor (`GGML_MAX_DIMS`).
const MOST_AXES: u32 = 4;

/// A value of the metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    String(&'a str),
    Array(Array<'a>),
}

/// An array of the metadata, whose elements stay in the header until they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    of: Type,
    length: u64,
    /// The elements, each as in the file.
    bytes: &'a [u8],
}

/// A tensor's description, checked against the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    pub name: &'a str,
    pub encoding: Encoding,
    /// The lengths of its axes in the order of PyTorch: of a matrix first the number of rows.
    pub shape: Vec<usize>,
    /// The offset of its first byte in the file.
    pub from: u64,
}

/// The header of a GGUF file.
#[derive(Debug)]
pub struct Header<'a> {
    metadata: HashMap<&'a str, Value<'a>>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<Tensor<'a>>,
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::GgufInvalid { reason: reason.into() }
}

impl<'a> Header<'a> {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::GgufInvalid`], [`Error::TensorType`] for a format that cannot be read, [`Error::HeaderTooLarge`],
    /// [`Error::FileTruncated`].
    pub fn read(file: &'a Parts) -> Reading<Self> {
        let mut cursor = file.cursor(LARGEST_HEADER);
        if cursor.take(MAGIC.len() as u64)? != MAGIC {
            return Err(invalid("it does not begin with GGUF").into());
        }
        let version = cursor.u32()?;
        if !VERSIONS.contains(&version) {
            // A file of a big-endian machine has its bytes turned round.
            let shown = if VERSIONS.contains(&version.swap_bytes()) { "for big-endian machines" } else { "" };
            return Err(invalid(format!("version {version} {shown}; 2 and 3 can be read")).into());
        }
        let [tensors, values] = [cursor.u64()?, cursor.u64()?];
        if tensors > MOST_TENSORS {
            return Err(invalid(format!("{tensors} tensors are too many")).into());
        }
        let mut metadata = HashMap::new();
        for _ in 0..cursor.at_most(values, KEY_BYTES)? {
            let key = cursor.string()?;
            let of = cursor.value_type()?;
            let value = cursor.value(of)?;
            if metadata.insert(key, value).is_some() {
                return Err(invalid(format!("{} comes twice", shown(key))).into());
            }
        }
        let alignment = alignment(metadata.get("general.alignment"))?;
        let mut described = Vec::new();
        let mut names = HashSet::new();
        for _ in 0..tensors {
            let tensor = cursor.tensor()?;
            if !names.insert(tensor.name) {
                return Err(invalid(format!("{} comes twice", shown(tensor.name))).into());
            }
            described.push(tensor);
        }
        let start = cursor.position().next_multiple_of(alignment);
        for tensor in &mut described {
            let Tensor { name, encoding, ref shape, from } = *tensor;
            if !from.is_multiple_of(alignment) {
                return Err(invalid(format!("{} begins at {from}, no multiple of {alignment}", shown(name))).into());
            }
            tensor.from = start.checked_add(from).ok_or_else(|| invalid("a tensor begins beyond all files"))?;
            let end = bytes(encoding, shape).and_then(|bytes| tensor.from.checked_add(bytes));
            let end = end.ok_or_else(|| invalid(format!("{} is larger than all files", shown(name))))?;
            if end > file.total {
                return Err(Error::FileTruncated { found: file.total, expected: end }.into());
            }
        }
        Ok(Self { metadata, tensors: described })
    }

    /// What the frequencies of rotary positions are divided by, if the file says it.
    ///
    /// # Errors
    /// [`Stop::Wanted`](crate::formats::parts::Stop) if it has not been read; [`Error::TensorType`] if it is not in 32 bits.
    pub fn frequency_factors(&self, file: &Parts) -> Reading<Option<Vec<f32>>> {
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == FREQUENCY_FACTORS) else { return Ok(None) };
        if tensor.encoding != Encoding::F32 {
            return Err(unsupported(tensor.name, &format!("{:?}", tensor.encoding), &[Encoding::F32]).into());
        }
        // A head has at most so many numbers, so that a lying shape is not read.
        const MOST: u64 = 1 << 16;
        let bytes = bytes(tensor.encoding, &tensor.shape).filter(|&bytes| bytes <= MOST);
        let bytes = bytes.ok_or_else(|| invalid(format!("{FREQUENCY_FACTORS} is too large")))?;
        let bytes = file.get(tensor.from..tensor.from + bytes)?;
        Ok(Some(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.metadata.get(key).copied()
    }

    /// All keys with this prefix, without it, and their values, sorted.
    pub fn below(&self, prefix: &str) -> Vec<(&'a str, Value<'a>)> {
        let inside = self.metadata.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, *value)));
        let mut inside: Vec<_> = inside.collect();
        inside.sort_unstable_by_key(|(key, _)| *key);
        inside
    }

    /// The text of a key.
    ///
    /// # Errors
    /// [`Error::GgufInvalid`] if it is no text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("{key} is no text"))),
        }
    }

    /// The array of a key, read by one of its methods.
    ///
    /// # Errors
    /// [`Error::GgufInvalid`] if it is no array of such elements.
    pub fn list<T>(&self, key: &str, read: fn(Array<'a>) -> Option<Vec<T>>) -> Result<Option<Vec<T>>> {
        let read = |value| match value {
            Value::Array(array) => read(array),
            _ => None,
        };
        self.value(key).map(|value| read(value).ok_or_else(|| invalid(format!("{key} is another array")))).transpose()
    }
}

impl Value<'_> {
    /// The value as in a config.json, if it has one there; arrays have none.
    pub fn json(&self) -> Option<Json> {
        Some(match *self {
            Self::Unsigned(value) => value.into(),
            Self::Signed(value) => value.into(),
            Self::Float(value) => Json::Number(Number::from_f64(value)?),
            Self::Bool(value) => value.into(),
            Self::String(text) => text.into(),
            Self::Array(_) => return None,
        })
    }

    /// The value as a token id.
    pub fn id(&self) -> Option<u32> {
        match *self {
            Self::Unsigned(value) => value.try_into().ok(),
            Self::Signed(value) => value.try_into().ok(),
            _ => None,
        }
    }
}

impl<'a> Array<'a> {
    /// The elements, if they are texts.
    pub fn strings(self) -> Option<Vec<&'a str>> {
        let mut cursor = Cursor::whole(self.bytes);
        (self.of == Type::String).then(|| (0..self.length).map_while(|_| cursor.string().ok()).collect())
    }

    /// The elements, if they are whole numbers of 32 bits.
    pub fn integers(self) -> Option<Vec<i32>> {
        let is_whole = matches!(self.of, Type::I32 | Type::U32);
        is_whole.then(|| self.bytes.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect())
    }

    /// The elements, if they are floating-point numbers of 32 bits.
    pub fn floats(self) -> Option<Vec<f32>> {
        (self.of == Type::F32)
            .then(|| self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// The least bytes of a key with its value: the length of its name, its type, and a byte.
const KEY_BYTES: u64 = 8 + 4 + 1;

impl<'a> Cursor<'a> {
    fn u32(&mut self) -> Reading<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Reading<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count of things of so many bytes at least.
    fn at_most(&self, count: u64, each: u64) -> Result<u64> {
        match count.checked_mul(each) {
            Some(bytes) if bytes <= self.remaining() => Ok(count),
            _ => Err(invalid(format!("{count} values do not fit into the file"))),
        }
    }

    fn string(&mut self) -> Reading<&'a str> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| invalid("a text is not UTF-8").into())
    }

    fn value_type(&mut self) -> Reading<Type> {
        let id = self.u32()?;
        Ok(Type::of(id).ok_or_else(|| invalid(format!("a value of type {id}")))?)
    }

    fn value(&mut self, of: Type) -> Reading<Value<'a>> {
        Ok(match of {
            Type::String => Value::String(self.string()?),
            Type::Array => {
                let of = self.value_type()?;
                let length = self.u64()?;
                Value::Array(self.elements(of, length)?)
            }
            Type::U8 => Value::Unsigned(self.array::<1>()?[0].into()),
            Type::I8 => Value::Signed(i8::from_le_bytes(self.array()?).into()),
            Type::U16 => Value::Unsigned(u16::from_le_bytes(self.array()?).into()),
            Type::I16 => Value::Signed(i16::from_le_bytes(self.array()?).into()),
            Type::U32 => Value::Unsigned(self.u32()?.into()),
            Type::I32 => Value::Signed(i32::from_le_bytes(self.array()?).into()),
            Type::U64 => Value::Unsigned(self.u64()?),
            Type::I64 => Value::Signed(i64::from_le_bytes(self.array()?)),
            Type::F32 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            Type::F64 => Value::Float(f64::from_le_bytes(self.array()?)),
            Type::Bool => match self.array()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => return Err(invalid(format!("{other} is neither true nor false")).into()),
            },
        })
    }

    /// Skips over the elements of an array, and checks them.
    fn elements(&mut self, of: Type, length: u64) -> Reading<Array<'a>> {
        self.at_most(length, of.bytes())?;
        let bytes = match of {
            Type::Array => return Err(invalid("an array of arrays").into()),
            Type::String => {
                let mut ahead = self.ahead();
                for _ in 0..length {
                    ahead.string()?;
                }
                self.take(ahead.position() - self.position())?
            }
            _ => self.take(length * of.bytes())?,
        };
        Ok(Array { of, length, bytes })
    }

    /// A tensor's description, with its offset in the tensor data.
    fn tensor(&mut self) -> Reading<Tensor<'a>> {
        let name = self.string()?;
        let axes = self.u32()?;
        if axes == 0 || axes > MOST_AXES {
            return Err(invalid(format!("{} has {axes} axes", shown(name))).into());
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            let length = self.u64()?;
            shape.push(usize::try_from(length).map_err(|_| invalid(format!("{} is too large", shown(name))))?);
        }
        let id = self.u32()?;
        let encoding = Encoding::of_ggml(id).ok_or_else(|| unsupported(name, &type_name(id), &Encoding::ALL))?;
        if !shape[0].is_multiple_of(encoding.block()) {
            let (row, block) = (shape[0], encoding.block());
            return Err(invalid(format!("{} has rows of {row} in blocks of {block}", shown(name))).into());
        }
        let from = self.u64()?;
        // The length of a row comes first.
        shape.reverse();
        Ok(Tensor { name, encoding, shape, from })
    }
}

/// The size of a tensor in bytes.
fn bytes(encoding: Encoding, shape: &[usize]) -> Option<u64> {
    let numbers = shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length as u64))?;
    (numbers / encoding.block() as u64).checked_mul(encoding.block_bytes() as u64)
}

fn alignment(value: Option<&Value>) -> Result<u64> {
    match value {
        None => Ok(ALIGNMENT as u64),
        Some(&Value::Unsigned(bytes)) if bytes.is_power_of_two() && bytes <= 1 << 16 => Ok(bytes),
        Some(_) => Err(invalid("general.alignment is no power of two")),
    }
}

/// The name of a format that cannot be read (`ggml_type`), or its number.
fn type_name(id: u32) -> String {
    let known = match id {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("ggml type {id}"),
    };
    known.to_owned()
}
