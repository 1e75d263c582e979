//! Opens the engine that computes, CPU or GPU, and reports its limits.

use serde::{Deserialize, Serialize};

use crate::config::Limits;

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Engine {
    /// Our kernels, on the person's GPU.
    WebGpu,
    /// The processor, with SIMD.
    Cpu,
}

/// What the CPU engine can hold: WebAssembly's 4 GiB, less what text and page need.
pub const CPU_LIMITS: Limits = Limits { largest_buffer: 1 << 30, total: 3 << 30 };

/// What a browser tells of the machine. Where it says nothing of something, that is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Machine {
    /// What the GPU's adapter can bind, in bytes.
    pub largest_buffer: Option<f64>,
    /// The machine's memory in GiB (`navigator.deviceMemory`): only some browsers tell, and many say 8 for all that is more.
    pub device_memory: Option<f64>,
    /// A telephone or a tablet.
    pub handheld: bool,
    /// The GPU has memory of its own beside the machine's.
    pub discrete: bool,
    /// The total that was assumed when memory ran out, here and not long ago; in bytes.
    pub memory_failed_at: Option<f64>,
}

const GIB: f64 = (1u64 << 30) as f64;

/// Memory of machines about which nothing is known, in GiB: all but the oldest have as much.
const UNKNOWN: f64 = 8.0;
const UNKNOWN_HANDHELD: f64 = 3.0;

/// Shares of it that one page may use. A telephone's system closes pages that take more.
const SHARE: f64 = 1.0 / 2.0;
const SHARE_HANDHELD: f64 = 1.0 / 3.0;

/// What a GPU with memory of its own is given, in GiB: few in use have less, and a driver that runs out moves to the machine's.
const DISCRETE: f64 = 6.0;

/// However often memory gives out, so much is believed in, in bytes: something else is wrong then.
const LEAST: u64 = 256 << 20;

/// What an engine can hold on this machine. All that is assumed of its memory is decided here.
pub fn limits(engine: Engine, machine: &Machine) -> Limits {
    // What a browser should not say counts as nothing.
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
    fn a_small_device_is_given_half_of_its_memory() {
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
        // What a browser should not say.
        assert_eq!(told(0.0), 4 << 30);
        assert_eq!(told(f64::NAN), 4 << 30);
    }

    #[test]
    fn a_telephone_is_given_less_and_a_card_with_its_own_memory_more() {
        let phone = |device_memory| gpu(Machine { handheld: true, device_memory, ..Machine::default() });
        assert_eq!(phone(None), 1 << 30);
        assert_eq!(phone(Some(6.0)), 2 << 30);
        let card = |device_memory| gpu(Machine { discrete: true, device_memory, ..Machine::default() });
        assert_eq!(card(None), 6 << 30);
        assert_eq!(card(Some(4.0)), 6 << 30);
        assert_eq!(card(Some(32.0)), 16 << 30);
        // The CPU engine has no use for it.
        let machine = Machine { discrete: true, device_memory: Some(2.0), ..Machine::default() };
        assert_eq!(limits(Engine::Cpu, &machine).total, 1 << 30);
    }

    #[test]
    fn memory_that_ran_out_is_not_believed_in_again() {
        let after = |memory_failed_at: u64, device_memory| {
            gpu(Machine {
                memory_failed_at: Some(memory_failed_at as f64),
                device_memory: Some(device_memory),
                ..Machine::default()
            })
        };
        assert_eq!(after(4 << 30, 8.0), 2 << 30);
        assert_eq!(after(2 << 30, 8.0), 1 << 30);
        // Of a machine with less, it is no news.
        assert_eq!(after(4 << 30, 2.0), 1 << 30);
        assert_eq!(after(1 << 20, 8.0), 256 << 20);
        assert_eq!(after(1 << 20, 0.25), 128 << 20);
    }
}
