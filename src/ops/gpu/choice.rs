//! Which kernel computes matrix products, by what this GPU was measured to do.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// A way to compute a matrix product.
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

/// The fastest kernel for products with few numbers and for those with many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Choice {
    pub small: Kernel,
    pub large: Kernel,
}

/// Numbers from which on a product is large.
const LARGE: usize = 512 * 512;

impl Choice {
    pub const fn always(kernel: Kernel) -> Self {
        Self { small: kernel, large: kernel }
    }
}

thread_local! {
    static CHOICE: Cell<Choice> = const { Cell::new(Choice::always(Kernel::Registers)) };
}

pub fn choose(choice: Choice) {
    CHOICE.set(choice);
}

pub fn chosen() -> Choice {
    CHOICE.get()
}

/// Does `work` once for each kernel in use, with that one for products of every size.
pub fn with_each_in_use<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let choice = chosen();
    choose(Choice::always(choice.small));
    let mut done = work();
    if choice.large != choice.small && done.is_ok() {
        choose(Choice::always(choice.large));
        done = work();
    }
    choose(choice);
    done
}

/// The kernel for a product of `rows` x `columns` numbers.
pub(super) fn kernel(rows: usize, columns: usize) -> Kernel {
    let Choice { small, large } = chosen();
    if rows * columns < LARGE { small } else { large }
}
