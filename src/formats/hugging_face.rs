//! The folder that Hugging Face's `transformers` open with `from_pretrained`, and that training goes on from elsewhere, as
//! a ZIP archive.

use serde_json::{Value, json};

use super::{
    ModelFile, carry_on, model_card::model_card, model_file::tensors, pretrained::activation_name, safetensors::append,
    zip::Archive,
};
use crate::{
    chat,
    error::{Error, Result},
    model::Layout,
};

/// Separates documents and ends what is written; all of Lorito's tokenizers have it.
const END_OF_TEXT: &str = "<|endoftext|>";

/// The model as an archive of the folder's files. `date` goes into the model card as it is.
pub fn hugging_face(file: &ModelFile, date: &str) -> Result<Vec<u8>> {
    let end = end_of_text(&file.tokenizer)?;
    let layout = Layout::new(&file.config);
    let weights: Vec<_> = tensors("", &layout, &file.weights).collect();
    let mut archive = Archive::default();
    archive.add("config.json", |out| pretty(out, &config(file, end)))?;
    archive.add("model.safetensors", |out| append(out, &[("format", "pt")], &weights))?;
    archive.add("tokenizer.json", |out| text(out, &file.tokenizer))?;
    archive.add("tokenizer_config.json", |out| pretty(out, &tokenizer_config(file)))?;
    archive.add("generation_config.json", |out| pretty(out, &generation_config(file, end)))?;
    archive.add("README.md", |out| text(out, &model_card(file, date)))?;
    archive.add("continue_training.py", |out| text(out, carry_on::SCRIPT))?;
    archive.add("training_text.py", |out| text(out, carry_on::TEXT))?;
    archive.add("continue_training.ipynb", |out| text(out, carry_on::NOTEBOOK))?;
    archive.add(carry_on::LAST_RUN, |out| pretty(out, &carry_on::last_run(file)))?;
    Ok(archive.finish())
}

/// `GPT2Config`. What it does not say has GPT-2's default, as it has here.
fn config(file: &ModelFile, end: u32) -> Value {
    let config = &file.config;
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "activation_function": activation_name(config.variant.activation),
        "layer_norm_epsilon": decimal(config.variant.epsilon),
        "initializer_range": 0.02,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "tie_word_embeddings": config.variant.tied,
        "bos_token_id": end,
        "eos_token_id": end,
        "torch_dtype": "float32",
    })
}

/// A number of single precision by its shortest digits: 1e-5, not 0.000009999999747378752.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// The general class takes everything from tokenizer.json; GPT-2's own would put its pre-tokenisation in. Without the
/// names of inputs it would give token types too, for which GPT-2 adds the embedding of token 0 everywhere.
fn tokenizer_config(file: &ModelFile) -> Value {
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": file.config.context,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": false,
    });
    if end_of_turn(file).is_some() {
        config["chat_template"] = chat::JINJA.into();
        config["additional_special_tokens"] = chat::TOKENS.to_vec().into();
    }
    config
}

/// The id that ends a turn, where the model knows conversations.
fn end_of_turn(file: &ModelFile) -> Option<u32> {
    id_of(&serde_json::from_str(&file.tokenizer).ok()?, chat::TOKENS[3])
}

/// A turn ends what is written, too.
fn generation_config(file: &ModelFile, end: u32) -> Value {
    let ends = end_of_turn(file).map_or(json!(end), |turn| json!([end, turn]));
    json!({ "bos_token_id": end, "eos_token_id": ends, "pad_token_id": end, "do_sample": true, "temperature": 0.8 })
}

/// The id of [`END_OF_TEXT`].
fn end_of_text(tokenizer: &str) -> Result<u32> {
    let invalid = |reason: String| Error::TokenizerInvalid { reason };
    let tokenizer: Value = serde_json::from_str(tokenizer).map_err(|error| invalid(error.to_string()))?;
    id_of(&tokenizer, END_OF_TEXT).ok_or_else(|| invalid(format!("no added token {END_OF_TEXT}")))
}

/// The id of an added token.
fn id_of(tokenizer: &Value, content: &str) -> Option<u32> {
    let tokens = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let id = tokens.filter(|token| token["content"] == content).find_map(|token| token["id"].as_u64());
    id.and_then(|id| u32::try_from(id).ok())
}

fn pretty(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    text(out, &format!("{value:#}\n"))
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
