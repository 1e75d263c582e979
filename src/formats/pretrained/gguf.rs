//! Plans a model from a GGUF file: its metadata become the fields of a config.json of its family, and a tokenizer. Keys
//! are those of `docs/gguf.md` of ggml and of `gguf/constants.py` of the `gguf` package, version 0.19.0; transformers
//! maps them in the same way (`integrations/ggml.py`).

use serde_json::{Map, Value as Json};

use super::{
    Files, Pretrained, config,
    gguf_shards::{Shard, in_order, refused},
};
use crate::{
    architecture::{Family, GgufKey},
    config::{LlamaFamily, ModelConfig, Rope, RopeScaling},
    error::{Error, Result, shown},
    formats::{
        gguf::{
            FREQUENCY_FACTORS,
            read::{Array, Header, Value},
        },
        parts::Parts,
    },
    tokenizer::{GgufTokenizer, Opened, Tokenizer},
};

/// The tensor with a row for each token, in all families.
const TOKEN_EMBEDDING: &str = "token_embd.weight";

/// Plans the model of a GGUF file, or of several that are one model together.
pub fn plan(files: &[&Parts]) -> Result<Pretrained> {
    let shards = in_order(files)?;
    let [Shard { header, .. }, ..] = &shards[..] else { return Err(Error::FileMissing { name: "model.gguf".into() }) };
    let family = config::family(header.text("general.architecture")?.unwrap_or("?"))?;
    let mut config = (family.read_config)(Json::Object(fields(header, &shards, family)?))?;
    check_head_width(header, family, &config)?;
    for Shard { file, header } in &shards {
        if let Some(factors) = header.frequency_factors(file).map_err(|stop| refused(file, stop))? {
            scale_rotations(&mut config, &factors)?;
        }
    }
    let tokenizer = tokenizer(header, config.vocabulary)?;
    Pretrained::of(config, tokenizer, &Files::of_gguf(shards.iter().map(|shard| shard.file))?)
}

/// The fields of a config.json that say the same as the metadata of the first file.
fn fields(header: &Header, shards: &[Shard], family: &Family) -> Result<Map<String, Json>> {
    let mut fields = Map::new();
    for (key, value) in header.below(&format!("{}.", family.model_type)) {
        // A setting that is not known may change what the model computes.
        let unknown = || Error::GgufSettingUnknown { setting: shown(key), found: text_of(value) };
        let &(_, meaning) = family.gguf.iter().find(|(known, _)| *known == key).ok_or_else(unknown)?;
        let json = value.json().ok_or_else(unknown)?;
        if let GgufKey::Required(field) | GgufKey::Optional(field) = meaning {
            fields.insert(field.to_owned(), json);
        }
    }
    for (key, meaning) in family.gguf {
        if let GgufKey::Required(field) = meaning
            && !fields.contains_key(*field)
        {
            return Err(Error::GgufInvalid { reason: format!("{}.{key} is missing", family.model_type) });
        }
    }
    let mut tensors = shards.iter().flat_map(|shard| &shard.header.tensors);
    let rows = tensors.find(|tensor| tensor.name == TOKEN_EMBEDDING).map(|tensor| tensor.shape[0]);
    let missing = || Error::TensorMissing { tensor: TOKEN_EMBEDDING.to_owned(), found: Vec::new() };
    fields.insert("vocab_size".to_owned(), rows.ok_or_else(missing)?.into());
    // A head of its own is found by its tensor, as files of older converters repeat the embedding there.
    fields.insert("tie_word_embeddings".to_owned(), true.into());
    Ok(fields)
}

/// Refuses heads whose parts have another width than the configuration gives them.
fn check_head_width(header: &Header, family: &Family, config: &ModelConfig) -> Result<()> {
    let right = config.head_width();
    for (key, _) in family.gguf.iter().filter(|(_, meaning)| *meaning == GgufKey::HeadWidth) {
        if let Some(value) = header.value(&format!("{}.{key}", family.model_type))
            && value.id().map(|width| width as usize) != Some(right)
        {
            let (setting, supported) = ((*key).to_owned(), vec![right.to_string()]);
            return Err(Error::SettingUnsupported { setting, found: text_of(value), supported });
        }
    }
    Ok(())
}

/// Finds the scaling of a Llama's rotary positions that has these factors: all that is published has
/// [`RopeScaling::llama_3`]'s settings, and its own largest factor.
fn scale_rotations(config: &mut ModelConfig, factors: &[f32]) -> Result<()> {
    let of = |tensor: &str| tensor.to_owned();
    let Some(llama) = config.variant.llama.as_mut().filter(|llama| llama.family == LlamaFamily::Llama) else {
        return Err(Error::TensorUnknown { tensor: of(FREQUENCY_FACTORS) });
    };
    let (found, expected) = (vec![factors.len()], vec![llama.head_width / 2]);
    if found != expected {
        return Err(Error::TensorShape { tensor: of(FREQUENCY_FACTORS), found, expected });
    }
    if factors.iter().any(|factor| !factor.is_finite()) {
        return Err(Error::WeightsNotFinite { tensor: of(FREQUENCY_FACTORS) });
    }
    let largest = factors.iter().fold(1.0f32, |largest, factor| largest.max(*factor));
    if factors.iter().all(|&factor| factor == 1.0) {
        return Ok(());
    }
    let scaling = RopeScaling::llama_3((largest * 1000.0).round() / 1000.0);
    let right = Rope { scaling: Some(scaling), ..llama.rope }.factors(llama.head_width);
    let is_near = |(factor, right): (&f32, &f32)| (factor - right).abs() <= 1e-4 * right.abs();
    if !factors.iter().zip(&right).all(is_near) {
        let supported = vec!["llama3".to_owned()];
        return Err(Error::SettingUnsupported { setting: of("rope_scaling"), found: of(FREQUENCY_FACTORS), supported });
    }
    llama.rope.scaling = Some(scaling);
    config.validate().map_err(|error| Error::ConfigurationInvalid { reason: error.to_string() })
}

/// A value, for an error.
fn text_of(value: Value) -> String {
    value.json().map_or_else(|| "[…]".to_owned(), |value| shown(&value.to_string()))
}

fn tokenizer(header: &Header, rows: usize) -> Result<Opened> {
    let text = |key: &str| header.text(&format!("tokenizer.ggml.{key}"));
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let id = |key: &str| header.value(&format!("tokenizer.ggml.{key}_token_id")).and_then(|value| value.id());
    let says = |key: &str| match header.value(&format!("tokenizer.ggml.{key}")) {
        Some(Value::Bool(says)) => Some(says),
        _ => None,
    };
    let model = text("model")?.ok_or_else(|| Error::FileMissing { name: "tokenizer.ggml.model".into() })?;
    let tokens = header.list("tokenizer.ggml.tokens", Array::strings)?;
    Tokenizer::from_gguf(
        GgufTokenizer {
            model: model.to_owned(),
            pre: owned(text("pre")?),
            tokens: tokens.ok_or_else(|| Error::FileMissing { name: "tokenizer.ggml.tokens".into() })?,
            types: header.list("tokenizer.ggml.token_type", Array::integers)?.unwrap_or_default(),
            scores: header.list("tokenizer.ggml.scores", Array::floats)?.unwrap_or_default(),
            merges: header.list("tokenizer.ggml.merges", Array::strings)?.unwrap_or_default(),
            begin: id("bos"),
            end: id("eos"),
            end_of_turn: id("eot"),
            padding: id("padding"),
            unknown: id("unknown"),
            add_begin: says("add_bos_token"),
            add_space_prefix: says("add_space_prefix"),
            chat_template: owned(header.text("tokenizer.chat_template")?),
            other_templates: header.below("tokenizer.chat_template.").into_iter().map(|(name, _)| name).collect(),
        },
        rows,
    )
}
