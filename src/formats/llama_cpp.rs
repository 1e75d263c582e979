//! The model as a GGUF file, which llama.cpp and what is built on it open. Metadata and tensors are those that its own
//! `convert_hf_to_gguf.py` makes of a GPT-2 and `src/models/gpt2.cpp` reads (release v0.5.0).
//!
//! llama.cpp reads at most as many tokens as the model's context and slides no window, and where it turns many tokens
//! to text at once it leaves out the space before some marks, as it does for GPT-2 itself.

use serde::{Deserialize, Serialize};

use super::{
    ModelFile,
    ggml::{BLOCK, Encoding},
    gguf::{Metadata, Tensor, write},
};
use crate::{
    chat,
    config::{Activation, ModelConfig},
    error::{Error, Result},
    model::{Layout, Parameter},
    tokenizer::{ByteLevel, TokenClass, Tokenizer},
};

/// How a GGUF file holds its matrices. Biases, the layer norms' gains and the embedding of positions have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum GgufNumbers {
    /// With 16 bits a number.
    #[serde(rename = "f16")]
    F16,
    /// With 8 bits a number and a scale for 32 of them. Matrices whose rows are no multiple of 32 have 16 bits a number.
    #[serde(rename = "q8_0")]
    Q8,
}

/// The version of the way in which ggml quantises (`GGML_QNT_VERSION`).
const QUANTIZATION_VERSION: u32 = 2;

/// # Errors
/// [`Error::ActivationNotInLlamaCpp`]; [`Error::VocabularyMismatch`] where the tokenizer has ids that the model has not;
/// [`Error::TokenizerInvalid`] where two tokens have one spelling; [`Error::TokenizerNotInLlamaCpp`].
pub fn llama_cpp(file: &ModelFile, numbers: GgufNumbers) -> Result<Vec<u8>> {
    let activation = file.config.variant.activation;
    if activation != Activation::GeluTanh {
        return Err(Error::ActivationNotInLlamaCpp { activation });
    }
    let tokenizer = file.tokenizer()?;
    let tokens = tokenizer.vocabulary();
    if tokens > file.config.vocabulary {
        return Err(Error::VocabularyMismatch { model: file.config.vocabulary, tokenizer: tokens });
    }
    let layout = Layout::new(&file.config);
    let mut metadata = Metadata::default();
    describe_model(&mut metadata, file, numbers);
    describe_tokenizer(&mut metadata, &tokenizer)?;
    let tensors = layout.parameters.iter().map(|parameter| tensor(parameter, &file.weights, tokens, numbers));
    Ok(write(&metadata, &tensors.collect::<Vec<_>>()))
}

fn describe_model(metadata: &mut Metadata, file: &ModelFile, numbers: GgufNumbers) {
    let ModelConfig { context, layers, heads, width, variant, .. } = file.config;
    metadata.string("general.architecture", "gpt2");
    metadata.string("general.type", "model");
    metadata.string("general.name", &file.name);
    // `llama_ftype`: which encoding most tensors have.
    metadata.u32("general.file_type", if numbers == GgufNumbers::F16 { 1 } else { 7 });
    metadata.u32("general.quantization_version", QUANTIZATION_VERSION);
    metadata.u32("gpt2.context_length", context as u32);
    metadata.u32("gpt2.embedding_length", width as u32);
    metadata.u32("gpt2.feed_forward_length", 4 * width as u32);
    metadata.u32("gpt2.block_count", layers as u32);
    metadata.u32("gpt2.attention.head_count", heads as u32);
    metadata.f32("gpt2.attention.layer_norm_epsilon", variant.epsilon);
}

fn describe_tokenizer(metadata: &mut Metadata, tokenizer: &Tokenizer) -> Result<()> {
    let ByteLevel { tokens, merges } = tokenizer.byte_level()?;
    let merges: Vec<_> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    // `llama_token_type`
    let class = |(_, class): &(_, TokenClass)| match class {
        TokenClass::Ordinary => 1,
        TokenClass::Special => 3,
        TokenClass::Added => 4,
        TokenClass::Unused => 5,
    };
    metadata.string("tokenizer.ggml.model", "gpt2");
    metadata.string("tokenizer.ggml.pre", "gpt-2");
    metadata.strings("tokenizer.ggml.tokens", tokens.iter().map(|(text, _)| &text[..]));
    metadata.i32s("tokenizer.ggml.token_type", tokens.iter().map(class));
    metadata.strings("tokenizer.ggml.merges", merges.iter().map(String::as_str));
    let roles = tokenizer.roles();
    let named = |name: &str| roles.named.get(name).copied();
    // A text that never ends by itself: llama.cpp would take token 11 for its end where none is named, so that it is one
    // that is never written, if there is such a one.
    let end = roles.ends.first().copied().or_else(|| named("pad_token")).or_else(|| named("unk_token"));
    for (key, id) in [
        ("bos", roles.start.or(end)),
        ("eos", end),
        // A text may have further ends; one more can be named.
        ("eot", chat::end_of_turn(tokenizer).or_else(|| roles.ends.get(1).copied())),
        ("padding", named("pad_token").filter(|_| tokenizer.stated_roles().is_some())),
        ("unknown", named("unk_token")),
    ] {
        if let Some(id) = id {
            metadata.u32(&format!("tokenizer.ggml.{key}_token_id"), id);
        }
    }
    // Texts begin as they are here.
    metadata.bool("tokenizer.ggml.add_bos_token", false);
    if let Some(template) = chat::template(tokenizer) {
        metadata.string("tokenizer.chat_template", &template);
    }
    Ok(())
}

/// Embeddings and heads have as many rows as there are `tokens`: what a model has beyond is no token, and never written.
fn tensor<'a>(parameter: &Parameter, weights: &'a [f32], tokens: usize, numbers: GgufNumbers) -> Tensor<'a> {
    let name = tensor_name(&parameter.name);
    let mut shape = parameter.shape.clone();
    // Blocks' weights are `[inputs, outputs]`. A row of ggml's takes all inputs to one output, and its length comes first.
    let transposed = shape.len() == 2 && name.starts_with("blk.");
    if !transposed {
        shape.reverse();
    }
    if ["token_embd.weight", "output.weight"].contains(&&name[..]) {
        shape[1] = tokens;
    }
    let values = &weights[parameter.range()][..shape.iter().product()];
    let encoding = match numbers {
        _ if shape.len() == 1 || name == "position_embd.weight" => Encoding::F32,
        GgufNumbers::Q8 if shape[0].is_multiple_of(BLOCK) => Encoding::Q8_0,
        _ => Encoding::F16,
    };
    Tensor { name, encoding, shape, values, transposed }
}

/// llama.cpp's name for a tensor of GPT-2.
fn tensor_name(name: &str) -> String {
    let parts: Vec<_> = name.split('.').collect();
    match parts[..] {
        ["transformer", "wte", kind] => format!("token_embd.{kind}"),
        ["transformer", "wpe", kind] => format!("position_embd.{kind}"),
        ["transformer", "ln_f", kind] => format!("output_norm.{kind}"),
        ["transformer", "h", layer, ref part @ .., kind] => {
            let part = match part {
                ["ln_1"] => "attn_norm",
                ["attn", "c_attn"] => "attn_qkv",
                ["attn", "c_proj"] => "attn_output",
                ["ln_2"] => "ffn_norm",
                ["mlp", "c_fc"] => "ffn_up",
                ["mlp", "c_proj"] => "ffn_down",
                _ => unreachable!("no such part in a block: {name}"),
            };
            format!("blk.{layer}.{part}.{kind}")
        }
        ["lm_head", kind] => format!("output.{kind}"),
        _ => unreachable!("the layout has no {name}"),
    }
}
