//! The gradient buffer: one flat array with the layout of the weights, which the backward pass fills piece by piece. In
//! gradient accumulation further batches add to it.

use std::ops::Range;

use super::{Device, Segments, gpu, tensor::mixed};

/// The slot of a layer norm's gradients in the gradient buffer.
#[derive(Debug, Clone)]
pub struct NormGradient {
    /// The layer norm's index in the list that [`Gradients::new`] was given.
    pub index: usize,
    /// The range of the gain's gradient, `[width]`.
    pub gain: Range<usize>,
    /// The range of the bias's gradient, `[width]`, of a norm that has one.
    pub bias: Option<Range<usize>>,
}

/// The slot of a linear layer's gradients in the gradient buffer.
#[derive(Debug, Clone)]
pub struct LinearGradient {
    /// The range of the weight's gradient, `[inputs, outputs]`.
    pub weight: Range<usize>,
    /// The range of the bias's gradient, `[outputs]`, of a layer that has one.
    pub bias: Option<Range<usize>>,
}

/// The gradient buffer: the sum of the gradients of all passes since [`Gradients::start`], for every trained weight.
pub struct Gradients {
    pub(super) store: Store,
    /// Whether passes add to the buffer instead of overwriting it.
    pub(super) adding: bool,
    /// The number of passes since the start.
    passes: usize,
}

// Only one exists at a time.
#[allow(clippy::large_enum_variant)]
pub(super) enum Store {
    Cpu(Vec<f32>),
    Gpu {
        segments: Segments,
        /// One tensor per segment, of the same length.
        parts: Vec<gpu::Tensor<1>>,
        /// The number of layer norms of the model.
        norm_count: usize,
        /// For each segment, the offsets of each layer norm's gain and bias in it, in turn, `[2 * norms]`; -1 where
        /// they are in another segment, and for norms without a bias.
        norm_places: Vec<gpu::Integers>,
        /// Whether any offset is -1.
        some_elsewhere: bool,
        /// The partial sums of the current pass.
        norms: Option<gpu::NormGradients>,
    },
}

impl Gradients {
    /// Makes a buffer of zeros with these segments. `norms` are all layer norms whose gains and biases are trained.
    pub fn new(segments: impl Into<Segments>, norms: &[NormGradient], device: &Device) -> Self {
        let segments = segments.into();
        let store = match device.gpu() {
            None => Store::Cpu(vec![0.0; segments.len()]),
            Some(gpu) => {
                let places_in = |segment: &Range<usize>| {
                    let starts = norms.iter().flat_map(|norm| [Some(&norm.gain), norm.bias.as_ref()]);
                    let place = |range: Option<&Range<usize>>| match range {
                        Some(range) if segment.contains(&range.start) => (range.start - segment.start) as i32,
                        _ => -1,
                    };
                    gpu::Integers::new(&starts.map(place).collect::<Vec<_>>(), gpu)
                };
                let zeros = |range: &Range<usize>| gpu::tensor(&vec![0.0; range.len()], [range.len()], gpu);
                Store::Gpu {
                    norm_count: norms.len(),
                    some_elsewhere: segments.ranges().len() > 1 || norms.iter().any(|norm| norm.bias.is_none()),
                    norm_places: segments.ranges().iter().map(places_in).collect(),
                    parts: segments.ranges().iter().map(zeros).collect(),
                    segments,
                    norms: None,
                }
            }
        };
        Self { store, adding: false, passes: 0 }
    }

    /// Begins a step: the next pass overwrites the buffer instead of adding to it.
    pub fn start(&mut self) {
        self.passes = 0;
        self.adding = false;
    }

    /// Ends the backward pass of one batch; the next pass adds to its gradients.
    pub fn end_pass(&mut self) {
        if let Store::Gpu { parts, norm_places, some_elsewhere, norms, .. } = &mut self.store
            && let Some(norms) = norms.take()
        {
            for (places, part) in norm_places.iter().zip(parts) {
                norms.finish(places, part, self.adding, *some_elsewhere);
            }
        }
        self.passes += 1;
        self.adding = true;
    }

    /// Adds the gradients of another buffer for the same model, and its number of passes.
    ///
    /// # Panics
    /// When the buffers differ in engine or length.
    pub fn add(&mut self, other: &Self) {
        match (&mut self.store, &other.store) {
            (Store::Cpu(sums), Store::Cpu(values)) => {
                assert_eq!(sums.len(), values.len(), "gradients of another model");
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            (Store::Gpu { parts: sums, .. }, Store::Gpu { parts, .. }) => {
                assert_eq!(sums.len(), parts.len(), "gradients of another model");
                sums.iter().zip(parts).for_each(|(sum, part)| gpu::add_into(part, sum));
            }
            _ => mixed(),
        }
        self.passes += other.passes;
    }

    /// Adds the gradients of another part of the same batches, on the CPU.
    ///
    /// # Panics
    /// When the buffers have another length or number of passes, or are a GPU's.
    pub fn add_part(&mut self, other: &Self) {
        let (Store::Cpu(sums), Store::Cpu(values)) = (&mut self.store, &other.store) else { mixed() };
        assert_eq!((sums.len(), self.passes), (values.len(), other.passes), "gradients of another step");
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }

    /// The sums of all gradients on the CPU; none on a GPU.
    pub fn as_slice(&self) -> Option<&[f32]> {
        match &self.store {
            Store::Cpu(flat) => Some(flat),
            Store::Gpu { .. } => None,
        }
    }

    /// Makes a buffer of the CPU that holds given sums, as after `passes` passes.
    pub fn from_values(values: Vec<f32>, passes: usize) -> Self {
        Self { store: Store::Cpu(values), adding: true, passes }
    }

    /// The number of batches whose gradients the buffer sums.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// A range of the CPU's array.
    pub(super) fn cpu(&mut self, range: &Range<usize>) -> &mut [f32] {
        let Store::Cpu(flat) = &mut self.store else { mixed() };
        &mut flat[range.clone()]
    }

    /// A view of the GPU's array. `start`: a multiple of 64.
    ///
    /// # Panics
    /// When the tensor crosses the end of a segment.
    pub(super) fn gpu<const P: usize>(&self, start: usize, shape: [usize; P]) -> gpu::Tensor<P> {
        let Store::Gpu { segments, parts, .. } = &self.store else { mixed() };
        let (at, start) = segments.find(start);
        gpu::piece(&parts[at], start, shape)
    }

    /// Views of a matrix in the GPU's array: one for each segment that holds some of its rows.
    pub(super) fn gpu_rows(&self, start: usize, [rows, width]: [usize; 2]) -> Vec<gpu::Tensor<2>> {
        let Store::Gpu { segments, parts, .. } = &self.store else { mixed() };
        let cut = segments.cut(start..start + rows * width);
        cut.map(|(at, range)| gpu::piece(&parts[at], range.start, [range.len() / width, width])).collect()
    }

    /// Waits for the device and reads back the sums of all gradients.
    ///
    /// # Errors
    /// [`ReadFailed`](super::ReadFailed) when the GPU was lost or rejected a kernel.
    pub async fn values(&self) -> Result<Vec<f32>, super::ReadFailed> {
        match &self.store {
            Store::Cpu(flat) => Ok(flat.clone()),
            Store::Gpu { segments, parts, .. } => {
                let mut values = Vec::with_capacity(segments.len());
                for part in parts {
                    values.extend(gpu::read(part).await?);
                }
                Ok(values)
            }
        }
    }

    /// Makes a buffer with the given values, as after `passes` passes.
    #[cfg(test)]
    pub fn of(values: Vec<f32>, segments: impl Into<Segments>, passes: usize, device: &Device) -> Self {
        let mut gradients = Self::new(segments, &[], device);
        match &mut gradients.store {
            Store::Cpu(flat) => *flat = values,
            Store::Gpu { segments, parts, .. } => {
                for (range, part) in segments.ranges().iter().zip(parts) {
                    *part = gpu::tensor(&values[range.clone()], [range.len()], part.gpu());
                }
            }
        }
        Self { passes, ..gradients }
    }
}
