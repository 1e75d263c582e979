//! The folder that Hugging Face's `transformers` open with `from_pretrained`, and that training goes on from elsewhere, as
//! a ZIP archive.

use serde_json::{Value, json};

use super::{
    ModelFile, carry_on, model_card::model_card, model_file::tensors, pretrained::activation_name, safetensors::append,
    zip::Archive,
};
use crate::{
    chat,
    error::Result,
    model::Layout,
    tokenizer::{TURN_TOKENS, Tokenizer, TurnTokens},
};

/// The model as an archive of the folder's files. `date` goes into the model card as it is.
pub fn hugging_face(file: &ModelFile, date: &str) -> Result<Vec<u8>> {
    let tokenizer = file.tokenizer()?;
    let layout = Layout::new(&file.config);
    let weights: Vec<_> = tensors("", &layout, &file.weights).collect();
    let mut archive = Archive::default();
    archive.add("config.json", |out| pretty(out, &config(file, &tokenizer)))?;
    archive.add("model.safetensors", |out| append(out, &[("format", "pt")], &weights))?;
    archive.add("tokenizer.json", |out| text(out, &file.tokenizer))?;
    archive.add("tokenizer_config.json", |out| pretty(out, &tokenizer_config(file, &tokenizer)))?;
    archive.add("generation_config.json", |out| pretty(out, &generation_config(&tokenizer)))?;
    archive.add("README.md", |out| text(out, &model_card(file, date)))?;
    archive.add("continue_training.py", |out| text(out, carry_on::SCRIPT))?;
    archive.add("training_text.py", |out| text(out, carry_on::TEXT))?;
    archive.add("continue_training.ipynb", |out| text(out, carry_on::NOTEBOOK))?;
    archive.add(carry_on::LAST_RUN, |out| pretty(out, &carry_on::last_run(file)))?;
    Ok(archive.finish())
}

/// `GPT2Config`. What it does not say has GPT-2's default, as it has here.
fn config(file: &ModelFile, tokenizer: &Tokenizer) -> Value {
    let (config, roles) = (&file.config, tokenizer.roles());
    let mut value = json!({
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
        "bos_token_id": roles.start,
        "eos_token_id": roles.named.get("eos_token").or(roles.ends.first()),
        "torch_dtype": "float32",
    });
    if tokenizer.stated_roles().is_some() {
        value["pad_token_id"] = json!(roles.named.get("pad_token"));
    }
    value
}

/// A number of single precision by its shortest digits: 1e-5, not 0.000009999999747378752.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// The general class takes everything from tokenizer.json; GPT-2's own would put its pre-tokenisation in. Without the
/// names of inputs it would give token types too, for which GPT-2 adds the embedding of token 0 everywhere.
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
    }
    config
}

/// Ends are all those that the model came with; that of a turn ends what is written, too.
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
        "bos_token_id": roles.start, "eos_token_id": ends, "pad_token_id": pad, "do_sample": true, "temperature": 0.8,
    })
}

fn pretty(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    text(out, &format!("{value:#}\n"))
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
