//! Writes the model as a GGUF file for llama.cpp and programs built on it. Metadata and tensors are those that its own
//! `convert_hf_to_gguf.py` makes of a GPT-2 and `src/models/gpt2.cpp` reads (release v0.5.0).
//!
//! llama.cpp reads at most as many tokens as the model's context and has no sliding window, and when it decodes many
//! tokens at once it drops the space before some punctuation, as it does for GPT-2 itself.

use serde::{Deserialize, Serialize};

use super::{
    ModelFile,
    ggml::{BLOCK, Encoding},
    gguf::{Metadata, Tensor, write},
};
use crate::{
    architecture::{Architecture, Module, Norm, Shape},
    chat,
    error::{Error, Result},
    model::{Layout, Parameter},
    tokenizer::{ByteLevel, TokenClass, Tokenizer},
};

/// The precision of matrices in a GGUF file. Biases, the layer norms' gains and the position embedding have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum GgufPrecision {
    /// 16 bits per number.
    #[serde(rename = "f16")]
    F16,
    /// 8 bits per number, and a scale for every 32 numbers. Matrices whose rows are not a multiple of 32 have 16 bits.
    #[serde(rename = "q8_0")]
    Q8,
}

/// The version of ggml's quantisation (`GGML_QNT_VERSION`).
const QUANTIZATION_VERSION: u32 = 2;

/// Returns the model as a GGUF file.
///
/// # Errors
/// [`Error::ActivationNotInLlamaCpp`]; [`Error::VocabularyMismatch`] if the tokenizer has ids that the model does not
/// have; [`Error::TokenizerInvalid`] if two tokens have the same spelling; [`Error::TokenizerNotInLlamaCpp`].
pub fn llama_cpp(file: &ModelFile, precision: GgufPrecision) -> Result<Vec<u8>> {
    let (exported, weights) = file.exported();
    let architecture = exported.architecture();
    let activation = architecture.mlp.activation;
    if activation != architecture.family.llama_cpp_activation {
        return Err(Error::ActivationNotInLlamaCpp { activation });
    }
    let tokenizer = file.tokenizer()?;
    let tokens = tokenizer.vocabulary();
    if tokens > file.config.vocabulary {
        return Err(Error::VocabularyMismatch { model: file.config.vocabulary, tokenizer: tokens });
    }
    let layout = Layout::new(&exported);
    let mut metadata = Metadata::default();
    describe_model(&mut metadata, &file.name, &architecture, exported.context, precision);
    describe_tokenizer(&mut metadata, &tokenizer)?;
    let tensors = layout.parameters.iter().map(|parameter| tensor(parameter, &weights, tokens, precision));
    Ok(write(&metadata, &tensors.collect::<Vec<_>>()))
}

fn describe_model(
    metadata: &mut Metadata,
    name: &str,
    architecture: &Architecture,
    context: usize,
    precision: GgufPrecision,
) {
    let Architecture { family, norm: Norm::Layer { epsilon }, .. } = *architecture;
    metadata.string("general.architecture", family.model_type);
    metadata.string("general.type", "model");
    metadata.string("general.name", name);
    // `llama_ftype`: the encoding of most tensors.
    metadata.u32("general.file_type", if precision == GgufPrecision::F16 { 1 } else { 7 });
    metadata.u32("general.quantization_version", QUANTIZATION_VERSION);
    for (key, value) in [
        ("context_length", context),
        ("embedding_length", architecture.width),
        ("feed_forward_length", architecture.mlp.width),
        ("block_count", architecture.layers),
        ("attention.head_count", architecture.attention.heads),
    ] {
        metadata.u32(&format!("{}.{key}", family.model_type), value as u32);
    }
    metadata.f32(&format!("{}.attention.layer_norm_epsilon", family.model_type), epsilon);
}

fn describe_tokenizer(metadata: &mut Metadata, tokenizer: &Tokenizer) -> Result<()> {
    let ByteLevel { tokens, merges, pre } = tokenizer.byte_level()?;
    let merges: Vec<_> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    // `llama_token_type`
    let class = |(_, class): &(_, TokenClass)| match class {
        TokenClass::Ordinary => 1,
        TokenClass::Special => 3,
        TokenClass::Added => 4,
        TokenClass::Unused => 5,
    };
    metadata.string("tokenizer.ggml.model", "gpt2");
    metadata.string("tokenizer.ggml.pre", pre);
    metadata.strings("tokenizer.ggml.tokens", tokens.iter().map(|(text, _)| &text[..]));
    metadata.i32s("tokenizer.ggml.token_type", tokens.iter().map(class));
    metadata.strings("tokenizer.ggml.merges", merges.iter().map(String::as_str));
    let roles = tokenizer.roles();
    let named = |name: &str| roles.named.get(name).copied();
    // For a model whose texts never end: without a named end token llama.cpp would take token 11, so a token that is
    // never generated is named, if there is one.
    let end = roles.ends.first().copied().or_else(|| named("pad_token")).or_else(|| named("unk_token"));
    for (key, id) in [
        ("bos", roles.start.or(end)),
        ("eos", end),
        // A text may have several end tokens; one more can be named.
        ("eot", chat::end_of_turn(tokenizer).or_else(|| roles.ends.get(1).copied())),
        ("padding", named("pad_token").filter(|_| tokenizer.stated_roles().is_some())),
        ("unknown", named("unk_token")),
    ] {
        if let Some(id) = id {
            metadata.u32(&format!("tokenizer.ggml.{key}_token_id"), id);
        }
    }
    // Texts begin as they do here.
    metadata.bool("tokenizer.ggml.add_bos_token", false);
    if let Some(template) = chat::template(tokenizer) {
        metadata.string("tokenizer.chat_template", &template);
    }
    Ok(())
}

/// Embeddings and heads get as many rows as there are `tokens`: further rows belong to no token and are never used.
fn tensor<'a>(parameter: &Parameter, weights: &'a [f32], tokens: usize, precision: GgufPrecision) -> Tensor<'a> {
    let module = parameter.spec.role.module;
    // A row in ggml maps all inputs to one output, and its length comes first.
    let (shape, transposed) = match parameter.spec.shape {
        Shape::Vector(length) => (vec![length], false),
        Shape::Linear([inputs, outputs]) => (vec![inputs, outputs], true),
        Shape::Table([_, width]) if matches!(module, Module::TokenEmbedding | Module::Head) => {
            (vec![width, tokens], false)
        }
        Shape::Table([rows, width]) => (vec![width, rows], false),
    };
    let values = &weights[parameter.range()][..shape.iter().product()];
    let encoding = match precision {
        _ if shape.len() == 1 || module == Module::PositionEmbedding => Encoding::F32,
        GgufPrecision::Q8 if shape[0].is_multiple_of(BLOCK) => Encoding::Q8_0,
        _ => Encoding::F16,
    };
    Tensor { name: parameter.spec.gguf(), encoding, shape, values, transposed }
}
