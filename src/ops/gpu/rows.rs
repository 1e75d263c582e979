//! Rows of numbers, each shared by a team of neighbouring threads, so that neighbours read neighbouring numbers; and the
//! choice between that and one thread per row, which suits SwiftShader (`measure_rows.rs`).

use cubecl::prelude::*;

/// Threads of a workgroup, which has one row or several.
pub(super) const GROUP: u32 = 64;
/// Threads of a team, where rows are short.
pub(super) const TEAM: usize = 32;
/// Largest number of loads that each thread keeps in registers: more would not fit those of phones.
const MOST_KEPT: usize = 8;

/// How a team of threads goes through its row; known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    /// Threads per row: neighbours in one workgroup.
    pub team: usize,
    /// Numbers per load.
    pub lanes: usize,
    /// Loads of the row per thread.
    pub turns: usize,
    /// Whether the last load of some threads is beyond the row.
    pub ragged: bool,
}

impl Row {
    /// A row of `width` numbers for [`TEAM`] threads.
    pub fn new(width: usize, lanes: usize) -> Self {
        let loads = width / lanes;
        Self { team: TEAM, lanes, turns: loads.div_ceil(TEAM), ragged: !loads.is_multiple_of(TEAM) }
    }

    /// Whether each thread keeps its part of `tensors` rows in registers; they are read again for every pass otherwise.
    pub fn keeps(self, tensors: usize) -> bool {
        tensors * self.turns <= MOST_KEPT
    }
}

/// Workgroups for `rows` rows of `team` threads each.
pub(super) fn row_groups(rows: usize, team: usize) -> CubeCount {
    super::memory::groups(rows * team, GROUP)
}

/// The row of this thread's team.
#[cube]
pub(super) fn team_row(#[comptime] team: usize) -> usize {
    ABSOLUTE_POS / team
}

/// This thread's place in its team.
#[cube]
pub(super) fn team_place(#[comptime] team: usize) -> usize {
    UNIT_POS as usize % team
}

/// The sum of what the threads of this thread's team wrote to `shared`, a number for each thread of the workgroup, before
/// a barrier: the same bits for each of them.
#[cube]
pub(super) fn team_sum(shared: &[f32], #[comptime] team: usize) -> f32 {
    let first = UNIT_POS as usize / team * team;
    let mut sum = f32::new(0.0);
    for thread in 0..team {
        sum += shared[first + thread];
    }
    sum
}

/// The sum of a vector's numbers.
#[cube]
pub(super) fn total<N: Size>(sum: Vector<f32, N>, #[comptime] lanes: usize) -> f32 {
    let mut total = sum.extract(0usize);
    #[unroll]
    for i in 1..lanes {
        total += sum.extract(i);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 512 rows are the batch of the smallest preset; large GPUs have up to 144 processors.
    #[test]
    fn few_rows_are_many_workgroups() {
        let CubeCount::Static(across, down, _) = row_groups(512, TEAM) else { panic!("a fixed number") };
        assert!(across * down >= 96, "{across} x {down}");
    }

    #[test]
    fn only_short_rows_are_kept_in_registers() {
        assert_eq!(Row::new(1024, 4), Row { team: 32, lanes: 4, turns: 8, ragged: false });
        assert_eq!(Row::new(130, 1), Row { team: 32, lanes: 1, turns: 5, ragged: true });
        assert!(Row::new(1024, 4).keeps(1) && !Row::new(1028, 4).keeps(1) && !Row::new(1024, 4).keeps(2));
    }
}
