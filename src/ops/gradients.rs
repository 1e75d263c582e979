//! The gradient of all weights: one flat array, laid out as the weights are, into which the backward pass writes piece by
//! piece. The passes of further batches add to it.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::{gpu, host::on_host};

/// Where a layer norm's gradients go, and which of the model's it is.
#[derive(Debug, Clone)]
pub struct NormPlace {
    pub index: usize,
    pub gain: Range<usize>,
    pub bias: Range<usize>,
}

/// Where a linear layer's gradients go.
#[derive(Debug, Clone)]
pub struct LinearPlace {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
}

pub struct Gradients {
    pub(super) store: Store,
    /// Whether passes add to what is there.
    pub(super) adding: bool,
    /// Passes since the start.
    passes: usize,
}

// One of them lives at a time.
#[allow(clippy::large_enum_variant)]
pub(super) enum Store {
    Host(Vec<f32>),
    Gpu {
        /// `[len]`
        flat: Tensor<1>,
        /// Where each layer norm's gain and bias begin, in turn, `[2 * norms]`.
        norm_places: gpu::Integers,
        /// Of the pass under way.
        norms: Option<gpu::NormGradients>,
    },
}

impl Gradients {
    /// Zeros for `len` weights, among them the gains and biases of `norms`.
    pub fn new(len: usize, norms: &[NormPlace], device: &Device) -> Self {
        let store = if on_host(device) {
            Store::Host(vec![0.0; len])
        } else {
            let places: Vec<i32> =
                norms.iter().flat_map(|norm| [norm.gain.start as i32, norm.bias.start as i32]).collect();
            Store::Gpu {
                flat: super::tensor(vec![0.0; len], [len], device),
                norm_places: gpu::Integers::new(&places, device),
                norms: None,
            }
        };
        Self { store, adding: false, passes: 0 }
    }

    /// The next pass is the first of a step: it overwrites.
    pub fn start(&mut self) {
        self.passes = 0;
        self.adding = false;
    }

    /// Ends a pass.
    pub fn end_pass(&mut self) {
        if let Store::Gpu { flat, norm_places, norms } = &mut self.store
            && let Some(norms) = norms.take()
        {
            norms.finish(norm_places, flat, self.adding);
        }
        self.passes += 1;
        self.adding = true;
    }

    /// How many batches' gradients are added up here.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// A piece of the CPU's array.
    pub(super) fn host(&mut self, range: &Range<usize>) -> Option<&mut [f32]> {
        match &mut self.store {
            Store::Host(flat) => Some(&mut flat[range.clone()]),
            Store::Gpu { .. } => None,
        }
    }

    /// The GPU's array.
    pub(super) fn flat(&self) -> &Tensor<1> {
        match &self.store {
            Store::Gpu { flat, .. } => flat,
            Store::Host(_) => panic!("gradients of the CPU asked for as the GPU's"),
        }
    }

    /// The gradients as numbers. On the GPU this waits for them.
    pub async fn values(&self) -> Result<Vec<f32>, super::ReadFailed> {
        match &self.store {
            Store::Host(flat) => Ok(flat.clone()),
            Store::Gpu { flat, .. } => super::read(flat.clone()).await,
        }
    }

    /// Given numbers, as `passes` passes would have left them.
    #[cfg(test)]
    pub fn of(values: Vec<f32>, passes: usize, device: &Device) -> Self {
        let mut gradients = Self::new(values.len(), &[], device);
        match &mut gradients.store {
            Store::Host(flat) => *flat = values,
            Store::Gpu { flat, .. } => *flat = super::tensor(values.clone(), [values.len()], device),
        }
        Self { passes, ..gradients }
    }
}
