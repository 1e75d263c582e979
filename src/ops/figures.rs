//! Single numbers that a training step leaves behind, losses and norms: on the GPU they wait side by side in one buffer
//! until somebody asks, so that a step is never held up for one.

use burn::tensor::{Device, Tensor};

use super::{
    host::on_host,
    read::{ReadFailed, read},
};

/// Figures a buffer of the GPU holds.
const CAPACITY: usize = 256;

/// Figures not read yet, in the order in which they were asked for.
pub struct Figures {
    device: Device,
    len: usize,
    place: Place,
}

enum Place {
    Host(Vec<f32>),
    /// `[CAPACITY]` each
    Gpu(Vec<Tensor<1>>),
}

/// Where one figure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure(usize);

impl Figures {
    pub fn new(device: &Device) -> Self {
        let place = if on_host(device) { Place::Host(Vec::new()) } else { Place::Gpu(Vec::new()) };
        Self { device: device.clone(), len: 0, place }
    }

    /// Room for one more. Where a buffer of the GPU serves again, it holds an earlier figure until one is written there.
    pub fn add(&mut self) -> Figure {
        let figure = Figure(self.len);
        self.len += 1;
        match &mut self.place {
            Place::Host(values) => values.push(f32::NAN),
            Place::Gpu(buffers) if figure.0 >= buffers.len() * CAPACITY => {
                buffers.push(super::tensor(vec![f32::NAN; CAPACITY], [CAPACITY], &self.device));
            }
            Place::Gpu(_) => {}
        }
        figure
    }

    /// Writes a figure on the CPU.
    pub(super) fn set(&mut self, figure: Figure, value: f32) {
        if let Place::Host(values) = &mut self.place {
            values[figure.0] = value;
        }
    }

    /// The GPU's buffer of a figure, and its place there.
    pub(super) fn buffer(&self, figure: Figure) -> (&Tensor<1>, usize) {
        let Place::Gpu(buffers) = &self.place else { panic!("figures of the CPU asked for as the GPU's") };
        (&buffers[figure.0 / CAPACITY], figure.0 % CAPACITY)
    }

    /// Waits for all figures and takes them.
    pub async fn take(&mut self) -> Result<Vec<f32>, ReadFailed> {
        let len = std::mem::take(&mut self.len);
        let mut values = match &mut self.place {
            Place::Host(values) => std::mem::take(values),
            Place::Gpu(buffers) => {
                let mut values = Vec::with_capacity(len);
                for buffer in buffers.iter().take(len.div_ceil(CAPACITY)) {
                    values.extend(read(buffer.clone()).await?);
                }
                // The buffers serve again; only as many are kept as one reading needs.
                buffers.truncate(1);
                values
            }
        };
        values.truncate(len);
        Ok(values)
    }

    /// Forgets what has not been read.
    pub fn clear(&mut self) {
        self.len = 0;
        if let Place::Host(values) = &mut self.place {
            values.clear();
        }
    }
}
