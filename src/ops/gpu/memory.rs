//! GPU tensors as buffers for kernels. A kernel writes into a buffer in place, even if other handles refer to it: so
//! the kernels can fill one flat array of all gradients piece by piece.

use cubecl::{client::Client, prelude::*, server::Handle};
use half::f16;

use super::engine::Gpu;
use crate::ops::{Precision, ReadFailed};

/// A row-major tensor in a GPU's memory.
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

/// Uploads `values` to the GPU.
pub fn tensor<const D: usize>(values: &[f32], shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    let handle = gpu.client().create_from_slice(f32::as_bytes(values));
    Tensor { gpu: gpu.clone(), shape, precision: Precision::Single, handle }
}

/// Integers on the GPU: token ids, indices.
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

    /// The buffer as a kernel's argument.
    pub fn buffer(&self) -> BufferArg {
        // SAFETY: the handle has this many elements.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }
}

pub fn client<const D: usize>(tensor: &Tensor<D>) -> &Client {
    tensor.gpu.client()
}

/// A tensor as a kernel's argument.
pub fn buffer<const D: usize>(tensor: &Tensor<D>) -> BufferArg {
    // SAFETY: the handle has this many elements.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), tensor.count()) }
}

/// Uninitialised memory that a kernel fills completely. In tests and checks it is poisoned with NaN, so that a missing
/// element is noticed.
pub fn empty<const D: usize>(shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    empty_of(Precision::Single, shape, gpu)
}

/// The same in the precision of `like`.
pub fn empty_like<const D: usize>(like: &Tensor<D>, shape: [usize; D]) -> Tensor<D> {
    empty_of(like.precision, shape, &like.gpu)
}

/// The same in a given precision.
pub fn empty_of<const D: usize>(precision: Precision, shape: [usize; D], gpu: &Gpu) -> Tensor<D> {
    // A multiple of four bytes, because WebGPU copies no less.
    let bytes = (bytes_of(precision) * shape.iter().product::<usize>()).next_multiple_of(4);
    let handle = if gpu.settings().poisoned {
        // These bytes are NaN in either precision.
        gpu.client().create_from_slice(&vec![0xff; bytes])
    } else {
        gpu.memory(bytes)
    };
    Tensor { gpu: gpu.clone(), shape, precision, handle }
}

/// Bytes per element.
fn bytes_of(precision: Precision) -> usize {
    match precision {
        Precision::Single => 4,
        Precision::Half => 2,
    }
}

/// Whether the tensor has half precision.
pub fn is_half<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.precision == Precision::Half
}

impl Gpu {
    /// Whether the GPU supports half precision.
    pub fn supports_half(&self) -> bool {
        self.client().properties().supports_type(cubecl::ir::ElemType::Float(cubecl::ir::FloatKind::F16))
    }

    /// Returns free memory of this length: every training step needs the same lengths in the same order, so every
    /// buffer that kernels have filled is kept for the next tensor of as many bytes. CubeCL's own pools give a step new
    /// pages where the last step's are still being read, which takes half as much memory again and grows without end.
    /// Work already queued on the GPU runs before the work that will reuse the buffer.
    fn memory(&self, bytes: usize) -> Handle {
        let mut kept = self.kept();
        let kept = kept.entry(bytes).or_default();
        if let Some(handle) = kept.iter().find(|handle| handle.can_mut()) {
            return handle.clone();
        }
        let handle = self.client().empty(bytes);
        let held = handle.clone();
        // `can_mut`: only the pool and one more hold it. Both this copy and the tensor do now; if it is true all the
        // same, the pool has yet to count its own (natively it works in a separate thread), and the count would be
        // wrong.
        if !held.can_mut() {
            kept.push(held);
        }
        handle
    }

    /// Frees all memory that no tensor holds: the tensors of another model have other lengths.
    pub fn release(&self) {
        self.kept().clear();
    }
}

/// Checks that each pair of lengths is equal, because kernels do not check, and natively they would read or write past
/// the end of a buffer.
///
/// # Panics
/// When a pair differs.
#[track_caller]
pub fn fit(lengths: &[(usize, usize)]) {
    assert!(lengths.iter().all(|(one, other)| one == other), "tensors of shapes that do not go together: {lengths:?}");
}

/// Workgroups for `threads` threads in groups of `group`, in a grid within WebGPU's limit of 65,535 per dimension.
/// Kernels compare their position with the count.
pub fn groups(threads: usize, group: u32) -> CubeCount {
    let count = threads.div_ceil(group as usize) as u32;
    let rows = count.div_ceil(32_768).max(1);
    CubeCount::Static(count.div_ceil(rows), rows, 1)
}

/// A view of a tensor from element `start` on. WebGPU binds buffers from multiples of 256 bytes only: 64 numbers, or
/// 128 of half precision.
///
/// # Panics
/// When the view begins elsewhere, or exceeds the tensor.
pub fn piece<const D: usize, const P: usize>(tensor: &Tensor<D>, start: usize, shape: [usize; P]) -> Tensor<P> {
    let (len, whole): (usize, usize) = (shape.iter().product(), tensor.count());
    let Tensor { gpu, precision, handle, .. } = tensor.clone();
    let size = bytes_of(precision);
    assert!((start * size).is_multiple_of(256) && start + len <= whole, "{start} + {len} of {whole}");
    let handle = handle.offset_start((size * start) as u64).offset_end((size * (whole - start - len)) as u64);
    Tensor { gpu, shape, precision, handle }
}

/// Reads back the elements of a tensor, once the GPU has computed them.
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
    fn reads_fail_after_a_kernel_has_failed_to_start() {
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
