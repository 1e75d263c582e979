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
    /// Tiles of 64 x 64, 16 deep, for 128 threads: 8 KB of workgroup memory.
    SmallTiles,
    /// Tiles of 128 x 128, 16 deep, for 256 threads: 16 KB.
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
    /// Tiles of 32 x 32 scores, eight threads to a row: up to 10 KB of workgroup memory.
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

/// The fastest kernels: for small products, for large ones (those with enough workgroups to keep a GPU busy with it), for
/// attention and for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Choice {
    /// The kernel for products that have too few workgroups with the other one.
    pub small: Kernel,
    /// The kernel for all others.
    pub large: Kernel,
    /// The kernels of attention; choices stored by earlier versions lack it.
    #[serde(default)]
    pub attention: AttentionKernels,
    /// The threads per row in layer norm and losses.
    #[serde(default)]
    pub rows: Rows,
}

/// Workgroups that keep most GPUs busy: two for each of 48 processors. WebGPU does not tell how many there are.
const BUSY: usize = 96;
/// Least length of a slice of the inner axis: writing and adding up shorter ones would take longer than they gain.
const DEEP: usize = 512;
/// The same where the kernel for small products needs no slices, or fewer.
const DEEPER: usize = 2048;

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

    /// The kernel for a product of these sizes, and into how many slices its inner axis is divided, if that is allowed.
    /// That follows from the sizes alone: so the same kernels give the same bits on every GPU.
    fn kernel(self, sizes: [usize; 3], divisible: bool) -> (Kernel, usize) {
        let Choice { small, large, .. } = self;
        let slices = |kernel: Kernel| if divisible { kernel.slices(sizes) } else { 1 };
        let slices_of_large = slices(large);
        let deep = slices_of_large == 1 || sizes[2] / slices_of_large >= DEEPER;
        if deep && large.groups(sizes) * slices_of_large >= BUSY {
            (large, slices_of_large)
        } else {
            (small, slices(small))
        }
    }
}

impl Kernel {
    /// Rows, and columns, of the product that a workgroup computes.
    const fn side(self) -> usize {
        match self {
            Self::Registers | Self::SmallTiles => 64,
            Self::LargeTiles => 128,
        }
    }

    /// Workgroups of a product whose inner axis is not divided.
    fn groups(self, [rows, columns, _]: [usize; 3]) -> usize {
        rows.div_ceil(self.side()) * columns.div_ceil(self.side())
    }

    /// The slices into which the inner axis is divided, for enough workgroups.
    fn slices(self, sizes: [usize; 3]) -> usize {
        if self == Self::Registers { 1 } else { BUSY.div_ceil(self.groups(sizes)).min(sizes[2] / DEEP).max(1) }
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

    /// The kernel for a product, as [`Choice::kernel`] finds it.
    pub(super) fn kernel(&self, sizes: [usize; 3], divisible: bool) -> (Kernel, usize) {
        self.kernels_in_use().kernel(sizes, divisible)
    }

    /// The threads that compute a row.
    pub(super) fn rows(&self) -> Rows {
        self.kernels_in_use().rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every product of a training step: its sizes, and whether its inner axis may be divided.
    fn products([vocabulary, width, tokens, rows]: [usize; 4]) -> impl Iterator<Item = ([usize; 3], bool)> {
        let layer = [[width, 3 * width], [width, width], [width, 4 * width], [4 * width, width]];
        let forward = layer.map(|[inputs, outputs]| ([tokens, outputs, inputs], false));
        let inputs = layer.map(|[inputs, outputs]| ([tokens, inputs, outputs], outputs != width || inputs == width));
        let weights = layer.map(|[inputs, outputs]| ([inputs, outputs, tokens], true));
        let head =
            [([rows, vocabulary, width], false), ([rows, width, vocabulary], true), ([vocabulary, width, rows], true)];
        [&forward[..], &inputs, &weights, &head].concat().into_iter()
    }

    #[test]
    fn every_product_of_large_models_keeps_a_large_gpu_busy() {
        let choice = Choice { small: Kernel::SmallTiles, ..Choice::always(Kernel::LargeTiles) };
        let (larger_recipe, gpt_2) = ([65, 384, 16_384, 16_384], [50_257, 768, 1024, 1024]);
        // Where no buffer may be larger than 128 MiB, logits of 128 rows at a time.
        let in_chunks = products([50_257, 768, 1024, 128]);
        for (sizes, divisible) in products(larger_recipe).chain(products(gpt_2)).chain(in_chunks) {
            let (kernel, slices) = choice.kernel(sizes, divisible);
            let groups = kernel.groups(sizes) * slices;
            assert!(groups >= BUSY, "{sizes:?}: {groups} groups of {kernel:?}");
            assert!(groups <= 2 * BUSY || slices == 1, "{sizes:?}: {slices} slices");
        }
    }

    #[test]
    fn the_small_recipe_needs_no_more_dispatches() {
        let choice = Choice::always(Kernel::SmallTiles);
        assert!(products([65, 128, 768, 768]).all(|(sizes, divisible)| choice.kernel(sizes, divisible).1 == 1));
    }

    #[test]
    fn a_choice_stored_before_attention_was_measured_keeps_its_kernels_in_registers() {
        let stored: Choice = serde_json::from_str(r#"{"small":"registers","large":"large-tiles"}"#).unwrap();
        assert_eq!(stored.attention, AttentionKernels::Rows);
    }
}
