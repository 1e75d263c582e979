//! Attention with tiles of queries, keys and values in workgroup memory (FlashAttention-2, Dao 2023).
//!
//! A workgroup has a tile of scores, 32 rows by 32 columns. Eight threads share a row: each computes the scores of four
//! columns, and keeps an eighth of the row's result in registers, at most 32 numbers. What goes through workgroup memory
//! are the rows that are multiplied, a part of their width at a time, and the attention weights. So a number that is read
//! from GPU memory serves 32 rows, and no kernel needs more registers than a GPU has. On SwiftShader, where barriers
//! are dear, the kernels in `rows` are faster: `measure.rs` decides.

mod backward;
mod forward;

pub use backward::attention_backward;
pub use forward::attention;

use cubecl::prelude::*;

use super::Sizes;
use crate::ops::{dropout::Mask, gpu::block::lanes};

/// Four numbers, as workgroup memory is read and written.
type Four = Vector<f32, Const<4>>;

/// Rows and columns of a tile of scores.
const SIDE: usize = 32;
/// Threads that share a row.
const ACROSS: usize = 8;
/// From one place of the same row to the next in workgroup memory. One more than the rows, so that neighbouring threads
/// use different banks whether they go along a row or from row to row.
const STRIDE: usize = SIDE + 1;
/// Vectors along the width of a head that are in workgroup memory at a time: with more, a GPU would have room for fewer
/// workgroups, and a thread wait for more loads at once, each in registers of its own.
const DEPTH: usize = 4;
/// Numbers of scores and results that a thread keeps in registers, at most.
const KEPT: usize = 48;

/// Parameters known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tile {
    /// Elements per load from GPU memory.
    lanes: usize,
    /// Numbers per head.
    width: usize,
    /// Vectors of four numbers per head; the last is filled up with zeros.
    length: usize,
    /// Vectors of a head that are in workgroup memory at a time.
    depth: usize,
    /// Vectors of a row's result that a thread keeps.
    kept: usize,
    /// Rows that a thread has a share of.
    rows: usize,
    dropping: bool,
}

impl Tile {
    /// `results`, `scores`: how many results, and how many kinds of scores, a kernel keeps of each row.
    fn new(sizes: Sizes, results: usize, scores: usize, mask: Option<Mask>) -> Self {
        let width = sizes.head_width;
        let length = width.div_ceil(4);
        let kept = length.div_ceil(ACROSS);
        let of_row = 4 * (kept * results + scores);
        let rows = match KEPT / of_row {
            0 | 1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        let depth = length.div_ceil(length.div_ceil(DEPTH));
        Self { lanes: lanes(&[width]), width, length, depth, kept, rows, dropping: mask.is_some() }
    }

    /// From one of a thread's rows to the next.
    const fn down(self) -> usize {
        SIDE / self.rows
    }

    const fn threads(self) -> usize {
        ACROSS * self.down()
    }

    /// Vectors of workgroup memory for rows that are multiplied: a part of 64 rows, or four whole rows.
    const fn memory(self) -> usize {
        let (parts, whole) = (2 * self.depth * STRIDE, 4 * self.length);
        if parts > whole { parts } else { whole }
    }

    /// Rows that are in workgroup memory with their whole width at a time: a divisor of a tile's.
    const fn whole_rows(self) -> usize {
        let fit = self.memory() / self.length;
        if fit >= SIDE {
            SIDE
        } else if fit >= 16 {
            16
        } else if fit >= 8 {
            8
        } else {
            4
        }
    }
}

/// Whether there are tiles for heads of this width: of wider ones a thread's share would not fit its registers.
pub const fn fits(head_width: usize) -> bool {
    head_width <= 4 * ACROSS * ACROSS
}

/// The place of this thread in its row.
#[cube]
fn across() -> usize {
    UNIT_POS as usize % ACROSS
}

/// The first row of this thread in the tile.
#[cube]
fn first_row() -> usize {
    UNIT_POS as usize / ACROSS
}

/// Four numbers of a head that begins at `at`: the vector `d` of it, zeros beyond its width. `inside`: it has a vector `d`.
#[cube]
fn load<E: Float, N: Size>(
    from: &[Vector<E, N>],
    at: usize,
    d: usize,
    #[comptime] inside: bool,
    #[comptime] tile: Tile,
) -> Four {
    let mut four = Four::new(0.0);
    if comptime![tile.lanes == 4] {
        four = Four::cast_from(from[at + clamped(d, inside, tile)]);
        if comptime![!inside] {
            four = select(d < tile.length, four, Four::new(0.0));
        }
    } else {
        #[unroll]
        for q in 0..4usize {
            let place = d * 4 + q;
            let value = from[at + min(place, comptime![tile.width - 1])].extract(0usize);
            four.insert(q, select(place < tile.width, f32::cast_from(value), 0.0));
        }
    }
    four
}

/// The vector `d` of a head, or its last one; `inside`: it has one.
#[cube]
fn clamped(d: usize, #[comptime] inside: bool, #[comptime] tile: Tile) -> usize {
    let mut place = d;
    if comptime![!inside] {
        place = min(d, comptime![tile.length - 1]);
    }
    place
}

/// Writes vector `d` of a head that begins at `at`, if it has so many.
#[cube]
fn store<E: Float, N: Size>(to: &mut [Vector<E, N>], at: usize, d: usize, four: Four, #[comptime] tile: Tile) {
    if comptime![tile.lanes == 4] {
        if d < tile.length {
            to[at + d] = Vector::cast_from(four);
        }
    } else {
        #[unroll]
        for q in 0..4usize {
            let place = d * 4 + q;
            if place < tile.width {
                to[at + place] = Vector::cast_from(four.extract(q));
            }
        }
    }
}

/// Adds to `sums [rows, 4]` the dot products of this thread's rows of `left` with its four columns, which are rows of
/// `right`. A tile's row `n` begins at `at + n * length`; rows from `count` on are replaced by the last. `once` is 1, which
/// no compiler knows: loops that a driver writes out have all their loads in registers at a time.
#[cube]
fn add_products<N: Size>(
    left: &[Vector<f32, N>],
    left_at: usize,
    left_length: usize,
    left_count: usize,
    right: &[Vector<f32, N>],
    right_at: usize,
    right_length: usize,
    right_count: usize,
    memory: &mut [Four],
    sums: &mut Array<f32>,
    once: usize,
    #[comptime] tile: Tile,
) {
    let other = comptime![tile.depth * STRIDE];
    for part in 0..comptime![tile.length.div_ceil(tile.depth)] * once {
        let start = part * tile.depth;
        // Everybody has read what was there.
        sync_cube();
        load_part::<N>(left, left_at, left_length, left_count, start, memory, 0usize, false, tile);
        load_part::<N>(right, right_at, right_length, right_count, start, memory, other, true, tile);
        sync_cube();
        for d in 0..tile.depth * once {
            let mut y = Array::<Four>::new(4usize);
            #[unroll]
            for j in 0..4usize {
                y[j] = memory[other + d * STRIDE + comptime![j * ACROSS] + across()];
            }
            #[unroll]
            for i in 0..tile.rows {
                let x = memory[d * STRIDE + comptime![i * tile.down()] + first_row()];
                #[unroll]
                for j in 0..4usize {
                    let mut sum = sums[comptime![i * 4 + j]];
                    #[unroll]
                    for q in 0..4usize {
                        sum += x.extract(q) * y[j].extract(q);
                    }
                    sums[comptime![i * 4 + j]] = sum;
                }
            }
        }
    }
}

/// Loads a part of the width of a tile's rows, from vector `start` on, to `place` of workgroup memory, `[depth, rows]`.
/// `dealt`: the rows are dealt out in an order in which neighbouring threads, with four consecutive ones each, read
/// neighbouring places.
#[cube]
fn load_part<N: Size>(
    from: &[Vector<f32, N>],
    at: usize,
    length: usize,
    count: usize,
    start: usize,
    memory: &mut [Four],
    place: usize,
    #[comptime] dealt: bool,
    #[comptime] tile: Tile,
) {
    let threads = comptime![tile.threads()];
    let all = comptime![SIDE * tile.depth];
    #[unroll]
    for turn in 0..comptime![all.div_ceil(threads)] {
        let index = comptime![turn * threads] + UNIT_POS as usize;
        if comptime![all.is_multiple_of(threads)] || index < all {
            let (d, position) = (index % tile.depth, index / tile.depth);
            let mut row = position;
            if dealt {
                row = position % ACROSS * 4 + position / ACROSS;
            }
            let inside = comptime![tile.length.is_multiple_of(tile.depth)];
            let value = load::<f32, N>(from, at + min(row, count - 1) * length, start + d, inside, tile);
            memory[place + d * STRIDE + position] = value;
        }
    }
}

/// Adds to this thread's share of `sums [rows, kept]` the rows of `from`, weighted by `weights`, four columns of a row
/// to a vector, `[8, rows]`. All threads have to have written their weights before.
#[cube]
fn add_weighted<N: Size>(
    weights: &[Four],
    from: &[Vector<f32, N>],
    at: usize,
    length: usize,
    count: usize,
    memory: &mut [Four],
    sums: &mut Array<Four>,
    once: usize,
    #[comptime] tile: Tile,
) {
    let whole = comptime![tile.whole_rows()];
    let threads = comptime![tile.threads()];
    let all = comptime![whole * tile.length];
    for part in 0..comptime![SIDE / whole] * once {
        // Everybody has read what was there, and written the weights.
        sync_cube();
        #[unroll]
        for turn in 0..comptime![all.div_ceil(threads)] {
            let index = comptime![turn * threads] + UNIT_POS as usize;
            if comptime![all.is_multiple_of(threads)] || index < all {
                let row = min(part * whole + index / tile.length, count - 1);
                memory[index] = load::<f32, N>(from, at + row * length, index % tile.length, true, tile);
            }
        }
        sync_cube();
        for four in 0..comptime![whole / 4] * once {
            let mut weight = Array::<Four>::new(tile.rows);
            #[unroll]
            for i in 0..tile.rows {
                let row = comptime![i * tile.down()] + first_row();
                weight[i] = weights[(part * comptime![whole / 4] + four) * STRIDE + row];
            }
            #[unroll]
            for k in 0..tile.kept {
                let inside = comptime![tile.length.is_multiple_of(ACROSS)];
                let place = clamped(across() + comptime![k * ACROSS], inside, tile);
                #[unroll]
                for q in 0..4usize {
                    let value = memory[(four * 4 + q) * tile.length + place];
                    #[unroll]
                    for i in 0..tile.rows {
                        sums[comptime![i * tile.kept + k]] += Four::new(weight[i].extract(q)) * value;
                    }
                }
            }
        }
    }
}

/// Writes a number of each of this thread's rows where the row's other threads read it, `[8, rows]`. They may once all
/// threads have written.
#[cube]
fn show(shown: &mut [f32], numbers: &Array<f32>, #[comptime] tile: Tile) {
    #[unroll]
    for i in 0..tile.rows {
        shown[across() * STRIDE + comptime![i * tile.down()] + first_row()] = numbers[i];
    }
}

/// The sum of what the threads of a row have shown.
#[cube]
fn row_total(shown: &[f32], row: usize) -> f32 {
    let mut total = shown[row];
    #[unroll]
    for k in 1..ACROSS {
        total += shown[comptime![k * STRIDE] + row];
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 KB of workgroup memory and 256 threads are what WebGPU guarantees everywhere.
    #[test]
    fn tiles_of_every_head_width_fit_the_smallest_gpu() {
        for head_width in (1..).take_while(|&width| fits(width)) {
            for (results, scores) in [(1, 1), (1, 2), (2, 2)] {
                let sizes = Sizes { windows: 1, time: 1, heads: 1, key_value_heads: 1, head_width };
                let tile = Tile::new(sizes, results, scores, None);
                let bytes = 16 * (tile.memory() + ACROSS * STRIDE) + 4 * ACROSS * STRIDE;
                assert!(tile.threads() <= 256 && bytes <= 16 << 10, "{tile:?}: {bytes} bytes");
                assert!(tile.whole_rows() * tile.length <= tile.memory(), "{tile:?}");
                assert!(tile.kept * ACROSS >= tile.length && tile.depth <= DEPTH, "{tile:?}");
                let sums = 4 * results * tile.rows * tile.kept;
                assert!(sums <= 32 || head_width > 128, "{tile:?}: {sums} sums");
            }
        }
    }
}
