//! A flat array that is filled piece by piece, where it will stay: on the GPU without the whole of it in memory before.

use burn::tensor::{Device, Tensor};

use super::{
    gpu,
    host::{on_host, tensor},
    read::{ReadFailed, read},
};

/// Numbers queued for the GPU before it is waited for: their copies are in memory until it has them.
const QUEUED: usize = 16 << 20;

pub struct Upload {
    store: Store,
    /// Since the GPU was last waited for.
    queued: usize,
}

// One of them lives at a time.
#[allow(clippy::large_enum_variant)]
enum Store {
    Host(Vec<f32>, Device),
    /// `[len]`
    Gpu(Tensor<1>),
}

impl Upload {
    /// `len` zeros.
    pub fn new(len: usize, device: &Device) -> Self {
        let store = if on_host(device) {
            Store::Host(vec![0.0; len], device.clone())
        } else {
            let flat = gpu::empty([len], device);
            gpu::fill(&flat, 0.0);
            Store::Gpu(flat)
        };
        Self { store, queued: 0 }
    }

    /// Writes numbers from index `at` on, a multiple of 64.
    ///
    /// # Panics
    /// When they go beyond the end.
    pub async fn write(&mut self, at: usize, values: &[f32]) -> Result<(), ReadFailed> {
        match &mut self.store {
            Store::Host(flat, _) => flat[at..][..values.len()].copy_from_slice(values),
            Store::Gpu(flat) => {
                let place = gpu::piece(flat, at, [values.len()]);
                gpu::scale_into(&tensor(values.to_vec(), [values.len()], &flat.device()), &place, 1.0);
                self.queued += values.len();
                if self.queued >= QUEUED {
                    self.queued = 0;
                    read(gpu::piece(flat, 0, [1])).await?;
                }
            }
        }
        Ok(())
    }

    /// The whole, `[len]`.
    pub fn finish(self) -> Tensor<1> {
        match self.store {
            Store::Host(flat, device) => {
                let len = flat.len();
                tensor(flat, [len], &device)
            }
            Store::Gpu(flat) => flat,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{device, gpu_device, values};

    #[test]
    fn pieces_come_to_their_places_and_the_rest_is_zero() {
        for device in [device(), gpu_device()] {
            let mut upload = Upload::new(300, &device);
            block_on(upload.write(128, &[1.0, 2.0, 3.0])).unwrap();
            block_on(upload.write(256, &[4.0; 44])).unwrap();
            let mut right = vec![0.0; 300];
            right[128..131].copy_from_slice(&[1.0, 2.0, 3.0]);
            right[256..].fill(4.0);
            assert_eq!(values(&upload.finish()), right);
        }
    }
}
