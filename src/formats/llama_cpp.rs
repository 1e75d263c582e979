//! Writes the model as a GGUF file for llama.cpp and programs built on it. Metadata and tensors are those that its own
//! `convert_hf_to_gguf.py` makes of a GPT-2 or a model of the Llama family and its `src/models/` read (release v0.5.0).
//!
//! llama.cpp reads at most as many tokens as the model's context and has no sliding window, and when it decodes many
//! tokens at once it drops the space before some punctuation, as it does for GPT-2 itself.

use serde::{Deserialize, Serialize};

use super::{
    ModelFile,
    columns::Columns,
    ggml::{BLOCK, Encoding},
    gguf::{
        FREQUENCY_FACTORS,
        write::{Metadata, Tensor, Values, write},
    },
};
use crate::{
    architecture::{Architecture, Module, Positions, Projection, Shape},
    chat,
    config::{LlamaFamily, ModelConfig},
    error::{Error, Result},
    model::{Layout, Parameter},
    tokenizer::{ByteLevel, SentencePiece, TokenClass, Tokenizer},
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
    describe_model(&mut metadata, &file.name, &architecture, &exported, precision);
    describe_tokenizer(&mut metadata, &tokenizer)?;
    let is_llama = exported.variant.llama.is_some_and(|llama| llama.family == LlamaFamily::Llama);
    let interleaved = is_llama.then_some(architecture.attention.head_width);
    let parameters = layout.parameters.iter();
    let mut tensors: Vec<_> =
        parameters.flat_map(|parameter| of_llama_cpp(parameter, &weights, tokens, precision, interleaved)).collect();
    tensors.extend(frequency_factors(&exported));
    Ok(write(&metadata, &tensors))
}

fn describe_model(
    metadata: &mut Metadata,
    name: &str,
    architecture: &Architecture,
    config: &ModelConfig,
    precision: GgufPrecision,
) {
    let Architecture { family, norm, attention, .. } = *architecture;
    metadata.string("general.architecture", family.model_type);
    metadata.string("general.type", "model");
    metadata.string("general.name", name);
    // `llama_ftype`: the encoding of most tensors.
    metadata.u32("general.file_type", if precision == GgufPrecision::F16 { 1 } else { 7 });
    metadata.u32("general.quantization_version", QUANTIZATION_VERSION);
    let key = |key: &str| format!("{}.{key}", family.model_type);
    let stated = config.variant.llama.and_then(|llama| llama.stated_context);
    for (name, value) in [
        ("context_length", stated.unwrap_or(config.context)),
        ("embedding_length", architecture.width),
        ("feed_forward_length", architecture.mlp.width),
        ("block_count", architecture.layers),
        ("attention.head_count", attention.heads),
    ] {
        metadata.u32(&key(name), value as u32);
    }
    let epsilon = if norm.is_centred() { "attention.layer_norm_epsilon" } else { "attention.layer_norm_rms_epsilon" };
    metadata.f32(&key(epsilon), norm.epsilon());
    let Positions::Rotary(rope) = architecture.positions else { return };
    for (name, value) in [
        ("attention.head_count_kv", attention.key_value_heads),
        ("attention.key_length", attention.head_width),
        ("attention.value_length", attention.head_width),
        ("rope.dimension_count", attention.head_width),
        ("vocab_size", config.vocabulary),
    ] {
        metadata.u32(&key(name), value as u32);
    }
    metadata.f32(&key("rope.freq_base"), rope.theta);
}

/// What llama.cpp divides the frequencies of Llama 3's rotary positions by; its converter computes it, too.
fn frequency_factors(config: &ModelConfig) -> Option<Tensor<'static>> {
    let llama = config.variant.llama?;
    llama.rope.scaling?;
    let factors = llama.rope.factors(llama.head_width);
    Some(Tensor {
        name: FREQUENCY_FACTORS.into(),
        encoding: Encoding::F32,
        shape: vec![factors.len()],
        values: Values::Rows(factors.into()),
    })
}

fn describe_tokenizer(metadata: &mut Metadata, tokenizer: &Tokenizer) -> Result<()> {
    let tokens = match tokenizer.is_sentence_piece() {
        true => {
            let SentencePiece { tokens, scores, adds_space } = tokenizer.sentence_piece()?;
            metadata.string("tokenizer.ggml.model", "llama");
            metadata.string("tokenizer.ggml.pre", "default");
            metadata.f32s("tokenizer.ggml.scores", scores.into_iter());
            metadata.bool("tokenizer.ggml.add_space_prefix", adds_space);
            tokens
        }
        false => {
            let ByteLevel { tokens, merges, pre } = tokenizer.byte_level()?;
            let merges: Vec<_> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
            metadata.string("tokenizer.ggml.model", "gpt2");
            metadata.string("tokenizer.ggml.pre", pre);
            metadata.strings("tokenizer.ggml.merges", merges.iter().map(String::as_str));
            tokens
        }
    };
    let unknown = tokenizer.roles().named.get("unk_token").copied();
    // `llama_token_type`
    let class = |(id, (_, class)): (u32, &(_, TokenClass))| match class {
        TokenClass::Ordinary => 1,
        TokenClass::Special if Some(id) == unknown && tokenizer.is_sentence_piece() => 2,
        TokenClass::Special => 3,
        TokenClass::Added => 4,
        TokenClass::Unused => 5,
        TokenClass::Byte => 6,
    };
    let classes: Vec<i32> = (0..).zip(&tokens).map(class).collect();
    metadata.strings("tokenizer.ggml.tokens", tokens.iter().map(|(text, _)| &text[..]));
    metadata.i32s("tokenizer.ggml.token_type", classes.into_iter());
    let roles = tokenizer.roles();
    let named = |name: &str| roles.named.get(name).copied();
    // For a model whose texts never end: without a named end token llama.cpp would take token 11, so a token that is
    // never generated is named, if there is one.
    let end = roles.ends.first().copied().or_else(|| named("pad_token")).or_else(|| named("unk_token"));
    for (key, id) in [
        ("bos", tokenizer.begins().first().copied().or(roles.start).or(end)),
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
    metadata.bool("tokenizer.ggml.add_bos_token", !tokenizer.begins().is_empty());
    if let Some(template) = chat::template(tokenizer) {
        metadata.string("tokenizer.chat_template", &template);
    }
    Ok(())
}

/// The tensors of a GGUF file that a parameter is: itself, or its parts. Embeddings and heads get as many rows as there
/// are `tokens`: further rows belong to no token and are never used. `interleaved`: the width of the heads, where the
/// numbers of queries and keys have an order of their own.
fn of_llama_cpp<'a>(
    parameter: &Parameter,
    weights: &'a [f32],
    tokens: usize,
    precision: GgufPrecision,
    interleaved: Option<usize>,
) -> Vec<Tensor<'a>> {
    let Parameter { spec, shape: own, .. } = parameter;
    let module = spec.role.module;
    let weights = &weights[parameter.range()];
    let parts = spec.in_files().into_iter().enumerate().map(|(index, (part, first))| {
        // Queries and keys are the first parts of attention's joint layer.
        let rotated = module == Module::Linear(Projection::Attention) && index < 2 && spec.parts[0].is_some();
        let interleaved = interleaved.filter(|_| rotated);
        // A row in ggml maps all inputs to one output, and its length comes first.
        let (shape, values) = match part.shape {
            Shape::Vector(length) => (vec![length], Values::Rows(weights[first..first + length].into())),
            Shape::Linear([inputs, outputs]) => {
                let columns = Columns::new(weights, own[1], first..first + outputs);
                let columns = match interleaved {
                    Some(width) => columns.interleaved(width),
                    None => columns,
                };
                (vec![inputs, outputs], Values::Columns(columns))
            }
            Shape::Table([rows, width]) => {
                let rows = if matches!(module, Module::TokenEmbedding | Module::Head) { tokens } else { rows };
                (vec![width, rows], Values::Rows(weights[..width * rows].into()))
            }
        };
        let encoding = match precision {
            _ if shape.len() == 1 || module == Module::PositionEmbedding => Encoding::F32,
            GgufPrecision::Q8 if shape[0].is_multiple_of(BLOCK) => Encoding::Q8_0,
            _ => Encoding::F16,
        };
        Tensor { name: part.gguf(), encoding, shape, values }
    });
    parts.collect()
}
