//! Both kinds of kernels held against the CPU.

use super::{super::ATTENTIONS, AttentionKernels};
use crate::ops::{
    Device, Dropout, Heads, Past, Precision, Tensor, attention, attention_backward,
    gpu::Choice,
    last_row,
    testing::{assert_close, gpu_device, moved, random, values},
};

/// A GPU with these kernels of attention, so slow that each workgroup is a separate submission.
fn gpu_with(kernels: AttentionKernels) -> Device {
    let device = gpu_device();
    device.set_speed(1.0);
    let gpu = device.gpu().unwrap();
    gpu.choose_kernels(Choice::default().with_attention(kernels));
    device
}

struct Case {
    windows: usize,
    time: usize,
    heads: Heads,
    head_width: usize,
    dropout: f32,
}

const fn case(windows: usize, time: usize, [queries, key_values]: [usize; 2], head_width: usize, dropout: f32) -> Case {
    Case { windows, time, heads: Heads { queries, key_values }, head_width, dropout }
}

/// Times below a tile, of whole tiles and of more; head widths of 16 to 128 that are and are not multiples of a load, or
/// of what the threads of a row share; groups of one, two and four heads.
const CASES: [Case; 11] = [
    case(2, 16, [2, 2], 16, 0.0),
    case(2, 37, [2, 2], 16, 0.3),
    case(4, 21, [3, 3], 5, 0.0),
    case(1, 40, [2, 1], 18, 0.3),
    case(2, 33, [4, 2], 20, 0.0),
    case(1, 70, [4, 1], 32, 0.3),
    case(1, 64, [2, 2], 64, 0.0),
    case(1, 45, [4, 2], 64, 0.3),
    case(1, 33, [2, 1], 80, 0.3),
    case(1, 35, [1, 1], 128, 0.3),
    case(1, 3, [1, 1], 160, 0.0),
];

impl Case {
    fn inputs(&self, seed: u64) -> (Tensor<2>, Tensor<2>) {
        let &Self { windows, time, heads, head_width, .. } = self;
        let rows = windows * time;
        (random([rows, heads.joint() * head_width], seed), random([rows, heads.queries * head_width], seed + 1))
    }

    fn compute(&self, qkv: &Tensor<2>, gradient: &Tensor<2>) -> [Tensor<2>; 2] {
        let mask = Dropout::new(self.dropout, 7).map(|dropout| dropout.mask(2));
        let (y, saved) = attention(qkv, self.windows, self.heads, mask, Precision::Single);
        [y, attention_backward(saved, gradient)]
    }
}

#[test]
fn both_kinds_of_attention_kernels_agree_with_the_cpu() {
    let gpus = ATTENTIONS.map(|kernels| (kernels, gpu_with(kernels)));
    for (seed, case) in CASES.iter().enumerate() {
        let (qkv, gradient) = case.inputs(seed as u64 * 10);
        let right = case.compute(&qkv, &gradient);
        for (kernels, gpu) in &gpus {
            // Of wide heads the kernels in registers are large: each takes long to compile.
            if *kernels == AttentionKernels::Rows && case.head_width > 32 && case.dropout == 0.0 {
                continue;
            }
            let got = case.compute(&moved(&qkv, gpu), &moved(&gradient, gpu));
            let Case { windows, time, heads, head_width, dropout } = case;
            let name = format!("{windows} x {time}, {heads:?} of {head_width}, dropout {dropout}, {kernels:?}");
            assert_close(&got[0], &right[0], &name);
            assert_close(&got[1], &right[1], &format!("gradient, {name}"));
        }
    }
}

#[test]
fn attention_in_parts_gives_the_same_bits_as_whole() {
    let case = case(2, 70, [4, 2], 32, 0.3);
    let (qkv, gradient) = case.inputs(1);
    for kernels in ATTENTIONS {
        let gpu = gpu_with(kernels);
        let on_gpu = || case.compute(&moved(&qkv, &gpu), &moved(&gradient, &gpu)).map(|tensor| values(&tensor));
        let in_parts = on_gpu();
        let _whole = gpu.gpu().unwrap().whole();
        assert_eq!(on_gpu(), in_parts, "{kernels:?}");
    }
}

#[test]
fn large_scores_stay_finite() {
    // Scores of up to 10,000, of masked keys too.
    let case = case(1, 40, [1, 1], 16, 0.0);
    let (qkv, gradient) = case.inputs(3);
    let qkv = crate::ops::testing::times(&qkv, 60.0);
    let right = case.compute(&qkv, &gradient);
    for kernels in ATTENTIONS {
        let gpu = gpu_with(kernels);
        let got = case.compute(&moved(&qkv, &gpu), &moved(&gradient, &gpu));
        assert_close(&got[0], &right[0], &format!("{kernels:?}"));
        assert!(values(&got[1]).iter().all(|value| value.is_finite()), "{kernels:?}");
    }
}

#[test]
fn both_kinds_of_attention_kernels_write_with_a_cache() {
    let heads = Heads { queries: 4, key_values: 2 };
    let joint = heads.joint() * 12;
    let (weight, bias) = (random([8, joint], 1), random([joint], 2));
    let steps = [(1, 3), (37, 4), (1, 5), (33, 6), (2, 7)];
    let on = |device: &Device| {
        let (weight, bias) = (moved(&weight, device), moved(&bias, device));
        let (mut past, mut read) = (Past::new(80, 2 * heads.key_values * 12, device), 0);
        steps.map(|(rows, seed)| {
            let y =
                past.attend(&crate::ops::linear(&moved(&random([rows, 8], seed), device), &weight, &bias), read, heads);
            read += rows;
            (last_row(&y), y)
        })
    };
    let right = on(&Device::cpu());
    for kernels in ATTENTIONS {
        for ((last, all), (right_last, right_all)) in on(&gpu_with(kernels)).iter().zip(&right) {
            assert_close(all, right_all, &format!("{kernels:?}"));
            assert_close(last, right_last, &format!("the last of {kernels:?}"));
        }
    }
}
