//! The flat array of all weights, or of their gradients or moments: one buffer, or several where one would be larger
//! than the GPU can bind. Indices are the same however it is divided.

use std::ops::Range;

use super::{
    Device, Tensor, gpu, precision,
    read::{ReadFailed, read},
};

/// How a flat array is divided: consecutive ranges that begin at multiples of 128 numbers, as tensors do.
#[derive(Debug, Clone, PartialEq)]
pub struct Segments(Vec<Range<usize>>);

impl Segments {
    /// Divides an array at the given ranges, which start at 0 and follow one another without gaps.
    ///
    /// # Panics
    /// When there is no range.
    pub fn new(ranges: Vec<Range<usize>>) -> Self {
        assert!(!ranges.is_empty(), "an array of no segments");
        Self(ranges)
    }

    /// The index range of each segment, in order.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// The length of the whole array, in elements.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| last.end)
    }

    /// Whether the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The segment that holds an index, and the index within it.
    pub(super) fn find(&self, index: usize) -> (usize, usize) {
        let at = self.0.partition_point(|range| range.end <= index).min(self.0.len() - 1);
        (at, index - self.0[at].start)
    }

    /// A range of the array, cut at segment boundaries: the segment's number and the range within it.
    pub(super) fn cut(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let parts = self.0.iter().enumerate().map(move |(at, segment)| {
            let (start, end) = (range.start.max(segment.start), range.end.min(segment.end));
            (at, start.saturating_sub(segment.start)..end.saturating_sub(segment.start))
        });
        parts.filter(|(_, part)| !part.is_empty())
    }
}

/// An array that is not divided.
impl From<usize> for Segments {
    fn from(len: usize) -> Self {
        Self::new(std::iter::once(0..len).collect())
    }
}

impl From<&Segments> for Segments {
    fn from(segments: &Segments) -> Self {
        segments.clone()
    }
}

/// A flat array on one device, with one buffer for each segment. On the GPU a clone shares the memory, so that a write
/// to one shows in both; [`Flat::copied`] returns one with separate memory.
#[derive(Clone)]
pub struct Flat {
    device: Device,
    segments: Segments,
    /// One tensor per segment, of the same length.
    parts: Vec<Tensor<1>>,
}

impl Flat {
    /// Makes an array of `values` on the device, divided into the given segments.
    ///
    /// # Panics
    /// When the segments have another length than `values`.
    pub fn new(values: Vec<f32>, segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        assert_eq!(values.len(), segments.len(), "numbers for another array");
        let parts = match segments.ranges() {
            [whole] => vec![super::tensor(values, [whole.len()], device)],
            ranges => {
                let part = |range: &Range<usize>| super::tensor(values[range.clone()].to_vec(), [range.len()], device);
                ranges.iter().map(part).collect()
            }
        };
        Self { device: device.clone(), segments, parts }
    }

    /// Makes an array of zeros.
    pub fn zeros(segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        let part = |range: &Range<usize>| super::tensor(vec![0.0; range.len()], [range.len()], device);
        Self { device: device.clone(), parts: segments.ranges().iter().map(part).collect(), segments }
    }

    pub(super) fn of_parts(segments: Segments, parts: Vec<Tensor<1>>, device: Device) -> Self {
        Self { device, segments, parts }
    }

    /// The length of the whole array, in elements.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The engine that holds the array.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How the array is divided.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(super) fn parts(&self) -> &[Tensor<1>] {
        &self.parts
    }

    pub(super) fn parts_mut(&mut self) -> &mut [Tensor<1>] {
        &mut self.parts
    }

    /// Applies `change` to each part and returns an array with the same segments.
    fn map(&self, change: impl Fn(&Tensor<1>) -> Tensor<1>) -> Self {
        Self { parts: self.parts.iter().map(change).collect(), ..self.clone() }
    }

    /// A view of the tensor that begins at index `start`, a multiple of 64; it shares the array's memory.
    ///
    /// # Panics
    /// When a segment ends within it.
    pub fn piece<const P: usize>(&self, start: usize, shape: [usize; P]) -> Tensor<P> {
        let (at, start) = self.segments.find(start);
        self.parts[at].piece(start, shape)
    }

    /// Views of the matrix `[rows, width]` that begins at index `start`: one for each segment that holds some of its
    /// rows.
    pub fn rows(&self, start: usize, [rows, width]: [usize; 2]) -> Vec<Tensor<2>> {
        let cut = self.segments.cut(start..start + rows * width);
        cut.map(|(at, range)| self.parts[at].piece(range.start, [range.len() / width, width])).collect()
    }

    /// Copies `values` into the array from index `start` on, a multiple of 64.
    ///
    /// # Panics
    /// When a segment ends within them.
    pub fn write<const D: usize>(&mut self, start: usize, values: &Tensor<D>) {
        let len = values.dims().iter().product();
        let (at, start) = self.segments.find(start);
        match &mut self.parts[at] {
            Tensor::Cpu(part) => part.values_mut()[start..][..len].copy_from_slice(values.cpu().values()),
            Tensor::Gpu(part) => {
                gpu::scale_into(&gpu::piece(values.gpu(), 0, [len]), &gpu::piece(part, start, [len]), 1.0);
            }
        }
    }

    /// The elements of an undivided array of the CPU; none of another.
    pub fn as_slice(&self) -> Option<&[f32]> {
        match &self.parts[..] {
            [Tensor::Cpu(part)] => Some(part.values()),
            _ => None,
        }
    }

    /// The elements of an undivided array of the CPU, for writing; none of another.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        match &mut self.parts[..] {
            [Tensor::Cpu(part)] => part.values_mut(),
            _ => &mut [],
        }
    }

    /// Copies the array into new memory on the same device.
    pub fn copied(&self) -> Self {
        self.map(|part| match part {
            Tensor::Cpu(part) => super::CpuTensor::new(part.values().to_vec(), part.dims()).into(),
            Tensor::Gpu(part) => {
                let copy = gpu::empty(part.dims(), part.gpu());
                gpu::scale_into(part, &copy, 1.0);
                copy.into()
            }
        })
    }

    /// Returns a copy in half precision; on the CPU, which has none, the same array.
    pub fn halved(&self) -> Self {
        self.map(precision::halved)
    }

    /// Updates `copy`, which [`Flat::halved`] made, after this array has changed.
    pub fn halve_into(&self, copy: &Self) {
        for (part, copy) in self.parts.iter().zip(&copy.parts) {
            if let Tensor::Gpu(part) = part {
                gpu::halve(part, copy.gpu());
            }
        }
    }

    /// Waits for the device and reads back all elements.
    ///
    /// # Errors
    /// [`ReadFailed`] when the GPU was lost or rejected a kernel.
    pub async fn read(&self) -> Result<Vec<f32>, ReadFailed> {
        let [part] = &self.parts[..] else {
            let mut values = Vec::with_capacity(self.len());
            for part in &self.parts {
                values.extend(read(part.clone()).await?);
            }
            return Ok(values);
        };
        read(part.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{device, gpu_device, values};

    #[test]
    fn a_divided_array_holds_what_a_whole_one_does() {
        let numbers: Vec<f32> = (0..1024).map(|number| number as f32).collect();
        let segments = Segments::new(vec![0..256, 256..640, 640..1024]);
        for device in [device(), gpu_device()] {
            let mut flat = Flat::new(numbers.clone(), &segments, &device);
            assert_eq!(block_on(flat.read()).unwrap(), numbers);
            assert_eq!(values(&flat.piece(320, [2, 3])), numbers[320..326]);
            let rows = flat.rows(128, [6, 128]);
            assert_eq!(rows.iter().map(|rows| rows.dims()[0]).collect::<Vec<_>>(), [1, 3, 2]);
            assert_eq!(rows.iter().flat_map(values).collect::<Vec<_>>(), numbers[128..896]);
            let copy = flat.copied();
            flat.write(640, &super::super::tensor(vec![-1.0; 64], [8, 8], &device));
            let mut right = numbers.clone();
            right[640..704].fill(-1.0);
            assert_eq!(block_on(flat.read()).unwrap(), right);
            assert_eq!(block_on(copy.read()).unwrap(), numbers);
        }
    }
}
