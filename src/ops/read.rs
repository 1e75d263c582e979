//! The way back from the device: the only place where the engine waits for the GPU.

use super::{Tensor, gpu};

/// The device did not give the numbers back. The words are for developers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailed {
    /// Most likely the GPU was lost.
    Lost(String),
    /// A kernel did not start, so that the numbers are none.
    KernelRejected(String),
}

/// The numbers of a tensor, once the device has computed them.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ReadFailed> {
    match tensor {
        Tensor::Cpu(tensor) => Ok(tensor.values().to_vec()),
        Tensor::Gpu(tensor) => gpu::read(&tensor).await,
    }
}
