//! A flat array that is filled piece by piece, where it will stay: on the GPU without the whole of it in memory before.

use burn::tensor::{Device, Tensor};

use super::{
    Flat, Segments, gpu,
    host::{on_host, tensor},
    read::{ReadFailed, read},
};

/// Numbers queued for the GPU before it is waited for: their copies are in memory until it has them.
const QUEUED: usize = 16 << 20;

pub struct Upload {
    store: Store,
    segments: Segments,
    device: Device,
    /// Since the GPU was last waited for.
    queued: usize,
}

enum Store {
    /// The numbers of each segment.
    Host(Vec<Vec<f32>>),
    Gpu(Vec<Tensor<1>>),
}

impl Upload {
    /// Zeros, divided so.
    pub fn new(segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        let lens = segments.ranges().iter().map(|range| range.len());
        let store = if on_host(device) {
            Store::Host(lens.map(|len| vec![0.0; len]).collect())
        } else {
            let zeros = |len| {
                let part = gpu::empty([len], device);
                gpu::fill(&part, 0.0);
                part
            };
            Store::Gpu(lens.map(zeros).collect())
        };
        Self { store, segments, device: device.clone(), queued: 0 }
    }

    /// Writes numbers from index `at` on, a multiple of 64.
    ///
    /// # Panics
    /// When they go beyond the end.
    pub async fn write(&mut self, at: usize, values: &[f32]) -> Result<(), ReadFailed> {
        assert!(at + values.len() <= self.segments.len(), "{at} + {} of {}", values.len(), self.segments.len());
        let mut rest = values;
        for (segment, range) in self.segments.cut(at..at + values.len()) {
            let (values, others) = rest.split_at(range.len());
            rest = others;
            match &mut self.store {
                Store::Host(parts) => parts[segment][range].copy_from_slice(values),
                Store::Gpu(parts) => {
                    let place = gpu::piece(&parts[segment], range.start, [values.len()]);
                    gpu::scale_into(&tensor(values.to_vec(), [values.len()], &self.device), &place, 1.0);
                    self.queued += values.len();
                    if self.queued >= QUEUED {
                        self.queued = 0;
                        read(gpu::piece(&parts[segment], 0, [1])).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The whole.
    pub fn finish(self) -> Flat {
        let parts = match self.store {
            Store::Host(parts) => parts
                .into_iter()
                .map(|values| {
                    let len = values.len();
                    tensor(values, [len], &self.device)
                })
                .collect(),
            Store::Gpu(parts) => parts,
        };
        Flat::of_parts(self.segments, parts)
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{device, gpu_device};

    #[test]
    fn pieces_come_to_their_places_and_the_rest_is_zero() {
        let divided = || Segments::new(vec![0..128, 128..384]);
        for (device, segments) in [
            (device(), Segments::from(300)),
            (gpu_device(), Segments::from(300)),
            (device(), divided()),
            (gpu_device(), divided()),
        ] {
            let mut upload = Upload::new(&segments, &device);
            // Across the border, where there is one.
            block_on(upload.write(64, &[7.0; 128])).unwrap();
            block_on(upload.write(128, &[1.0, 2.0, 3.0])).unwrap();
            block_on(upload.write(256, &[4.0; 44])).unwrap();
            let mut right = vec![0.0; segments.len()];
            right[64..192].fill(7.0);
            right[128..131].copy_from_slice(&[1.0, 2.0, 3.0]);
            right[256..300].fill(4.0);
            assert_eq!(block_on(upload.finish().read()).unwrap(), right);
        }
    }
}
