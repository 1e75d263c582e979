//! Low-rank adaptation (LoRA; Hu et al. 2021): the model's own weights stay as they are, and beside each chosen matrix W two
//! thin ones learn, so that W + alpha / rank * A B is read in its place. A starts as in PEFT 0.21 and B with zeros, so that
//! nothing changes before the first step.

use super::{Weights, layout::Layout};
use crate::{
    config::{LoraConfig, ModelConfig, Part},
    ops::{self, Device, Flat, Gradients, Tensor, ThinPlace},
};

pub struct Adapter {
    pub config: LoraConfig,
    pub layout: Layout,
    /// Laid out so.
    pub flat: Flat,
    /// Where A and B of each adapted matrix lie, by layer and part.
    places: Vec<[Option<ThinPlace>; 4]>,
    /// What is read instead of each, `[inputs, outputs]`.
    sums: Vec<[Option<Tensor<2>>; 4]>,
}

impl Adapter {
    /// An adapter of given weights, laid out as [`Layout::adapter`] says.
    pub fn new(model: &ModelConfig, config: LoraConfig, weights: Vec<f32>, device: &Device) -> Self {
        let layout = Layout::adapter(model, &config).divided(device.most_numbers());
        let flat = Flat::new(weights, &layout.segments, device);
        let mut parameters = layout.parameters.iter();
        let places = (0..model.layers).map(|_| {
            Part::ALL.map(|part| {
                config.targets.has(part).then(|| {
                    let mut next = || parameters.next().expect("a layout of this adapter").range();
                    ThinPlace { a: next(), b: next(), rank: config.rank }
                })
            })
        });
        let places = places.collect();
        let sums = vec![[const { None }; 4]; model.layers];
        Self { config, layout, flat, places, sums }
    }

    /// To be told whenever `flat`, or the model's `weights`, have changed.
    pub fn refresh(&mut self, weights: &Weights) {
        let scale = self.config.scale();
        for ((places, sums), block) in self.places.iter().zip(&mut self.sums).zip(&weights.blocks) {
            for ((place, sum), part) in places.iter().zip(sums).zip(Part::ALL) {
                let Some(place) = place else { continue };
                *sum = None; // its memory serves again
                *sum = Some(ops::adapted(&block.linear(part).weight, &self.flat, place, scale));
            }
        }
    }

    /// Puts the sums in the place of the model's own matrices.
    pub fn substitute(&self, weights: &mut Weights) {
        for (block, sums) in weights.blocks.iter_mut().zip(&self.sums) {
            for (sum, part) in sums.iter().zip(Part::ALL) {
                if let Some(sum) = sum {
                    block.linear_mut(part).weight = sum.clone();
                }
            }
        }
    }

    /// The gradients of A and B from the layer's input and the gradient of its output; none where the matrix has no adapter.
    pub fn learn(&self, layer: usize, part: Part, x: &Tensor<2>, gradient: &Tensor<2>, gradients: &mut Gradients) {
        if let Some(place) = &self.places[layer][part as usize] {
            ops::thin_gradient(x, gradient, &self.flat, place, self.config.scale(), gradients);
        }
    }

    /// Each adapted matrix as it is read: layer, part, and the sum.
    pub fn sums(&self) -> impl Iterator<Item = (usize, Part, &Tensor<2>)> {
        let by_layer = self.sums.iter().enumerate();
        by_layer.flat_map(|(layer, sums)| {
            sums.iter().zip(Part::ALL).filter_map(move |(sum, part)| Some((layer, part, sum.as_ref()?)))
        })
    }
}
