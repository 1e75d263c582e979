//! LoRA settings: rank, alpha, and the matrices that get an adapter.

use serde::{Deserialize, Serialize};

use super::{ModelConfig, settings};
use crate::{
    architecture::Projection,
    error::{Error, Result},
};

/// Settings of a LoRA adapter (`model::Adapter`), with the names of PEFT's `LoraConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LoraConfig {
    /// Inner size of the product A B, where A is `[inputs, rank]` and B `[rank, outputs]`; 1 to 256.
    pub rank: usize,
    /// The product A B is multiplied by `alpha / rank` before it is added to the matrix.
    pub alpha: f64,
    /// Which matrices of each block the adapter is added to.
    pub targets: Targets,
}

/// Which matrices of each transformer block get an adapter; PEFT's `target_modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Targets {
    /// The layer that computes queries, keys and values, `[width, 3 * width]`; `attn.c_attn`.
    pub attention: bool,
    /// The projection after attention, `[width, width]`; `attn.c_proj`.
    pub attention_out: bool,
    /// The first layer of the MLP, `[width, 4 * width]`; `mlp.c_fc`.
    pub mlp: bool,
    /// The second layer of the MLP, `[4 * width, width]`; `mlp.c_proj`.
    pub mlp_out: bool,
}

impl Targets {
    /// Whether the adapter is added to this matrix.
    pub fn has(self, projection: Projection) -> bool {
        match projection {
            Projection::Attention => self.attention,
            Projection::AttentionOut => self.attention_out,
            Projection::Mlp => self.mlp,
            Projection::MlpOut => self.mlp_out,
        }
    }

    /// No matrix.
    pub const NONE: Self = Self { attention: false, attention_out: false, mlp: false, mlp_out: false };

    /// Adds one matrix to the targets.
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
        Self { rank: settings::RANK.default as usize, alpha: settings::ALPHA.default, targets: Targets::default() }
    }
}

impl LoraConfig {
    /// Checks the rank and alpha, and that at least one matrix is chosen.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`](crate::error::Error::SettingOutOfRange), for the first setting that is outside
    /// its limits.
    pub fn validate(&self) -> Result<()> {
        settings::RANK.check(self.rank as f64)?;
        settings::ALPHA.check(self.alpha)?;
        if self.targets == Targets::NONE {
            return Err(Error::SettingOutOfRange { setting: "targets".to_owned(), value: 0.0, min: 1.0, max: 4.0 });
        }
        Ok(())
    }

    /// The factor of the product A B, which is `alpha / rank`.
    pub fn scale(&self) -> f32 {
        (self.alpha / self.rank as f64) as f32
    }

    /// The number of parameters that all A and B have, and that of the matrices they are added to.
    pub fn parameters(&self, model: &ModelConfig) -> (u64, u64) {
        let architecture = model.architecture();
        let chosen = architecture.projections().filter(|(projection, _)| self.targets.has(*projection));
        let (thin, adapted): (Vec<_>, Vec<_>) = chosen
            .map(|(_, matrix)| {
                let ends = matrix.in_files().into_iter().map(|(part, _)| part.shape.axes().iter().sum::<usize>());
                ((self.rank * ends.sum::<usize>()) as u64, matrix.parameters())
            })
            .unzip();
        let layers = architecture.layers as u64;
        (layers * thin.iter().sum::<u64>(), layers * adapted.iter().sum::<u64>())
    }
}
