//! The way back from the device: the only place where the engine waits for the GPU.

use burn::tensor::Tensor;

use super::host::host;

/// The device did not give the numbers back; in a browser, most likely because it was lost.
#[derive(Debug)]
pub struct ReadFailed(pub String);

/// The numbers of a tensor, once the device has computed them.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ReadFailed> {
    match host(&tensor) {
        Some(values) => Ok(values.values().to_vec()),
        None => super::gpu::read(&tensor).await.map_err(ReadFailed),
    }
}
