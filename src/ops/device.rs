//! An engine as a value: the CPU, or one GPU with its queue, memory and measured speed. Nothing is global, so that
//! several engines can compute side by side, in one thread or in several.

use super::gpu::Gpu;

/// The engine that holds tensors and runs operations. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Device {
    /// None on the CPU.
    gpu: Option<Gpu>,
    largest_buffer: u64,
}

impl Device {
    /// The CPU.
    pub const fn cpu() -> Self {
        Self { gpu: None, largest_buffer: u64::MAX }
    }

    /// Starts the GPU that the browser provides.
    ///
    /// # Errors
    /// The reason why there is none, for developers.
    pub async fn start_gpu() -> Result<Self, String> {
        Ok(Self::of(Gpu::start().await?))
    }

    /// Starts a separate engine on the GPU that the system's driver provides.
    ///
    /// # Panics
    /// If the system has no such driver.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn driver_gpu() -> Self {
        Self::of(Gpu::of_driver())
    }

    pub(super) fn of(gpu: Gpu) -> Self {
        Self { gpu: Some(gpu), largest_buffer: u64::MAX }
    }

    /// Limits the size of buffers in bytes: larger arrays of weights are divided into several buffers.
    pub fn with_largest_buffer(self, bytes: u64) -> Self {
        Self { largest_buffer: bytes, ..self }
    }

    /// The largest number of 32-bit elements that a buffer can hold.
    pub fn most_numbers(&self) -> usize {
        usize::try_from(self.largest_buffer / 4).unwrap_or(usize::MAX)
    }

    /// The GPU, for its settings and measurements; none on the CPU.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }

    /// Sets the measured speed, in floating-point operations per second, which determines the size of GPU submissions.
    pub fn set_speed(&self, operations_a_second: f64) {
        if let Some(gpu) = self.gpu() {
            gpu.set_speed(operations_a_second);
        }
    }

    /// Submits everything that is queued to the GPU now; on the CPU it does nothing.
    pub fn submit(&self) {
        if let Some(gpu) = self.gpu() {
            gpu.submit();
        }
    }

    /// Frees all memory that no tensor holds: the tensors of another model have other lengths.
    pub fn release(&self) {
        if let Some(gpu) = self.gpu() {
            gpu.release();
        }
    }

    /// Whether the engine supports half precision: a GPU with WebGPU's `shader-f16`.
    pub fn supports_half(&self) -> bool {
        self.gpu().is_some_and(Gpu::supports_half)
    }
}
