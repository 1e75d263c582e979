//! The number formats of ggml (`ggml.h`, version 0.25.1), three of which are also those of safetensors and PyTorch.

mod dequantize;
mod pack;
mod quantize;

use safetensors::tensor::Dtype;

use crate::error::{Error, Result};

/// A format of numbers in a file. The values are those of ggml's `ggml_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "the names of ggml, which errors show")]
pub enum Encoding {
    /// IEEE 754 with 32 bits.
    F32 = 0,
    /// IEEE 754 with 16 bits.
    F16 = 1,
    /// Blocks of 32 numbers: a 16-bit scale, then 4 bits per number.
    Q4_0 = 2,
    /// Blocks of 32 numbers: a 16-bit scale and minimum, then 4 bits per number.
    Q4_1 = 3,
    /// As `Q4_0`, with 5 bits per number.
    Q5_0 = 6,
    /// As `Q4_1`, with 5 bits per number.
    Q5_1 = 7,
    /// Blocks of 32 numbers: a 16-bit scale, then a byte per number.
    Q8_0 = 8,
    /// Blocks of 256 numbers in 8 parts, each with a scale and a minimum of 6 bits; 4 bits per number.
    Q4_K = 12,
    /// As `Q4_K`, with 5 bits per number.
    Q5_K = 13,
    /// Blocks of 256 numbers in 16 parts, each with a scale of 8 bits; 6 bits per number.
    Q6_K = 14,
    /// bfloat16: the upper half of 32 bits.
    BF16 = 30,
}

/// Numbers per block of [`Encoding::Q8_0`]. A row must consist of whole blocks.
pub const BLOCK: usize = 32;

/// Numbers per block of the formats whose names end in K (`QK_K`).
const SUPER_BLOCK: usize = 256;

impl Encoding {
    /// All that can be read.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q6_K,
        Self::Q5_K,
        Self::Q5_1,
        Self::Q5_0,
        Self::Q4_K,
        Self::Q4_1,
        Self::Q4_0,
    ];

    /// Those of them that safetensors and PyTorch have.
    pub const FLOATS: [Self; 3] = [Self::F32, Self::F16, Self::BF16];

    /// The format with a number of `ggml_type`.
    pub fn of_ggml(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&encoding| encoding as u32 == id)
    }

    /// The format of a safetensors type.
    pub fn of_dtype(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::BF16),
            _ => None,
        }
    }

    /// Numbers per block; a row of a matrix must consist of whole blocks.
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => BLOCK,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => SUPER_BLOCK,
        }
    }

    /// Bytes per block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + BLOCK / 2,
            Self::Q4_1 => 4 + BLOCK / 2,
            Self::Q5_0 => 2 + BLOCK / 8 + BLOCK / 2,
            Self::Q5_1 => 4 + BLOCK / 8 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
            Self::Q4_K => 4 + 12 + SUPER_BLOCK / 2,
            Self::Q5_K => 4 + 12 + SUPER_BLOCK / 8 + SUPER_BLOCK / 2,
            Self::Q6_K => SUPER_BLOCK / 2 + SUPER_BLOCK / 4 + SUPER_BLOCK / 16 + 2,
        }
    }

    /// The size in bytes of this many numbers, in whole blocks.
    pub fn bytes(self, numbers: usize) -> usize {
        numbers / self.block() * self.block_bytes()
    }
}

/// The error for a tensor in another format than the `supported` ones.
pub fn unsupported(tensor: &str, found: &str, supported: &[Encoding]) -> Error {
    let supported = supported.iter().map(|encoding| format!("{encoding:?}")).collect();
    Error::TensorType { tensor: tensor.to_owned(), found: found.to_owned(), supported }
}

/// The format of a tensor in a safetensors file.
///
/// # Errors
/// [`Error::TensorType`]
pub fn of_safetensors(dtype: Dtype, tensor: &str) -> Result<Encoding> {
    Encoding::of_dtype(dtype).ok_or_else(|| unsupported(tensor, &dtype.to_string(), &Encoding::FLOATS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Form, Packed};

    /// Output of `make.py` beside them: numbers, and their bytes according to the `gguf` package.
    const VALUES: &[u8] = include_bytes!("../../../tests/fixtures/gguf/values.f32");
    const F16: &[u8] = include_bytes!("../../../tests/fixtures/gguf/values.f16");
    const Q8_0: &[u8] = include_bytes!("../../../tests/fixtures/gguf/values.q8_0");
    /// For each format its number, how many bytes follow, these bytes, and the numbers that the `gguf` package reads.
    const BLOCKS: &[u8] = include_bytes!("../../../tests/fixtures/gguf/blocks.bin");

    #[test]
    fn bytes_agree_with_the_gguf_package() {
        let values: Vec<f32> = VALUES.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        for (encoding, expected) in [(Encoding::F32, VALUES), (Encoding::F16, F16), (Encoding::Q8_0, Q8_0)] {
            let mut out = Vec::new();
            // Rows of two blocks.
            values.chunks(2 * BLOCK).for_each(|row| encoding.append(&mut out, row));
            assert_eq!(out, expected, "{encoding:?}");
            assert_eq!(encoding.bytes(values.len()), expected.len());
        }
    }

    #[test]
    fn numbers_agree_with_the_gguf_package_to_the_last_bit() {
        let mut rest = BLOCKS;
        let mut take = |length: usize| {
            let (taken, after) = rest.split_at(length);
            rest = after;
            taken
        };
        let mut seen = Vec::new();
        for _ in Encoding::ALL {
            let [id, length] = [0; 2].map(|_| u32::from_le_bytes(take(4).try_into().unwrap()));
            let encoding = Encoding::of_ggml(id).unwrap();
            let bytes = take(length as usize);
            let numbers = encoding.read(bytes);
            assert_eq!(encoding.bytes(numbers.len()), bytes.len(), "{encoding:?}");
            // Packed, they are the same numbers, also where the other matrices of a layer need a form with minima.
            for form in encoding.form().into_iter().flat_map(|form| [form, Form::Scaled]) {
                if form == Form::Scaled && encoding.block() == 1 {
                    continue;
                }
                let packed = Packed::new(form, [1, numbers.len()], encoding.pack(form, bytes)).unwrap();
                assert_eq!(packed.row(0), numbers, "{encoding:?} as {form:?}");
            }
            for (index, (number, right)) in numbers.iter().zip(take(4 * numbers.len()).as_chunks::<4>().0).enumerate() {
                let right = f32::from_le_bytes(*right);
                assert_eq!(number.to_bits(), right.to_bits(), "{encoding:?} {index}: {number} instead of {right}");
            }
            seen.push(encoding);
        }
        assert!(rest.is_empty());
        assert!(Encoding::ALL.iter().all(|encoding| seen.contains(encoding)));
    }
}
