//! Measures which matrix-product kernel is fastest on this GPU, and which kernels of attention (`attention/measure.rs`). Each
//! kernel's result is compared with the CPU's own product first: a kernel that is wrong on this driver is not used.

use super::{
    attention,
    block::Form,
    choice::{Choice, KERNELS, Kernel},
    engine::Gpu,
    measure_rows,
    memory::{Tensor, empty, piece, read, tensor},
    product::product,
};
use crate::ops::{
    ReadFailed,
    product::{Matrix, MatrixMut, multiply},
    slope::{latency, median, pieces, slope},
};

const FORMS: [Form; 3] = [Form::Straight, Form::RightTransposed, Form::LeftTransposed];
/// The products that represent small and large ones: with either tiles too few and enough workgroups for a large GPU, and
/// an inner axis that is not divided.
const SMALL: [usize; 3] = [256; 3];
const LARGE: [usize; 3] = [2048, 1024, 512];
/// Seconds above which a kernel is not measured with large products.
const ALLOWED: f64 = 0.08;
/// Seconds after which no kernel is timed again, so that the measurement takes half a second in all, and the share of
/// them that has passed when small products, large ones, attention and rows end.
const ALLOWED_IN_ALL: f64 = 0.4;
const SHARES: [f64; 4] = [0.25, 0.6, 0.85, 1.0];
/// Seconds of GPU time by which two batches differ.
const ENOUGH: f64 = 0.01;
/// Largest number of times that each kernel is timed, in turn with the others.
const ROUNDS: usize = 5;
/// A kernel is dropped if its first product takes twice the time of another one's plus these seconds.
const MARGIN: f64 = 0.005;
/// Factor within which a time counts as equal to the fastest, and the seconds below which all times are equal.
const ALIKE: f64 = 1.1;
const LEAST: f64 = 20e-6;
/// Preferences where times are equal, as on a GPU that finishes before the next product is queued: kernels with the
/// fewest reads.
const FOR_SMALL: [Kernel; 3] = [Kernel::SmallTiles, Kernel::Registers, Kernel::LargeTiles];
const FOR_LARGE: [Kernel; 3] = [Kernel::LargeTiles, Kernel::SmallTiles, Kernel::Registers];

/// The result of the measurement.
#[derive(Debug)]
pub struct Measured {
    pub choice: Choice,
    /// The kernels whose results agree with the CPU.
    pub right: Vec<Kernel>,
}

impl Gpu {
    /// Queues every product of [`Gpu::measure_kernels`] with tiny inputs, so that the kernels are compiled.
    pub fn warm_up_kernels(&self) {
        let matrices = Matrices::new([16; 3], self);
        let before = self.kernels_in_use();
        for kernel in KERNELS {
            self.choose_kernels(Choice::always(kernel));
            FORMS.iter().for_each(|&form| matrices.multiply(form));
        }
        attention::warm_up(self);
        self.choose_kernels(before);
        measure_rows::warm_up(self);
        self.submit();
    }

    /// Measures the kernels and uses the fastest from now on. `clock` returns seconds.
    ///
    /// # Errors
    /// When the GPU is lost, or no kernel agrees with the CPU.
    pub async fn measure_kernels(&self, clock: impl Fn() -> f64) -> Result<Measured, ReadFailed> {
        let before = self.kernels_in_use();
        let measured = find(self, clock).await;
        self.choose_kernels(measured.as_ref().map_or(before, |measured| measured.choice));
        measured
    }
}

async fn find(gpu: &Gpu, clock: impl Fn() -> f64) -> Result<Measured, ReadFailed> {
    let _whole = gpu.whole();
    let began = clock();
    let [small_until, large_until, attention_until, rows_until] = SHARES.map(|share| began + share * ALLOWED_IN_ALL);
    let mut right = Vec::new();
    for kernel in KERNELS {
        gpu.choose_kernels(Choice::always(kernel));
        match computes_what_the_cpu_does(gpu).await {
            Ok(true) => right.push(kernel),
            Ok(false) => {}
            // This kernel does not start on this GPU; another one may.
            Err(ReadFailed::KernelRejected(_)) => _ = gpu.failure().take(),
            Err(lost) => return Err(lost),
        }
    }
    let small = seconds(&Matrices::new(SMALL, gpu), &right, &clock, small_until).await?;
    let none = || ReadFailed::Lost("no kernel computes what the CPU does".into());
    let small_choice = fastest(&small, FOR_SMALL).ok_or_else(none)?;
    let growth = LARGE.iter().product::<usize>() as f64 / SMALL.iter().product::<usize>() as f64;
    let able: Vec<Kernel> =
        small.iter().filter(|(_, seconds)| seconds * growth < ALLOWED).map(|&(kernel, _)| kernel).collect();
    // On a GPU too slow for large products, the best kernel for small ones is the best guess.
    let mut large_choice = small_choice;
    if !able.is_empty() {
        let large = seconds(&Matrices::new(LARGE, gpu), &able, &clock, large_until).await?;
        large_choice = fastest(&large, FOR_LARGE).unwrap_or(small_choice);
    }
    let attention = attention::fastest(gpu, &clock, attention_until).await?;
    let rows = measure_rows::find(gpu, &clock, rows_until).await?;
    Ok(Measured { choice: Choice { small: small_choice, large: large_choice, attention, rows }, right })
}

/// The fastest kernel; among equally fast ones the first of `preferred`.
fn fastest(times: &[(Kernel, f64)], preferred: [Kernel; 3]) -> Option<Kernel> {
    let least = times.iter().map(|&(_, seconds)| seconds.max(LEAST)).min_by(f64::total_cmp)?;
    let alike = |kernel| times.iter().any(|&(other, seconds)| other == kernel && seconds <= ALIKE * least);
    preferred.into_iter().find(|&kernel| alike(kernel))
}

/// Seconds of a product of each form with each of the kernels; slow ones are dropped. After the time `until` no kernel is
/// timed again.
async fn seconds(
    matrices: &Matrices,
    kernels: &[Kernel],
    clock: &impl Fn() -> f64,
    until: f64,
) -> Result<Vec<(Kernel, f64)>, ReadFailed> {
    let timed = |kernel| {
        async move |count: usize| {
            matrices.out.gpu().choose_kernels(Choice::always(kernel));
            let began = clock();
            for _ in 0..count {
                FORMS.iter().for_each(|&form| matrices.multiply(form));
            }
            read(&piece(&matrices.out, 0, [64])).await?;
            Ok::<f64, ReadFailed>(clock() - began)
        }
    };
    let mut first = Vec::new();
    for &kernel in kernels {
        let timed = timed(kernel);
        let waited = latency(&timed).await?;
        first.push((kernel, timed(1).await? - waited));
    }
    let least = first.iter().map(|&(_, seconds)| seconds).min_by(f64::total_cmp).unwrap_or(0.0);
    first.retain(|&(_, seconds)| seconds <= 2.0 * least.max(0.0) + MARGIN);
    let mut rounds = vec![Vec::new(); first.len()];
    for round in 0..ROUNDS {
        if round > 0 && clock() > until {
            break;
        }
        for (times, &(kernel, seconds)) in rounds.iter_mut().zip(&first) {
            times.push(slope(timed(kernel), pieces(ENOUGH, seconds)).await?);
        }
    }
    Ok(first.into_iter().zip(rounds).map(|((kernel, _), times)| (kernel, median(times))).collect())
}

async fn computes_what_the_cpu_does(gpu: &Gpu) -> Result<bool, ReadFailed> {
    const SIZES: [usize; 3] = [68, 132, 36];
    let [rows, columns, inner] = SIZES;
    let matrices = Matrices::new(SIZES, gpu);
    for form in FORMS {
        matrices.multiply(form);
        let mut right = vec![0.0; rows * columns];
        let (left, other) = (&matrices.left.1, &matrices.right.1);
        let left = match form {
            Form::LeftTransposed => Matrix::new(left, 0, rows, 1).transposed(),
            _ => Matrix::new(left, 0, inner, 1),
        };
        let other = match form {
            Form::RightTransposed => Matrix::new(other, 0, inner, 1).transposed(),
            _ => Matrix::new(other, 0, columns, 1),
        };
        multiply(rows, columns, inner, 1.0, left, other, MatrixMut::new(&mut right, 0, columns, 1));
        let got = read(&matrices.out).await?;
        let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        if !got.iter().zip(&right).all(|(got, right)| (got - right).abs() <= 1e-3 * largest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Two factors, which each form reads in its own order, and the product.
struct Matrices {
    sizes: [usize; 3],
    left: (Tensor<2>, Vec<f32>),
    right: (Tensor<2>, Vec<f32>),
    out: Tensor<2>,
}

impl Matrices {
    fn new(sizes: [usize; 3], gpu: &Gpu) -> Self {
        let [rows, columns, inner] = sizes;
        let matrix = |rows: usize, columns: usize, prime: usize| {
            let values: Vec<f32> = (0..rows * columns).map(|at| ((at * prime) % 257) as f32 / 128.0 - 1.0).collect();
            (tensor(&values, [rows, columns], gpu), values)
        };
        Self {
            sizes,
            left: matrix(rows, inner, 31),
            right: matrix(columns, inner, 53),
            out: empty([rows, columns], gpu),
        }
    }

    fn multiply(&self, form: Form) {
        let [rows, columns, inner] = self.sizes;
        let lengths = match form {
            Form::Straight => [inner, columns, columns],
            Form::RightTransposed => [inner, inner, columns],
            Form::LeftTransposed => [rows, columns, columns],
        };
        product(form, &self.left.0, &self.right.0, &self.out, self.sizes, lengths, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::ops::testing::gpu;

    #[test]
    fn noise_does_not_change_the_kernel_choice() {
        use Kernel::*;
        let chosen = |registers, small, large| {
            fastest(&[(Registers, registers), (SmallTiles, small), (LargeTiles, large)], FOR_LARGE).unwrap()
        };
        // A GPU whose time is below the noise.
        assert_eq!(chosen(1e-6, -3e-6, 4e-6), LargeTiles);
        assert_eq!(chosen(0.0100, 0.0105, 0.0109), LargeTiles);
        assert_eq!(chosen(0.0100, 0.0105, 0.0200), SmallTiles);
        assert_eq!(chosen(0.0100, 0.0300, 0.0200), Registers);
        assert_eq!(fastest(&[], FOR_SMALL), None);
    }

    #[test]
    fn the_kernels_agree_and_one_is_chosen() {
        let gpu = gpu();
        gpu.warm_up_kernels();
        // Compilation is not part of the measurement; it has ended when something queued after it can be read.
        futures_lite::future::block_on(read(&tensor(&[0.0], [1], &gpu))).unwrap();
        let began = Instant::now();
        let clock = || began.elapsed().as_secs_f64();
        let measured = futures_lite::future::block_on(gpu.measure_kernels(clock)).unwrap();
        println!("{:?} after {:.2} s", measured.choice, clock());
        assert_eq!(measured.right, KERNELS);
        assert_eq!(gpu.kernels_in_use(), measured.choice);
    }
}
