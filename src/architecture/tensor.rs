//! Describes one tensor of a model: its role, shape, initialisation, parameter group and names.

/// A linear layer of a block. Each can have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Projection {
    /// Query, key and value side by side.
    Attention,
    /// From the heads' outputs back to the residual stream.
    AttentionOut,
    /// The first layer of the MLP.
    Mlp,
    /// Its second, back to the residual stream.
    MlpOut,
}

/// A part of a model that has tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    /// A row for each token of the vocabulary.
    TokenEmbedding,
    /// A row for each position of the context.
    PositionEmbedding,
    /// Before a block's attention.
    AttentionNorm,
    /// Before a block's MLP.
    MlpNorm,
    /// A linear layer of a block.
    Linear(Projection),
    /// Before the head.
    FinalNorm,
    /// The linear layer that makes logits of hidden states, where it is not tied to the token embedding.
    Head,
}

/// Which tensor of its module it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A matrix, or the gain of a norm.
    Weight,
    /// What is added to each output of a linear layer, or of a norm.
    Bias,
    /// An adapter's first matrix, `[inputs, rank]`.
    LoraA,
    /// Its second, `[rank, outputs]`.
    LoraB,
}

impl Kind {
    /// The end of a tensor's name.
    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::LoraA => "lora_A",
            Self::LoraB => "lora_B",
        }
    }
}

/// What a tensor is for. No model has two tensors of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// The block, counted from 0; 0 for what is in no block.
    pub layer: usize,
    /// The part of the model.
    pub module: Module,
    /// The tensor of that part.
    pub kind: Kind,
}

impl Role {
    /// `layer`: 0 for what is in no block.
    pub fn new(layer: usize, module: Module, kind: Kind) -> Self {
        Self { layer, module, kind }
    }

    /// The weight of a module outside the blocks.
    pub fn weight(module: Module) -> Self {
        Self::new(0, module, Kind::Weight)
    }
}

/// Lengths of a tensor's axes, and of a matrix which of them is the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `[length]`
    Vector(usize),
    /// `[inputs, outputs]`, as transformers' `Conv1D` has it; the transpose of PyTorch's `Linear`.
    Linear([usize; 2]),
    /// `[rows, width]`: a row for each token or position. As a head it is `[outputs, inputs]`.
    Table([usize; 2]),
}

impl Shape {
    /// The lengths alone.
    pub fn axes(&self) -> &[usize] {
        match self {
            Self::Vector(length) => std::slice::from_ref(length),
            Self::Linear(axes) | Self::Table(axes) => axes,
        }
    }
}

/// How a tensor is filled before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initialisation {
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform between this and its negative.
    Uniform(f32),
    /// Every number is 1.
    Ones,
    /// Every number is 0.
    Zeros,
}

/// Names of a module, without `.weight` or `.bias`; `#` stands for the number of the block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Names {
    /// In transformers; PEFT puts a prefix before it. Our own files have it too.
    pub hugging_face: &'static str,
    /// In GGUF, as llama.cpp names it.
    pub gguf: &'static str,
}

/// Tensors that an optimizer treats alike, such as by weight decay; PyTorch's parameter groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterGroup {
    /// Tables and the matrices of linear layers.
    Matrix,
    /// Biases, and the gains of norms.
    Vector,
}

/// One trained tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorSpec {
    /// What it is for.
    pub role: Role,
    /// Lengths of its axes.
    pub shape: Shape,
    /// How it is filled before training.
    pub initialisation: Initialisation,
    /// Which tensors an optimizer treats alike.
    pub group: ParameterGroup,
    /// Whether it may lie in several buffers, cut between rows: for tables of all tokens, the largest of all matrices.
    pub divisible: bool,
    /// Names of its module.
    pub names: Names,
}

impl TensorSpec {
    /// How many numbers it has.
    pub fn parameters(&self) -> u64 {
        self.shape.axes().iter().map(|&length| length as u64).product()
    }

    /// The same tensor of another block.
    pub fn in_layer(mut self, layer: usize) -> Self {
        self.role.layer = layer;
        self
    }

    /// The module's name in transformers, such as `transformer.h.0.attn.c_attn`.
    pub fn module(&self) -> String {
        self.numbered(self.names.hugging_face)
    }

    /// The module's name within its block, such as `attn.c_attn`.
    pub fn module_in_block(&self) -> &'static str {
        self.names.hugging_face.rsplit_once("#.").map_or(self.names.hugging_face, |(_, name)| name)
    }

    /// The name in transformers and in our own files, such as `transformer.h.0.attn.c_attn.weight`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.module(), self.role.kind.name())
    }

    /// The name in GGUF, such as `blk.0.attn_qkv.weight`.
    pub fn gguf(&self) -> String {
        format!("{}.{}", self.numbered(self.names.gguf), self.role.kind.name())
    }

    fn numbered(&self, name: &str) -> String {
        name.replace('#', &self.role.layer.to_string())
    }
}
