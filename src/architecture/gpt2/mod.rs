//! GPT-2 (Radford et al. 2019): learned positions, layer norm before each part, biases everywhere. Names, order and
//! shapes are those of transformers' `GPT2LMHeadModel` (`modeling_gpt2.py`), names in GGUF those of llama.cpp's
//! `LLM_ARCH_GPT2`.

mod config;

use super::{
    Architecture, Attention, Family, GgufKey, Initialisation, Kind, Mlp, Module, Names, Norm, ParameterGroup,
    Positions, Projection, Role, Shape, TensorSpec,
};
use crate::config::{Activation, ModelConfig, Variant};

pub const FAMILY: Family = Family {
    model_type: "gpt2",
    classes: "GPT2",
    read_config: config::read,
    write_config: config::write,
    gguf: &[
        ("context_length", GgufKey::Required("n_positions")),
        ("embedding_length", GgufKey::Required("n_embd")),
        ("feed_forward_length", GgufKey::Required("n_inner")),
        ("block_count", GgufKey::Required("n_layer")),
        ("attention.head_count", GgufKey::Required("n_head")),
        ("attention.layer_norm_epsilon", GgufKey::Required("layer_norm_epsilon")),
        ("vocab_size", GgufKey::Ignored),
    ],
    llama_cpp_activation: Activation::GeluTanh,
    body: "transformer.",
    landmark: "wpe.weight",
    masks: &[".attn.bias", ".attn.masked_bias"],
};

/// Width of the MLP, as a multiple of the model's width.
const MLP_TIMES: usize = 4;

fn names(module: Module) -> Names {
    let (hugging_face, gguf) = match module {
        Module::TokenEmbedding => ("transformer.wte", "token_embd"),
        Module::PositionEmbedding => ("transformer.wpe", "position_embd"),
        Module::AttentionNorm => ("transformer.h.#.ln_1", "blk.#.attn_norm"),
        Module::Linear(Projection::Attention) => ("transformer.h.#.attn.c_attn", "blk.#.attn_qkv"),
        Module::Linear(Projection::AttentionOut) => ("transformer.h.#.attn.c_proj", "blk.#.attn_output"),
        Module::MlpNorm => ("transformer.h.#.ln_2", "blk.#.ffn_norm"),
        Module::Linear(Projection::Mlp) => ("transformer.h.#.mlp.c_fc", "blk.#.ffn_up"),
        Module::Linear(Projection::MlpOut) => ("transformer.h.#.mlp.c_proj", "blk.#.ffn_down"),
        Module::QueryNorm | Module::KeyNorm => unreachable!("GPT-2 has no norms of heads"),
        Module::FinalNorm => ("transformer.ln_f", "output_norm"),
        Module::Head => ("lm_head", "output"),
    };
    Names { hugging_face, gguf }
}

fn tensor(module: Module, kind: Kind, shape: Shape, initialisation: Initialisation) -> TensorSpec {
    TensorSpec {
        role: Role::new(0, module, kind),
        shape,
        initialisation,
        group: if shape.axes().len() == 2 { ParameterGroup::Matrix } else { ParameterGroup::Vector },
        divisible: matches!(module, Module::TokenEmbedding | Module::Head),
        names: names(module),
        parts: [None; 3],
        transposed_in_files: false,
    }
}

fn table(module: Module, shape: [usize; 2]) -> TensorSpec {
    tensor(module, Kind::Weight, Shape::Table(shape), NORMAL)
}

fn norm(module: Module, width: usize) -> [TensorSpec; 2] {
    let vector = |kind, initialisation| tensor(module, kind, Shape::Vector(width), initialisation);
    [vector(Kind::Weight, Initialisation::Ones), vector(Kind::Bias, Initialisation::Zeros)]
}

fn linear(projection: Projection, shape: [usize; 2], initialisation: Initialisation) -> [TensorSpec; 2] {
    let module = Module::Linear(projection);
    let bias = tensor(module, Kind::Bias, Shape::Vector(shape[1]), Initialisation::Zeros);
    [tensor(module, Kind::Weight, Shape::Linear(shape), initialisation), bias]
}

const DEVIATION: f32 = 0.02;
const NORMAL: Initialisation = Initialisation::Normal(DEVIATION);

pub fn architecture(config: &ModelConfig) -> Architecture {
    let ModelConfig { vocabulary, context, layers, heads, width, variant, .. } = *config;
    let Variant { activation, epsilon, tied, .. } = variant;
    let attention = Attention { heads, key_value_heads: heads, head_width: config.head_width(), normed: false };
    let mlp = Mlp { width: MLP_TIMES * width, activation, gated: false };
    // Projections that add to the residual stream are scaled down by the square root of their number.
    let residual = Initialisation::Normal(DEVIATION / (2.0 * layers as f32).sqrt());
    let block = [
        norm(Module::AttentionNorm, width),
        linear(Projection::Attention, [width, attention.joint_width()], NORMAL),
        linear(Projection::AttentionOut, [attention.query_width(), width], residual),
        norm(Module::MlpNorm, width),
        linear(Projection::Mlp, [width, mlp.width], NORMAL),
        linear(Projection::MlpOut, [mlp.width, width], residual),
    ];
    let mut after = norm(Module::FinalNorm, width).to_vec();
    after.extend((!tied).then(|| table(Module::Head, [vocabulary, width])));
    Architecture {
        name: "GPT-2",
        family: &FAMILY,
        layers,
        width,
        norm: Norm::Layer { epsilon },
        positions: Positions::Learned,
        attention,
        mlp,
        tied,
        before: vec![
            table(Module::TokenEmbedding, [vocabulary, width]),
            table(Module::PositionEmbedding, [context, width]),
        ],
        block: block.concat(),
        after,
    }
}
