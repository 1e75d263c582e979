//! Uploads a flat array piece by piece, straight to its device: the GPU's array is never whole in ordinary memory.

use super::{CpuTensor, Device, Flat, Segments, gpu, read::ReadFailed};

/// Elements queued for the GPU before the upload waits for it: their copies stay in memory until then.
const QUEUED: usize = 16 << 20;

/// A flat array during its upload; [`Upload::finish`] makes it a [`Flat`].
pub struct Upload {
    store: Store,
    segments: Segments,
    device: Device,
    /// Elements queued since the last wait.
    queued: usize,
}

enum Store {
    /// The elements of each segment.
    Cpu(Vec<Vec<f32>>),
    Gpu(Vec<gpu::Tensor<1>>),
}

impl Upload {
    /// Makes an array of zeros with the given segments.
    pub fn new(segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        let lens = segments.ranges().iter().map(|range| range.len());
        let store = match device.gpu() {
            None => Store::Cpu(lens.map(|len| vec![0.0; len]).collect()),
            Some(gpu) => {
                let zeros = |len| {
                    let part = gpu::empty([len], gpu);
                    gpu::fill(&part, 0.0);
                    part
                };
                Store::Gpu(lens.map(zeros).collect())
            }
        };
        Self { store, segments, device: device.clone(), queued: 0 }
    }

    /// Copies `values` into the array from index `at` on, a multiple of 64. Waits for the GPU from time to time,
    /// because copies stay in memory until the GPU has them.
    ///
    /// # Errors
    /// [`ReadFailed`] when the GPU was lost or rejected a kernel.
    ///
    /// # Panics
    /// When the values exceed the array.
    pub async fn write(&mut self, at: usize, values: &[f32]) -> Result<(), ReadFailed> {
        assert!(at + values.len() <= self.segments.len(), "{at} + {} of {}", values.len(), self.segments.len());
        let mut rest = values;
        for (segment, range) in self.segments.cut(at..at + values.len()) {
            let (values, others) = rest.split_at(range.len());
            rest = others;
            match &mut self.store {
                Store::Cpu(parts) => parts[segment][range].copy_from_slice(values),
                Store::Gpu(parts) => {
                    let place = gpu::piece(&parts[segment], range.start, [values.len()]);
                    gpu::scale_into(&gpu::tensor(values, [values.len()], place.gpu()), &place, 1.0);
                    self.queued += values.len();
                    if self.queued >= QUEUED {
                        self.queued = 0;
                        gpu::read(&gpu::piece(&parts[segment], 0, [1])).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Copies a matrix `[rows, columns]` into columns of one whose rows are `width` apart; its first number goes to index
    /// `at`. Waits for the GPU as [`Upload::write`] does.
    ///
    /// # Errors
    /// [`ReadFailed`] when the GPU was lost or rejected a kernel.
    ///
    /// # Panics
    /// When the columns exceed the array, or lie in two segments of it.
    pub async fn write_columns(
        &mut self,
        at: usize,
        width: usize,
        values: &[f32],
        rows: usize,
    ) -> Result<(), ReadFailed> {
        let columns = values.len() / rows;
        let end = at + (rows - 1) * width + columns;
        let mut cut = self.segments.cut(at..end);
        let (Some((segment, range)), None) = (cut.next(), cut.next()) else {
            panic!("a joint matrix in several segments")
        };
        drop(cut);
        match &mut self.store {
            Store::Cpu(parts) => {
                let places = parts[segment][range].chunks_mut(width);
                places.zip(values.chunks_exact(columns)).for_each(|(place, row)| place[..columns].copy_from_slice(row));
            }
            Store::Gpu(parts) => {
                let part = gpu::tensor(values, [rows, columns], parts[segment].gpu());
                gpu::write_columns(&parts[segment], range.start, width, &part);
                self.queued += values.len();
                if self.queued >= QUEUED {
                    self.queued = 0;
                    gpu::read(&gpu::piece(&parts[segment], 0, [1])).await?;
                }
            }
        }
        Ok(())
    }

    /// Returns the filled array; elements that were not written are 0.
    pub fn finish(self) -> Flat {
        let of_cpu = |values: Vec<f32>| {
            let len = values.len();
            CpuTensor::new(values, [len]).into()
        };
        let parts = match self.store {
            Store::Cpu(parts) => parts.into_iter().map(of_cpu).collect(),
            Store::Gpu(parts) => parts.into_iter().map(Into::into).collect(),
        };
        Flat::of_parts(self.segments, parts, self.device)
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{device, gpu_device};

    #[test]
    fn uploaded_pieces_are_at_their_index_and_the_rest_is_zero() {
        let divided = || Segments::new(vec![0..128, 128..384]);
        for (device, segments) in [
            (device(), Segments::from(300)),
            (gpu_device(), Segments::from(300)),
            (device(), divided()),
            (gpu_device(), divided()),
        ] {
            let mut upload = Upload::new(&segments, &device);
            // Across a segment boundary, where there is one.
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

    #[test]
    fn columns_are_written_between_others() {
        for device in [device(), gpu_device()] {
            let mut upload = Upload::new(Segments::new(vec![0..128, 128..256]), &device);
            block_on(upload.write_columns(131, 5, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)).unwrap();
            let mut right = vec![0.0; 256];
            for (row, values) in [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into_iter().enumerate() {
                right[131 + 5 * row..][..2].copy_from_slice(&values);
            }
            assert_eq!(block_on(upload.finish().read()).unwrap(), right);
        }
    }
}
