//! What an adapter is made of, and beside which matrices it stands.

use serde::{Deserialize, Serialize};

use super::{ModelConfig, in_range};
use crate::{architecture::Projection, error::Result};

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
    pub fn has(self, projection: Projection) -> bool {
        match projection {
            Projection::Attention => self.attention,
            Projection::AttentionOut => self.attention_out,
            Projection::Mlp => self.mlp,
            Projection::MlpOut => self.mlp_out,
        }
    }

    pub const NONE: Self = Self { attention: false, attention_out: false, mlp: false, mlp_out: false };

    /// These and one more.
    pub fn with(mut self, projection: Projection) -> Self {
        match projection {
            Projection::Attention => self.attention = true,
            Projection::AttentionOut => self.attention_out = true,
            Projection::Mlp => self.mlp = true,
            Projection::MlpOut => self.mlp_out = true,
        }
        self
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
        let chosen = if self.targets == Targets::NONE { 0.0 } else { 1.0 };
        in_range("targets", chosen, 1.0, 4.0)
    }

    pub fn scale(&self) -> f32 {
        (self.alpha / self.rank as f64) as f32
    }

    /// Trained numbers, and those of the matrices that have an adapter.
    pub fn parameters(&self, model: &ModelConfig) -> (u64, u64) {
        let architecture = model.architecture();
        let chosen = architecture.projections().filter(|(projection, _)| self.targets.has(*projection));
        let (thin, adapted): (Vec<_>, Vec<_>) = chosen
            .map(|(_, matrix)| {
                let ends: usize = matrix.shape.axes().iter().sum();
                ((self.rank * ends) as u64, matrix.parameters())
            })
            .unzip();
        let layers = architecture.layers as u64;
        (layers * thin.iter().sum::<u64>(), layers * adapted.iter().sum::<u64>())
    }
}
