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

/// What a GPU is given where the browser does not tell the machine's memory: most that train anything have this to spare.
const GPU_MEMORY: u64 = 4 << 30;

/// What an engine can hold, in bytes. `largest_buffer`: what the GPU's adapter can bind. `device_memory`: the machine's
/// memory in GiB where the browser tells (`navigator.deviceMemory`, which many browsers end at 8). Half of it may be used, as
/// a telephone's system closes a page that takes more.
pub fn limits(engine: Engine, largest_buffer: Option<u64>, device_memory: Option<f64>) -> Limits {
    let half = device_memory.filter(|gib| *gib > 0.0).map(|gib| (gib * (1u64 << 29) as f64) as u64);
    let (largest, total) = match engine {
        Engine::Cpu => (CPU_LIMITS.largest_buffer, half.map_or(CPU_LIMITS.total, |half| half.min(CPU_LIMITS.total))),
        Engine::WebGpu => (largest_buffer.unwrap_or(CPU_LIMITS.largest_buffer), half.unwrap_or(GPU_MEMORY)),
    };
    Limits { largest_buffer: largest.min(total), total }
}

/// The device of the CPU engine. That of the GPU can only be made asynchronously, in the browser (`web.rs`).
pub fn cpu() -> Device {
    Device::flex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_device_is_given_half_of_its_memory() {
        assert_eq!(limits(Engine::Cpu, None, None), CPU_LIMITS);
        assert_eq!(limits(Engine::Cpu, None, Some(8.0)), CPU_LIMITS);
        assert_eq!(limits(Engine::Cpu, None, Some(2.0)), Limits { largest_buffer: 1 << 30, total: 1 << 30 });
        assert_eq!(limits(Engine::Cpu, None, Some(0.5)), Limits { largest_buffer: 1 << 28, total: 1 << 28 });
        let gpu = |memory| limits(Engine::WebGpu, Some(128 << 20), memory);
        assert_eq!(gpu(None), Limits { largest_buffer: 128 << 20, total: 4 << 30 });
        assert_eq!(gpu(Some(8.0)), Limits { largest_buffer: 128 << 20, total: 4 << 30 });
        assert_eq!(gpu(Some(4.0)), Limits { largest_buffer: 128 << 20, total: 2 << 30 });
        // What a browser should not say.
        assert_eq!(gpu(Some(0.0)), gpu(None));
        assert_eq!(gpu(Some(f64::NAN)), gpu(None));
    }
}
