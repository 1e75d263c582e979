//! Writes the GGUF container, version 3.

use std::borrow::Cow;

use super::{ALIGNMENT, MAGIC, Type};
use crate::formats::{columns::Columns, ggml::Encoding};

const VERSION: u32 = 3;

/// Keys with their values, in the order of insertion.
#[derive(Default)]
pub struct Metadata {
    count: u64,
    bytes: Vec<u8>,
}

impl Metadata {
    pub fn string(&mut self, key: &str, value: &str) {
        self.key(key, Type::String);
        string(&mut self.bytes, value);
    }

    pub fn u32(&mut self, key: &str, value: u32) {
        self.key(key, Type::U32);
        self.bytes.extend(value.to_le_bytes());
    }

    pub fn f32(&mut self, key: &str, value: f32) {
        self.key(key, Type::F32);
        self.bytes.extend(value.to_le_bytes());
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key, Type::Bool);
        self.bytes.push(value.into());
    }

    pub fn strings<'a>(&mut self, key: &str, values: impl ExactSizeIterator<Item = &'a str>) {
        self.array(key, Type::String, values.len());
        values.for_each(|value| string(&mut self.bytes, value));
    }

    pub fn i32s(&mut self, key: &str, values: impl ExactSizeIterator<Item = i32>) {
        self.array(key, Type::I32, values.len());
        values.for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }

    pub fn f32s(&mut self, key: &str, values: impl ExactSizeIterator<Item = f32>) {
        self.array(key, Type::F32, values.len());
        values.for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }

    fn array(&mut self, key: &str, of: Type, length: usize) {
        self.key(key, Type::Array);
        self.bytes.extend((of as u32).to_le_bytes());
        self.bytes.extend((length as u64).to_le_bytes());
    }

    fn key(&mut self, key: &str, of: Type) {
        self.count += 1;
        string(&mut self.bytes, key);
        self.bytes.extend((of as u32).to_le_bytes());
    }
}

/// A tensor to be written.
pub struct Tensor<'a> {
    pub name: String,
    pub encoding: Encoding,
    /// The length of a row, then the number of rows; a vector has only the length.
    pub shape: Vec<usize>,
    pub values: Values<'a>,
}

/// The numbers of a tensor.
pub enum Values<'a> {
    /// One row after the other.
    Rows(Cow<'a, [f32]>),
    /// The rows are columns of another matrix.
    Columns(Columns<'a>),
}

impl Tensor<'_> {
    fn rows(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Size in bytes, without padding.
    fn len(&self) -> usize {
        self.rows() * self.encoding.bytes(self.shape[0])
    }

    /// Writes the tensor's description; `offset` counts from the beginning of the tensor data.
    fn describe(&self, out: &mut Vec<u8>, offset: usize) {
        string(out, &self.name);
        out.extend((self.shape.len() as u32).to_le_bytes());
        self.shape.iter().for_each(|&length| out.extend((length as u64).to_le_bytes()));
        out.extend((self.encoding as u32).to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
    }

    fn append(&self, out: &mut Vec<u8>) {
        match &self.values {
            Values::Rows(values) => values.chunks_exact(self.shape[0]).for_each(|row| self.encoding.append(out, row)),
            Values::Columns(columns) => {
                let mut gathered = Vec::with_capacity(self.shape[0]);
                for column in columns.each() {
                    gathered.clear();
                    gathered.extend(column);
                    self.encoding.append(out, &gathered);
                }
            }
        }
    }
}

/// Returns the whole file. Memory holds one copy of it, and one row of a tensor.
pub fn write(metadata: &Metadata, tensors: &[Tensor]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend(metadata.count.to_le_bytes());
    out.extend(&metadata.bytes);
    let mut offset = 0;
    for tensor in tensors {
        tensor.describe(&mut out, offset);
        offset += tensor.len().next_multiple_of(ALIGNMENT);
    }
    align(&mut out);
    out.reserve_exact(offset);
    for tensor in tensors {
        tensor.append(&mut out);
        align(&mut out);
    }
    out
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

fn string(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value.as_bytes());
}
