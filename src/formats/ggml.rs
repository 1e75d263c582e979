//! Converts numbers to ggml's formats: `ggml.h` and `ggml-quants.c`, version 0.25.1.

use half::f16;

/// The supported encodings. The values are those of ggml's `ggml_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    F32 = 0,
    F16 = 1,
    /// Blocks of [`BLOCK`] numbers of a row: a 16-bit scale, then a byte per number.
    Q8_0 = 8,
}

/// Numbers per block, which share a scale in [`Encoding::Q8_0`]. A row must consist of whole blocks.
pub const BLOCK: usize = 32;

/// Bytes of a block: its scale and its numbers.
const BLOCK_BYTES: usize = 2 + BLOCK;

impl Encoding {
    /// The size in bytes of this many numbers, in whole blocks.
    pub fn bytes(self, numbers: usize) -> usize {
        match self {
            Self::F32 => 4 * numbers,
            Self::F16 => 2 * numbers,
            Self::Q8_0 => numbers / BLOCK * BLOCK_BYTES,
        }
    }

    /// Appends a row.
    pub fn append(self, out: &mut Vec<u8>, row: &[f32]) {
        match self {
            Self::F32 => row.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::F16 => row.iter().for_each(|&value| out.extend(f16::from_f32(value).to_le_bytes())),
            Self::Q8_0 => row.chunks_exact(BLOCK).for_each(|block| quantize(out, block)),
        }
    }
}

/// As `quantize_row_q8_0_ref`: numbers are divided by the unrounded scale, and halves are rounded away from 0.
fn quantize(out: &mut Vec<u8>, block: &[f32]) {
    let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(block.iter().map(|value| (value * inverse).round() as i8 as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of `make.py` beside them: numbers, and their bytes according to the `gguf` package.
    const VALUES: &[u8] = include_bytes!("../../tests/fixtures/gguf/values.f32");
    const F16: &[u8] = include_bytes!("../../tests/fixtures/gguf/values.f16");
    const Q8_0: &[u8] = include_bytes!("../../tests/fixtures/gguf/values.q8_0");

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
}
