//! Forwards log messages of the libraries to the browser's console. Failures to start kernels are recorded, because the
//! libraries report them nowhere else (see `src/ops/gpu/failure.rs`).

use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::ops::{Gpu, KernelFailure};

/// The target of CubeCL's log messages about failed launches.
const LAUNCHES: &str = "cubecl_runtime::logging::server";
/// The target of its log messages about a lost GPU, which the browser reports as well.
const LOSSES: &str = "cubecl_wgpu::compute::device_poison";
/// Largest number of characters of a reason: a shader's source may follow.
const LONGEST: usize = 300;

/// The failure record of this module's engine, because a log message does not name its GPU.
static FAILURE: Mutex<Option<KernelFailure>> = Mutex::new(None);

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        console_log::log(record);
        let target = record.target();
        let of_gpu = record.level() == Level::Error && target.starts_with("cubecl") && target != LOSSES;
        if of_gpu || target == LAUNCHES {
            let words = record.args().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some(failure) = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                failure.note(&words.chars().take(LONGEST).collect::<String>());
            }
        }
    }

    fn flush(&self) {}
}

pub(super) fn start() {
    let _ = log::set_logger(&Console);
    log::set_max_level(LevelFilter::Warn);
}

/// Records failed kernels as this GPU's from now on.
pub(super) fn note_failures_of(gpu: &Gpu) {
    *FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = Some(gpu.failure().clone());
}
