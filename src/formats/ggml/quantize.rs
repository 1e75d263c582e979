//! Converts numbers to the formats that Lorito writes: `ggml-quants.c`, version 0.25.1.

use half::{bf16, f16};

use super::Encoding;

impl Encoding {
    /// Appends a row.
    ///
    /// # Panics
    /// For formats that are only read.
    pub fn append(self, out: &mut Vec<u8>, row: &[f32]) {
        match self {
            Self::F32 => row.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::F16 => row.iter().for_each(|&value| out.extend(f16::from_f32(value).to_le_bytes())),
            Self::BF16 => row.iter().for_each(|&value| out.extend(bf16::from_f32(value).to_le_bytes())),
            Self::Q8_0 => row.chunks_exact(self.block()).for_each(|block| quantize(out, block)),
            _ => unreachable!("{self:?} is not written"),
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
