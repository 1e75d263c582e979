//! What an adapter is made of, and beside which matrices it stands.

use serde::{Deserialize, Serialize};

use super::{ModelConfig, in_range};
use crate::error::Result;

/// A matrix of a transformer block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Query, key and value; `attn.c_attn`.
    Attention,
    /// `attn.c_proj`
    AttentionOut,
    /// `mlp.c_fc`
    Mlp,
    /// `mlp.c_proj`
    MlpOut,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Attention, Self::AttentionOut, Self::Mlp, Self::MlpOut];

    /// GPT-2's name of it within a block.
    pub fn name(self) -> &'static str {
        ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"][self as usize]
    }

    /// Inputs and outputs, as multiples of the width.
    pub fn shape(self) -> [usize; 2] {
        [[1, 3], [1, 1], [1, 4], [4, 1]][self as usize]
    }
}

/// An adapter beside a model's weights (`model::Adapter`), with the names of PEFT's `LoraConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LoraConfig {
    /// Width of the thin matrices.
    pub rank: usize,
    /// The adapter counts `alpha / rank` times.
    pub alpha: f64,
    /// Which matrices have one.
    pub targets: Targets,
}

/// Matrices, one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Targets {
    pub attention: bool,
    pub attention_out: bool,
    pub mlp: bool,
    pub mlp_out: bool,
}

impl Targets {
    pub fn has(self, part: Part) -> bool {
        [self.attention, self.attention_out, self.mlp, self.mlp_out][part as usize]
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self { attention: true, attention_out: true, mlp: true, mlp_out: true }
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: Targets::default() }
    }
}

impl LoraConfig {
    pub fn validate(&self) -> Result<()> {
        in_range("rank", self.rank as f64, 1.0, 256.0)?;
        in_range("alpha", self.alpha, 1e-3, 4096.0)?;
        let chosen = Part::ALL.iter().filter(|part| self.targets.has(**part)).count();
        in_range("targets", chosen as f64, 1.0, 4.0)
    }

    pub fn scale(&self) -> f32 {
        (self.alpha / self.rank as f64) as f32
    }

    /// Trained numbers, and those of the matrices that have an adapter.
    pub fn parameters(&self, model: &ModelConfig) -> (u64, u64) {
        let (rank, width, layers) = (self.rank as u64, model.width as u64, model.layers as u64);
        let shapes =
            Part::ALL.into_iter().filter(|part| self.targets.has(*part)).map(|part| part.shape().map(|n| n as u64));
        let (thin, adapted): (Vec<_>, Vec<_>) = shapes
            .map(|[inputs, outputs]| (rank * (inputs + outputs) * width, inputs * outputs * width * width))
            .unzip();
        (layers * thin.iter().sum::<u64>(), layers * adapted.iter().sum::<u64>())
    }
}
