//! One GPU as a value: its queue, kernel choice, measured speed and memory pool. Tensors carry it, so that two GPUs
//! share nothing.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use burn::{backend::DispatchDevice, tensor::Device as BurnDevice};
use cubecl::{client::Client, server::Handle};

use super::{choice::Choice, failure::Failure, queue::Portions};

/// Clones are the same engine.
#[derive(Clone)]
pub struct Gpu(Arc<State>);

struct State {
    client: Client,
    failure: Failure,
    settings: Mutex<Settings>,
    /// See [`super::memory`].
    kept: Mutex<HashMap<usize, Vec<Handle>>>,
}

/// What the engine knows of its GPU.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub choice: Choice,
    pub portions: Portions,
    /// Floating-point operations queued and not submitted.
    pub queued: f64,
    /// Whether memory that a kernel is about to fill holds NaN, as it does in tests.
    pub poisoned: bool,
}

impl Gpu {
    /// The GPU that a browser gives.
    ///
    /// # Errors
    /// Why there is none, in words for developers.
    pub async fn start() -> Result<Self, String> {
        // Submissions end where `queue.rs` says; this is for what does so little that it does not.
        let options = BurnDevice::wgpu_options().tasks_max(128);
        let device = options.init_async().await.map_err(|error| error.to_string())?;
        Self::of(&device)
    }

    /// An engine of its own on the GPU that a driver gives: any that Vulkan finds.
    ///
    /// # Errors
    /// As [`Gpu::start`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_driver() -> Result<Self, String> {
        Self::of(&BurnDevice::wgpu(burn::tensor::DeviceKind::DefaultDevice))
    }

    /// An engine of its own on a device of Burn's.
    fn of(device: &BurnDevice) -> Result<Self, String> {
        let DispatchDevice::Cube(device) = device.as_dispatch() else { return Err("Burn gives no GPU".into()) };
        let settings =
            Settings { choice: Choice::default(), portions: Portions::UNKNOWN, queued: 0.0, poisoned: cfg!(test) };
        Ok(Self(Arc::new(State {
            client: device.client(),
            failure: Failure::default(),
            settings: Mutex::new(settings),
            kept: Mutex::default(),
        })))
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Where kernels that did not start are noted.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        locked(&self.0.settings)
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, HashMap<usize, Vec<Handle>>> {
        locked(&self.0.kept)
    }

    /// From now on memory that a kernel is about to fill holds NaN, as it does in tests.
    pub fn poison(&self) {
        self.settings().poisoned = true;
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Gpu")
    }
}

/// A panic elsewhere leaves numbers that are still true.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
