//! Low-rank adaptation (LoRA; Hu et al. 2021): the model's own weights stay frozen, and two thin matrices A and B are
//! trained for each chosen matrix W, so that the layer uses W + alpha / rank * A B. A is initialised as in PEFT 0.21
//! and B with zeros, so that the model is unchanged before the first step.

use super::{Weights, layout::Layout};
use crate::{
    architecture::{Kind, Module, Projection, Role},
    config::{LoraConfig, ModelConfig},
    ops::{self, Device, Flat, Gradients, LoraGradient, Tensor},
};

/// The A and B of the matrices that have an adapter.
pub struct Adapter {
    /// The settings of the adapter.
    pub config: LoraConfig,
    /// Where its tensors are in the flat array.
    pub layout: Layout,
    /// Laid out so.
    pub flat: Flat,
    adapted: Vec<Adapted>,
}

/// A matrix that has an adapter.
struct Adapted {
    layer: usize,
    projection: Projection,
    /// Where its A and B lie in the flat array.
    place: LoraGradient,
    /// What is read instead of it, `[inputs, outputs]`.
    sum: Option<Tensor<2>>,
}

impl Adapter {
    /// An adapter of given weights, laid out as [`Layout::adapter`] says.
    pub fn new(model: &ModelConfig, config: LoraConfig, weights: Vec<f32>, device: &Device) -> Self {
        let layout = Layout::adapter(model, &config).divided(device.most_numbers());
        let flat = Flat::new(weights, &layout.segments, device);
        let adapted = layout.parameters.iter().filter_map(|a| match a.spec.role {
            role @ Role { layer, module: Module::Linear(projection), kind: Kind::LoraA } => {
                let b = layout.tensor(Role { kind: Kind::LoraB, ..role });
                let place = LoraGradient { a: a.range(), b: b.range(), rank: config.rank };
                Some(Adapted { layer, projection, place, sum: None })
            }
            _ => None,
        });
        Self { config, adapted: adapted.collect(), layout, flat }
    }

    /// To be told whenever `flat`, or the model's `weights`, have changed.
    pub fn refresh(&mut self, weights: &Weights) {
        let scale = self.config.scale();
        for Adapted { layer, projection, place, sum } in &mut self.adapted {
            *sum = None; // its memory serves again
            let matrix = &weights.blocks[*layer].linear(*projection).weight;
            *sum = Some(ops::adapted(matrix, &self.flat, place, scale));
        }
    }

    /// Puts the sums in the place of the model's own matrices.
    pub fn substitute(&self, weights: &mut Weights) {
        for (layer, projection, sum) in self.sums() {
            weights.blocks[layer].linear_mut(projection).weight = sum.clone();
        }
    }

    /// The gradients of A and B from the layer's input and the gradient of its output; none where the matrix has no adapter.
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
            ops::thin_gradient(x, gradient, &self.flat, &adapted.place, self.config.scale(), gradients);
        }
    }

    /// Each adapted matrix as it is read: layer, projection, and the sum.
    pub fn sums(&self) -> impl Iterator<Item = (usize, Projection, &Tensor<2>)> {
        self.adapted.iter().filter_map(|it| Some((it.layer, it.projection, it.sum.as_ref()?)))
    }
}
