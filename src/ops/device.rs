//! An engine as a value: the CPU, or one GPU with its queue, memory and measured speed. Nothing is global, so that
//! several engines can compute side by side, in one thread or in several.

use super::gpu::Gpu;

/// Where tensors are and operations compute. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Device {
    /// None on the processor.
    gpu: Option<Gpu>,
    largest_buffer: u64,
}

impl Device {
    /// The processor.
    pub const fn cpu() -> Self {
        Self { gpu: None, largest_buffer: u64::MAX }
    }

    /// The GPU that a browser gives.
    ///
    /// # Errors
    /// Why there is none, in words for developers.
    pub async fn start_gpu() -> Result<Self, String> {
        Ok(Self::of(Gpu::start().await?))
    }

    /// An engine of its own on the GPU that the system's driver gives.
    ///
    /// # Errors
    /// As [`Device::start_gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn driver_gpu() -> Result<Self, String> {
        Ok(Self::of(Gpu::of_driver()?))
    }

    pub(super) fn of(gpu: Gpu) -> Self {
        Self { gpu: Some(gpu), largest_buffer: u64::MAX }
    }

    /// The same engine, which binds no more bytes at once: weights that take more lie in several buffers.
    pub fn with_largest_buffer(self, bytes: u64) -> Self {
        Self { largest_buffer: bytes, ..self }
    }

    /// The most elements of 32 bits that a buffer can hold.
    pub fn most_numbers(&self) -> usize {
        usize::try_from(self.largest_buffer / 4).unwrap_or(usize::MAX)
    }

    /// The GPU, with what can be asked and told of it; none on the processor.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }

    /// Sets the measured floating-point operations a second, from which follows how much a GPU is given at once.
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

    /// Gives back all memory that no tensor holds: when a model goes, another one's tensors have other lengths.
    pub fn release(&self) {
        if let Some(gpu) = self.gpu() {
            gpu.release();
        }
    }

    /// Whether it can compute with numbers of half precision: a GPU with WebGPU's `shader-f16`.
    pub fn supports_half(&self) -> bool {
        self.gpu().is_some_and(Gpu::supports_half)
    }
}
