//! Counts the parameters of each part of a model.

use serde::Serialize;

use super::{Architecture, Module, Projection};

/// The number of parameters of each part, over all layers. Their sum is [`Architecture::parameters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ParameterParts {
    /// The token embedding.
    pub tokens: u64,
    /// The position embedding.
    pub positions: u64,
    /// The linear layers of attention.
    pub attention: u64,
    /// The linear layers of the MLPs.
    pub mlp: u64,
    /// All norm layers.
    pub norms: u64,
    /// The language-model head; 0 where it is tied to the token embedding.
    pub head: u64,
}

impl Architecture {
    /// The number of parameters of each part.
    pub fn parts(&self) -> ParameterParts {
        let mut parts = ParameterParts::default();
        for tensor in self.tensors() {
            let part = match tensor.role.module {
                Module::TokenEmbedding => &mut parts.tokens,
                Module::PositionEmbedding => &mut parts.positions,
                Module::Linear(Projection::Attention | Projection::AttentionOut) => &mut parts.attention,
                Module::Linear(Projection::Mlp | Projection::MlpOut) => &mut parts.mlp,
                Module::AttentionNorm | Module::QueryNorm | Module::KeyNorm | Module::MlpNorm | Module::FinalNorm => {
                    &mut parts.norms
                }
                Module::Head => &mut parts.head,
            };
            *part += tensor.parameters();
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn the_parts_of_a_gpt2_are_those_that_its_shapes_make() {
        let config = preset("shakespeare-small", 65).unwrap().model;
        let parts = config.architecture().parts();
        let [layers, width] = [config.layers, config.width].map(|value| value as u64);
        assert_eq!(parts.tokens, 65 * width);
        assert_eq!(parts.positions, config.context as u64 * width);
        assert_eq!(parts.attention, layers * (width * 4 * width + 4 * width));
        assert_eq!(parts.mlp, layers * (8 * width * width + 5 * width));
        assert_eq!(parts.norms, (2 * layers + 1) * 2 * width);
        assert_eq!(parts.head, 0);
        let ParameterParts { tokens, positions, attention, mlp, norms, head } = parts;
        assert_eq!(tokens + positions + attention + mlp + norms + head, config.parameters());
    }
}
