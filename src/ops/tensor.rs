//! Tensors: row-major numbers in ordinary memory or in a GPU's. Each operation matches once on the kind; its CPU
//! implementation and its kernels get tensors of their own kind.

use std::sync::Arc;

use super::{
    Device, gpu,
    packed::{Frozen, LowRank},
    product::{Matrix, Right},
};

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
    memory: Memory,
    /// The index of its first element there.
    start: usize,
    shape: [usize; D],
}

#[derive(Clone)]
enum Memory {
    /// Numbers of 32 bits, shared with the views of them.
    Single(Arc<Vec<f32>>),
    /// A matrix of fewer bits, a whole one.
    Frozen(Frozen),
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
        Self { memory: Memory::Single(Arc::new(values)), start: 0, shape }
    }

    /// The length of each axis.
    pub fn dims(&self) -> [usize; D] {
        self.shape
    }

    /// All elements, in row-major order.
    ///
    /// # Panics
    /// For a frozen matrix, which only products, embeddings and [`CpuTensor::to_vec`] read.
    pub fn values(&self) -> &[f32] {
        let Memory::Single(memory) = &self.memory else { frozen() };
        &memory[self.start..][..self.shape.iter().product()]
    }

    /// Mutable access to all elements; they are copied first where another tensor shares the memory.
    ///
    /// # Panics
    /// For a frozen matrix.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let len = self.shape.iter().product();
        let Memory::Single(memory) = &mut self.memory else { frozen() };
        &mut Arc::make_mut(memory)[self.start..][..len]
    }

    /// A copy of all elements, in row-major order; those of a frozen matrix are widened.
    pub fn to_vec(&self) -> Vec<f32> {
        match &self.memory {
            Memory::Single(_) => self.values().to_vec(),
            Memory::Frozen(frozen) => frozen.to_vec(),
        }
    }

    fn piece<const P: usize>(&self, start: usize, shape: [usize; P]) -> CpuTensor<P> {
        let (len, whole): (usize, usize) = (shape.iter().product(), self.shape.iter().product());
        assert!(start + len <= whole, "{start} + {len} of {whole}");
        assert!(matches!(self.memory, Memory::Single(_)), "a part of a frozen matrix");
        CpuTensor { memory: self.memory.clone(), start: self.start + start, shape }
    }
}

/// Matrices of weights, which may be frozen.
impl CpuTensor<2> {
    pub(super) fn frozen(frozen: Frozen) -> Self {
        Self { shape: frozen.shape(), start: 0, memory: Memory::Frozen(frozen) }
    }

    /// The frozen matrix that it is, if it is one.
    pub(super) fn as_frozen(&self) -> Option<&Frozen> {
        match &self.memory {
            Memory::Single(_) => None,
            Memory::Frozen(frozen) => Some(frozen),
        }
    }

    /// The matrix as a product's right factor, without adapters.
    pub(super) fn right(&self) -> Right<'_> {
        match &self.memory {
            Memory::Single(_) => Matrix::new(self.values(), 0, self.shape[1], 1).into(),
            Memory::Frozen(Frozen { packed, transposed, .. }) => Right::packed(packed, *transposed),
        }
    }

    /// The adapters that are added to a frozen matrix.
    pub(super) fn adapters(&self) -> &[LowRank] {
        self.as_frozen().map_or(&[], |frozen| &frozen.adapters)
    }

    /// Appends a row to `out`.
    ///
    /// # Panics
    /// When there is no such row, or the matrix is the transpose of a frozen one.
    pub(super) fn append_row(&self, row: usize, out: &mut Vec<f32>) {
        let width = self.shape[1];
        match &self.memory {
            Memory::Single(_) => out.extend_from_slice(&self.values()[row * width..][..width]),
            Memory::Frozen(Frozen { packed, transposed, .. }) => {
                assert!(!transposed, "a row of a transposed matrix");
                out.extend(packed.row(row));
            }
        }
    }
}

/// Reached only by code that reads weights as numbers of 32 bits, which is a bug.
#[cold]
fn frozen() -> ! {
    panic!("the numbers of a frozen matrix have fewer than 32 bits")
}
