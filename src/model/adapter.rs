//! Low-rank adaptation (LoRA; Hu et al. 2021): the model's own weights stay frozen, and two thin matrices A and B are
//! trained for each chosen matrix W, so that the layer uses W + alpha / rank * A B. A is initialised as in PEFT 0.21
//! and B with zeros, so that the model is unchanged before the first step.

use super::{Weights, layout::Layout};
use crate::{
    architecture::{Kind, Module, Projection, Role},
    config::{LoraConfig, ModelConfig},
    ops::{self, Device, Flat, Gradients, LoraGradient, Tensor},
};

/// The LoRA matrices A and B of the adapted layers.
pub struct Adapter {
    /// The settings of the adapter.
    pub config: LoraConfig,
    /// The layout of its tensors in the flat array.
    pub layout: Layout,
    /// Its weights, a flat array in this layout.
    pub flat: Flat,
    adapted: Vec<Adapted>,
}

/// A matrix that has an adapter.
struct Adapted {
    layer: usize,
    projection: Projection,
    /// The positions of A and B in the flat array, for each part of the layer's outputs.
    parts: Vec<LoraGradient>,
    /// W + alpha / rank * A B, `[inputs, outputs]`, which the layer uses instead of W.
    sum: Option<Tensor<2>>,
}

impl Adapter {
    /// Makes an adapter from given weights in the layout of [`Layout::adapter`].
    pub fn new(model: &ModelConfig, config: LoraConfig, weights: Vec<f32>, device: &Device) -> Self {
        let layout = Layout::adapter(model, &config).divided(device.most_numbers());
        let flat = Flat::new(weights, &layout.segments, device);
        let mut adapted: Vec<Adapted> = Vec::new();
        for a in &layout.parameters {
            let Role { layer, module: Module::Linear(projection), kind: Kind::LoraA, part } = a.spec.role else {
                continue;
            };
            let b = layout.tensor(Role { kind: Kind::LoraB, ..a.spec.role });
            if part == 0 {
                adapted.push(Adapted { layer, projection, parts: Vec::new(), sum: None });
            }
            let Some(Adapted { parts, .. }) = adapted.last_mut() else { continue };
            let first_output = parts.last().map_or(0, LoraGradient::outputs_end);
            parts.push(LoraGradient { a: a.range(), b: b.range(), rank: config.rank, first_output });
        }
        Self { config, adapted, layout, flat }
    }

    /// Recomputes the sums. Call after every change of `flat` or of the model's `weights`.
    pub fn refresh(&mut self, weights: &Weights) {
        let scale = self.config.scale();
        for Adapted { layer, projection, parts, sum } in &mut self.adapted {
            *sum = None; // its memory serves again
            let matrix = &weights.blocks[*layer].linear(*projection).weight;
            *sum = Some(ops::adapted(matrix, &self.flat, parts, scale));
        }
    }

    /// Replaces the model's own matrices by the sums.
    pub fn substitute(&self, weights: &mut Weights) {
        for (layer, projection, sum) in self.sums() {
            weights.blocks[layer].linear_mut(projection).weight = sum.clone();
        }
    }

    /// Writes the gradients of A and B from the layer's input and the gradient of its output; does nothing for a matrix
    /// without an adapter.
    pub fn accumulate_gradient(
        &self,
        layer: usize,
        projection: Projection,
        x: &Tensor<2>,
        gradient: &Tensor<2>,
        gradients: &mut Gradients,
    ) {
        let is_it = |adapted: &&Adapted| (adapted.layer, adapted.projection) == (layer, projection);
        if let Some(adapted) = self.adapted.iter().find(is_it) {
            for part in &adapted.parts {
                ops::thin_gradient(x, gradient, &self.flat, part, self.config.scale(), gradients);
            }
        }
    }

    /// The sum of each adapted matrix, with layer and projection.
    pub fn sums(&self) -> impl Iterator<Item = (usize, Projection, &Tensor<2>)> {
        self.adapted.iter().filter_map(|it| Some((it.layer, it.projection, it.sum.as_ref()?)))
    }
}
