//! Describes one tensor of a model: its role, shape, initialisation, parameter group and names.

/// A linear layer of a block. Each can have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Projection {
    /// Computes queries, keys and values together.
    Attention,
    /// Projects the heads' outputs to the residual stream.
    AttentionOut,
    /// The first layer of the MLP; of a gated one, gate and values together.
    Mlp,
    /// The second layer of the MLP, to the residual stream.
    MlpOut,
}

/// A part of a model that has tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    /// A row for each token of the vocabulary.
    TokenEmbedding,
    /// A row for each position of the context.
    PositionEmbedding,
    /// The norm before a block's attention.
    AttentionNorm,
    /// The norm of each head's query.
    QueryNorm,
    /// The norm of each head's key.
    KeyNorm,
    /// The norm before a block's MLP.
    MlpNorm,
    /// A linear layer of a block.
    Linear(Projection),
    /// The norm before the head.
    FinalNorm,
    /// The language-model head, where it is not tied to the token embedding.
    Head,
}

/// The kind of tensor within its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A matrix, or the gain of a norm.
    Weight,
    /// The bias of a linear layer, or of a norm.
    Bias,
    /// An adapter's first matrix, `[inputs, rank]`.
    LoraA,
    /// An adapter's second matrix, `[rank, outputs]`.
    LoraB,
}

impl Kind {
    /// The suffix of a tensor's name.
    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::LoraA => "lora_A",
            Self::LoraB => "lora_B",
        }
    }
}

/// The role of a tensor, which is unique in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// The index of the block; 0 for a tensor outside the blocks.
    pub layer: usize,
    /// The module of the tensor.
    pub module: Module,
    /// The kind of tensor within the module.
    pub kind: Kind,
    /// The index of the part of a joint layer's outputs that an adapter's tensor belongs to; otherwise 0.
    pub part: usize,
}

impl Role {
    /// Makes a role; `layer` is 0 outside the blocks.
    pub fn new(layer: usize, module: Module, kind: Kind) -> Self {
        Self { layer, module, kind, part: 0 }
    }

    /// The weight of a module outside the blocks.
    pub fn weight(module: Module) -> Self {
        Self::new(0, module, Kind::Weight)
    }
}

/// The lengths of a tensor's axes, and which axis of a matrix is the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `[length]`
    Vector(usize),
    /// `[inputs, outputs]`, as in transformers' `Conv1D`; the transpose of PyTorch's `Linear`.
    Linear([usize; 2]),
    /// `[rows, width]`: a row for each token or position. As a head it is `[outputs, inputs]`.
    Table([usize; 2]),
}

impl Shape {
    /// The lengths of the axes.
    pub fn axes(&self) -> &[usize] {
        match self {
            Self::Vector(length) => std::slice::from_ref(length),
            Self::Linear(axes) | Self::Table(axes) => axes,
        }
    }
}

/// The initialisation of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initialisation {
    /// Normal distribution with this standard deviation.
    Normal(f32),
    /// Uniform distribution between this and its negative.
    Uniform(f32),
    /// All elements are 1.
    Ones,
    /// All elements are 0.
    Zeros,
}

/// Names of a module, without `.weight` or `.bias`; `#` stands for the index of the block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Names {
    /// The name in transformers and in Lorito's own files; PEFT adds a prefix.
    pub hugging_face: &'static str,
    /// The name in GGUF, as in llama.cpp.
    pub gguf: &'static str,
}

/// A part of the outputs of a linear layer: in other programs' files it is a layer of its own, as the queries, keys and
/// values of Llama are, which Lorito computes together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// The number of its outputs.
    pub outputs: usize,
    /// The names of its layer.
    pub names: Names,
}

/// Tensors that an optimizer treats alike, such as by weight decay; PyTorch's parameter groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterGroup {
    /// Embeddings and the matrices of linear layers.
    Matrix,
    /// Biases, and the gains of norms.
    Vector,
}

/// One trained tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorSpec {
    /// The role of the tensor.
    pub role: Role,
    /// The lengths of its axes.
    pub shape: Shape,
    /// Its initialisation.
    pub initialisation: Initialisation,
    /// Its parameter group.
    pub group: ParameterGroup,
    /// Whether it may be divided between rows into several buffers: for embeddings of all tokens, the largest matrices.
    pub divisible: bool,
    /// The names of its module.
    pub names: Names,
    /// The parts of its outputs, in order, if other programs' files hold them in layers of their own.
    pub parts: [Option<Part>; 3],
    /// Whether other programs' files hold a matrix as `[outputs, inputs]`, as PyTorch's `Linear` does.
    pub transposed_in_files: bool,
}

impl TensorSpec {
    /// The number of its elements.
    pub fn parameters(&self) -> u64 {
        self.shape.axes().iter().map(|&length| length as u64).product()
    }

    /// The same tensor in another block.
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

    /// The tensors of other programs that this one consists of, with the first of each one's outputs here: itself, or
    /// its parts.
    pub fn in_files(&self) -> Vec<(Self, usize)> {
        let mut first = 0;
        let part = |part: &Part| {
            let shape = match self.shape {
                Shape::Linear([inputs, _]) => Shape::Linear([inputs, part.outputs]),
                _ => Shape::Vector(part.outputs),
            };
            first += part.outputs;
            (Self { shape, names: part.names, parts: [None; 3], ..*self }, first - part.outputs)
        };
        let parts: Vec<_> = self.parts.iter().flatten().map(part).collect();
        if parts.is_empty() { vec![(*self, 0)] } else { parts }
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
