//! Which kernel multiplies matrices fastest on this GPU, by trying each. What a kernel computes is compared with the CPU's
//! own product first: one that is wrong on this driver is not used.

use burn::tensor::{Device, Tensor};

use super::{
    block::Form,
    choice::{Choice, KERNELS, Kernel, choose, chosen},
    memory::{empty, piece, read},
    product::product,
    queue::submit,
};
use crate::ops::{
    product::{Matrix, MatrixMut, multiply},
    tensor,
};

const FORMS: [Form; 3] = [Form::Straight, Form::RightTransposed, Form::LeftTransposed];
/// Sides of the square matrices that stand for small and for large products.
const SMALL: usize = 256;
const LARGE: usize = 1024;
/// Seconds for one kernel and one size: with three kernels and two sizes half a second in all.
const ALLOWED: f64 = 0.08;
/// Seconds after which a time is exact enough.
const ENOUGH: f64 = 0.02;

/// What was found.
#[derive(Debug)]
pub struct Measured {
    pub choice: Choice,
    /// The kernels that compute what the CPU does.
    pub right: Vec<Kernel>,
}

/// Queues every product that [`measure`] does, on next to nothing, so that the kernels get compiled.
pub fn rehearse(device: &Device) {
    let matrices = Matrices::new([16; 3], device);
    with_each_kernel(|_| FORMS.iter().for_each(|&form| matrices.multiply(form)));
    submit(device);
}

/// Tries the kernels and uses the fastest from now on. `clock` tells seconds.
///
/// # Errors
/// When the GPU is gone, or no kernel computes what the CPU does: in words, for developers.
pub async fn measure(device: &Device, clock: impl Fn() -> f64) -> Result<Measured, String> {
    let before = chosen();
    let measured = find(device, clock).await;
    choose(measured.as_ref().map_or(before, |measured| measured.choice));
    measured
}

async fn find(device: &Device, clock: impl Fn() -> f64) -> Result<Measured, String> {
    let mut right = Vec::new();
    for kernel in KERNELS {
        choose(Choice::always(kernel));
        if computes_what_the_cpu_does(device).await? {
            right.push(kernel);
        }
    }
    let matrices = Matrices::new([SMALL; 3], device);
    let mut small = Vec::new();
    for &kernel in &right {
        small.push(seconds(&matrices, kernel, &clock).await?);
    }
    let fastest = |times: &[f64]| (0..times.len()).min_by(|&a, &b| times[a].total_cmp(&times[b])).map(|at| right[at]);
    let small_choice = fastest(&small).ok_or("no kernel computes what the CPU does")?;
    let growth = (LARGE as f64 / SMALL as f64).powi(3);
    let mut large = vec![f64::INFINITY; right.len()];
    if small.iter().any(|seconds| seconds * growth < ALLOWED) {
        let matrices = Matrices::new([LARGE; 3], device);
        for (at, &kernel) in right.iter().enumerate() {
            if small[at] * growth < ALLOWED {
                large[at] = seconds(&matrices, kernel, &clock).await?;
            }
        }
    }
    // On a GPU too slow for large products what is best for small ones is the best guess.
    let measured = large.iter().any(|seconds| seconds.is_finite());
    let large_choice = fastest(&large).filter(|_| measured).unwrap_or(small_choice);
    Ok(Measured { choice: Choice { small: small_choice, large: large_choice }, right })
}

/// Seconds for a product of each form.
async fn seconds(matrices: &Matrices, kernel: Kernel, clock: &impl Fn() -> f64) -> Result<f64, String> {
    choose(Choice::always(kernel));
    let mut times = 1;
    loop {
        let began = clock();
        for _ in 0..times {
            FORMS.iter().for_each(|&form| matrices.multiply(form));
        }
        read(&piece(&matrices.out, 0, [64])).await?;
        let passed = clock() - began;
        // Four times as many would take up to four times as long.
        if passed >= ENOUGH || 5.0 * passed > ALLOWED {
            return Ok(passed / f64::from(times));
        }
        times *= 4;
    }
}

async fn computes_what_the_cpu_does(device: &Device) -> Result<bool, String> {
    const SIZES: [usize; 3] = [68, 132, 36];
    let [rows, columns, inner] = SIZES;
    let matrices = Matrices::new(SIZES, device);
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

/// Two factors, which each form reads in its own way, and the product.
struct Matrices {
    sizes: [usize; 3],
    left: (Tensor<2>, Vec<f32>),
    right: (Tensor<2>, Vec<f32>),
    out: Tensor<2>,
}

impl Matrices {
    fn new(sizes: [usize; 3], device: &Device) -> Self {
        let [rows, columns, inner] = sizes;
        let matrix = |rows: usize, columns: usize, prime: usize| {
            let values: Vec<f32> = (0..rows * columns).map(|at| ((at * prime) % 257) as f32 / 128.0 - 1.0).collect();
            (tensor(values.clone(), [rows, columns], device), values)
        };
        Self {
            sizes,
            left: matrix(rows, inner, 31),
            right: matrix(columns, inner, 53),
            out: empty([rows, columns], device),
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

fn with_each_kernel(mut work: impl FnMut(Kernel)) {
    let before = chosen();
    for kernel in KERNELS {
        choose(Choice::always(kernel));
        work(kernel);
    }
    choose(before);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::ops::testing::gpu_device;

    #[test]
    fn the_kernels_agree_and_one_is_chosen() {
        let device = gpu_device();
        rehearse(&device);
        // Compiling is not part of the measurement; it has ended when something queued after it can be read.
        futures_lite::future::block_on(read(&tensor(vec![0.0], [1], &device))).unwrap();
        let began = Instant::now();
        let clock = || began.elapsed().as_secs_f64();
        let measured = futures_lite::future::block_on(measure(&device, clock)).unwrap();
        println!("{:?} after {:.2} s", measured.choice, clock());
        assert_eq!(measured.right, KERNELS);
        assert_eq!(chosen(), measured.choice);
    }
}
