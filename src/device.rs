//! Which engine computes, and what it can hold.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::config::Limits;

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Engine {
    /// Burn's WebGPU backend, on the person's GPU.
    WebGpu,
    /// Burn's Flex backend: the processor, with SIMD.
    Cpu,
}

/// What the CPU engine can hold: WebAssembly's 4 GiB, less what text and page need.
pub const CPU_LIMITS: Limits = Limits { largest_buffer: 1 << 30, total: 3 << 30 };

/// The device of the CPU engine. That of the GPU can only be made asynchronously, in the browser (`web.rs`).
pub fn cpu() -> Device {
    Device::flex()
}
