//! Reads and writes adapters in PEFT's format (peft 0.21.2, `LoraConfig` and `save_pretrained`): adapter_config.json
//! and adapter_model.safetensors. PEFT's matrices are the transposes of ours: `lora_A` is `[rank, inputs]` and `lora_B`
//! `[outputs, rank]`.
//!
//! PEFT's adapters may have several ranks and scales, and cover only some layers. Ours are uniform, which is
//! equivalent: ranks are padded with rows and columns of zeros, B absorbs a matrix's larger scale, and where PEFT has
//! no adapter, A and B are zeros. No gradient reaches such zeros, so they stay zero in training.

mod settings;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    ggml::of_safetensors,
    git_lfs::refuse_pointer,
    model_file::AdapterWeights,
    pretrained::{read_numbers, turned},
    safetensors::{Header, Tensor, append, nearest},
    zip::Archive,
};
use crate::{
    architecture::{Shape, TensorSpec},
    config::{LoraConfig, ModelConfig, Targets},
    error::{Error, Result},
    model::{Layout, Parameter},
};
use settings::{CONFIG, Settings};

const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// The largest alpha of our adapters; B absorbs larger ones.
const LARGEST_ALPHA: f64 = 4096.0;

/// Returns the adapter as an archive of PEFT's two files. `base`: the name by which PEFT finds the base model.
///
/// # Errors
/// [`Error::HeaderTooLarge`](crate::error::Error::HeaderTooLarge) if the names exceed the header's limit.
pub fn peft(adapter: &AdapterWeights, model: &ModelConfig, base: &str) -> Result<Vec<u8>> {
    let layout = Layout::adapter(model, &adapter.config);
    let pairs = layout.parameters.as_chunks::<2>().0;
    // A and B of zeros represent a matrix without an adapter.
    let is_zero = |parameter: &Parameter| adapter.weights[parameter.range()].iter().all(|value| *value == 0.0);
    let mut kept: Vec<_> = pairs.iter().filter(|pair| !pair.iter().all(is_zero)).collect();
    if kept.is_empty() {
        kept = pairs.iter().collect();
    }
    let matrix = |parameter: &Parameter| {
        let [rows, columns] = [parameter.shape[0], parameter.shape[1]];
        let name = format!("{PREFIX}{}.weight", parameter.name);
        (name, vec![columns, rows], turned(&adapter.weights[parameter.range()], rows))
    };
    let matrices: Vec<_> = kept.iter().flat_map(|pair| pair.each_ref().map(matrix)).collect();
    let tensors: Vec<_> =
        matrices.iter().map(|(name, shape, values)| Tensor::f32(name.clone(), shape, values)).collect();
    // Full module names, unless every layer has an adapter on them.
    let modules: Vec<_> = match kept.len() < pairs.len() {
        true => kept.iter().map(|[a, _]| a.spec.module()).collect(),
        false => {
            kept.iter().filter(|[a, _]| a.spec.role.layer == 0).map(|[a, _]| a.spec.module_in_block().into()).collect()
        }
    };
    let fan_in_fan_out = !pairs.iter().any(|[a, _]| a.spec.transposed_in_files);
    let described = describe(&adapter.config, &modules, base, fan_in_fan_out);
    let mut archive = Archive::default();
    let described = format!("{described:#}\n");
    archive.add(CONFIG, |out| {
        out.extend_from_slice(described.as_bytes());
        Ok(())
    })?;
    archive.add(WEIGHTS, |out| append(out, &[("format", "pt")], &tensors))?;
    Ok(archive.finish())
}

/// `fan_in_fan_out`: whether the base model's linear layers are `Conv1D`, whose weights are `[inputs, outputs]`.
fn describe(config: &LoraConfig, modules: &[String], base: &str, fan_in_fan_out: bool) -> Value {
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "target_modules": modules,
        "fan_in_fan_out": fan_in_fan_out,
        "bias": "none",
        "inference_mode": true,
    })
}

/// The matrices A and B of one module.
struct Pair {
    rank: usize,
    /// The scale of their product.
    scale: f64,
    /// `[rank, inputs]`
    a: Vec<f32>,
    /// `[outputs, rank]`
    b: Vec<f32>,
}

/// Reads PEFT's adapter for `model`. `weights`: the whole file.
///
/// # Errors
/// [`Error::SettingUnsupported`] for what PEFT supports and Lorito does not, [`Error::TensorUnknown`] for weights of
/// modules that `model` does not have, [`Error::TensorShape`] for those of another model.
pub fn read_peft(config: &[u8], weights: &[u8], model: &ModelConfig) -> Result<AdapterWeights> {
    refuse_pointer(CONFIG, config)?;
    refuse_pointer(WEIGHTS, weights)?;
    let architecture = model.architecture();
    let matrices: Vec<_> = architecture
        .projections()
        .flat_map(|(projection, matrix)| matrix.in_files().into_iter().map(move |(part, _)| (projection, part)))
        .collect();
    let known: Vec<_> = matrices.iter().map(|(_, matrix)| matrix.module_in_block()).collect();
    let settings = Settings::read(config, &known)?;
    let header = Header::read(weights, Some(weights.len() as u64))?;
    let mut read = HashSet::new();
    let mut pairs = HashMap::new();
    let mut targets = Targets::NONE;
    for layer in 0..architecture.layers {
        for &(projection, matrix) in &matrices {
            let matrix = matrix.in_layer(layer);
            if let Some((pair, names)) = pair(&matrix, architecture.family.body, &header, weights, &settings)? {
                read.extend(names);
                pairs.insert(matrix.module(), pair);
                targets = targets.with(projection);
            }
        }
    }
    // Further tensors would change the model's output: biases, trained tokens, other matrices.
    if let Some(tensor) = header.names.iter().find(|name| !read.contains(*name)) {
        return Err(Error::TensorUnknown { tensor: tensor.clone() });
    }
    let Some(rank) = pairs.values().map(|pair| pair.rank).max() else {
        let first = matrices.first().map_or_else(String::new, |(_, matrix)| matrix.module());
        return Err(Error::TensorMissing { tensor: thin_names(&first)[0].clone(), found: Vec::new() });
    };
    let config = LoraConfig { rank, alpha: settings.alpha(rank).min(LARGEST_ALPHA), targets };
    config.validate().map_err(|error| Error::ConfigurationInvalid { reason: format!("{CONFIG}: {error}") })?;
    let layout = Layout::adapter(model, &config);
    let mut flat = vec![0.0f32; layout.len];
    for [a, b] in layout.parameters.as_chunks::<2>().0 {
        if let Some(pair) = pairs.get(&a.spec.module()) {
            let factor = pair.scale / (config.alpha / rank as f64);
            let rows = turned(&pair.a, pair.rank);
            for (row, values) in flat[a.range()].chunks_exact_mut(rank).zip(rows.chunks(pair.rank)) {
                row[..pair.rank].copy_from_slice(values);
            }
            let values = turned(&pair.b, b.shape[1]).into_iter().map(|value| (f64::from(value) * factor) as f32);
            flat[b.range()].iter_mut().zip(values).for_each(|(place, value)| *place = value);
            if flat[b.range()].iter().any(|value| !value.is_finite()) {
                return Err(Error::WeightsNotFinite { tensor: b.name.clone() });
            }
        }
    }
    Ok(AdapterWeights { config, weights: flat })
}

fn thin_names(module: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|matrix| format!("{PREFIX}{module}.{matrix}.weight"))
}

/// A module's A and B and their names in the file, if it has them. `body`: the prefix of names in a model with a head.
fn pair(
    matrix: &TensorSpec,
    body: &str,
    header: &Header,
    file: &[u8],
    settings: &Settings,
) -> Result<Option<(Pair, [String; 2])>> {
    let whole = &matrix.module()[..];
    let bare = whole.strip_prefix(body).unwrap_or(whole);
    let is_bare = thin_names(bare).iter().any(|name| header.shape(name).is_some());
    let module = if is_bare { bare } else { whole };
    let names = thin_names(module);
    let missing = |name: &String| Error::TensorMissing { tensor: name.clone(), found: nearest(name, &header.names) };
    let (a, b) = match (header.place(&names[0]), header.place(&names[1])) {
        (Some(a), Some(b)) => (a, b),
        (None, None) if settings.names(module) != Some(true) => return Ok(None),
        (None, _) => return Err(missing(&names[0])),
        (_, None) => return Err(missing(&names[1])),
    };
    if settings.names(module) == Some(false) {
        return Err(Error::TensorUnknown { tensor: names[0].clone() });
    }
    let Shape::Linear([inputs, outputs]) = matrix.shape else { return Ok(None) };
    let rank = a.1.first().copied().filter(|rank| settings.may_be(*rank)).unwrap_or(settings.rank());
    for (name, shape, expected) in [(&names[0], a.1, [rank, inputs]), (&names[1], b.1, [outputs, rank])] {
        if shape != expected {
            let (found, expected) = (shape.to_vec(), expected.to_vec());
            return Err(Error::TensorShape { tensor: name.clone(), found, expected });
        }
    }
    let values = |(dtype, _, place): (_, _, std::ops::Range<u64>), name: &str| {
        read_numbers(of_safetensors(dtype, name)?, &file[place.start as usize..place.end as usize], name)
    };
    let scale = settings.scale(module, rank)?;
    let pair = Pair { rank, scale, a: values(a, &names[0])?, b: values(b, &names[1])? };
    Ok(Some((pair, names)))
}
