//! Writes a model folder for `from_pretrained` of Hugging Face's `transformers`, with scripts that continue its
//! training, as a ZIP archive.

use serde_json::{Value, json};

use super::{
    ModelFile, carry_on,
    columns::Columns,
    model_card::model_card,
    safetensors::{Tensor, append},
    words::Words,
    zip::Archive,
};
use crate::{
    architecture::Shape,
    chat,
    config::{ModelConfig, settings::TEMPERATURE},
    error::Result,
    model::{Layout, Parameter},
    tokenizer::{TURN_TOKENS, Tokenizer, TurnTokens},
};

/// Returns the model as an archive of the folder's files. `date` goes into the model card as it is.
///
/// # Errors
/// [`Error::TokenizerInvalid`](crate::error::Error::TokenizerInvalid) if the tokenizer of the file cannot be read.
pub fn hugging_face(file: &ModelFile, date: &str) -> Result<Vec<u8>> {
    hugging_face_in(file, date, &Words::default())
}

/// Like [`hugging_face`], with model card, scripts and notebook in the language of `words`.
///
/// # Errors
/// Those of [`hugging_face`].
pub fn hugging_face_in(file: &ModelFile, date: &str, words: &Words) -> Result<Vec<u8>> {
    let tokenizer = file.tokenizer()?;
    let (exported, weights) = file.exported();
    let layout = Layout::new(&exported);
    let weights: Vec<_> = layout.parameters.iter().flat_map(|parameter| of_transformers(parameter, &weights)).collect();
    let mut archive = Archive::default();
    archive.add("config.json", |out| pretty(out, &config(&exported, &tokenizer)))?;
    archive.add("model.safetensors", |out| append(out, &[("format", "pt")], &weights))?;
    archive.add("tokenizer.json", |out| text(out, &file.tokenizer))?;
    archive.add("tokenizer_config.json", |out| pretty(out, &tokenizer_config(file, &tokenizer)))?;
    archive.add("generation_config.json", |out| pretty(out, &generation_config(&tokenizer)))?;
    archive.add("README.md", |out| text(out, &model_card(file, date, words)))?;
    archive.add("continue_training.py", |out| text(out, &words.python(carry_on::SCRIPT)))?;
    archive.add("training_text.py", |out| text(out, &words.python(carry_on::TEXT)))?;
    archive.add("continue_training.ipynb", |out| text(out, &words.notebook(carry_on::NOTEBOOK)))?;
    archive.add(carry_on::LAST_RUN, |out| pretty(out, &carry_on::last_run(file)))?;
    Ok(archive.finish())
}

/// The tensors of transformers' model that a parameter is: itself, or the transposes of its parts.
fn of_transformers<'a>(parameter: &Parameter, weights: &'a [f32]) -> Vec<Tensor<'a>> {
    let values = &weights[parameter.range()];
    let parts = parameter.spec.in_files().into_iter().map(|(part, first)| match part.shape {
        Shape::Linear([inputs, outputs]) if parameter.spec.transposed_in_files => {
            let columns = Columns::new(values, parameter.shape[1], first..first + outputs);
            Tensor::transposed(part.name(), [outputs, inputs], columns)
        }
        Shape::Vector(length) => Tensor::f32(part.name(), &[length], &values[first..first + length]),
        _ => Tensor::f32(part.name(), &parameter.shape, values),
    });
    parts.collect()
}

/// The family's config.json, with the roles of special tokens.
fn config(config: &ModelConfig, tokenizer: &Tokenizer) -> Value {
    let roles = tokenizer.roles();
    let mut value = (config.architecture().family.write_config)(config);
    value["bos_token_id"] = json!(roles.start);
    value["eos_token_id"] = json!(roles.named.get("eos_token").or(roles.ends.first()));
    if tokenizer.stated_roles().is_some() {
        value["pad_token_id"] = json!(roles.named.get("pad_token"));
    }
    value
}

/// The general class reads everything from tokenizer.json; GPT-2's own would add its pre-tokenisation. Without the
/// names of inputs it would return token types too, for which GPT-2 adds the embedding of token 0 everywhere.
fn tokenizer_config(file: &ModelFile, tokenizer: &Tokenizer) -> Value {
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": file.config.context,
        "clean_up_tokenization_spaces": false,
    });
    for (name, &id) in &tokenizer.roles().named {
        config[name] = tokenizer.token_text(id).into();
    }
    if let Some(template) = chat::template(tokenizer) {
        config["chat_template"] = template.into();
    }
    if let Some(turns) = tokenizer.turns() {
        config["additional_special_tokens"] = turns.contents().to_vec().into();
        if *turns != TurnTokens::ours() {
            config[TURN_TOKENS] = json!(turns);
        }
    } else if chat::is_chatml(tokenizer) && tokenizer.stated_roles().is_none() {
        config["additional_special_tokens"] = chat::CHATML_TOKENS.to_vec().into();
    }
    config
}

/// The end tokens are all those of the opened model, and the one that ends a turn.
fn generation_config(tokenizer: &Tokenizer) -> Value {
    let roles = tokenizer.roles();
    let mut ends = roles.ends.clone();
    ends.extend(chat::end_of_turn(tokenizer).filter(|end| !roles.ends.contains(end)));
    let ends = match ends[..] {
        [] => Value::Null,
        [end] => json!(end),
        _ => json!(ends),
    };
    let pad = roles.named.get("pad_token");
    json!({
        "bos_token_id": roles.start, "eos_token_id": ends, "pad_token_id": pad, "do_sample": true,
        "temperature": TEMPERATURE.default,
    })
}

fn pretty(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    text(out, &format!("{value:#}\n"))
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
