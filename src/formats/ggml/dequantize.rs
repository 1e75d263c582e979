//! Converts the numbers of a file to f32, to the same bits as `dequantize` of the `gguf` package (`gguf/quants.py`,
//! version 0.19.0) and as ggml's own `dequantize_row_*` (`ggml-quants.c`). Products and sums are rounded one by one.

use half::{bf16, f16};

use super::{Encoding, SUPER_BLOCK};

impl Encoding {
    /// Reads whole blocks.
    pub fn read(self, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::with_capacity(bytes.len() / self.block_bytes() * self.block());
        let blocks = bytes.chunks_exact(self.block_bytes());
        match self {
            Self::F32 => {
                out.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            Self::F16 => {
                out.extend(bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()));
            }
            Self::BF16 => {
                out.extend(bytes.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()));
            }
            Self::Q8_0 => blocks.for_each(|block| {
                let scale = half(block, 0);
                out.extend(block[2..].iter().map(|&byte| f32::from(byte as i8) * scale));
            }),
            Self::Q4_0 => blocks.for_each(|block| {
                let scale = half(block, 0);
                out.extend(nibbles(&block[2..]).map(|value| scale * (f32::from(value) - 8.0)));
            }),
            Self::Q4_1 => blocks.for_each(|block| {
                let [scale, minimum] = [half(block, 0), half(block, 2)];
                out.extend(nibbles(&block[4..]).map(|value| scale * f32::from(value) + minimum));
            }),
            Self::Q5_0 => blocks.for_each(|block| {
                let scale = half(block, 0);
                let values = fifths(&block[2..6], &block[6..]);
                out.extend(values.map(|value| scale * (f32::from(value) - 16.0)));
            }),
            Self::Q5_1 => blocks.for_each(|block| {
                let [scale, minimum] = [half(block, 0), half(block, 2)];
                let values = fifths(&block[4..8], &block[8..]);
                out.extend(values.map(|value| scale * f32::from(value) + minimum));
            }),
            Self::Q4_K => blocks.for_each(|block| {
                let (parts, low) = (scales(block), &block[16..]);
                for (index, (scale, minimum)) in parts.into_iter().enumerate() {
                    out.extend(quarter(low, index).map(|low| scale * f32::from(low) - minimum));
                }
            }),
            Self::Q5_K => blocks.for_each(|block| {
                let (parts, high, low) = (scales(block), &block[16..48], &block[48..]);
                for (index, (scale, minimum)) in parts.into_iter().enumerate() {
                    let high = high.iter().map(|byte| byte >> index & 1);
                    let values = quarter(low, index).zip(high).map(|(low, high)| low | high << 4);
                    out.extend(values.map(|value| scale * f32::from(value) - minimum));
                }
            }),
            Self::Q6_K => blocks.for_each(|block| {
                out.extend(
                    (0..SUPER_BLOCK).map(|index| sixth(block, index)).map(|(scale, value)| scale * f32::from(value)),
                );
            }),
        }
        out
    }
}

/// The 16-bit number that begins at a byte.
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Numbers of 4 bits: the lower halves of all bytes, then the upper ones.
pub(super) fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let halves = [0, 4].into_iter();
    halves.flat_map(|shift| bytes.iter().map(move |byte| byte >> shift & 15))
}

/// Numbers of 5 bits, whose highest bits are together in `high`.
pub(super) fn fifths(high: &[u8], low: &[u8]) -> impl Iterator<Item = u8> {
    nibbles(low).enumerate().map(|(index, low)| low | (high[index / 8] >> (index % 8) & 1) << 4)
}

/// The scale and the minimum of each of the 8 parts of a block of `Q4_K` or `Q5_K` (`get_scale_min_k4`).
pub(super) fn scales(block: &[u8]) -> [(f32, f32); 8] {
    let [scale, minimum] = [half(block, 0), half(block, 2)];
    let packed = &block[4..16];
    std::array::from_fn(|index| {
        let [lower, upper] = match index {
            0..4 => [packed[index] & 63, packed[index + 4] & 63],
            _ => {
                let rest = packed[index + 4];
                [rest & 15 | packed[index - 4] >> 2 & 48, rest >> 4 | packed[index] >> 2 & 48]
            }
        };
        (scale * f32::from(lower), minimum * f32::from(upper))
    })
}

/// The 4 bits of each number in one of the 8 parts of a block: two parts share 32 bytes.
pub(super) fn quarter(low: &[u8], part: usize) -> impl Iterator<Item = u8> {
    let shift = 4 * (part % 2);
    low[part / 2 * 32..][..32].iter().map(move |byte| byte >> shift & 15)
}

/// The scale of a number in a block of `Q6_K`, and the number: four lower bits of each, two upper ones, 16 scales, and the
/// scale of these.
pub(super) fn sixth(block: &[u8], index: usize) -> (f32, i8) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, _) = rest.split_at(16);
    // A half of the block has 64 bytes of lower bits for four runs of 32 numbers, and 32 bytes of upper bits.
    let (part, run, at) = (index / 128, index / 32 % 4, index % 32);
    let low = low[part * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
    let high = high[part * 32 + at] >> (2 * run) & 3;
    (half(rest, 16) * f32::from(scales[index / 16] as i8), (low | high << 4) as i8 - 32)
}
