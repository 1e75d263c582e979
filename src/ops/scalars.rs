//! Scalars of a training step, losses and norms, kept on the device until they are read back together, so that no step
//! waits for one.

use super::{
    Device,
    gpu::{self, Gpu},
    read::ReadFailed,
    tensor::mixed,
};

/// Number of scalars in one GPU buffer.
const CAPACITY: usize = 256;

/// Scalars that have not been read back yet, in the order of the calls of [`Scalars::add`].
pub struct Scalars {
    len: usize,
    place: Place,
}

enum Place {
    Cpu(Vec<f32>),
    /// `[CAPACITY]` each
    Gpu(Gpu, Vec<gpu::Tensor<1>>),
}

/// The index of one scalar, which an operation writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scalar(usize);

impl Scalars {
    /// Makes an empty list whose scalars stay on `device` until they are read back.
    pub fn new(device: &Device) -> Self {
        let place = match device.gpu() {
            None => Place::Cpu(Vec::new()),
            Some(gpu) => Place::Gpu(gpu.clone(), Vec::new()),
        };
        Self { len: 0, place }
    }

    /// Adds one scalar. Until an operation writes it, its value is NaN, or an earlier value in a reused buffer.
    pub fn add(&mut self) -> Scalar {
        let scalar = Scalar(self.len);
        self.len += 1;
        match &mut self.place {
            Place::Cpu(values) => values.push(f32::NAN),
            Place::Gpu(gpu, buffers) if scalar.0 >= buffers.len() * CAPACITY => {
                buffers.push(gpu::tensor(&[f32::NAN; CAPACITY], [CAPACITY], gpu));
            }
            Place::Gpu(..) => {}
        }
        scalar
    }

    /// The values so far on the CPU; empty on a GPU, which keeps them until they are read back.
    pub fn as_slice(&self) -> &[f32] {
        match &self.place {
            Place::Cpu(values) => values,
            Place::Gpu(..) => &[],
        }
    }

    /// Adds a scalar of the CPU with a value.
    pub fn push(&mut self, value: f32) {
        let scalar = self.add();
        self.set(scalar, value);
    }

    /// Writes a scalar on the CPU.
    pub(super) fn set(&mut self, scalar: Scalar, value: f32) {
        let Place::Cpu(values) = &mut self.place else { mixed() };
        values[scalar.0] = value;
    }

    /// The GPU buffer of a scalar, and its index there.
    pub(super) fn buffer(&self, scalar: Scalar) -> (&gpu::Tensor<1>, usize) {
        let Place::Gpu(_, buffers) = &self.place else { mixed() };
        (&buffers[scalar.0 / CAPACITY], scalar.0 % CAPACITY)
    }

    /// Reads back all scalars together, in order, and clears the list.
    ///
    /// # Errors
    /// [`ReadFailed`] when the GPU was lost or rejected a kernel.
    pub async fn take(&mut self) -> Result<Vec<f32>, ReadFailed> {
        let len = std::mem::take(&mut self.len);
        let mut values = match &mut self.place {
            Place::Cpu(values) => std::mem::take(values),
            Place::Gpu(_, buffers) => {
                let mut values = Vec::with_capacity(len);
                for buffer in buffers.iter().take(len.div_ceil(CAPACITY)) {
                    values.extend(gpu::read(buffer).await?);
                }
                // Only one buffer is kept for reuse, which is enough for one read-back.
                buffers.truncate(1);
                values
            }
        };
        values.truncate(len);
        Ok(values)
    }

    /// Clears all scalars without reading them back.
    pub fn clear(&mut self) {
        self.len = 0;
        if let Place::Cpu(values) = &mut self.place {
            values.clear();
        }
    }
}
