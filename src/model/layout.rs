//! Where each trained tensor lies in the one flat array that holds all of a model's weights.
//!
//! One array instead of a tree of tensors: the optimizer, clipping, checkpoints and files then handle one thing.
//! Names, shapes and order are those of Hugging Face's `GPT2LMHeadModel` (transformers, `modeling_gpt2.py`), whose
//! linear weights are `[inputs, outputs]`.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use crate::config::{LoraConfig, ModelConfig, Part};

/// Tensors begin at multiples of this many numbers (256 bytes in half precision, WebGPU's strictest offset), so that a
/// piece of the flat array can be bound as a buffer without a copy.
const ALIGNMENT: usize = 128;

/// How a tensor is filled before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// Normal with this deviation.
    Normal(f32),
    /// Uniform between this and its negative.
    Uniform(f32),
    Ones,
    Zeros,
}

/// One trained tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// GPT-2's name for it, such as `transformer.h.0.attn.c_attn.weight`.
    pub name: String,
    pub shape: Vec<usize>,
    /// Index of its first number in the flat array.
    pub offset: usize,
    pub start: Start,
}

impl Parameter {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its numbers in the flat array.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// Weight decay is for matrices only, as in nanoGPT.
    pub fn decays(&self) -> bool {
        self.shape.len() == 2
    }
}

/// All trained tensors of a model, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub parameters: Vec<Parameter>,
    /// Length of the flat array, gaps included. What lies in the gaps is 0 and stays so.
    pub len: usize,
}

impl Layout {
    pub fn new(config: &ModelConfig) -> Self {
        let ModelConfig { vocabulary, context, layers, width, .. } = *config;
        let mut layout = Self { parameters: Vec::new(), len: 0 };
        // GPT-2's initialisation: 0.02, and the projections that add to the residual stream scaled down by the
        // square root of how many of them there are.
        let normal = Start::Normal(0.02);
        let residual = Start::Normal(0.02 / (2.0 * layers as f32).sqrt());
        layout.push("transformer.wte.weight".into(), &[vocabulary, width], normal);
        layout.push("transformer.wpe.weight".into(), &[context, width], normal);
        for layer in 0..layers {
            let name = |part: &str| format!("transformer.h.{layer}.{part}");
            layout.push(name("ln_1.weight"), &[width], Start::Ones);
            layout.push(name("ln_1.bias"), &[width], Start::Zeros);
            layout.push(name("attn.c_attn.weight"), &[width, 3 * width], normal);
            layout.push(name("attn.c_attn.bias"), &[3 * width], Start::Zeros);
            layout.push(name("attn.c_proj.weight"), &[width, width], residual);
            layout.push(name("attn.c_proj.bias"), &[width], Start::Zeros);
            layout.push(name("ln_2.weight"), &[width], Start::Ones);
            layout.push(name("ln_2.bias"), &[width], Start::Zeros);
            layout.push(name("mlp.c_fc.weight"), &[width, 4 * width], normal);
            layout.push(name("mlp.c_fc.bias"), &[4 * width], Start::Zeros);
            layout.push(name("mlp.c_proj.weight"), &[4 * width, width], residual);
            layout.push(name("mlp.c_proj.bias"), &[width], Start::Zeros);
        }
        layout.push("transformer.ln_f.weight".into(), &[width], Start::Ones);
        layout.push("transformer.ln_f.bias".into(), &[width], Start::Zeros);
        if !config.variant.tied {
            layout.push("lm_head.weight".into(), &[vocabulary, width], normal);
        }
        layout
    }

    /// An adapter's tensors: for each chosen matrix A, `[inputs, rank]`, and B, `[rank, outputs]`.
    pub fn adapter(model: &ModelConfig, lora: &LoraConfig) -> Self {
        let mut layout = Self { parameters: Vec::new(), len: 0 };
        for layer in 0..model.layers {
            for part in Part::ALL.into_iter().filter(|part| lora.targets.has(*part)) {
                let [inputs, outputs] = part.shape().map(|times| times * model.width);
                let name = |matrix: &str| format!("transformer.h.{layer}.{}.{matrix}", part.name());
                // Kaiming's uniform with a slope of sqrt(5), as PyTorch starts linear layers and PEFT A.
                let bound = 1.0 / (inputs as f32).sqrt();
                layout.push(name("lora_A"), &[inputs, lora.rank], Start::Uniform(bound));
                layout.push(name("lora_B"), &[lora.rank, outputs], Start::Zeros);
            }
        }
        layout
    }

    /// Transformer blocks: each has 12 tensors, beside two embeddings, a layer norm, and perhaps a head.
    pub(super) fn layers(&self) -> usize {
        (self.parameters.len() - 4) / 12
    }

    fn push(&mut self, name: String, shape: &[usize], start: Start) {
        let parameter = Parameter { name, shape: shape.to_vec(), offset: self.len, start };
        self.len = (self.len + parameter.len()).next_multiple_of(ALIGNMENT);
        self.parameters.push(parameter);
    }

    /// Fresh weights, the flat array of an untrained model.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut generator = Pcg64Mcg::seed_from_u64(seed);
        let mut flat = vec![0.0f32; self.len];
        for parameter in &self.parameters {
            let values = &mut flat[parameter.offset..][..parameter.len()];
            match parameter.start {
                Start::Normal(deviation) => {
                    let normal = Normal::new(0.0, deviation).expect("a deviation above 0");
                    values.fill_with(|| normal.sample(&mut generator));
                }
                Start::Uniform(bound) => values.fill_with(|| generator.random_range(-bound..bound)),
                Start::Ones => values.fill(1.0),
                Start::Zeros => {}
            }
        }
        flat
    }

    /// Runs of the flat array to which weight decay applies.
    pub fn decaying(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let matrices = self.parameters.iter().filter(|parameter| parameter.decays());
        matrices.map(|parameter| parameter.offset..parameter.offset + parameter.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;

    const CONFIG: ModelConfig = ModelConfig {
        vocabulary: 65,
        context: 32,
        layers: 3,
        heads: 2,
        width: 48,
        dropout: 0.0,
        variant: Variant::GPT2,
    };

    #[test]
    fn holds_every_parameter_once_and_aligned() {
        let layout = Layout::new(&CONFIG);
        let total: usize = layout.parameters.iter().map(Parameter::len).sum();
        assert_eq!(total as u64, CONFIG.parameters());
        for pair in layout.parameters.windows(2) {
            assert!(pair[0].offset + pair[0].len() <= pair[1].offset);
            assert_eq!(pair[1].offset % ALIGNMENT, 0);
        }
    }

    #[test]
    fn starts_as_gpt2_does_and_follows_the_seed() {
        let layout = Layout::new(&CONFIG);
        let flat = layout.initial(1);
        assert_eq!(flat, layout.initial(1));
        assert_ne!(flat, layout.initial(2));
        let deviation = |name: &str| {
            let parameter = layout.parameters.iter().find(|parameter| parameter.name.ends_with(name)).unwrap();
            let values = &flat[parameter.offset..][..parameter.len()];
            (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt()
        };
        assert!((deviation("h.0.mlp.c_fc.weight") - 0.02).abs() < 0.001);
        assert!((deviation("h.2.mlp.c_proj.weight") - 0.02 / 6f32.sqrt()).abs() < 0.0005);
        assert_eq!(deviation("ln_f.weight"), 1.0);
        assert_eq!(deviation("ln_f.bias"), 0.0);
    }
}
