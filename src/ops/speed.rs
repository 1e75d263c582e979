//! Measures the speed of matrix products: time estimates and the size of GPU submissions follow from it.

use super::{
    Device, Tensor, gpu,
    linear::input_gradient,
    read::{ReadFailed, read},
    slope::{latency, median, pieces, slope},
    tensor::tensor,
};

/// Rows of the first product that is measured.
const FEW_ROWS: usize = 256;
/// Factor by which the number of rows grows.
const GROWTH: usize = 8;
/// Shortest duration in seconds from which the speed is computed: queueing a product takes a few tenths of a
/// millisecond, in which a fast GPU does what a slow one does in this time.
const TELLING: f64 = 0.008;
/// Seconds of GPU time by which two batches differ, because completion callbacks vary by some milliseconds.
const ENOUGH: f64 = 0.1;
const ROUNDS: usize = 3;
/// How often a product is timed before the number of rows grows.
const TRIES: usize = 4;
/// Seconds that the browser needs to optimise the WebAssembly of the operations.
const WARM_UP: f64 = 0.25;
/// Largest size in bytes of the larger factor, which every GPU can bind.
const LARGEST: usize = 96 << 20;
const WIDEST: usize = 1024;
/// Largest plausible speed in operations per second: a third of what the fastest graphics cards promise, and more than
/// our kernels reach on any. A higher result means that the work was queued but not done.
const FASTEST: f64 = 30e12;

/// Measures the speed, in floating-point operations per second, of the matrix product that takes most of the training
/// time of a model of this `width`, with `tokens` a pass. `clock` returns seconds.
///
/// # Errors
/// [`ReadFailed`] when the GPU was lost or rejected a kernel.
pub async fn speed(tokens: usize, width: usize, device: &Device, clock: impl Fn() -> f64) -> Result<f64, ReadFailed> {
    let _whole = device.gpu().map(gpu::Gpu::whole);
    let width = width.min(WIDEST);
    let most = tokens.clamp(1, (LARGEST / (16 * width)).max(1));
    let mut rows = FEW_ROWS.min(most);
    loop {
        let product = Product::new(rows, width, device);
        let seconds = async |count| product.seconds(count, &clock).await;
        // The GPU compiles its shader here.
        let began = clock();
        for _ in 0..if device.gpu().is_none() { 1000 } else { 1 } {
            seconds(1).await?;
            if clock() - began > WARM_UP {
                break;
            }
        }
        let waited = latency(&seconds).await?;
        // Noise makes it longer, never shorter: the minimum counts.
        let mut one = f64::INFINITY;
        for _ in 0..TRIES {
            one = one.min(seconds(1).await? - waited);
        }
        if one < TELLING && rows < most {
            rows = (GROWTH * rows).min(most);
            continue;
        }
        let pieces = pieces(ENOUGH, one);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(slope(&seconds, pieces).await?);
        }
        let each = median(rounds);
        return Ok(product.operations() / each.max(product.operations() / FASTEST));
    }
}

/// Shortest measurable duration in seconds of a batch of small kernels.
const TELLING_OF_SMALL: f64 = 0.02;

/// Measures the seconds from queueing a kernel that computes next to nothing to its end; 0 on the CPU. `clock` returns
/// seconds.
///
/// # Errors
/// [`ReadFailed`] when the GPU was lost or rejected a kernel.
pub async fn small_kernel(device: &Device, clock: impl Fn() -> f64) -> Result<f64, ReadFailed> {
    let Some(gpu) = device.gpu() else { return Ok(0.0) };
    let numbers = gpu::empty([64], gpu);
    let seconds = async |count| {
        let began = clock();
        for _ in 0..count {
            gpu::fill(&numbers, 0.5);
        }
        read(numbers.clone().into()).await?;
        Ok(clock() - began)
    };
    let waited = latency(&seconds).await?;
    let pieces = pieces(TELLING_OF_SMALL, seconds(1).await? - waited);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(slope(&seconds, pieces).await?);
    }
    Ok(median(rounds).max(0.0))
}

/// The gradient of the input of an MLP's first layer: `[rows, 4 * width]` by `[width, 4 * width]` transposed.
struct Product {
    gradient: Tensor<2>,
    weight: Tensor<2>,
    /// Read back where no product was computed.
    nothing: Tensor<1>,
}

impl Product {
    fn new(rows: usize, width: usize, device: &Device) -> Self {
        let filled = |rows: usize| {
            let shape = [rows, 4 * width];
            let Some(gpu) = device.gpu() else { return tensor(vec![0.5; rows * 4 * width], shape, device) };
            let filled = gpu::empty(shape, gpu);
            gpu::fill(&gpu::piece(&filled, 0, [rows * 4 * width]), 0.5);
            filled.into()
        };
        Self { gradient: filled(rows), weight: filled(width), nothing: tensor(vec![0.0], [1], device) }
    }

    fn operations(&self) -> f64 {
        let ([rows, inner], [width, _]) = (self.gradient.dims(), self.weight.dims());
        2.0 * (rows * inner * width) as f64
    }

    /// Seconds from queueing the product `count` times until an element of the last result can be read.
    async fn seconds(&self, count: usize, clock: &impl Fn() -> f64) -> Result<f64, ReadFailed> {
        let began = clock();
        let mut one = self.nothing.clone();
        for _ in 0..count {
            if let Tensor::Gpu(out) = input_gradient(&self.gradient, &self.weight) {
                one = gpu::piece(&out, 0, [1]).into();
            }
        }
        read(one).await?;
        Ok(clock() - began)
    }
}
