//! Reads and checks `config.json` of the Llama family as transformers 4 and 5.24 write it (`configuration_llama.py`,
//! `configuration_qwen2.py`, `configuration_qwen3.py`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::DEVIATION;
use crate::{
    architecture::{decimal, refused},
    config::{Activation, Llama, LlamaFamily, ModelConfig, Rope, RopeScaling, Variant},
    error::{Error, Result},
};

/// Longest context that a model gets here: its KV cache and its windows have to fit into a browser's memory.
const LONGEST_CONTEXT: usize = 2048;

/// The fields that affect the computation. Those that files always have are required.
#[derive(Deserialize)]
struct LlamaConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default::activation")]
    hidden_act: String,
    #[serde(default = "default::context")]
    max_position_embeddings: usize,
    #[serde(default = "default::epsilon")]
    rms_norm_eps: f32,
    #[serde(default)]
    tie_word_embeddings: bool,
    /// transformers 4: the base of the wavelengths.
    rope_theta: Option<f32>,
    /// transformers 4: how the wavelengths are changed.
    rope_scaling: Option<RopeParameters>,
    /// transformers 5: both.
    rope_parameters: Option<RopeParameters>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    rope_interleaved: bool,
    #[serde(default)]
    use_sliding_window: bool,
    layer_types: Option<Vec<String>>,
    quantization_config: Option<Value>,
    #[serde(default)]
    attention_dropout: f32,
}

#[derive(Deserialize)]
struct RopeParameters {
    /// `type` before transformers 4.45.
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f32>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<usize>,
    partial_rotary_factor: Option<f32>,
}

/// Values of transformers' configurations, for fields that a file leaves out.
mod default {
    pub fn activation() -> String {
        "silu".into()
    }
    pub fn context() -> usize {
        2048
    }
    pub fn epsilon() -> f32 {
        1e-6
    }
    /// The width of Qwen3's heads.
    pub const QWEN3_HEAD: usize = 128;
}

pub fn read_llama(config: Value) -> Result<ModelConfig> {
    read(config, LlamaFamily::Llama)
}

pub fn read_qwen2(config: Value) -> Result<ModelConfig> {
    read(config, LlamaFamily::Qwen2)
}

pub fn read_qwen3(config: Value) -> Result<ModelConfig> {
    read(config, LlamaFamily::Qwen3)
}

/// Reads the shape of a model from `config.json`.
///
/// # Errors
/// [`Error::SettingUnsupported`] for what the family's code supports and Lorito does not,
/// [`Error::ConfigurationInvalid`] for an impossible model.
fn read(config: Value, family: LlamaFamily) -> Result<ModelConfig> {
    let invalid = |reason: String| Error::ConfigurationInvalid { reason };
    let config: LlamaConfig = serde_json::from_value(config).map_err(|error| invalid(error.to_string()))?;
    if !["silu", "swish"].contains(&&config.hidden_act[..]) {
        return Err(refused("hidden_act", &config.hidden_act, &["silu"]));
    }
    for (setting, found) in [
        ("attention_bias", config.attention_bias),
        ("mlp_bias", config.mlp_bias),
        ("rope_interleaved", config.rope_interleaved),
        ("use_sliding_window", config.use_sliding_window),
        ("quantization_config", config.quantization_config.is_some()),
    ] {
        if found {
            return Err(refused(setting, "true", &["false"]));
        }
    }
    let full = "full_attention";
    if let Some(other) = config.layer_types.iter().flatten().find(|kind| *kind != full) {
        return Err(refused("layer_types", other, &[full]));
    }
    let heads = config.num_attention_heads;
    let equal = || config.hidden_size / heads.max(1);
    let head_width = config.head_dim.unwrap_or_else(|| match family {
        LlamaFamily::Qwen3 => default::QWEN3_HEAD,
        LlamaFamily::Llama | LlamaFamily::Qwen2 => equal(),
    });
    let stated = config.max_position_embeddings;
    let context = stated.min(LONGEST_CONTEXT);
    let llama = Llama {
        family,
        key_value_heads: config.num_key_value_heads.unwrap_or(heads),
        head_width,
        mlp_width: config.intermediate_size,
        rope: rope(&config)?,
        stated_context: (stated > context).then_some(stated),
    };
    let model = ModelConfig {
        vocabulary: config.vocab_size,
        context,
        layers: config.num_hidden_layers,
        heads,
        width: config.hidden_size,
        dropout: config.attention_dropout,
        variant: Variant {
            activation: Activation::Silu,
            epsilon: config.rms_norm_eps,
            tied: config.tie_word_embeddings,
            bias: false,
            llama: Some(llama),
        },
    };
    model.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(model)
}

fn rope(config: &LlamaConfig) -> Result<Rope> {
    let parameters = config.rope_parameters.as_ref().or(config.rope_scaling.as_ref());
    let theta = parameters.and_then(|it| it.rope_theta).or(config.rope_theta).unwrap_or(Rope::DEFAULT.theta);
    let Some(parameters) = parameters else { return Ok(Rope { theta, scaling: None }) };
    if let Some(part) = parameters.partial_rotary_factor.filter(|&part| part != 1.0) {
        return Err(refused("partial_rotary_factor", &part.to_string(), &["1"]));
    }
    let scaling = match parameters.rope_type.as_deref() {
        None | Some("default") => None,
        Some("llama3") => {
            let missing = |name: &str| Error::ConfigurationInvalid { reason: format!("rope_scaling has no {name}") };
            Some(RopeScaling {
                factor: parameters.factor.ok_or_else(|| missing("factor"))?,
                low_frequency_factor: parameters.low_freq_factor.ok_or_else(|| missing("low_freq_factor"))?,
                high_frequency_factor: parameters.high_freq_factor.ok_or_else(|| missing("high_freq_factor"))?,
                original_context: parameters
                    .original_max_position_embeddings
                    .ok_or_else(|| missing("original_max_position_embeddings"))?,
            })
        }
        Some(other) => return Err(refused("rope_type", other, &["default", "llama3"])),
    };
    Ok(Rope { theta, scaling })
}

/// Writes `config.json` in the form of transformers 4, which version 5 reads too.
pub fn write(config: &ModelConfig) -> Value {
    let llama = config.variant.llama.expect("a model of the family");
    let family = super::family(llama.family);
    let Rope { theta, scaling } = llama.rope;
    let scaling = scaling.map(|scaling| {
        json!({
            "rope_type": "llama3",
            "factor": decimal(scaling.factor),
            "low_freq_factor": decimal(scaling.low_frequency_factor),
            "high_freq_factor": decimal(scaling.high_frequency_factor),
            "original_max_position_embeddings": scaling.original_context,
        })
    });
    json!({
        "architectures": [format!("{}ForCausalLM", family.classes)],
        "model_type": family.model_type,
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": llama.mlp_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": llama.key_value_heads,
        "head_dim": llama.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": llama.stated_context.unwrap_or(config.context),
        "rms_norm_eps": decimal(config.variant.epsilon),
        "initializer_range": decimal(DEVIATION),
        "attention_dropout": decimal(config.dropout),
        "rope_theta": decimal(theta),
        "rope_scaling": scaling,
        "tie_word_embeddings": config.variant.tied,
        "torch_dtype": "float32",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smollm2() -> Value {
        json!({
            "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
            "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "hidden_act": "silu",
            "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_interleaved": false, "rope_scaling": null,
            "rope_theta": 100000, "tie_word_embeddings": true,
        })
    }

    #[test]
    fn smollm2_has_the_published_number_of_parameters() {
        let config = read_llama(smollm2()).unwrap();
        assert_eq!(config.parameters(), 134_515_008);
        assert_eq!((config.context, config.head_width()), (LONGEST_CONTEXT, 64));
    }

    #[test]
    fn a_written_configuration_is_read_as_the_same() {
        let mut with_scaling = smollm2();
        with_scaling["rope_scaling"] = json!({
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        let mut of_version_5 = smollm2();
        of_version_5["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 5000.0});
        for (value, theta) in [(smollm2(), 1e5), (with_scaling, 1e5), (of_version_5, 5e3)] {
            for family in [LlamaFamily::Llama, LlamaFamily::Qwen2, LlamaFamily::Qwen3] {
                let config = read(value.clone(), family).unwrap();
                assert_eq!(config.variant.llama.unwrap().rope.theta, theta);
                assert_eq!(read(write(&config), family).unwrap(), config);
            }
        }
    }

    #[test]
    fn what_the_family_has_and_lorito_does_not_is_refused_by_name() {
        for (setting, value) in [
            ("hidden_act", json!("gelu")),
            ("attention_bias", json!(true)),
            ("mlp_bias", json!(true)),
            ("rope_interleaved", json!(true)),
            ("use_sliding_window", json!(true)),
            ("layer_types", json!(["full_attention", "sliding_attention"])),
            ("quantization_config", json!({"bits": 4})),
            ("rope_type", json!({"rope_type": "yarn", "factor": 4.0})),
            ("partial_rotary_factor", json!({"partial_rotary_factor": 0.5})),
        ] {
            let mut config = smollm2();
            let name =
                if setting.contains("rope_type") || setting.contains("partial") { "rope_scaling" } else { setting };
            config[name] = value;
            let Err(Error::SettingUnsupported { setting: found, .. }) = read_llama(config) else {
                panic!("{setting} was accepted")
            };
            assert_eq!(found, setting);
        }
        for (setting, value) in [
            ("num_key_value_heads", json!(2)),
            ("head_dim", json!(7)),
            ("head_dim", json!(0)),
            ("rope_theta", json!(-1)),
            ("rms_norm_eps", json!(0)),
            ("intermediate_size", json!(u64::MAX)),
            ("rope_scaling", json!({"rope_type": "llama3", "factor": 4.0})),
        ] {
            let mut config = smollm2();
            config[setting] = value;
            assert_eq!(read_llama(config).unwrap_err().code(), "configuration-invalid", "{setting}");
        }
    }
}
