//! Read-back from the device: the only place where the engine waits for the GPU.

use super::{Tensor, gpu};

/// Why a read-back failed. The text is for developers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailed {
    /// Most likely the GPU was lost.
    Lost(String),
    /// A kernel did not start, so that the buffers hold no valid results.
    KernelRejected(String),
}

/// Waits for the device and reads back the elements of a tensor in row-major order; those of a frozen matrix are widened.
///
/// # Errors
/// [`ReadFailed`] when the GPU was lost or rejected a kernel.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ReadFailed> {
    match tensor {
        Tensor::Cpu(tensor) => Ok(tensor.to_vec()),
        Tensor::Gpu(tensor) => gpu::read(&tensor).await,
    }
}
