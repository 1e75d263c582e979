//! Detects the model family of a `config.json` and reads its shape.

use serde::Deserialize;
use serde_json::Value;

use super::others::MissingPart;
use crate::{
    architecture::{FAMILIES, Family},
    config::ModelConfig,
    error::{Error, Result},
    formats::git_lfs::refuse_pointer,
    ops::Form,
};

/// Largest accepted size of `config.json` in bytes.
const LARGEST_FILE: usize = 1 << 20;

/// The fields that show the family.
#[derive(Deserialize)]
struct Named {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
}

/// Reads the shape of a model from `config.json`.
///
/// # Errors
/// [`Error::ArchitectureUnsupported`] for another family, [`Error::SettingUnsupported`] for what the family supports
/// and Lorito does not, [`Error::ConfigurationInvalid`] if it is no such file or describes no possible model.
pub fn read(json: &[u8]) -> Result<ModelConfig> {
    let invalid = |reason: String| Error::ConfigurationInvalid { reason };
    if json.len() > LARGEST_FILE {
        return Err(invalid(format!("{} bytes are too many", json.len())));
    }
    refuse_pointer("config.json", json)?;
    let value: Value = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
    // Checked before the fields, which have other types in other families.
    let named = value["model_type"].as_str();
    if named.is_some_and(|name| family(name).is_err()) || value["architectures"].is_string() {
        return Err(unsupported(named.unwrap_or("?")));
    }
    let Named { model_type, architectures } = Named::deserialize(&value).map_err(|error| invalid(error.to_string()))?;
    let classes = architectures.unwrap_or_default();
    let has_class = |classes_of: &str| classes.iter().any(|class| class.starts_with(classes_of));
    let family = match model_type {
        Some(name) => family(&name).ok().filter(|family| classes.is_empty() || has_class(family.classes)),
        None => FAMILIES.into_iter().find(|family| has_class(family.classes)),
    };
    match (family, classes.first()) {
        (Some(family), _) => (family.read_config)(value),
        (None, Some(class)) => Err(unsupported(class)),
        (None, None) => Err(invalid("neither model_type nor architectures".into())),
    }
}

/// The form in which a model's weights were saved with 16 bits, if its `config.json` says so.
pub fn form(json: &[u8]) -> Option<Form> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let name = ["dtype", "torch_dtype"].iter().find_map(|field| value[field].as_str())?;
    match name {
        "float16" => Some(Form::F16),
        "bfloat16" => Some(Form::Bf16),
        _ => None,
    }
}

/// The family with a name of transformers or llama.cpp.
///
/// # Errors
/// [`Error::ArchitectureUnsupported`]
pub fn family(name: &str) -> Result<&'static Family> {
    FAMILIES.into_iter().find(|family| family.model_type == name).ok_or_else(|| unsupported(name))
}

fn unsupported(found: &str) -> Error {
    let supported = FAMILIES.into_iter().map(|family| family.model_type.to_owned()).collect();
    Error::ArchitectureUnsupported { found: found.into(), kind: MissingPart::of(found), supported }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Activation, Variant};

    #[test]
    fn missing_fields_have_the_defaults_of_gpt2() {
        let config = read(br#"{"model_type": "gpt2"}"#).unwrap();
        assert_eq!(config.parameters(), 124_439_808);
        assert_eq!(config.variant, Variant::GPT2);
        let config = read(br#"{"architectures": ["GPT2LMHeadModel"], "n_ctx": 64, "n_inner": null}"#).unwrap();
        assert_eq!(config.context, 64);
        let config = read(br#"{"model_type": "gpt2", "n_ctx": 64, "n_positions": 32, "activation_function": "gelu"}"#);
        assert_eq!((config.as_ref().unwrap().context, config.unwrap().variant.activation), (32, Activation::Gelu));
    }

    #[test]
    fn common_names_of_transformers_override_those_of_gpt2() {
        let config = read(
            br#"{"model_type": "gpt2", "hidden_size": 32, "n_layer": 2, "num_hidden_layers": 3, "n_head": 2,
                "num_attention_heads": 4, "n_positions": 16, "max_position_embeddings": 8, "n_inner": 128}"#,
        )
        .unwrap();
        assert_eq!((config.width, config.layers, config.heads, config.context), (32, 3, 4, 8));
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let code = |json: &str| read(json.as_bytes()).unwrap_err().code();
        for family in [
            r#"{"model_type": "mistral", "hidden_act": "silu", "n_layer": "many"}"#,
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
