//! The gradient of all weights: one flat array, laid out and divided as the weights are, into which the backward pass writes piece by
//! piece. The passes of further batches add to it.

use std::ops::Range;

use burn::tensor::Device;

use super::{Flat, Segments, gpu, host::on_host};

/// Where a layer norm's gradients go, and which of the model's it is.
#[derive(Debug, Clone)]
pub struct NormPlace {
    pub index: usize,
    pub gain: Range<usize>,
    /// Of a norm that has one.
    pub bias: Option<Range<usize>>,
}

/// Where a linear layer's gradients go.
#[derive(Debug, Clone)]
pub struct LinearPlace {
    pub weight: Range<usize>,
    /// Of a layer that has one.
    pub bias: Option<Range<usize>>,
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
        flat: Flat,
        /// How many layer norms the model has.
        norm_count: usize,
        /// Of each segment where each layer norm's gain and bias begin in it, in turn, `[2 * norms]`; -1 for those of other
        /// segments, and for biases that norms have not.
        norm_places: Vec<gpu::Integers>,
        /// Whether some are -1.
        some_elsewhere: bool,
        /// Of the pass under way.
        norms: Option<gpu::NormGradients>,
    },
}

impl Gradients {
    /// Zeros for weights that are divided so, among them the gains and biases of `norms`.
    pub fn new(segments: impl Into<Segments>, norms: &[NormPlace], device: &Device) -> Self {
        let segments = segments.into();
        let store = if on_host(device) {
            Store::Host(vec![0.0; segments.len()])
        } else {
            let places_in = |segment: &Range<usize>| {
                let starts = norms.iter().flat_map(|norm| [Some(&norm.gain), norm.bias.as_ref()]);
                let place = |range: Option<&Range<usize>>| match range {
                    Some(range) if segment.contains(&range.start) => (range.start - segment.start) as i32,
                    _ => -1,
                };
                gpu::Integers::new(&starts.map(place).collect::<Vec<_>>(), device)
            };
            Store::Gpu {
                norm_count: norms.len(),
                some_elsewhere: segments.ranges().len() > 1 || norms.iter().any(|norm| norm.bias.is_none()),
                norm_places: segments.ranges().iter().map(places_in).collect(),
                flat: Flat::zeros(segments, device),
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
        if let Store::Gpu { flat, norm_places, some_elsewhere, norms, .. } = &mut self.store
            && let Some(norms) = norms.take()
        {
            for (places, part) in norm_places.iter().zip(flat.parts()) {
                norms.finish(places, part, self.adding, *some_elsewhere);
            }
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
    pub(super) fn flat(&self) -> &Flat {
        match &self.store {
            Store::Gpu { flat, .. } => flat,
            Store::Host(_) => panic!("gradients of the CPU asked for as the GPU's"),
        }
    }

    /// The gradients as numbers. On the GPU this waits for them.
    pub async fn values(&self) -> Result<Vec<f32>, super::ReadFailed> {
        match &self.store {
            Store::Host(flat) => Ok(flat.clone()),
            Store::Gpu { flat, .. } => flat.read().await,
        }
    }

    /// Given numbers, as `passes` passes would have left them.
    #[cfg(test)]
    pub fn of(values: Vec<f32>, segments: impl Into<Segments>, passes: usize, device: &Device) -> Self {
        let mut gradients = Self::new(segments, &[], device);
        match &mut gradients.store {
            Store::Host(flat) => *flat = values,
            Store::Gpu { flat, .. } => *flat = Flat::new(values, flat.segments(), device),
        }
        Self { passes, ..gradients }
    }
}
