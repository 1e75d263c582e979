//! Architectures as data: a model's parts and every tensor that it trains. The layout of the weights, gradient buffers,
//! the count of parameters, the memory estimate, initialisation, import, export, LoRA targets and the KV cache are
//! derived from it.
//!
//! A further architecture is a module here that makes an [`Architecture`], and a choice of it in
//! [`ModelConfig::architecture`].

mod gpt2;
mod llama;
mod nano_gpt;
mod parts;
mod tensor;

use serde_json::Value;

pub use parts::ParameterParts;
pub use tensor::{Initialisation, Kind, Module, Names, ParameterGroup, Part, Projection, Role, Shape, TensorSpec};

use crate::{
    config::{Activation, LoraConfig, ModelConfig, Rope},
    error::{Error, Result},
};

/// A model's parts and the list of its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// The name for display.
    pub name: &'static str,
    /// The family, by whose name other programs know it.
    pub family: &'static Family,
    /// The number of blocks.
    pub layers: usize,
    /// The width of the residual stream.
    pub width: usize,
    /// The norms of every block, and before the head.
    pub norm: Norm,
    /// The encoding of positions.
    pub positions: Positions,
    /// The attention of every block.
    pub attention: Attention,
    /// The MLP of every block.
    pub mlp: Mlp,
    /// Whether the head shares the token embedding's matrix; otherwise it has its own.
    pub tied: bool,
    /// Tensors before the blocks, in the order of the flat array and of files; the token embedding is the first.
    before: Vec<TensorSpec>,
    /// Tensors of the first block. All blocks have the same.
    block: Vec<TensorSpec>,
    /// Tensors after the blocks. A head that is not tied is the last.
    after: Vec<TensorSpec>,
}

/// The normalisation of hidden states before each part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// Layer normalisation (Ba, Kiros & Hinton 2016).
    Layer {
        /// Added to the variance.
        epsilon: f32,
    },
    /// RMSNorm (Zhang & Sennrich 2019): division by the root of the mean of squares, without subtracting a mean.
    RootMeanSquare {
        /// Added to the mean of squares.
        epsilon: f32,
    },
}

impl Norm {
    /// The number added to the variance, or to the mean of squares.
    pub const fn epsilon(self) -> f32 {
        match self {
            Self::Layer { epsilon } | Self::RootMeanSquare { epsilon } => epsilon,
        }
    }

    /// Whether the mean is subtracted first.
    pub const fn is_centred(self) -> bool {
        matches!(self, Self::Layer { .. })
    }
}

/// The position encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// A trained embedding for each position is added to the token's.
    Learned,
    /// Queries and keys are rotated by angles that grow with the position (Su et al. 2021).
    Rotary(Rope),
}

/// Causal self-attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// The number of query heads.
    pub heads: usize,
    /// The number of key and value heads.
    pub key_value_heads: usize,
    /// The width of a head's query, key and value.
    pub head_width: usize,
    /// Whether the queries and keys of each head have a norm before they are rotated (Dehghani et al. 2023).
    pub normed: bool,
}

impl Attention {
    /// The width of all queries of a token, and of attention's output.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// The width of a token's keys and values together, which the KV cache stores.
    pub fn key_value_width(&self) -> usize {
        2 * self.key_value_heads * self.head_width
    }

    /// The width of a token's queries, keys and values together.
    pub fn joint_width(&self) -> usize {
        self.query_width() + self.key_value_width()
    }
}

/// Two linear layers and an activation between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mlp {
    /// The input width of the second layer.
    pub width: usize,
    /// The activation between the two layers.
    pub activation: Activation,
    /// Whether the first layer has two outputs for each input of the second: the activation of the first half, the
    /// gate, multiplies the second half (Shazeer 2020).
    pub gated: bool,
}

impl Mlp {
    /// The output width of the first layer.
    pub fn first_width(&self) -> usize {
        if self.gated { 2 * self.width } else { self.width }
    }
}

/// A family of architectures that transformers and llama.cpp know by one name.
#[derive(Debug)]
pub struct Family {
    /// `model_type` in config.json, and `general.architecture` in GGUF.
    pub model_type: &'static str,
    /// The prefix of its class names in transformers.
    pub classes: &'static str,
    /// Reads the shape from a config.json of this family.
    pub read_config: fn(Value) -> Result<ModelConfig>,
    /// Writes a config.json, without its fields about tokens.
    pub write_config: fn(&ModelConfig) -> Value,
    /// The known keys of GGUF's metadata, without the family's name before them. Other keys are refused.
    pub gguf: &'static [(&'static str, GgufKey)],
    /// The only activation that llama.cpp supports for it.
    pub llama_cpp_activation: Activation,
    /// The prefix of tensor names in models with a head; files of a model without one lack it.
    pub body: &'static str,
    /// The name, after `body`, of a tensor that every file has exactly once: it shows the prefix of all names.
    pub landmark: &'static str,
    /// Suffixes of tensor names in blocks that are not weights.
    pub masks: &'static [&'static str],
}

/// What a key of GGUF's metadata means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufKey {
    /// The same as this field of config.json; it must be there.
    Required(&'static str),
    /// The same as this field of config.json, which may be missing.
    Optional(&'static str),
    /// The width of the heads, which follows from other keys, and may not differ.
    HeadWidth,
    /// Nothing that affects the computation.
    Ignored,
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}

/// All families that can be opened.
pub const FAMILIES: [&Family; 4] = [&gpt2::FAMILY, &llama::LLAMA, &llama::QWEN2, &llama::QWEN3];

/// Converts a single-precision number by its shortest digits: 1e-5, not 0.000009999999747378752.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// The error for a setting of a config.json that Lorito does not support. `supported`: the values that it does.
fn refused(setting: &str, found: &str, supported: &[&str]) -> Error {
    let supported = supported.iter().map(|&value| value.to_owned()).collect();
    Error::SettingUnsupported { setting: setting.into(), found: found.into(), supported }
}

impl Architecture {
    /// All trained tensors, in order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorSpec> + '_ {
        let in_layer = |layer| self.block.iter().map(move |tensor| tensor.in_layer(layer));
        self.before.iter().copied().chain((0..self.layers).flat_map(in_layer)).chain(self.after.iter().copied())
    }

    /// The linear layers of a block that may have an adapter, with their weights in the first block.
    pub fn projections(&self) -> impl Iterator<Item = (Projection, &TensorSpec)> {
        self.block.iter().filter_map(|tensor| match tensor.role {
            Role { module: Module::Linear(projection), kind: Kind::Weight, .. } => Some((projection, tensor)),
            _ => None,
        })
    }

    /// The tensors of an adapter: for each chosen matrix, or for each of its parts, A, `[inputs, rank]`, and B,
    /// `[rank, outputs]`, in turn.
    pub fn adapter(&self, lora: &LoraConfig) -> impl Iterator<Item = TensorSpec> + '_ {
        let LoraConfig { rank, targets, .. } = *lora;
        let chosen = move |layer| {
            let chosen = self.projections().filter(move |(projection, _)| targets.has(*projection));
            let parts = chosen.flat_map(|(_, matrix)| matrix.in_files().into_iter().enumerate());
            parts.flat_map(move |(index, (part, _))| {
                let [inputs, outputs] = [0, 1].map(|axis| part.shape.axes()[axis]);
                let thin = |kind, shape, initialisation| TensorSpec {
                    role: Role { layer, kind, part: index, ..part.role },
                    shape: Shape::Linear(shape),
                    initialisation,
                    divisible: false,
                    ..part
                };
                // Kaiming-uniform initialisation with a slope of sqrt(5), as PyTorch's for linear layers and PEFT's for
                // A.
                let bound = Initialisation::Uniform(1.0 / (inputs as f32).sqrt());
                [thin(Kind::LoraA, [inputs, rank], bound), thin(Kind::LoraB, [rank, outputs], Initialisation::Zeros)]
            })
        };
        (0..self.layers).flat_map(chosen)
    }

    /// The number of parameters.
    pub fn parameters(&self) -> u64 {
        let count = |tensors: &[TensorSpec]| tensors.iter().map(TensorSpec::parameters).sum::<u64>();
        count(&self.before) + self.layers as u64 * count(&self.block) + count(&self.after)
    }

    /// The number of elements of the longest tensor that cannot be divided, or of the smallest segment of one that can,
    /// `rows` rows.
    pub fn longest_undivided(&self, rows: usize) -> u64 {
        let tensors = self.before.iter().chain(&self.block).chain(&self.after);
        let lengths = tensors.map(|tensor| match tensor.shape {
            Shape::Table([all, width]) if tensor.divisible => all.min(rows) as u64 * width as u64,
            _ => tensor.parameters(),
        });
        lengths.max().unwrap_or(0)
    }

    /// The longest row of any matrix, and so at least the length of any bias.
    pub fn longest_row(&self) -> usize {
        let tensors = self.before.iter().chain(&self.block).chain(&self.after);
        tensors.filter_map(|tensor| tensor.shape.axes().last().copied()).max().unwrap_or(0)
    }

    /// The prefix of tensor names in blocks in transformers.
    pub fn block_prefix(&self) -> &'static str {
        let name = self.block.first().map_or("", |tensor| tensor.names.hugging_face);
        name.split_once('#').map_or("", |(prefix, _)| prefix)
    }
}

impl ModelConfig {
    /// The architecture of a model with this configuration.
    pub fn architecture(&self) -> Architecture {
        match (&self.variant.llama, self.variant.bias) {
            (Some(llama), _) => llama::architecture(self, llama),
            (None, true) => gpt2::architecture(self),
            (None, false) => nano_gpt::architecture(self),
        }
    }

    /// The equivalent model that transformers and llama.cpp support: tensors that this one does not have are zeros.
    pub fn exported(&self) -> Self {
        match (&self.variant.llama, self.variant.bias) {
            (Some(_), _) | (None, true) => *self,
            (None, false) => nano_gpt::exported(self),
        }
    }
}
