//! Where each trained tensor lies in the one flat array that holds all of a model's weights.
//!
//! One array instead of a tree of tensors: the optimizer, clipping, checkpoints and files then handle one thing. Where it would
//! be larger than the GPU can bind it lies in several buffers, which changes no index.
//! Names, shapes and order are those of Hugging Face's `GPT2LMHeadModel` (transformers, `modeling_gpt2.py`), whose
//! linear weights are `[inputs, outputs]`.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use crate::{
    config::{LoraConfig, ModelConfig, Part},
    ops::Segments,
};

/// Tensors begin at multiples of this many numbers (256 bytes in half precision, WebGPU's strictest offset), so that a
/// piece of the flat array can be bound as a buffer without a copy.
const ALIGNMENT: usize = 128;

/// Where a matrix is cut, it is between so many rows: any width then leaves tensors, and columns of logits, aligned.
const ROWS: usize = ALIGNMENT;

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
    /// Whether it may lie in several buffers, cut between rows: the tables of all tokens, the largest of all matrices.
    pub by_rows: bool,
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
    /// How the flat array is divided into buffers: not at all, before [`Layout::divided`].
    pub segments: Segments,
}

impl Layout {
    pub fn new(config: &ModelConfig) -> Self {
        let ModelConfig { vocabulary, context, layers, width, .. } = *config;
        let mut layout = Self::empty();
        // GPT-2's initialisation: 0.02, and the projections that add to the residual stream scaled down by the
        // square root of how many of them there are.
        let normal = Start::Normal(0.02);
        let residual = Start::Normal(0.02 / (2.0 * layers as f32).sqrt());
        layout.push("transformer.wte.weight".into(), &[vocabulary, width], normal);
        layout.by_rows();
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
            layout.by_rows();
        }
        layout.whole()
    }

    /// An adapter's tensors: for each chosen matrix A, `[inputs, rank]`, and B, `[rank, outputs]`.
    pub fn adapter(model: &ModelConfig, lora: &LoraConfig) -> Self {
        let mut layout = Self::empty();
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
        layout.whole()
    }

    fn empty() -> Self {
        Self { parameters: Vec::new(), len: 0, segments: Segments::from(0) }
    }

    /// The last tensor may be cut.
    fn by_rows(&mut self) {
        if let Some(last) = self.parameters.last_mut() {
            last.by_rows = true;
        }
    }

    fn whole(self) -> Self {
        Self { segments: Segments::from(self.len), ..self }
    }

    /// In segments of `most` numbers at most, cut between tensors, or between rows where one may be. A tensor that alone is
    /// longer, and may not be cut, has a segment to itself.
    pub fn divided(mut self, most: usize) -> Self {
        let mut ranges = Vec::new();
        let mut start = 0;
        let mut end = 0;
        for next in self.ends() {
            if next - start > most && end > start {
                ranges.push(start..end);
                start = end;
            }
            end = next;
        }
        ranges.push(start..self.len);
        self.segments = Segments::new(ranges);
        self
    }

    /// Where a segment may end, in order.
    fn ends(&self) -> Vec<usize> {
        let next_offsets = self.parameters.iter().skip(1).map(|parameter| parameter.offset).chain([self.len]);
        let ends = self.parameters.iter().zip(next_offsets).flat_map(|(parameter, end)| {
            let rows = if parameter.by_rows { ROWS * parameter.shape[1] } else { usize::MAX };
            (parameter.offset..end).step_by(rows).skip(1).chain([end])
        });
        ends.collect()
    }

    /// Transformer blocks: each has 12 tensors, beside two embeddings, a layer norm, and perhaps a head.
    pub(super) fn layers(&self) -> usize {
        (self.parameters.len() - 4) / 12
    }

    fn push(&mut self, name: String, shape: &[usize], start: Start) {
        let parameter = Parameter { name, shape: shape.to_vec(), offset: self.len, start, by_rows: false };
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
    fn no_segment_is_larger_than_allowed_or_ends_within_a_tensor_that_is_whole() {
        let whole = Layout::new(&CONFIG);
        assert_eq!(whole.segments, Segments::from(whole.len));
        let gpt2 = ModelConfig { vocabulary: 50_257, context: 1024, layers: 12, heads: 12, width: 768, ..CONFIG };
        let untied = ModelConfig { vocabulary: 300, variant: Variant { tied: false, ..Variant::GPT2 }, ..CONFIG };
        for (config, most, least) in [(gpt2, 1 << 25, 4), (untied, 4 * 48 * 48, 15), (CONFIG, 128, 40)] {
            let layout = Layout::new(&config).divided(most);
            let ranges = layout.segments.ranges();
            assert!(ranges.len() >= least, "{} segments", ranges.len());
            assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), layout.len);
            for range in ranges {
                let alone = layout.parameters.iter().find(|parameter| parameter.offset == range.start);
                assert!(
                    range.len() <= most || alone.is_some_and(|it| it.range().end.next_multiple_of(128) == range.end)
                );
                assert_eq!(range.start % ALIGNMENT, 0);
                let cut = layout
                    .parameters
                    .iter()
                    .find(|parameter| parameter.offset < range.start && range.start < parameter.range().end);
                if let Some(cut) = cut {
                    assert!(cut.by_rows && (range.start - cut.offset).is_multiple_of(ROWS * cut.shape[1]));
                }
            }
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
