//! What a model is, as data: its parts, and every tensor that it trains. The layout of its weights, gradient buffers, the
//! count of parameters, the memory estimate, initialisation, import, export, LoRA targets and the KV cache are derived from it.
//!
//! A further architecture is a module here that makes an [`Architecture`], and a choice of it in [`ModelConfig::architecture`].

mod gpt2;
mod nano_gpt;
mod parts;
mod tensor;

use serde_json::Value;

pub use parts::ParameterParts;
pub use tensor::{Initialisation, Kind, Module, Names, ParameterGroup, Projection, Role, Shape, TensorSpec};

use crate::{
    config::{Activation, LoraConfig, ModelConfig},
    error::Result,
};

/// A model's parts and the list of its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Its name for people.
    pub name: &'static str,
    /// By what name other programs know it.
    pub family: &'static Family,
    /// How many blocks it has.
    pub layers: usize,
    /// Of the residual stream.
    pub width: usize,
    /// Of every block, and before the head.
    pub norm: Norm,
    /// How it encodes positions.
    pub positions: Positions,
    /// Of every block.
    pub attention: Attention,
    /// Of every block.
    pub mlp: Mlp,
    /// Whether norms and linear layers have biases.
    pub biases: bool,
    /// Whether the head reads the token embedding; otherwise it has weights of its own.
    pub tied: bool,
    /// Tensors before the blocks, in the order of the flat array and of files; the token embedding is the first.
    before: Vec<TensorSpec>,
    /// Tensors of the first block. All blocks have the same.
    block: Vec<TensorSpec>,
    /// Tensors after the blocks. A head of its own is the last.
    after: Vec<TensorSpec>,
}

/// How hidden states are normalised before each part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// Layer normalisation (Ba, Kiros & Hinton 2016).
    Layer {
        /// Added to the variance.
        epsilon: f32,
    },
}

/// How the model knows where in the window a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// A trained row for each position is added to the token's.
    Learned,
}

/// Causal self-attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub key_value_heads: usize,
    /// Numbers of a head's query, key and value.
    pub head_width: usize,
}

impl Attention {
    /// Numbers of all queries of a token, and of attention's output.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Numbers of a token's queries, keys and values side by side, which is what the KV cache holds of it.
    pub fn joint_width(&self) -> usize {
        self.query_width() + 2 * self.key_value_heads * self.head_width
    }
}

/// Two linear layers and an activation between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mlp {
    /// Outputs of the first layer.
    pub width: usize,
    /// Between the two layers.
    pub activation: Activation,
}

/// What architectures have in common that transformers and llama.cpp know by one name.
#[derive(Debug)]
pub struct Family {
    /// `model_type` in config.json, and `general.architecture` in GGUF.
    pub model_type: &'static str,
    /// What the names of its classes in transformers begin with.
    pub classes: &'static str,
    /// Reads the shape from a config.json of this family.
    pub read_config: fn(Value) -> Result<ModelConfig>,
    /// A config.json, without what it says of tokens.
    pub write_config: fn(&ModelConfig) -> Value,
    /// The only activation with which llama.cpp computes it.
    pub llama_cpp_activation: Activation,
    /// What names of tensors begin with where the model has a head; in files of a model without one they have not.
    pub body: &'static str,
    /// The name, after `body`, of a tensor that every file has exactly once: it tells what else stands before the names.
    pub landmark: &'static str,
    /// Ends of the names of tensors in blocks that are no weights.
    pub masks: &'static [&'static str],
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}

/// All families that can be opened.
pub const FAMILIES: [&Family; 1] = [&gpt2::FAMILY];

impl Architecture {
    /// Every trained tensor, in order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorSpec> + '_ {
        let in_layer = |layer| self.block.iter().map(move |tensor| tensor.in_layer(layer));
        self.before.iter().copied().chain((0..self.layers).flat_map(in_layer)).chain(self.after.iter().copied())
    }

    /// The linear layers of a block that may have an adapter, by their weights in the first block.
    pub fn projections(&self) -> impl Iterator<Item = (Projection, &TensorSpec)> {
        self.block.iter().filter_map(|tensor| match tensor.role {
            Role { module: Module::Linear(projection), kind: Kind::Weight, .. } => Some((projection, tensor)),
            _ => None,
        })
    }

    /// The tensors of an adapter: for each chosen matrix A, `[inputs, rank]`, and B, `[rank, outputs]`, in turn.
    pub fn adapter(&self, lora: &LoraConfig) -> impl Iterator<Item = TensorSpec> + '_ {
        let LoraConfig { rank, targets, .. } = *lora;
        let chosen = move |layer| {
            let chosen = self.projections().filter(move |(projection, _)| targets.has(*projection));
            chosen.flat_map(move |(_, matrix)| {
                let [inputs, outputs] = [0, 1].map(|axis| matrix.shape.axes()[axis]);
                let thin = |kind, shape, initialisation| TensorSpec {
                    role: Role { layer, kind, ..matrix.role },
                    shape: Shape::Linear(shape),
                    initialisation,
                    divisible: false,
                    ..*matrix
                };
                // Kaiming's uniform with a slope of sqrt(5), as PyTorch initialises linear layers and PEFT A.
                let bound = Initialisation::Uniform(1.0 / (inputs as f32).sqrt());
                [thin(Kind::LoraA, [inputs, rank], bound), thin(Kind::LoraB, [rank, outputs], Initialisation::Zeros)]
            })
        };
        (0..self.layers).flat_map(chosen)
    }

    /// Trained numbers.
    pub fn parameters(&self) -> u64 {
        let count = |tensors: &[TensorSpec]| tensors.iter().map(TensorSpec::parameters).sum::<u64>();
        count(&self.before) + self.layers as u64 * count(&self.block) + count(&self.after)
    }

    /// Numbers of the longest tensor that cannot be divided, or of the smallest piece of one that can, `rows` rows.
    pub fn longest_undivided(&self, rows: usize) -> u64 {
        let tensors = self.before.iter().chain(&self.block).chain(&self.after);
        let lengths = tensors.map(|tensor| match tensor.shape {
            Shape::Table([all, width]) if tensor.divisible => all.min(rows) as u64 * width as u64,
            _ => tensor.parameters(),
        });
        lengths.max().unwrap_or(0)
    }

    /// The longest row of a matrix, and so at least as long as any bias.
    pub fn longest_row(&self) -> usize {
        let tensors = self.before.iter().chain(&self.block).chain(&self.after);
        tensors.filter_map(|tensor| tensor.shape.axes().last().copied()).max().unwrap_or(0)
    }

    /// What the names of tensors in blocks begin with in transformers.
    pub fn block_prefix(&self) -> &'static str {
        let name = self.block.first().map_or("", |tensor| tensor.names.hugging_face);
        name.split_once('#').map_or("", |(prefix, _)| prefix)
    }
}

impl ModelConfig {
    /// The architecture of a model of this shape.
    pub fn architecture(&self) -> Architecture {
        match self.variant.bias {
            true => gpt2::architecture(self),
            false => nano_gpt::architecture(self),
        }
    }

    /// The model that computes the same and that transformers and llama.cpp know: tensors that this one has not are zeros.
    pub fn exported(&self) -> Self {
        match self.variant.bias {
            true => *self,
            false => nano_gpt::exported(self),
        }
    }
}
