//! Reads and checks `config.json` of GPT-2's family as transformers 5.23 writes it (`configuration_gpt2.py`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{DEVIATION, MLP_TIMES};
use crate::{
    architecture::{decimal, refused},
    config::{Activation, ModelConfig, Variant},
    error::{Error, Result},
};

/// Activation names of transformers (`activations.py`); several mean the same function.
const ACTIVATIONS: [(&str, Activation); 11] = [
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_python_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_accurate", Activation::GeluTanh),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

/// The fields that affect the computation. Missing fields have GPT-2's defaults.
#[derive(Deserialize)]
struct Gpt2Config {
    #[serde(default = "published::vocabulary")]
    vocab_size: usize,
    n_positions: Option<usize>,
    /// The older name of `n_positions`.
    n_ctx: Option<usize>,
    #[serde(default = "published::width")]
    n_embd: usize,
    #[serde(default = "published::layers")]
    n_layer: usize,
    #[serde(default = "published::layers")]
    n_head: usize,
    n_inner: Option<usize>,
    // The names that are common to all of transformers' models (`attribute_map`). There, these override GPT-2's own.
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    max_position_embeddings: Option<usize>,
    #[serde(default = "published::activation")]
    activation_function: String,
    #[serde(default = "published::dropout")]
    resid_pdrop: f32,
    #[serde(default = "published::epsilon")]
    layer_norm_epsilon: f32,
    #[serde(default = "published::yes")]
    tie_word_embeddings: bool,
    #[serde(default = "published::yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default)]
    quantization_config: Option<Value>,
}

/// GPT-2's published values, for fields that a file leaves out.
mod published {
    pub fn vocabulary() -> usize {
        50_257
    }
    pub fn width() -> usize {
        768
    }
    pub fn layers() -> usize {
        12
    }
    pub fn activation() -> String {
        "gelu_new".into()
    }
    pub fn dropout() -> f32 {
        0.1
    }
    pub fn epsilon() -> f32 {
        1e-5
    }
    pub fn yes() -> bool {
        true
    }
    pub const CONTEXT: usize = 1024;
}

/// Reads the shape of a model from `config.json`.
///
/// # Errors
/// [`Error::SettingUnsupported`] for what GPT-2's code supports and Lorito does not, [`Error::ConfigurationInvalid`]
/// for an impossible model.
pub fn read(config: Value) -> Result<ModelConfig> {
    let invalid = |reason: String| Error::ConfigurationInvalid { reason };
    let config: Gpt2Config = serde_json::from_value(config).map_err(|error| invalid(error.to_string()))?;
    let activation = ACTIVATIONS.iter().find(|(name, _)| *name == config.activation_function);
    let Some(&(_, activation)) = activation else {
        return Err(refused("activation_function", &config.activation_function, &ACTIVATIONS.map(|(name, _)| name)));
    };
    let width = config.hidden_size.unwrap_or(config.n_embd);
    if let Some(inner) = config.n_inner.filter(|&inner| Some(inner) != width.checked_mul(MLP_TIMES)) {
        let right = width.saturating_mul(MLP_TIMES).to_string();
        return Err(refused("n_inner", &inner.to_string(), &[&right]));
    }
    for (setting, found, right) in [
        ("scale_attn_weights", config.scale_attn_weights, true),
        ("scale_attn_by_inverse_layer_idx", config.scale_attn_by_inverse_layer_idx, false),
        ("add_cross_attention", config.add_cross_attention, false),
        ("quantization_config", config.quantization_config.is_some(), false),
    ] {
        if found != right {
            return Err(refused(setting, &found.to_string(), &[&right.to_string()]));
        }
    }
    let model = ModelConfig {
        vocabulary: config.vocab_size,
        context: config.max_position_embeddings.or(config.n_positions).or(config.n_ctx).unwrap_or(published::CONTEXT),
        layers: config.num_hidden_layers.unwrap_or(config.n_layer),
        heads: config.num_attention_heads.unwrap_or(config.n_head),
        width,
        dropout: config.resid_pdrop,
        variant: Variant {
            activation,
            epsilon: config.layer_norm_epsilon,
            tied: config.tie_word_embeddings,
            ..Variant::GPT2
        },
    };
    model.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(model)
}

/// The name of an activation that [`read`] accepts.
fn activation_name(activation: Activation) -> &'static str {
    ACTIVATIONS.iter().find(|(_, known)| *known == activation).map_or("gelu_new", |(name, _)| name)
}

/// Writes `config.json`. Fields that it leaves out have GPT-2's defaults, as they have here.
pub fn write(config: &ModelConfig) -> Value {
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": super::FAMILY.model_type,
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "activation_function": activation_name(config.variant.activation),
        "layer_norm_epsilon": decimal(config.variant.epsilon),
        "initializer_range": decimal(DEVIATION),
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "tie_word_embeddings": config.variant.tied,
        "torch_dtype": "float32",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activation_names_survive_a_round_trip() {
        for (_, activation) in ACTIVATIONS {
            let config = json!({"activation_function": activation_name(activation)});
            assert_eq!(read(config).unwrap().variant.activation, activation);
        }
    }
}
