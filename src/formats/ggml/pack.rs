//! Puts the numbers of a file into the form in which a frozen model's matrices are held, without widening or rounding
//! them.

use super::{
    Encoding,
    dequantize::{fifths, half, nibbles, quarter, scales, sixth},
};
use crate::ops::{BLOCK, Form};

impl Encoding {
    /// The smallest form that holds these numbers without loss, if one has fewer than 32 bits.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::F32 => None,
            Self::F16 => Some(Form::F16),
            Self::BF16 => Some(Form::Bf16),
            Self::Q8_0 | Self::Q4_0 | Self::Q5_0 => Some(Form::Q8),
            Self::Q4_1 | Self::Q5_1 => Some(Form::Offset),
            Self::Q4_K | Self::Q5_K | Self::Q6_K => Some(Form::Scaled),
        }
    }

    /// Packs whole blocks into a form: that of [`Encoding::form`], or [`Form::Scaled`] for any that is quantised.
    pub fn pack(self, form: Form, bytes: &[u8]) -> Vec<u8> {
        let blocks = bytes.chunks_exact(self.block_bytes());
        let mut out = Vec::with_capacity(form.bytes(blocks.len() * self.block()));
        let mut put = |[first, second, minimum]: [f32; 3], scale: &[u8], numbers: &mut dyn Iterator<Item = i8>| {
            match form {
                Form::Scaled => [first, second, minimum].iter().for_each(|number| out.extend(number.to_le_bytes())),
                // The bytes of scale and minimum as the file has them.
                _ => out.extend_from_slice(&scale[..form.block_bytes() - BLOCK]),
            }
            out.extend(numbers.take(BLOCK).map(|number| number as u8));
        };
        for block in blocks {
            match self {
                Self::F32 | Self::F16 | Self::BF16 => return bytes.to_vec(),
                Self::Q8_0 | Self::Q4_0 | Self::Q5_0 => {
                    let scale = half(block, 0);
                    let scales = [scale, scale, 0.0];
                    match self {
                        Self::Q8_0 => put(scales, block, &mut block[2..].iter().map(|&byte| byte as i8)),
                        Self::Q4_0 => put(scales, block, &mut nibbles(&block[2..]).map(|value| value as i8 - 8)),
                        _ => {
                            put(scales, block, &mut fifths(&block[2..6], &block[6..]).map(|value| value as i8 - 16));
                        }
                    }
                }
                Self::Q4_1 | Self::Q5_1 => {
                    let scales = [half(block, 0), half(block, 0), half(block, 2)];
                    match self {
                        Self::Q4_1 => put(scales, block, &mut nibbles(&block[4..]).map(|value| value as i8)),
                        _ => put(scales, block, &mut fifths(&block[4..8], &block[8..]).map(|value| value as i8)),
                    }
                }
                Self::Q4_K => {
                    for (index, (scale, minimum)) in scales(block).into_iter().enumerate() {
                        let mut numbers = quarter(&block[16..], index).map(|low| low as i8);
                        put([scale, scale, -minimum], block, &mut numbers);
                    }
                }
                Self::Q5_K => {
                    for (index, (scale, minimum)) in scales(block).into_iter().enumerate() {
                        let high = block[16..48].iter().map(|byte| byte >> index & 1);
                        let numbers = quarter(&block[48..], index).zip(high).map(|(low, high)| low | high << 4);
                        put([scale, scale, -minimum], block, &mut numbers.map(|value| value as i8));
                    }
                }
                Self::Q6_K => {
                    for first in (0..256).step_by(BLOCK) {
                        let [(left, _), (right, _)] = [first, first + 16].map(|index| sixth(block, index));
                        put([left, right, 0.0], block, &mut (first..).map(|index| sixth(block, index).1));
                    }
                }
            }
        }
        out
    }
}
