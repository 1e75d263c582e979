//! `config.json` of GPT-2's family as transformers 5.23 writes it (`configuration_gpt2.py`), and what of it we can be.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::{Activation, ModelConfig, Variant},
    error::{Error, Result},
    formats::git_lfs::refuse_pointer,
};

/// Architectures that open.
const SUPPORTED: [&str; 1] = ["gpt2"];

/// `config.json` larger than this is none.
const LARGEST_FILE: usize = 1 << 20;

/// Names of transformers (`activations.py`), of which several mean the same function.
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

/// The fields that say what is computed. What is left out has GPT-2's default.
#[derive(Deserialize)]
struct Gpt2Config {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
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
    // The names that all of transformers' models have (`attribute_map`). There, these win over GPT-2's own.
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

/// GPT-2's own, where a file says nothing.
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

/// The shape that a `config.json` describes.
///
/// # Errors
/// [`Error::ArchitectureUnsupported`] for another family, [`Error::SettingUnsupported`] for what GPT-2's code can do and we
/// cannot, [`Error::ConfigurationInvalid`] where it is no such file or describes no possible model.
pub fn read(json: &[u8]) -> Result<ModelConfig> {
    let invalid = |reason: String| Error::ConfigurationInvalid { reason };
    if json.len() > LARGEST_FILE {
        return Err(invalid(format!("{} bytes are too many", json.len())));
    }
    refuse_pointer("config.json", json)?;
    let value: Value = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
    // Before the fields: those of another family have other types.
    let family = value["model_type"].as_str();
    if family.is_some_and(|family| !SUPPORTED.contains(&family)) || value["architectures"].is_string() {
        return Err(unsupported(family.unwrap_or("?")));
    }
    let config: Gpt2Config = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
    let is_gpt2 = |name: &String| name.starts_with("GPT2");
    match (&config.model_type, &config.architectures) {
        (_, Some(names)) if !names.is_empty() && !names.iter().any(is_gpt2) => return Err(unsupported(&names[0])),
        (None, None) => return Err(invalid("neither model_type nor architectures".into())),
        _ => {}
    }
    let activation = ACTIVATIONS.iter().find(|(name, _)| *name == config.activation_function);
    let Some(&(_, activation)) = activation else {
        return Err(refused("activation_function", &config.activation_function, &ACTIVATIONS.map(|(name, _)| name)));
    };
    let width = config.hidden_size.unwrap_or(config.n_embd);
    if let Some(inner) = config.n_inner.filter(|&inner| Some(inner) != width.checked_mul(4)) {
        let right = width.saturating_mul(4).to_string();
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
        variant: Variant { activation, epsilon: config.layer_norm_epsilon, tied: config.tie_word_embeddings },
    };
    model.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(model)
}

/// The name of an activation as [`read`] knows it.
pub fn activation_name(activation: Activation) -> &'static str {
    ACTIVATIONS.iter().find(|(_, known)| *known == activation).map_or("gelu_new", |(name, _)| name)
}

fn unsupported(found: &str) -> Error {
    Error::ArchitectureUnsupported { found: found.into(), supported: SUPPORTED.map(String::from).to_vec() }
}

fn refused(setting: &str, found: &str, supported: &[&str]) -> Error {
    let supported = supported.iter().map(|&value| value.to_owned()).collect();
    Error::SettingUnsupported { setting: setting.into(), found: found.into(), supported }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_gpt2s() {
        let config = read(br#"{"model_type": "gpt2"}"#).unwrap();
        assert_eq!(config.parameters(), 124_439_808);
        assert_eq!(config.variant, Variant::GPT2);
        let config = read(br#"{"architectures": ["GPT2LMHeadModel"], "n_ctx": 64, "n_inner": null}"#).unwrap();
        assert_eq!(config.context, 64);
        let config = read(br#"{"model_type": "gpt2", "n_ctx": 64, "n_positions": 32, "activation_function": "gelu"}"#);
        assert_eq!((config.as_ref().unwrap().context, config.unwrap().variant.activation), (32, Activation::Gelu));
    }

    #[test]
    fn the_names_that_all_models_of_transformers_have_mean_the_same_and_win() {
        let config = read(
            br#"{"model_type": "gpt2", "hidden_size": 32, "n_layer": 2, "num_hidden_layers": 3, "n_head": 2,
                "num_attention_heads": 4, "n_positions": 16, "max_position_embeddings": 8, "n_inner": 128}"#,
        )
        .unwrap();
        assert_eq!((config.width, config.layers, config.heads, config.context), (32, 3, 4, 8));
    }

    #[test]
    fn every_activation_has_a_name_that_reads_as_it() {
        for (_, activation) in ACTIVATIONS {
            let json = format!(r#"{{"model_type": "gpt2", "activation_function": "{}"}}"#, activation_name(activation));
            assert_eq!(read(json.as_bytes()).unwrap().variant.activation, activation);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let code = |json: &str| read(json.as_bytes()).unwrap_err().code();
        for family in [
            r#"{"model_type": "llama", "hidden_act": "silu", "n_layer": "many"}"#,
            r#"{"architectures": ["GPTNeoForCausalLM"]}"#,
            r#"{"model_type": "gpt2", "architectures": ["BertModel"]}"#,
            r#"{"architectures": "GPT2LMHeadModel"}"#,
        ] {
            assert_eq!(code(family), "architecture-unsupported", "{family}");
        }
        for setting in [
            r#""activation_function": "gelu_10""#,
            r#""n_inner": 100"#,
            r#""n_embd": 18446744073709551615, "n_inner": 4"#,
            r#""scale_attn_weights": false"#,
            r#""scale_attn_by_inverse_layer_idx": true"#,
            r#""quantization_config": {"bits": 4}"#,
        ] {
            assert_eq!(code(&format!(r#"{{"model_type": "gpt2", {setting}}}"#)), "setting-unsupported", "{setting}");
        }
        for invalid in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"model_type": "gpt2", "n_layer": -1}"#,
            r#"{"model_type": "gpt2", "n_layer": 0}"#,
            r#"{"model_type": "gpt2", "n_head": 7}"#,
            r#"{"model_type": "gpt2", "vocab_size": 1e99}"#,
            r#"{"model_type": "gpt2", "n_positions": 4000000000}"#,
            r#"{"model_type": "gpt2", "layer_norm_epsilon": -1}"#,
        ] {
            assert_eq!(code(invalid), "configuration-invalid", "{invalid}");
        }
    }
}
