//! The offset of each trained tensor in the flat array that holds all of a model's weights.
//!
//! With one array instead of a tree of tensors, the optimizer, clipping, checkpoints and files handle one thing. Where
//! it would be larger than the GPU can bind it lies in several buffers, which changes no index.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use crate::{
    architecture::{Initialisation, ParameterGroup, Role, TensorSpec},
    config::{LoraConfig, ModelConfig},
    ops::Segments,
};

/// Tensors begin at multiples of this many numbers (256 bytes in half precision, WebGPU's strictest offset), so that a
/// piece of the flat array can be bound as a buffer without a copy.
const ALIGNMENT: usize = 128;

/// A matrix is divided only between blocks of this many rows: any width then leaves tensors, and columns of logits,
/// aligned.
pub const ROWS: usize = ALIGNMENT;

/// One trained tensor and its position.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its description by the architecture.
    pub spec: TensorSpec,
    /// Its name in transformers and in Lorito's own files, such as `transformer.h.0.attn.c_attn.weight`.
    pub name: String,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The index of its first element in the flat array.
    pub offset: usize,
}

impl Parameter {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns its range in the flat array.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// All trained tensors of a model, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The tensors, in the order of the flat array.
    pub parameters: Vec<Parameter>,
    /// Indices of `parameters`, sorted by role.
    by_role: Vec<usize>,
    /// The length of the flat array, padding included. The padding is 0 and stays so.
    pub len: usize,
    /// How the flat array is divided into buffers: a single one, before [`Layout::divided`].
    pub segments: Segments,
}

impl Layout {
    /// Makes the layout of a whole model.
    pub fn new(config: &ModelConfig) -> Self {
        Self::of(config.architecture().tensors())
    }

    /// Makes the layout of an adapter's tensors.
    pub fn adapter(model: &ModelConfig, lora: &LoraConfig) -> Self {
        Self::of(model.architecture().adapter(lora))
    }

    fn of(tensors: impl Iterator<Item = TensorSpec>) -> Self {
        let mut len = 0;
        let place = |spec: TensorSpec| {
            let parameter = Parameter { spec, name: spec.name(), shape: spec.shape.axes().to_vec(), offset: len };
            len = (len + parameter.len()).next_multiple_of(ALIGNMENT);
            parameter
        };
        let parameters: Vec<_> = tensors.map(place).collect();
        let mut by_role: Vec<usize> = (0..parameters.len()).collect();
        by_role.sort_unstable_by_key(|&index| parameters[index].spec.role);
        Self { parameters, by_role, len, segments: Segments::from(len) }
    }

    /// The tensor with a role, if the architecture has one.
    pub fn get(&self, role: Role) -> Option<&Parameter> {
        let found = self.by_role.binary_search_by_key(&role, |&index| self.parameters[index].spec.role);
        found.ok().map(|at| &self.parameters[self.by_role[at]])
    }

    /// The tensor with a role.
    ///
    /// # Panics
    /// When the architecture has none.
    pub fn tensor(&self, role: Role) -> &Parameter {
        self.get(role).unwrap_or_else(|| panic!("the architecture has no {role:?}"))
    }

    /// The layout of the tensors whose roles are not `left_out`.
    pub fn without(&self, left_out: impl Fn(Role) -> bool) -> Self {
        Self::of(self.parameters.iter().map(|parameter| parameter.spec).filter(|spec| !left_out(spec.role)))
    }

    /// Divides the array into segments of at most `most` elements, between tensors, or between rows where allowed. A
    /// longer tensor that may not be divided has a segment to itself.
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

    /// Indices where a segment may end, in order.
    fn ends(&self) -> Vec<usize> {
        let next_offsets = self.parameters.iter().skip(1).map(|parameter| parameter.offset).chain([self.len]);
        let ends = self.parameters.iter().zip(next_offsets).flat_map(|(parameter, end)| {
            let rows = if parameter.spec.divisible { ROWS * parameter.shape[1] } else { usize::MAX };
            (parameter.offset..end).step_by(rows).skip(1).chain([end])
        });
        ends.collect()
    }

    /// Moves the weights of `flat` to the layout `other`. Longer tensors there are padded with zeros, and tensors whose
    /// role does not exist here are zeros.
    ///
    /// # Panics
    /// When a tensor is shorter there.
    pub fn moved(&self, flat: &[f32], other: &Self) -> Vec<f32> {
        let mut moved = vec![0.0; other.len];
        for to in &other.parameters {
            if let Some(from) = self.get(to.spec.role) {
                moved[to.range()][..from.len()].copy_from_slice(&flat[from.range()]);
            }
        }
        moved
    }

    /// Initialises the weights of an untrained model, as a flat array.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut generator = Pcg64Mcg::seed_from_u64(seed);
        let mut flat = vec![0.0f32; self.len];
        for parameter in &self.parameters {
            let values = &mut flat[parameter.offset..][..parameter.len()];
            match parameter.spec.initialisation {
                Initialisation::Normal(deviation) => {
                    let normal = Normal::new(0.0, deviation).expect("a deviation above 0");
                    values.fill_with(|| normal.sample(&mut generator));
                }
                Initialisation::Uniform(bound) => values.fill_with(|| generator.random_range(-bound..bound)),
                Initialisation::Ones => values.fill(1.0),
                Initialisation::Zeros => {}
            }
        }
        flat
    }

    /// The ranges of a parameter group in the flat array.
    pub fn ranges_of(&self, group: ParameterGroup) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.parameters.iter().filter(move |parameter| parameter.spec.group == group).map(Parameter::range)
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
    fn the_layout_holds_every_parameter_once_and_aligned() {
        let layout = Layout::new(&CONFIG);
        let total: usize = layout.parameters.iter().map(Parameter::len).sum();
        assert_eq!(total as u64, CONFIG.parameters());
        for pair in layout.parameters.windows(2) {
            assert!(pair[0].offset + pair[0].len() <= pair[1].offset);
            assert_eq!(pair[1].offset % ALIGNMENT, 0);
        }
    }

    #[test]
    fn no_segment_exceeds_its_limit_or_divides_an_indivisible_tensor() {
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
                    assert!(cut.spec.divisible && (range.start - cut.offset).is_multiple_of(ROWS * cut.shape[1]));
                }
            }
        }
    }

    #[test]
    fn initialisation_is_that_of_gpt2_and_depends_on_the_seed() {
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
