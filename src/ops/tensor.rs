//! Tensors: row-major numbers in ordinary memory or in a GPU's. Each operation matches once on the kind; its CPU
//! implementation and its kernels get tensors of their own kind.

use std::sync::Arc;

use super::{Device, gpu};

/// A dense row-major tensor of either engine. A clone shares the memory.
#[derive(Clone)]
pub enum Tensor<const D: usize> {
    /// In ordinary memory.
    Cpu(CpuTensor<D>),
    /// In a GPU's memory.
    Gpu(gpu::Tensor<D>),
}

/// A tensor of the CPU.
#[derive(Clone)]
pub struct CpuTensor<const D: usize> {
    /// Shared with the views of it.
    memory: Arc<Vec<f32>>,
    /// The index of its first element there.
    start: usize,
    shape: [usize; D],
}

/// Makes a tensor of `values` on the device: by an upload to the GPU, without a copy on the CPU.
///
/// # Panics
/// When the shape has another number of elements.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "numbers for another shape");
    match device.gpu() {
        None => Tensor::Cpu(CpuTensor::new(values, shape)),
        Some(gpu) => Tensor::Gpu(gpu::tensor(&values, shape, gpu)),
    }
}

impl<const D: usize> Tensor<D> {
    /// The length of each axis.
    pub fn dims(&self) -> [usize; D] {
        match self {
            Self::Cpu(tensor) => tensor.shape,
            Self::Gpu(tensor) => tensor.dims(),
        }
    }

    /// The CPU tensor, for an operation's CPU implementation.
    ///
    /// # Panics
    /// When the tensor is on a GPU.
    pub(super) fn cpu(&self) -> &CpuTensor<D> {
        let Self::Cpu(tensor) = self else { mixed() };
        tensor
    }

    /// Mutable access to the elements of a CPU tensor; they are copied first where other tensors share the memory.
    ///
    /// # Panics
    /// When the tensor is on a GPU.
    pub(super) fn cpu_mut(&mut self) -> &mut [f32] {
        let Self::Cpu(tensor) = self else { mixed() };
        tensor.values_mut()
    }

    /// The GPU tensor, for an operation's kernels.
    ///
    /// # Panics
    /// When the tensor is on the CPU.
    pub(super) fn gpu(&self) -> &gpu::Tensor<D> {
        let Self::Gpu(tensor) = self else { mixed() };
        tensor
    }

    /// A view of the elements from `start` on, with another shape. `start`: a multiple of 64.
    ///
    /// # Panics
    /// When the view exceeds the tensor.
    pub(super) fn piece<const P: usize>(&self, start: usize, shape: [usize; P]) -> Tensor<P> {
        match self {
            Self::Cpu(tensor) => Tensor::Cpu(tensor.piece(start, shape)),
            Self::Gpu(tensor) => Tensor::Gpu(gpu::piece(tensor, start, shape)),
        }
    }
}

/// Reached only by code that mixes tensors of two engines, which is a bug.
#[cold]
pub(super) fn mixed() -> ! {
    panic!("tensors of two engines in one operation")
}

impl<const D: usize> From<CpuTensor<D>> for Tensor<D> {
    fn from(tensor: CpuTensor<D>) -> Self {
        Self::Cpu(tensor)
    }
}

impl<const D: usize> From<gpu::Tensor<D>> for Tensor<D> {
    fn from(tensor: gpu::Tensor<D>) -> Self {
        Self::Gpu(tensor)
    }
}

impl<const D: usize> CpuTensor<D> {
    /// Makes a tensor of `values`, whose number must be that of the shape's elements.
    pub fn new(values: Vec<f32>, shape: [usize; D]) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self { memory: Arc::new(values), start: 0, shape }
    }

    /// The length of each axis.
    pub fn dims(&self) -> [usize; D] {
        self.shape
    }

    /// All elements, in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.memory[self.start..][..self.shape.iter().product()]
    }

    /// Mutable access to all elements; they are copied first where another tensor shares the memory.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let len = self.shape.iter().product();
        &mut Arc::make_mut(&mut self.memory)[self.start..][..len]
    }

    fn piece<const P: usize>(&self, start: usize, shape: [usize; P]) -> CpuTensor<P> {
        let (len, whole): (usize, usize) = (shape.iter().product(), self.shape.iter().product());
        assert!(start + len <= whole, "{start} + {len} of {whole}");
        CpuTensor { memory: self.memory.clone(), start: self.start + start, shape }
    }
}
