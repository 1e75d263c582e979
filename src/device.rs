//! Opens the engine that computes, CPU or GPU, and reports its limits.

use serde::{Deserialize, Serialize};

use crate::config::Limits;

/// The engine that runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Engine {
    /// WebGPU kernels on the user's GPU.
    WebGpu,
    /// The CPU, with SIMD.
    Cpu,
}

/// Memory limits of the CPU engine: WebAssembly's 4 GiB, less what text and page need.
pub const CPU_LIMITS: Limits = Limits { largest_buffer: 1 << 30, total: 3 << 30 };

/// Properties of the machine that a browser reports, as far as it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Machine {
    /// Largest buffer in bytes that the GPU's adapter can bind.
    pub largest_buffer: Option<f64>,
    /// The machine's memory in GiB (`navigator.deviceMemory`): only some browsers report it, and many say 8 for
    /// anything more.
    pub device_memory: Option<f64>,
    /// Whether it is a phone or a tablet.
    pub handheld: bool,
    /// Whether the GPU has its own memory.
    pub discrete: bool,
    /// The limit in bytes that was in use when memory ran out here recently.
    pub memory_failed_at: Option<f64>,
}

const GIB: f64 = (1u64 << 30) as f64;

/// Memory in GiB that is assumed where the browser reports none: all but the oldest machines have as much.
const UNKNOWN: f64 = 8.0;
const UNKNOWN_HANDHELD: f64 = 3.0;

/// Share of it that one page may use. Phones close pages that take more.
const SHARE: f64 = 1.0 / 2.0;
const SHARE_HANDHELD: f64 = 1.0 / 3.0;

/// Memory in GiB assumed for a GPU with its own memory: few in use have less, and a driver that runs out uses the
/// machine's.
const DISCRETE: f64 = 6.0;

/// Lower limit in bytes after out-of-memory errors: below it the cause must be another.
const LEAST: u64 = 256 << 20;

/// The memory limits of an engine on this machine. All assumptions about its memory are made here.
pub fn limits(engine: Engine, machine: &Machine) -> Limits {
    // Invalid values from a browser are ignored.
    let positive = |value: Option<f64>| value.filter(|value| *value > 0.0);
    let (unknown, share) = if machine.handheld { (UNKNOWN_HANDHELD, SHARE_HANDHELD) } else { (UNKNOWN, SHARE) };
    let gib = positive(machine.device_memory).unwrap_or(unknown) * share;
    let gib = if engine == Engine::WebGpu && machine.discrete { gib.max(DISCRETE) } else { gib };
    let total = (gib * GIB) as u64;
    let total =
        positive(machine.memory_failed_at).map_or(total, |bytes| total.min((bytes / 2.0) as u64).max(LEAST.min(total)));
    match engine {
        Engine::Cpu => {
            let total = total.min(CPU_LIMITS.total);
            Limits { largest_buffer: CPU_LIMITS.largest_buffer.min(total), total }
        }
        Engine::WebGpu => {
            let largest = positive(machine.largest_buffer).map_or(CPU_LIMITS.largest_buffer, |bytes| bytes as u64);
            Limits { largest_buffer: largest.min(total), total }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(device_memory: Option<f64>) -> Limits {
        limits(Engine::Cpu, &Machine { device_memory, ..Machine::default() })
    }

    fn gpu(machine: Machine) -> u64 {
        let limits = limits(Engine::WebGpu, &Machine { largest_buffer: Some((128u64 << 20) as f64), ..machine });
        assert_eq!(limits.largest_buffer, 128 << 20);
        limits.total
    }

    #[test]
    fn half_of_a_devices_memory_may_be_used() {
        assert_eq!(cpu(None), CPU_LIMITS);
        assert_eq!(cpu(Some(8.0)), CPU_LIMITS);
        assert_eq!(cpu(Some(64.0)), CPU_LIMITS);
        assert_eq!(cpu(Some(2.0)), Limits { largest_buffer: 1 << 30, total: 1 << 30 });
        assert_eq!(cpu(Some(0.5)), Limits { largest_buffer: 1 << 28, total: 1 << 28 });
        let told = |device_memory| gpu(Machine { device_memory: Some(device_memory), ..Machine::default() });
        assert_eq!(gpu(Machine::default()), 4 << 30);
        assert_eq!(told(8.0), 4 << 30);
        assert_eq!(told(4.0), 2 << 30);
        assert_eq!(told(32.0), 16 << 30);
        // Invalid values from a browser.
        assert_eq!(told(0.0), 4 << 30);
        assert_eq!(told(f64::NAN), 4 << 30);
    }

    #[test]
    fn a_phone_may_use_less_memory_and_a_discrete_gpu_more() {
        let phone = |device_memory| gpu(Machine { handheld: true, device_memory, ..Machine::default() });
        assert_eq!(phone(None), 1 << 30);
        assert_eq!(phone(Some(6.0)), 2 << 30);
        let card = |device_memory| gpu(Machine { discrete: true, device_memory, ..Machine::default() });
        assert_eq!(card(None), 6 << 30);
        assert_eq!(card(Some(4.0)), 6 << 30);
        assert_eq!(card(Some(32.0)), 16 << 30);
        // The CPU engine does not use the GPU's memory.
        let machine = Machine { discrete: true, device_memory: Some(2.0), ..Machine::default() };
        assert_eq!(limits(Engine::Cpu, &machine).total, 1 << 30);
    }

    #[test]
    fn a_limit_at_which_memory_ran_out_is_lowered() {
        let after = |memory_failed_at: u64, device_memory| {
            gpu(Machine {
                memory_failed_at: Some(memory_failed_at as f64),
                device_memory: Some(device_memory),
                ..Machine::default()
            })
        };
        assert_eq!(after(4 << 30, 8.0), 2 << 30);
        assert_eq!(after(2 << 30, 8.0), 1 << 30);
        // The failed limit was above the machine's own.
        assert_eq!(after(4 << 30, 2.0), 1 << 30);
        assert_eq!(after(1 << 20, 8.0), 256 << 20);
        assert_eq!(after(1 << 20, 0.25), 128 << 20);
    }
}
