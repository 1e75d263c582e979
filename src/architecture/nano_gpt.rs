//! nanoGPT's variant of GPT-2 without biases (`bias=False` in its `model.py`), neither in linear layers nor in layer
//! norms.

use super::{Architecture, Kind, gpt2};
use crate::config::{ModelConfig, Variant};

pub fn architecture(config: &ModelConfig) -> Architecture {
    let mut published = gpt2::architecture(config);
    for tensors in [&mut published.before, &mut published.block, &mut published.after] {
        tensors.retain(|tensor| tensor.role.kind != Kind::Bias);
    }
    Architecture { name: "GPT-2 without biases", ..published }
}

/// The equivalent GPT-2, whose biases are zeros.
pub fn exported(config: &ModelConfig) -> ModelConfig {
    ModelConfig { variant: Variant { bias: true, ..config.variant }, ..*config }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn nano_gpt_without_biases_equals_gpt2_in_everything_else() {
        let config = ModelConfig { layers: 2, ..preset("tiny", 65).unwrap().model };
        let ours = ModelConfig { variant: Variant { bias: false, ..Variant::GPT2 }, ..config };
        let biases = |config: &ModelConfig| {
            config.architecture().tensors().filter(|tensor| tensor.role.kind == Kind::Bias).count()
        };
        assert_eq!((biases(&config), biases(&ours), biases(&ours.exported())), (13, 0, 13));
        let rest: Vec<_> = config.architecture().tensors().filter(|tensor| tensor.role.kind != Kind::Bias).collect();
        assert_eq!(ours.architecture().tensors().collect::<Vec<_>>(), rest);
        // Each block has biases of 11 widths, and the last layer norm of one.
        assert_eq!(config.parameters() - ours.parameters(), (2 * 11 + 1) * config.width as u64);
    }
}
