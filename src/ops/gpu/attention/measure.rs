//! Measures which kernels of attention are faster on this GPU.
//!
//! The forward pass decides for the backward pass, too: what makes one kind of kernels slow, too many registers on most
//! GPUs or barriers on SwiftShader, is the same in both, and each further kernel takes time to compile.

use super::{Sizes, attention, attention_backward};
use crate::ops::{
    CpuTensor, Heads, Precision, ReadFailed, Tensor as AnyTensor,
    gpu::{
        choice::{ATTENTIONS, AttentionKernels},
        engine::Gpu,
        memory::{Tensor, read, tensor},
    },
    slope::{latency, median, pieces, slope},
};

/// The sizes to measure: eight heads of GPT-2's width.
const MEASURED: Sizes = Sizes { windows: 2, time: 128, heads: 4, key_value_heads: 4, head_width: 64 };
/// The sizes to compare with the CPU: more than a tile.
const COMPARED: Sizes = Sizes { windows: 1, time: 45, heads: 2, key_value_heads: 1, head_width: 64 };
/// Seconds of GPU time by which two batches differ.
const ENOUGH: f64 = 0.01;
/// The largest number of times that the kernels are timed.
const ROUNDS: usize = 3;
/// Tiles are given up if the first pass takes twice the time plus these seconds.
const MARGIN: f64 = 0.005;
/// Tiles are preferred where times are within this factor, or below these seconds: they have room for more to do.
const ALIKE: f64 = 1.1;
const LEAST: f64 = 20e-6;

/// Queues the passes to measure with few numbers, so that their kernels are compiled.
pub fn warm_up(gpu: &Gpu) {
    let before = gpu.kernels_in_use();
    let sizes = Sizes { windows: 1, time: 2, heads: 1, key_value_heads: 1, ..MEASURED };
    let qkv = numbers(sizes, gpu).1;
    for kernels in ATTENTIONS {
        gpu.choose_kernels(before.with_attention(kernels));
        attention(&qkv, sizes, None, Precision::Single);
    }
    gpu.choose_kernels(before);
}

/// The faster kernels on this GPU: tiles only if they give the results of the CPU. `clock` returns seconds; after the
/// time `until` no kernel is timed again.
///
/// # Errors
/// When the GPU is lost.
pub async fn fastest(gpu: &Gpu, clock: &impl Fn() -> f64, until: f64) -> Result<AttentionKernels, ReadFailed> {
    let before = gpu.kernels_in_use();
    let tiles = tiles_are_faster_and_right(gpu, clock, until).await;
    gpu.choose_kernels(before);
    match tiles {
        Ok(true) => Ok(AttentionKernels::Tiles),
        Ok(false) => Ok(AttentionKernels::Rows),
        // A kernel that does not start on this GPU.
        Err(ReadFailed::KernelRejected(_)) => {
            gpu.failure().take();
            Ok(AttentionKernels::Rows)
        }
        Err(lost) => Err(lost),
    }
}

async fn tiles_are_faster_and_right(gpu: &Gpu, clock: &impl Fn() -> f64, until: f64) -> Result<bool, ReadFailed> {
    let qkv = numbers(MEASURED, gpu).1;
    let one = tensor(&[0.0], [1], gpu);
    let timed = |kernels| {
        let (qkv, one) = (&qkv, &one);
        async move |count: usize| {
            gpu.choose_kernels(gpu.kernels_in_use().with_attention(kernels));
            let began = clock();
            let mut last = None;
            for _ in 0..count {
                last = Some(attention(qkv, MEASURED, None, Precision::Single).1);
            }
            match last {
                Some(sums) => read(&sums).await?,
                None => read(one).await?,
            };
            Ok::<f64, ReadFailed>(clock() - began)
        }
    };
    let (rows, tiles) = (timed(AttentionKernels::Rows), timed(AttentionKernels::Tiles));
    let waited = latency(&rows).await?;
    let (of_rows, of_tiles) = (rows(1).await? - waited, tiles(1).await? - waited);
    if of_tiles > 2.0 * of_rows.max(0.0) + MARGIN {
        return Ok(false);
    }
    let (mut all_of_rows, mut all_of_tiles) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        if round > 0 && clock() > until {
            break;
        }
        all_of_rows.push(slope(&rows, pieces(ENOUGH, of_rows)).await?);
        all_of_tiles.push(slope(&tiles, pieces(ENOUGH, of_tiles)).await?);
    }
    if median(all_of_tiles) > ALIKE * median(all_of_rows).max(LEAST) {
        return Ok(false);
    }
    gpu.choose_kernels(gpu.kernels_in_use().with_attention(AttentionKernels::Tiles));
    agree_with_the_cpu(gpu).await
}

/// Whether the kernels in use give the results of the CPU, forward and backward.
async fn agree_with_the_cpu(gpu: &Gpu) -> Result<bool, ReadFailed> {
    let Sizes { windows, time, heads, key_value_heads, head_width } = COMPARED;
    let (values, qkv) = numbers(COMPARED, gpu);
    let shape = [windows * time, heads * head_width];
    let gradient: Vec<f32> = values[..shape[0] * shape[1]].iter().rev().copied().collect();
    let (y, sums) = attention(&qkv, COMPARED, None, Precision::Single);
    let back = attention_backward(&qkv, &y, &sums, &tensor(&gradient, shape, gpu), COMPARED, None);
    let both = Heads { queries: heads, key_values: key_value_heads };
    let qkv = AnyTensor::Cpu(CpuTensor::new(values, qkv.dims()));
    let (right, saved) = crate::ops::attention(&qkv, windows, both, None, Precision::Single);
    let right_back = crate::ops::attention_backward(saved, &CpuTensor::new(gradient, shape).into());
    Ok(close(&read(&y).await?, right.cpu().values()) && close(&read(&back).await?, right_back.cpu().values()))
}

fn close(got: &[f32], right: &[f32]) -> bool {
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    got.iter().zip(right).all(|(got, right)| (got - right).abs() <= 1e-3 * largest)
}

/// Queries, keys and values between -1 and 1.
fn numbers(sizes: Sizes, gpu: &Gpu) -> (Vec<f32>, Tensor<2>) {
    let Sizes { windows, time, heads, key_value_heads, head_width } = sizes;
    let shape = [windows * time, (heads + 2 * key_value_heads) * head_width];
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|at| ((at * 31) % 257) as f32 / 128.0 - 1.0).collect();
    let on_gpu = tensor(&values, shape, gpu);
    (values, on_gpu)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::gpu;

    #[test]
    fn kernels_of_attention_are_measured_and_agree_with_the_cpu() {
        let gpu = gpu();
        warm_up(&gpu);
        block_on(read(&tensor(&[0.0], [1], &gpu))).unwrap();
        let before = gpu.kernels_in_use();
        let began = Instant::now();
        let clock = || began.elapsed().as_secs_f64();
        let chosen = block_on(fastest(&gpu, &clock, 0.1)).unwrap();
        println!("{chosen:?} after {:.2} s", clock());
        assert_eq!(gpu.kernels_in_use(), before);
        gpu.choose_kernels(before.with_attention(AttentionKernels::Tiles));
        assert_eq!(block_on(agree_with_the_cpu(&gpu)), Ok(true));
    }
}
