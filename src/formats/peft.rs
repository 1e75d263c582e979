//! Adapters as PEFT keeps them (peft 0.21.2, `LoraConfig` and `save_pretrained`): adapter_config.json and
//! adapter_model.safetensors. PEFT's thin matrices are the transposes of ours: `lora_A` is `[rank, inputs]` and `lora_B`
//! `[outputs, rank]`.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    model_file::AdapterWeights,
    pretrained::{Numbers, read_numbers},
    safetensors::{Header, Tensor, append},
    zip::Archive,
};
use crate::{
    config::{LoraConfig, ModelConfig, Part, Targets},
    error::{Error, Result},
    model::{Layout, Parameter},
};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// The adapter as an archive of PEFT's two files. `base`: the name of the model that it belongs to, as PEFT shall look for it.
pub fn peft(adapter: &AdapterWeights, model: &ModelConfig, base: &str) -> Result<Vec<u8>> {
    let layout = Layout::adapter(model, &adapter.config);
    let turned: Vec<(String, Vec<usize>, Vec<f32>)> = layout
        .parameters
        .iter()
        .map(|parameter| {
            let [rows, columns] = [parameter.shape[0], parameter.shape[1]];
            let name = format!("{PREFIX}{}.weight", parameter.name);
            (name, vec![columns, rows], turned(&adapter.weights[parameter.range()], rows))
        })
        .collect();
    let tensors: Vec<_> = turned.iter().map(|(name, shape, values)| Tensor::f32(name.clone(), shape, values)).collect();
    let mut archive = Archive::default();
    let described = format!("{:#}\n", describe(&adapter.config, base));
    archive.add(CONFIG, |out| {
        out.extend_from_slice(described.as_bytes());
        Ok(())
    })?;
    archive.add(WEIGHTS, |out| append(out, &[("format", "pt")], &tensors))?;
    Ok(archive.finish())
}

fn describe(config: &LoraConfig, base: &str) -> Value {
    let targets: Vec<_> = Part::ALL.into_iter().filter(|part| config.targets.has(*part)).map(Part::name).collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        // GPT-2's linear layers are `Conv1D`, whose weights are [inputs, outputs].
        "fan_in_fan_out": true,
        "bias": "none",
        "inference_mode": true,
    })
}

/// The fields that say what is computed.
#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    target_modules: Value,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    rank_pattern: Value,
    #[serde(default)]
    alpha_pattern: Value,
}

/// An adapter from PEFT's files, for a model of this shape.
///
/// # Errors
/// Those of its files; [`Error::SettingUnsupported`] for what PEFT can do and we cannot; [`Error::TensorShape`] for the
/// adapter of another model.
pub fn read_peft(config: &[u8], weights: &[u8], model: &ModelConfig) -> Result<AdapterWeights> {
    let config = read_config(config)?;
    let header = Header::read(weights, Some(weights.len() as u64))?;
    let layout = Layout::adapter(model, &config);
    let mut flat = vec![0.0f32; layout.len];
    let mut read = HashSet::new();
    for parameter in &layout.parameters {
        let (name, dtype, place) = find(&header, parameter)?;
        let bytes = &weights[place.start as usize..place.end as usize];
        let values = read_numbers(dtype, bytes, &name)?;
        let rows = parameter.shape[1];
        flat[parameter.range()].copy_from_slice(&turned(&values, rows));
        read.insert(name);
    }
    // With more than that the model would compute something else: biases, trained tokens, other matrices.
    if let Some(tensor) = header.names.iter().find(|name| !read.contains(*name)) {
        return Err(Error::TensorUnknown { tensor: tensor.clone() });
    }
    Ok(AdapterWeights { config, weights: flat })
}

fn find(header: &Header, parameter: &Parameter) -> Result<(String, Numbers, std::ops::Range<u64>)> {
    // Of a model without a head, the names begin without the prefix that GPT2LMHeadModel gives its body.
    let plain = parameter.name.strip_prefix("transformer.").unwrap_or(&parameter.name);
    let names = [format!("{PREFIX}{}.weight", parameter.name), format!("{PREFIX}{plain}.weight")];
    let found = names.iter().find_map(|name| header.place(name).map(|found| (name, found)));
    let (name, (dtype, shape, place)) = found.ok_or_else(|| Error::TensorMissing { tensor: names[0].clone() })?;
    let expected = vec![parameter.shape[1], parameter.shape[0]];
    if shape != expected {
        return Err(Error::TensorShape { tensor: name.clone(), found: shape.to_vec(), expected });
    }
    Ok((name.clone(), Numbers::of(dtype, name)?, place))
}

fn read_config(json: &[u8]) -> Result<LoraConfig> {
    let invalid = |reason: String| Error::ConfigurationInvalid { reason: format!("{CONFIG}: {reason}") };
    if json.len() > 1 << 20 {
        return Err(invalid(format!("{} bytes are too many", json.len())));
    }
    let config: PeftConfig = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
    let refused = |setting: &str, found: String, right: &str| {
        Err(Error::SettingUnsupported { setting: setting.into(), found, supported: vec![right.into()] })
    };
    if config.peft_type != "LORA" {
        return refused("peft_type", config.peft_type, "LORA");
    }
    if let Some(bias) = config.bias.filter(|bias| bias != "none") {
        return refused("bias", bias, "none");
    }
    if config.modules_to_save.is_some_and(|modules| !modules.is_empty()) {
        return refused("modules_to_save", "set".into(), "null");
    }
    let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    for (setting, found) in [
        ("use_rslora", config.use_rslora),
        ("use_dora", config.use_dora),
        ("rank_pattern", !is_empty(&config.rank_pattern)),
        ("alpha_pattern", !is_empty(&config.alpha_pattern)),
    ] {
        if found {
            return refused(setting, "set".into(), "false");
        }
    }
    let lora = LoraConfig { rank: config.r, alpha: config.lora_alpha, targets: targets(&config.target_modules)? };
    lora.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(lora)
}

/// PEFT takes each name for the end of a module's: `c_proj` means that of attention and that of the MLP.
fn targets(modules: &Value) -> Result<Targets> {
    let all: Vec<&str> = match modules {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let known = |name: &&str| Part::ALL.iter().any(|part| ends_with(part.name(), name));
    if let Some(unknown) = all.iter().find(|name| !known(name)) {
        let supported = Part::ALL.map(|part| part.name().to_owned()).to_vec();
        let setting = "target_modules".into();
        return Err(Error::SettingUnsupported { setting, found: (*unknown).to_owned(), supported });
    }
    let [attention, attention_out, mlp, mlp_out] =
        Part::ALL.map(|part| all.iter().any(|name| ends_with(part.name(), name)));
    Ok(Targets { attention, attention_out, mlp, mlp_out })
}

fn ends_with(part: &str, name: &str) -> bool {
    part == name || part.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

/// A matrix of `rows` rows with its rows as columns.
fn turned(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows.max(1);
    (0..values.len()).map(|index| values[index % rows * columns + index / rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_turned() {
        assert_eq!(turned(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let with = |more: Value| {
            let mut all = describe(&LoraConfig::default(), "base");
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read_config(all.to_string().as_bytes())
        };
        assert_eq!(with(json!({})).unwrap(), LoraConfig::default());
        let both = with(json!({"target_modules": ["c_proj"]})).unwrap().targets;
        assert_eq!(both, Targets { attention: false, attention_out: true, mlp: false, mlp_out: true });
        for (more, code) in [
            (json!({"peft_type": "IA3"}), "setting-unsupported"),
            (json!({"bias": "all"}), "setting-unsupported"),
            (json!({"use_rslora": true}), "setting-unsupported"),
            (json!({"use_dora": true}), "setting-unsupported"),
            (json!({"rank_pattern": {"c_attn": 4}}), "setting-unsupported"),
            (json!({"modules_to_save": ["lm_head"]}), "setting-unsupported"),
            (json!({"target_modules": ["q_proj"]}), "setting-unsupported"),
            (json!({"target_modules": []}), "configuration-invalid"),
            (json!({"target_modules": 3}), "configuration-invalid"),
            (json!({"r": 0}), "configuration-invalid"),
            (json!({"r": -4}), "configuration-invalid"),
            (json!({"r": 1e18}), "configuration-invalid"),
            (json!({"lora_alpha": null}), "configuration-invalid"),
        ] {
            assert_eq!(with(more.clone()).unwrap_err().code(), code, "{more}");
        }
        assert_eq!(read_config(b"{").unwrap_err().code(), "configuration-invalid");
    }
}
