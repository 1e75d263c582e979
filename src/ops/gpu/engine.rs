//! One GPU as a value: its queue, kernel choice, measured speed and memory pool. Tensors carry it, so that two GPUs
//! share nothing.

#[cfg(target_arch = "wasm32")]
use std::sync::Once;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use burn::{backend::DispatchDevice, tensor::Device as BurnDevice};
use cubecl::{client::Client, server::Handle};

use super::{choice::Choice, failure::Failure, queue::Portions};
use crate::config::LEAST_LOGITS;

/// Fills CubeCL's registry of operations, once: natively a program does so before `main`. The first engine does it instead
/// of the module's start, as the CPU needs none of that code.
#[cfg(target_arch = "wasm32")]
fn register_operations() {
    // Naming this function keeps the linker from wrapping every export in a call of all constructors, which made a
    // training step cost seconds. A test checks that there are no wrappers.
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    static DONE: Once = Once::new();
    // SAFETY: called once, and the constructors only add to registries.
    DONE.call_once(|| unsafe { __wasm_call_ctors() });
}

/// A GPU engine. Clones are the same engine.
#[derive(Clone)]
pub struct Gpu(Arc<State>);

struct State {
    client: Client,
    failure: Failure,
    settings: Mutex<Settings>,
    /// The memory pool, see [`super::memory`].
    kept: Mutex<HashMap<usize, Vec<Handle>>>,
}

/// The engine's settings.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub choice: Choice,
    pub portions: Portions,
    /// Floating-point operations queued but not submitted.
    pub queued: f64,
    /// The bytes of logits that are held at once.
    pub bytes_of_logits: u64,
    /// Whether new memory is poisoned with NaN, as in tests.
    pub poisoned: bool,
}

impl Gpu {
    /// Starts the GPU that the browser provides.
    ///
    /// # Errors
    /// The reason why there is none, for developers.
    pub async fn start() -> Result<Self, String> {
        #[cfg(target_arch = "wasm32")]
        register_operations();
        // `queue.rs` decides where submissions end; this limit is for work too small to be counted there.
        let options = BurnDevice::wgpu_options().tasks_max(128);
        let device = options.init_async().await.map_err(|error| error.to_string())?;
        Ok(Self::of(&device))
    }

    /// Starts a separate engine on the GPU that a driver provides: any that Vulkan finds.
    ///
    /// # Panics
    /// If Vulkan finds no driver.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_driver() -> Self {
        Self::of(&BurnDevice::wgpu(burn::tensor::DeviceKind::DefaultDevice))
    }

    /// Makes an engine of one of Burn's devices.
    fn of(device: &BurnDevice) -> Self {
        // The only kind of device that Burn is built with (Cargo.toml).
        let DispatchDevice::Cube(device) = device.as_dispatch();
        let settings = Settings {
            choice: Choice::default(),
            portions: Portions::UNKNOWN,
            queued: 0.0,
            bytes_of_logits: LEAST_LOGITS,
            poisoned: cfg!(test),
        };
        Self(Arc::new(State {
            client: device.client(),
            failure: Failure::default(),
            settings: Mutex::new(settings),
            kept: Mutex::default(),
        }))
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// The record of kernels that failed to start.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        locked(&self.0.settings)
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, HashMap<usize, Vec<Handle>>> {
        locked(&self.0.kept)
    }

    /// The bytes of logits that the head holds at once.
    pub fn bytes_of_logits(&self) -> u64 {
        self.settings().bytes_of_logits
    }

    /// Has the head hold this many bytes of logits at once from now on.
    pub fn hold_logits(&self, bytes: u64) {
        self.settings().bytes_of_logits = bytes;
    }

    /// Poisons new memory with NaN from now on, for tests.
    pub fn poison(&self) {
        self.settings().poisoned = true;
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Gpu")
    }
}

/// Locks a mutex even if it is poisoned: a panic elsewhere leaves its value valid.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
