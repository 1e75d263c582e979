//! Chooses the kernels for matrix products and attention by measurements on this GPU.

use serde::{Deserialize, Serialize};

use super::engine::Gpu;

/// A kernel for matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Kernel {
    /// Blocks of 8 x 8 in each thread's registers, no workgroup memory.
    Registers,
    /// Tiles of 64 x 64, 16 deep, for 256 threads: 8 KB of workgroup memory.
    SmallTiles,
    /// Tiles of 128 x 128, 8 deep, for 256 threads: 8 KB.
    LargeTiles,
}

pub const KERNELS: [Kernel; 3] = [Kernel::Registers, Kernel::SmallTiles, Kernel::LargeTiles];

/// The kernels of attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum AttentionKernels {
    /// A few rows in each thread's registers, no workgroup memory.
    #[default]
    Rows,
    /// Tiles of 32 x 32 scores, eight threads to a row: up to 13 KB of workgroup memory.
    Tiles,
}

pub const ATTENTIONS: [AttentionKernels; 2] = [AttentionKernels::Rows, AttentionKernels::Tiles];

/// The threads that compute a row in layer norm, and in the losses of a short vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Rows {
    /// One thread: no barriers.
    Thread,
    /// 32 threads, which read neighbouring numbers: two barriers.
    #[default]
    Team,
}

pub const ROWS: [Rows; 2] = [Rows::Thread, Rows::Team];

/// The fastest kernels: for small products, for large ones, for attention and for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Choice {
    /// The kernel for products of fewer than 512 x 512 elements.
    pub small: Kernel,
    /// The kernel for all larger products.
    pub large: Kernel,
    /// The kernels of attention; choices stored by earlier versions lack it.
    #[serde(default)]
    pub attention: AttentionKernels,
    /// The threads per row in layer norm and losses.
    #[serde(default)]
    pub rows: Rows,
}

/// Elements from which a product counts as large.
const LARGE: usize = 512 * 512;

/// The choice without measurements.
impl Default for Choice {
    fn default() -> Self {
        Self::always(Kernel::Registers)
    }
}

impl Choice {
    /// The same kernel for products of every size.
    pub const fn always(kernel: Kernel) -> Self {
        Self { small: kernel, large: kernel, attention: AttentionKernels::Rows, rows: Rows::Thread }
    }

    /// The same with these kernels of attention.
    pub const fn with_attention(self, attention: AttentionKernels) -> Self {
        Self { attention, ..self }
    }
}

impl Gpu {
    /// Uses these kernels for everything queued from now on.
    pub fn choose_kernels(&self, choice: Choice) {
        self.settings().choice = choice;
    }

    /// The kernels currently used.
    pub fn kernels_in_use(&self) -> Choice {
        self.settings().choice
    }

    /// Runs `work` once for each kernel in use, with that kernel for products of every size, and restores the choice.
    ///
    /// # Errors
    /// The first error of `work`, which is then not run again.
    pub fn with_each_kernel_in_use<T, E>(&self, mut work: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let choice = self.kernels_in_use();
        self.choose_kernels(Choice { large: choice.small, ..choice });
        let mut done = work();
        if choice.large != choice.small && done.is_ok() {
            self.choose_kernels(Choice { small: choice.large, ..choice });
            done = work();
        }
        self.choose_kernels(choice);
        done
    }

    /// The kernel for a product of `rows` x `columns` elements.
    pub(super) fn kernel(&self, rows: usize, columns: usize) -> Kernel {
        let Choice { small, large, .. } = self.kernels_in_use();
        if rows * columns < LARGE { small } else { large }
    }

    /// The threads that compute a row.
    pub(super) fn rows(&self) -> Rows {
        self.kernels_in_use().rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stored_before_attention_was_measured_keeps_its_kernels_in_registers() {
        let stored: Choice = serde_json::from_str(r#"{"small":"registers","large":"large-tiles"}"#).unwrap();
        assert_eq!(stored.attention, AttentionKernels::Rows);
    }
}
