//! Measures whether layer norm is faster with one thread per row or with a team of threads, on this GPU.

use super::{
    choice::{Choice, ROWS, Rows},
    engine::Gpu,
    memory::{Tensor, piece, read, tensor},
    norm::{norm, norm_input_gradient},
};
use crate::{
    architecture::Norm as Kind,
    ops::{
        Device, Gradients, Precision, ReadFailed, norm as on_any, norm_backward,
        slope::{latency, median, pieces, slope},
        tensor as on_device,
    },
};

/// Rows and width.
const SHAPE: [usize; 2] = [128, 128];
const KIND: Kind = Kind::Layer { epsilon: 1e-5 };
/// Seconds of GPU time by which two batches differ, and the largest number of layer norms in one.
const ENOUGH: f64 = 0.01;
const MOST: usize = 16;
const ROUNDS: usize = 3;
/// One thread per row is chosen where it is this much faster, and not below the noise: where a GPU finishes before the
/// next kernel is queued, the kernel with neighbouring reads is the better guess.
const FASTER: f64 = 1.1;
const NOISE: f64 = 20e-6;

/// Queues the kernels of both kinds, so that they are compiled.
pub(super) fn warm_up(gpu: &Gpu) {
    let before = gpu.kernels_in_use();
    let norm = Norm::new([1, SHAPE[1]], gpu);
    for rows in ROWS {
        gpu.choose_kernels(Choice { rows, ..before });
        norm.queue();
    }
    gpu.choose_kernels(before);
}

/// The faster kind. Its kernels agree with the CPU, unless none does. After the time `until`, in seconds of `clock`, no
/// kernel is timed again.
///
/// # Errors
/// When the GPU is lost.
pub(super) async fn find(gpu: &Gpu, clock: &impl Fn() -> f64, until: f64) -> Result<Rows, ReadFailed> {
    let before = gpu.kernels_in_use();
    let found = faster(gpu, clock, until, before).await;
    gpu.choose_kernels(before);
    found
}

async fn faster(gpu: &Gpu, clock: &impl Fn() -> f64, until: f64, before: Choice) -> Result<Rows, ReadFailed> {
    let norm = Norm::new(SHAPE, gpu);
    let right = norm.on_cpu();
    for (rows, other) in [(Rows::Team, Rows::Thread), (Rows::Thread, Rows::Team)] {
        gpu.choose_kernels(Choice { rows, ..before });
        match read(&norm.queue()).await {
            Ok(got) if agree(&got, &right) => {}
            Ok(_) => return Ok(other),
            Err(ReadFailed::KernelRejected(_)) => {
                gpu.failure().take();
                return Ok(other);
            }
            Err(lost) => return Err(lost),
        }
    }
    let timed = |rows| {
        let norm = &norm;
        async move |count: usize| {
            gpu.choose_kernels(Choice { rows, ..before });
            let began = clock();
            for _ in 0..count {
                norm.queue();
            }
            read(&piece(&norm.x, 0, [64])).await?;
            Ok::<f64, ReadFailed>(clock() - began)
        }
    };
    let (team, thread) = (timed(Rows::Team), timed(Rows::Thread));
    let waited = latency(&team).await?;
    let count = pieces(ENOUGH, team(1).await? - waited).min(MOST);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        if round > 0 && clock() > until {
            break;
        }
        times[0].push(slope(&team, count).await?);
        times[1].push(slope(&thread, count).await?);
    }
    let [team, thread] = times.map(median);
    Ok(if FASTER * thread.max(NOISE) < team { Rows::Thread } else { Rows::Team })
}

fn agree(got: &[f32], right: &[f32]) -> bool {
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    got.iter().zip(right).all(|(got, right)| (got - right).abs() <= 1e-3 * largest)
}

/// A layer norm to measure; the gradient of its output is its output.
struct Norm {
    values: Vec<f32>,
    x: Tensor<2>,
    gain: Tensor<1>,
    bias: Tensor<1>,
}

impl Norm {
    fn new([rows, width]: [usize; 2], gpu: &Gpu) -> Self {
        let values: Vec<f32> = (0..rows * width).map(|at| ((at * 31) % 257) as f32 / 128.0 - 1.0).collect();
        let of_columns = |values: &[f32]| tensor(&values[..width], [width], gpu);
        Self { x: tensor(&values, [rows, width], gpu), gain: of_columns(&values), bias: of_columns(&values), values }
    }

    /// The gradient of `x`.
    fn queue(&self) -> Tensor<2> {
        let (y, statistics) = norm(&self.x, &self.gain, &self.bias, KIND, Precision::Single);
        norm_input_gradient(&self.x, &statistics, &self.gain, &y, None, KIND)
    }

    fn on_cpu(&self) -> Vec<f32> {
        let (cpu, width) = (Device::cpu(), self.gain.dims()[0]);
        let x = on_device(self.values.clone(), self.x.dims(), &cpu);
        let gain = on_device(self.values[..width].to_vec(), [width], &cpu);
        let (y, saved) = on_any(&x, &gain, &gain, KIND, Precision::Single);
        norm_backward(&saved, &gain, &y, None, None, &mut Gradients::new(64, &[], &cpu)).cpu().values().to_vec()
    }
}
