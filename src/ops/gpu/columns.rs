//! Columns of a matrix on the GPU: a thread for each number.

use cubecl::prelude::*;

use super::memory::{Tensor, buffer, client, empty, fit, groups};

const GROUP: u32 = 64;

/// What happens to the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Access {
    Read,
    Add,
    Write,
}

/// Moves numbers between `part [rows, columns]` and the columns of `all` that begin at the index `start`, whose rows are
/// `length` apart.
#[cube(launch_unchecked)]
fn moving(
    all: &mut [f32],
    part: &mut [f32],
    start: usize,
    length: usize,
    columns: usize,
    count: usize,
    #[comptime] access: Access,
) {
    if ABSOLUTE_POS < count {
        let at = start + ABSOLUTE_POS / columns * length + ABSOLUTE_POS % columns;
        match access {
            Access::Read => part[ABSOLUTE_POS] = all[at],
            Access::Add => all[at] += part[ABSOLUTE_POS],
            Access::Write => all[at] = part[ABSOLUTE_POS],
        }
    }
}

fn queue<const D: usize>(all: &Tensor<D>, part: &Tensor<2>, start: usize, length: usize, access: Access) {
    let [rows, columns] = part.dims();
    let last = start + rows.saturating_sub(1) * length + columns;
    assert!(last <= all.dims().iter().product(), "columns outside the matrix");
    // SAFETY: no index exceeds the sizes, which were checked.
    unsafe {
        moving::launch_unchecked(
            client(all),
            groups(rows * columns, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(all),
            buffer(part),
            start,
            length,
            columns,
            rows * columns,
            access,
        );
    }
}

/// Copies `count` columns of `x [rows, width]` from column `start` on, `[rows, count]`.
pub fn columns(x: &Tensor<2>, start: usize, count: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    let part = empty([rows, count], x.gpu());
    queue(x, &part, start, width, Access::Read);
    part
}

/// Adds `part [rows, count]` to the columns of `x [rows, width]` from column `start` on.
pub fn add_columns(x: &Tensor<2>, start: usize, part: &Tensor<2>) {
    let [rows, width] = x.dims();
    fit(&[(part.dims()[0], rows)]);
    queue(x, part, start, width, Access::Add);
}

/// Writes `part [rows, count]` into the columns of a matrix that lies in `flat`: its first number goes to index `start`,
/// and rows are `width` apart.
pub fn write_columns(flat: &Tensor<1>, start: usize, width: usize, part: &Tensor<2>) {
    queue(flat, part, start, width, Access::Write);
}
