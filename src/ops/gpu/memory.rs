//! GPU tensors as buffers for kernels. A kernel writes into a buffer in place, even if other handles refer to it: so
//! the kernels can fill one flat array of all gradients piece by piece.

use cubecl::{client::Client, prelude::*, server::Handle};
use half::f16;

use super::engine::Gpu;
use crate::ops::{Precision, ReadFailed};

/// A tensor in a GPU's memory, row after row.
#[derive(Clone)]
pub struct Tensor<const D: usize> {
    gpu: Gpu,
    shape: [usize; D],
    precision: Precision,
    handle: Handle,
}

impl<const D: usize> Tensor<D> {
    /// The length of each axis.
    pub fn dims(&self) -> [usize; D] {
        self.shape
    }

    /// The engine that holds it.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Numbers uploaded to the GPU.
pub fn tensor<const D: usize>(values: &[f32], shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    let handle = gpu.client().create_from_slice(f32::as_bytes(values));
    Tensor { gpu: gpu.clone(), shape, precision: Precision::Single, handle }
}

/// Whole numbers on the GPU: token ids, places.
#[derive(Clone)]
pub struct Integers {
    handle: Handle,
    len: usize,
}

impl Integers {
    /// Uploads `values` to the GPU.
    pub fn new(values: &[i32], gpu: &Gpu) -> Self {
        Self { handle: gpu.client().create_from_slice(i32::as_bytes(values)), len: values.len() }
    }

    /// Uploads token ids or targets to the GPU, with the same bits.
    pub fn of_ids(ids: &[u32], gpu: &Gpu) -> Self {
        Self { handle: gpu.client().create_from_slice(u32::as_bytes(ids)), len: ids.len() }
    }

    /// The number of integers in the buffer.
    pub fn count(&self) -> usize {
        self.len
    }

    /// As a kernel's argument.
    pub fn buffer(&self) -> BufferArg {
        // SAFETY: the handle is of that many numbers.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }
}

pub fn client<const D: usize>(tensor: &Tensor<D>) -> &Client {
    tensor.gpu.client()
}

/// A kernel's argument.
pub fn buffer<const D: usize>(tensor: &Tensor<D>) -> BufferArg {
    // SAFETY: the handle is of that many numbers.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), tensor.count()) }
}

/// Memory that a kernel is about to fill whole. In tests and checks it holds NaN, so that a number left out is seen.
pub fn empty<const D: usize>(shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    empty_of(Precision::Single, shape, gpu)
}

/// The same for numbers as precise as those of `like`.
pub fn empty_like<const D: usize>(like: &Tensor<D>, shape: [usize; D]) -> Tensor<D> {
    empty_of(like.precision, shape, &like.gpu)
}

/// The same for numbers of a given precision.
pub fn empty_of<const D: usize>(precision: Precision, shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    // Whole numbers of four bytes, as WebGPU copies no less.
    let bytes = (bytes_of(precision) * shape.iter().product::<usize>()).next_multiple_of(4);
    let handle = if gpu.settings().poisoned {
        // NaN of either precision.
        gpu.client().create_from_slice(&vec![0xff; bytes])
    } else {
        gpu.memory(bytes)
    };
    Tensor { gpu: gpu.clone(), shape, precision, handle }
}

/// Of one number.
fn bytes_of(precision: Precision) -> usize {
    match precision {
        Precision::Single => 4,
        Precision::Half => 2,
    }
}

/// Whether the tensor holds numbers of half precision.
pub fn is_half<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.precision == Precision::Half
}

impl Gpu {
    /// Whether it computes with numbers of half precision.
    pub fn supports_half(&self) -> bool {
        self.client().properties().supports_type(cubecl::ir::ElemType::Float(cubecl::ir::FloatKind::F16))
    }

    /// Memory of that length that no tensor holds: a training step asks for the same lengths in the same order each time, so
    /// every piece that kernels have filled is kept for the next tensor of as many bytes. CubeCL's own pools give a step new
    /// pages where the last step's are still being read, which takes half as much memory again and never comes to an end.
    /// What is still queued on the GPU comes before what will use it.
    fn memory(&self, bytes: usize) -> Handle {
        let mut kept = self.kept();
        let kept = kept.entry(bytes).or_default();
        if let Some(handle) = kept.iter().find(|handle| handle.can_mut()) {
            return handle.clone();
        }
        let handle = self.client().empty(bytes);
        let held = handle.clone();
        // `can_mut`: nobody but the pool and one more holds it. Both this copy and the tensor do now; if it is said all the
        // same, the pool has yet to take its share (natively it works in a thread of its own), and counting would go wrong.
        if !held.can_mut() {
            kept.push(held);
        }
        handle
    }

    /// Gives back all memory that no tensor holds: when a model goes, another one's tensors have other lengths.
    pub fn release(&self) {
        self.kept().clear();
    }
}

/// Refuses tensors whose lengths, in pairs, are not the same: kernels do not look, and natively they would read or write past
/// the end of a buffer.
///
/// # Panics
/// For such ones.
#[track_caller]
pub fn fit(lengths: &[(usize, usize)]) {
    assert!(lengths.iter().all(|(one, other)| one == other), "tensors of shapes that do not go together: {lengths:?}");
}

/// Workgroups for `threads` threads in groups of `group`, in a grid that no dimension of WebGPU's limit (65,535) is too
/// small for. Kernels compare their position with the count.
pub fn groups(threads: usize, group: u32) -> CubeCount {
    let count = threads.div_ceil(group as usize) as u32;
    let rows = count.div_ceil(32_768).max(1);
    CubeCount::Static(count.div_ceil(rows), rows, 1)
}

/// A piece of a tensor from number `start` on, as a tensor of its own in the same memory. WebGPU binds buffers from
/// multiples of 256 bytes only: 64 numbers, or 128 of half precision.
///
/// # Panics
/// When the piece begins elsewhere, or goes beyond the end.
pub fn piece<const D: usize, const P: usize>(tensor: &Tensor<D>, start: usize, shape: [usize; P]) -> Tensor<P> {
    let (len, whole): (usize, usize) = (shape.iter().product(), tensor.count());
    let Tensor { gpu, precision, handle, .. } = tensor.clone();
    let size = bytes_of(precision);
    assert!((start * size).is_multiple_of(256) && start + len <= whole, "{start} + {len} of {whole}");
    let handle = handle.offset_start((size * start) as u64).offset_end((size * (whole - start - len)) as u64);
    Tensor { gpu, shape, precision, handle }
}

/// The numbers of a tensor, once the GPU has computed them.
pub async fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>, ReadFailed> {
    let Tensor { gpu, handle, precision, .. } = tensor.clone();
    let bytes = gpu.client().read_async(vec![handle]).await;
    if let Some(reason) = gpu.failure().get() {
        return Err(ReadFailed::KernelRejected(reason));
    }
    let bytes = bytes.map_err(|error| ReadFailed::Lost(format!("{error:?}")))?;
    let bytes = bytes.first().ok_or_else(|| ReadFailed::Lost("nothing was read".into()))?;
    if precision == Precision::Half {
        let numbers = bytes.as_chunks::<2>().0.iter().take(tensor.count());
        return Ok(numbers.map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect());
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::gpu;

    #[test]
    fn nothing_is_read_once_a_kernel_has_not_started() {
        let gpu = gpu();
        let numbers = tensor(&[1.0], [1], &gpu);
        assert_eq!(block_on(read(&numbers)), Ok(vec![1.0]));
        gpu.failure().note("its groups are too large");
        gpu.failure().note("what it computes is missing");
        assert_eq!(block_on(read(&numbers)), Err(ReadFailed::KernelRejected("its groups are too large".into())));
        assert_eq!(gpu.failure().take(), Some("its groups are too large".into()));
        assert_eq!(block_on(read(&numbers)), Ok(vec![1.0]));
    }
}
