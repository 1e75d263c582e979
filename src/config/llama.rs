//! The settings that a model of the Llama family has beyond those of GPT-2.

use serde::{Deserialize, Serialize};

use super::settings::{self, Setting};
use crate::error::{Error, Result};

/// The families with root-mean-square norms, rotary positions, grouped heads and gated MLPs. The names are
/// transformers' `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum LlamaFamily {
    /// Llama 1 to 3, SmolLM, SmolLM2, TinyLlama (Touvron et al. 2023).
    Llama,
    /// Qwen2 and Qwen2.5: queries, keys and values have biases.
    Qwen2,
    /// Qwen3: queries and keys of each head have a norm.
    Qwen3,
}

/// The settings of a model of the Llama family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Llama {
    /// The family, by whose name other programs know the model.
    pub family: LlamaFamily,
    /// Key-value heads; a divisor of the number of query heads (Ainslie et al. 2023).
    pub key_value_heads: usize,
    /// The width of a head; an even number.
    pub head_width: usize,
    /// The width of the MLP.
    pub mlp_width: usize,
    /// The frequencies of the rotary positions.
    pub rope: Rope,
    /// The context length that an opened model's own configuration states, where it exceeds the one used here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub stated_context: Option<usize>,
}

/// The frequencies of rotary positions (Su et al. 2021).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Rope {
    /// The base of the wavelengths, transformers' `rope_theta`.
    pub theta: f32,
    /// How frequencies are changed for contexts longer than those of the first training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub scaling: Option<RopeScaling>,
}

/// The scaling of Llama 3.1's frequencies, transformers' `rope_type` "llama3" (`modeling_rope_utils.py`, 5.24).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RopeScaling {
    /// The divisor of low frequencies.
    pub factor: f32,
    /// Wavelengths above the original context divided by this are divided by `factor`.
    pub low_frequency_factor: f32,
    /// Wavelengths below the original context divided by this stay as they are.
    pub high_frequency_factor: f32,
    /// The context length before the scaling, in tokens.
    pub original_context: usize,
}

impl Rope {
    /// The base of the first Llama models, and of models from scratch.
    pub const DEFAULT: Self = Self { theta: 10_000.0, scaling: None };

    /// The angle by which each pair of a head turns from one position to the next, `[head width / 2]`, in radians.
    pub fn frequencies(&self, head_width: usize) -> Vec<f32> {
        let plain = (0..head_width / 2).map(|pair| {
            let exponent = (2 * pair) as f32 / head_width as f32;
            1.0 / f64::from(self.theta).powf(f64::from(exponent)) as f32
        });
        match self.scaling {
            None => plain.collect(),
            Some(scaling) => plain.map(|frequency| scaling.scaled(frequency)).collect(),
        }
    }

    /// What scaling divides each of the frequencies by, `[head width / 2]`.
    pub fn factors(&self, head_width: usize) -> Vec<f32> {
        let plain = Self { scaling: None, ..*self }.frequencies(head_width);
        plain.iter().zip(self.frequencies(head_width)).map(|(plain, scaled)| plain / scaled).collect()
    }
}

impl RopeScaling {
    /// The scaling of Llama 3.1 to 3.3, whose models differ in the factor.
    pub fn llama_3(factor: f32) -> Self {
        Self { factor, low_frequency_factor: 1.0, high_frequency_factor: 4.0, original_context: 8192 }
    }

    fn scaled(&self, frequency: f32) -> f32 {
        let Self { factor, low_frequency_factor: low, high_frequency_factor: high, original_context } = *self;
        let context = original_context as f32;
        let wavelength = 2.0 * std::f32::consts::PI / frequency;
        if wavelength < context / high {
            frequency
        } else if wavelength > context / low {
            frequency / factor
        } else {
            let smooth = (context / wavelength - low) / (high - low);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    }
}

impl Llama {
    /// The settings that give a new model about as many parameters as a GPT-2 of the same width and heads: two query heads
    /// share a key-value head where their number is even, and the three matrices of the MLP have 8/3 of the width, a
    /// multiple of 8, as those of Llama have.
    pub fn like(width: usize, heads: usize) -> Self {
        let heads = heads.max(1);
        Self {
            family: LlamaFamily::Llama,
            key_value_heads: if heads.is_multiple_of(2) { heads / 2 } else { heads },
            head_width: (width / heads).next_multiple_of(2),
            mlp_width: (8 * width).div_ceil(3).next_multiple_of(8),
            rope: Rope::DEFAULT,
            stated_context: None,
        }
    }

    /// Checks the settings for a model with this number of query heads.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::SettingUnsupported`] for the first invalid one, with valid values.
    pub fn validate(&self, heads: usize) -> Result<()> {
        settings::KEY_VALUE_HEADS.check(self.key_value_heads as f64)?;
        settings::HEAD_WIDTH.check(self.head_width as f64)?;
        settings::MLP_WIDTH.check(self.mlp_width as f64)?;
        settings::ROPE_THETA.check(f64::from(self.rope.theta))?;
        if !heads.is_multiple_of(self.key_value_heads) {
            let allowed = (1..=heads).filter(|count| heads.is_multiple_of(*count));
            return Err(unsupported(settings::KEY_VALUE_HEADS, self.key_value_heads, allowed));
        }
        if !self.head_width.is_multiple_of(2) {
            return Err(unsupported(settings::HEAD_WIDTH, self.head_width, [self.head_width - 1, self.head_width + 1]));
        }
        self.rope.scaling.map_or(Ok(()), |scaling| scaling.validate())
    }
}

impl RopeScaling {
    fn validate(&self) -> Result<()> {
        let Self { factor, low_frequency_factor: low, high_frequency_factor: high, original_context } = *self;
        let limits = |name, value, min, max| Setting { name, min, max, ..settings::ROPE_THETA }.check(value);
        limits("factor", f64::from(factor), 1.0, 1e4)?;
        limits("low_freq_factor", f64::from(low), 1e-3, 1e4)?;
        limits("high_freq_factor", f64::from(high), f64::from(low) * 1.001, 1e5)?;
        limits("original_max_position_embeddings", original_context as f64, 1.0, 1e8)
    }
}

fn unsupported(setting: Setting, found: usize, allowed: impl IntoIterator<Item = usize>) -> Error {
    let supported = allowed.into_iter().map(|value| value.to_string()).collect();
    Error::SettingUnsupported { setting: setting.name.into(), found: found.to_string(), supported }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of transformers 5.24, `ROPE_INIT_FUNCTIONS["llama3"]` with Llama 3.2's own settings and heads 16 wide.
    #[test]
    fn scaled_frequencies_are_those_of_transformers() {
        let scaling =
            RopeScaling { factor: 32.0, low_frequency_factor: 1.0, high_frequency_factor: 4.0, original_context: 8192 };
        let rope = Rope { theta: 500_000.0, scaling: Some(scaling) };
        let right = [
            1.0,
            0.193_922_76,
            0.037_606_03,
            0.007_292_665,
            0.000_429_556_7,
            8.570_256e-6,
            1.661_967_4e-6,
            3.222_933e-7,
        ];
        for (got, right) in rope.frequencies(16).into_iter().zip(right) {
            assert!((got - right).abs() <= 1e-6 * right, "{got} instead of {right}");
        }
    }
}
