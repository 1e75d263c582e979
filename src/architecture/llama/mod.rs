//! The Llama family (Touvron et al. 2023): RMSNorm, rotary positions, grouped-query attention, gated MLPs, and linear
//! layers without biases but for Qwen2's queries, keys and values. Names, order and shapes are those of transformers
//! 5.24 (`modeling_llama.py`, `modeling_qwen2.py`, `modeling_qwen3.py`), names in GGUF those of llama.cpp's
//! `LLM_ARCH_LLAMA`, `_QWEN2` and `_QWEN3`. Queries, keys and values are one matrix here, as are gate and values of the
//! MLP; other programs' files hold the parts.

mod config;

use super::{
    Architecture, Attention, Family, GgufKey, Initialisation, Kind, Mlp, Module, Names, Norm, ParameterGroup, Part,
    Positions, Projection, Role, Shape, TensorSpec,
};
use crate::config::{Activation, Llama, LlamaFamily, ModelConfig};

pub const LLAMA: Family = Family {
    model_type: "llama",
    classes: "Llama",
    read_config: config::read_llama,
    write_config: config::write,
    gguf: &[
        ("context_length", GgufKey::Required("max_position_embeddings")),
        ("embedding_length", GgufKey::Required("hidden_size")),
        ("feed_forward_length", GgufKey::Required("intermediate_size")),
        ("block_count", GgufKey::Required("num_hidden_layers")),
        ("attention.head_count", GgufKey::Required("num_attention_heads")),
        ("attention.head_count_kv", GgufKey::Optional("num_key_value_heads")),
        ("attention.key_length", GgufKey::Optional("head_dim")),
        ("attention.value_length", GgufKey::HeadWidth),
        ("attention.layer_norm_rms_epsilon", GgufKey::Required("rms_norm_eps")),
        ("rope.dimension_count", GgufKey::HeadWidth),
        ("rope.freq_base", GgufKey::Optional("rope_theta")),
        ("vocab_size", GgufKey::Ignored),
    ],
    llama_cpp_activation: Activation::Silu,
    body: "model.",
    landmark: "embed_tokens.weight",
    masks: &[".self_attn.rotary_emb.inv_freq"],
};

pub const QWEN2: Family = Family { model_type: "qwen2", classes: "Qwen2", read_config: config::read_qwen2, ..LLAMA };

pub const QWEN3: Family = Family { model_type: "qwen3", classes: "Qwen3", read_config: config::read_qwen3, ..LLAMA };

fn family(of: LlamaFamily) -> &'static Family {
    match of {
        LlamaFamily::Llama => &LLAMA,
        LlamaFamily::Qwen2 => &QWEN2,
        LlamaFamily::Qwen3 => &QWEN3,
    }
}

const fn named(hugging_face: &'static str, gguf: &'static str) -> Names {
    Names { hugging_face, gguf }
}

fn names(module: Module) -> Names {
    match module {
        Module::TokenEmbedding => named("model.embed_tokens", "token_embd"),
        Module::PositionEmbedding => unreachable!("positions are rotary"),
        Module::AttentionNorm => named("model.layers.#.input_layernorm", "blk.#.attn_norm"),
        Module::Linear(Projection::Attention) => named("model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"),
        Module::QueryNorm => named("model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"),
        Module::KeyNorm => named("model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"),
        Module::Linear(Projection::AttentionOut) => named("model.layers.#.self_attn.o_proj", "blk.#.attn_output"),
        Module::MlpNorm => named("model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"),
        Module::Linear(Projection::Mlp) => named("model.layers.#.mlp.gate_up_proj", "blk.#.ffn_gate_up"),
        Module::Linear(Projection::MlpOut) => named("model.layers.#.mlp.down_proj", "blk.#.ffn_down"),
        Module::FinalNorm => named("model.norm", "output_norm"),
        Module::Head => named("lm_head", "output"),
    }
}

const DEVIATION: f32 = 0.02;
const NORMAL: Initialisation = Initialisation::Normal(DEVIATION);

fn tensor(module: Module, kind: Kind, shape: Shape, initialisation: Initialisation) -> TensorSpec {
    TensorSpec {
        role: Role::new(0, module, kind),
        shape,
        initialisation,
        group: if shape.axes().len() == 2 { ParameterGroup::Matrix } else { ParameterGroup::Vector },
        divisible: matches!(module, Module::TokenEmbedding | Module::Head),
        names: names(module),
        parts: [None; 3],
        transposed_in_files: matches!(module, Module::Linear(_)),
    }
}

fn gain(module: Module, width: usize) -> TensorSpec {
    tensor(module, Kind::Weight, Shape::Vector(width), Initialisation::Ones)
}

fn linear(projection: Projection, shape: [usize; 2], initialisation: Initialisation) -> TensorSpec {
    tensor(Module::Linear(projection), Kind::Weight, Shape::Linear(shape), initialisation)
}

pub fn architecture(config: &ModelConfig, llama: &Llama) -> Architecture {
    let ModelConfig { vocabulary, layers, heads, width, variant, .. } = *config;
    let Llama { family: of, key_value_heads, head_width, mlp_width, rope, .. } = *llama;
    let normed = of == LlamaFamily::Qwen3;
    let attention = Attention { heads, key_value_heads, head_width, normed };
    let mlp = Mlp { width: mlp_width, activation: variant.activation, gated: true };
    let part = |outputs, names| Some(Part { outputs, names });
    let parts_of_attention = [
        part(heads * head_width, named("model.layers.#.self_attn.q_proj", "blk.#.attn_q")),
        part(key_value_heads * head_width, named("model.layers.#.self_attn.k_proj", "blk.#.attn_k")),
        part(key_value_heads * head_width, named("model.layers.#.self_attn.v_proj", "blk.#.attn_v")),
    ];
    let parts_of_mlp = [
        part(mlp_width, named("model.layers.#.mlp.gate_proj", "blk.#.ffn_gate")),
        part(mlp_width, named("model.layers.#.mlp.up_proj", "blk.#.ffn_up")),
        None,
    ];
    // As GPT-2's: projections that add to the residual stream are scaled down by the square root of their number.
    let residual = Initialisation::Normal(DEVIATION / (2.0 * layers as f32).sqrt());
    let joint = attention.joint_width();
    let qkv = TensorSpec { parts: parts_of_attention, ..linear(Projection::Attention, [width, joint], NORMAL) };
    let mut block = vec![gain(Module::AttentionNorm, width), qkv];
    if of == LlamaFamily::Qwen2 {
        let module = Module::Linear(Projection::Attention);
        let bias = tensor(module, Kind::Bias, Shape::Vector(joint), Initialisation::Zeros);
        block.push(TensorSpec { parts: parts_of_attention, ..bias });
    }
    if normed {
        block.extend([Module::QueryNorm, Module::KeyNorm].map(|module| gain(module, head_width)));
    }
    block.extend([
        linear(Projection::AttentionOut, [attention.query_width(), width], residual),
        gain(Module::MlpNorm, width),
        TensorSpec { parts: parts_of_mlp, ..linear(Projection::Mlp, [width, mlp.first_width()], NORMAL) },
        linear(Projection::MlpOut, [mlp_width, width], residual),
    ]);
    let table = |module| tensor(module, Kind::Weight, Shape::Table([vocabulary, width]), NORMAL);
    let mut after = vec![gain(Module::FinalNorm, width)];
    after.extend((!variant.tied).then(|| table(Module::Head)));
    Architecture {
        name: match of {
            LlamaFamily::Llama => "Llama",
            LlamaFamily::Qwen2 => "Qwen2",
            LlamaFamily::Qwen3 => "Qwen3",
        },
        family: family(of),
        layers,
        width,
        norm: Norm::RootMeanSquare { epsilon: variant.epsilon },
        positions: Positions::Rotary(rope),
        attention,
        mlp,
        tied: variant.tied,
        before: vec![table(Module::TokenEmbedding)],
        block,
        after,
    }
}
