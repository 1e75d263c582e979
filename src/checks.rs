//! Runs every operation by itself, with its gradients, on two engines. The browser tests run these checks
//! (tests/browser/operations), because another compiler makes the GPU's code there; natively each operation's own tests
//! do this and more. None of it is in the page.
//!
//! Each check runs once on each engine, on the same numbers, and returns its results by name.

use std::slice::from_ref;

use crate::{
    architecture::Norm,
    config::{Activation, Rope},
    model::{Ids, Targets},
    ops::{
        self, AdamW, AttentionKernels, Decay, Device, Dropout, Flat, Gradients, Heads, IGNORED, LinearGradient,
        LoraGradient, Mask, Moments, NormGradient, Past, Precision, ReadFailed, Rotation, Scalars, Tensor,
    },
    train::mix,
};

/// Results of a check: names and values.
type Computed = Vec<(String, Vec<f32>)>;
type Done = Result<Computed, ReadFailed>;

/// The checks, in the order of the page's list.
pub const NAMES: [&str; 13] = [
    "linear",
    "activations",
    "attention",
    "writing",
    "layer-norm",
    "rms-norm",
    "rotary",
    "head-norm",
    "gate",
    "head",
    "long-rows",
    "embedding",
    "adamw",
];

/// Runs one check on the CPU and on `gpu`, and describes the first value that differs by more than 1e-4 of the
/// largest one. `None` means that both engines compute the same.
///
/// # Errors
/// [`ReadFailed`] when the GPU was lost or rejected a kernel.
///
/// # Panics
/// For a name that is not among [`NAMES`], and when the engines compute another number of values.
pub async fn compare(name: &str, gpu: &Device) -> Result<Option<String>, ReadFailed> {
    if let Some(gpu) = gpu.gpu() {
        gpu.poison();
    }
    let right = compute(name, &Device::cpu()).await?;
    let got = compute(name, gpu).await?;
    assert!(!right.is_empty() && got.len() == right.len(), "both engines compute the same");
    for ((what, right), (_, got)) in right.iter().zip(&got) {
        let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.0 && got.len() == right.len(), "{what}: {} and {} numbers", got.len(), right.len());
        // Written so that NaN counts as a difference.
        let near = |got: f32, right: f32| (got - right).abs() <= 1e-4 * largest + 1e-7;
        if let Some(at) = (0..got.len()).find(|&at| !near(got[at], right[at])) {
            return Ok(Some(format!("{what}: {} instead of {} at {at} of {}", got[at], right[at], got.len())));
        }
    }
    Ok(None)
}

async fn compute(name: &str, device: &Device) -> Done {
    match name {
        "linear" => linear(device).await,
        "activations" => activations(device).await,
        "attention" => attention(device).await,
        "writing" => writing(device).await,
        "layer-norm" => norm(device, Norm::Layer { epsilon: 1e-3 }).await,
        "rms-norm" => norm(device, Norm::RootMeanSquare { epsilon: 1e-3 }).await,
        "rotary" => rotary(device).await,
        "head-norm" => head_norm(device).await,
        "gate" => gate(device).await,
        "head" => head(device, 31, [23, 9]).await,
        "long-rows" => head(device, ops::LONG_ROW + 3, [5, 8]).await,
        "embedding" => embedding(device).await,
        "adamw" => adamw(device).await,
        _ => panic!("no check {name}"),
    }
}

/// Random values between -1 and 1, the same on every engine.
fn random<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let value = |index| (mix(seed, index as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0;
    let values = (0..shape.iter().product()).map(value).collect();
    ops::tensor(values, shape, device)
}

fn mask(seed: u64) -> Option<Mask> {
    Dropout::new(0.3, seed).map(|dropout| dropout.mask(2))
}

/// Sizes with and without a factor of four; a single row.
const LINEAR: [[usize; 3]; 4] = [[36, 32, 48], [13, 7, 9], [70, 20, 65], [1, 16, 20]];

async fn linear(device: &Device) -> Done {
    let mut all = Vec::new();
    for (case, [rows, inputs, outputs]) in LINEAR.into_iter().enumerate() {
        let seed = 100 * case as u64;
        let name = |what: &str| format!("{what} of {rows} x {inputs} x {outputs}");
        let (x, weight) = (random([rows, inputs], seed, device), random([inputs, outputs], seed + 1, device));
        let (bias, gradient) = (random([outputs], seed + 2, device), random([rows, outputs], seed + 3, device));
        let residual = random([rows, outputs], seed + 4, device);
        all.push((name("layer"), ops::read(ops::linear(&x, &weight, &bias)).await?));
        for mask in [None, mask(seed)] {
            let with_residual = ops::linear_residual(&x, &weight, &bias, &residual, mask);
            all.push((name("layer with residual"), ops::read(with_residual).await?));
        }
        all.push((name("input gradient"), ops::read(ops::input_gradient(&gradient, &weight)).await?));
        let start = (inputs * outputs).next_multiple_of(128);
        let place = LinearGradient { weight: 0..inputs * outputs, bias: Some(start..start + outputs) };
        let mut gradients = Gradients::new((start + outputs).next_multiple_of(128), &[], device);
        for pass in ["one pass", "two passes"] {
            ops::weight_gradient(&x, &gradient, &place, &mut gradients);
            gradients.end_pass();
            let flat = gradients.values().await?;
            all.push((name(&format!("weight gradient of {pass}")), flat[place.weight.clone()].to_vec()));
            all.push((name(&format!("bias gradient of {pass}")), flat[start..].to_vec()));
        }
        // An adapter of rank 3 on the same matrix.
        let start = (3 * inputs).next_multiple_of(128);
        let place = LoraGradient { a: 0..3 * inputs, b: start..start + 3 * outputs, rank: 3, first_output: 0 };
        let len = (start + 3 * outputs).next_multiple_of(128);
        let flat = Flat::new(ops::read(random::<1>([len], seed + 5, device)).await?, len, device);
        all.push((name("adapted matrix"), ops::read(ops::adapted(&weight, &flat, from_ref(&place), 0.7)).await?));
        let mut gradients = Gradients::new(len, &[], device);
        ops::thin_gradient(&x, &gradient, &flat, &place, 0.7, &mut gradients);
        gradients.end_pass();
        let thin = gradients.values().await?;
        all.push((name("adapter's gradient"), [&thin[place.a.clone()], &thin[place.b.clone()]].concat()));
    }
    Ok(all)
}

async fn activations(device: &Device) -> Done {
    let mut all = Vec::new();
    let [rows, inputs, outputs] = [9, 12, 20];
    let (x, weight) = (random([rows, inputs], 1, device), random([inputs, outputs], 2, device));
    let (bias, gradient) = (random([outputs], 3, device), random([rows, outputs], 4, device));
    let before = random([rows, inputs], 5, device);
    let kinds = [Activation::GeluTanh, Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh];
    for kind in kinds {
        let (raw, after) = ops::linear_activated(&x, &weight, &bias, kind);
        all.push((format!("before {kind:?}"), ops::read(raw).await?));
        all.push((format!("{kind:?}"), ops::read(after).await?));
        let through = ops::input_gradient_through_activation(&gradient, &weight, &before, kind);
        all.push((format!("gradient through {kind:?}"), ops::read(through).await?));
    }
    Ok(all)
}

/// Uses these kernels of attention; on the CPU there are no others.
fn use_kernels(device: &Device, kernels: AttentionKernels) {
    if let Some(gpu) = device.gpu() {
        gpu.choose_kernels(gpu.kernels_in_use().with_attention(kernels));
    }
}

async fn attention(device: &Device) -> Done {
    use AttentionKernels::{Rows, Tiles};
    let mut all = Vec::new();
    let cases = [
        (Rows, 2, 37, [2, 2], 16),
        (Rows, 1, 70, [1, 1], 20),
        (Rows, 3, 5, [2, 2], 7),
        (Rows, 2, 37, [4, 2], 16),
        (Tiles, 2, 37, [4, 2], 16),
        (Tiles, 1, 40, [2, 2], 7),
        (Tiles, 1, 70, [1, 1], 80),
    ];
    for (case, (kernels, windows, time, [queries, key_values], head_width)) in cases.into_iter().enumerate() {
        let (seed, heads) = (100 * case as u64, Heads { queries, key_values });
        use_kernels(device, kernels);
        let qkv = random([windows * time, heads.joint() * head_width], seed, device);
        let gradient = random([windows * time, queries * head_width], seed + 1, device);
        // Tiles with dropout alone: each kernel takes a while to compile.
        for mask in [None, mask(seed)].into_iter().skip(usize::from(kernels == Tiles)) {
            let dropout = mask.is_some();
            let what = format!("{windows} x {time}, {heads:?} of {head_width}, {kernels:?}, dropout {dropout}");
            let (y, saved) = ops::attention(&qkv, windows, heads, mask, Precision::Single);
            all.push((format!("attention of {what}"), ops::read(y).await?));
            let back = ops::attention_backward(saved, &gradient);
            all.push((format!("its gradient of {what}"), ops::read(back).await?));
        }
    }
    Ok(all)
}

/// Generation token by token with a KV cache.
async fn writing(device: &Device) -> Done {
    let mut all = Vec::new();
    let (heads, width) = (Heads::equal(2), 24);
    let (weight, bias) = (random([width, 3 * width], 1, device), random([3 * width], 2, device));
    for kernels in [AttentionKernels::Tiles, AttentionKernels::Rows] {
        use_kernels(device, kernels);
        let mut past = Past::new(40, 2 * width, device);
        let mut read = 0;
        for rows in [1, 17, 1, 1, 9] {
            let x = random([rows, width], 10 + read as u64, device);
            let y = past.attend(&ops::linear(&x, &weight, &bias), read, heads);
            all.push((format!("{rows} tokens after {read}, {kernels:?}"), ops::read(ops::last_row(&y)).await?));
            all.push((format!("all of {rows} tokens after {read}, {kernels:?}"), ops::read(y).await?));
            read += rows;
        }
    }
    Ok(all)
}

async fn norm(device: &Device, norm: Norm) -> Done {
    let mut all = Vec::new();
    for (case, [rows, width]) in [[5, 12], [70, 32], [3, 7], [40, 65]].into_iter().enumerate() {
        let seed = 100 * case as u64;
        let name = |what: &str| format!("{what} of {rows} x {width}");
        let x = random([rows, width], seed, device);
        let (gain, bias) = (random([width], seed + 1, device), random([width], seed + 2, device));
        let (gradient, residual) = (random([rows, width], seed + 3, device), random([rows, width], seed + 4, device));
        let (y, saved) = ops::norm(&x, &gain, &bias, norm, Precision::Single);
        all.push((name("norm"), ops::read(y).await?));
        let start = width.next_multiple_of(128);
        let place = NormGradient { index: 0, gain: 0..width, bias: Some(start..start + width) };
        let len = (start + width).next_multiple_of(128);
        let mut gradients = Gradients::new(len, from_ref(&place), device);
        for residual in [None, Some(&residual)] {
            let back = ops::norm_backward(&saved, &gain, &gradient, residual, Some(&place), &mut gradients);
            gradients.end_pass();
            all.push((name("input gradient"), ops::read(back).await?));
            let flat = gradients.values().await?;
            all.push((name("gain gradient"), flat[place.gain.clone()].to_vec()));
            all.push((name("bias gradient"), flat[start..].to_vec()));
        }
    }
    Ok(all)
}

async fn rotary(device: &Device) -> Done {
    let mut all = Vec::new();
    for (queries, key_values, head_width, windows, time) in [(4, 2, 6, 3, 5), (9, 3, 64, 2, 33)] {
        let heads = Heads { queries, key_values };
        let table = ops::rotations(&Rope::DEFAULT.frequencies(head_width), time, device);
        for way in [Rotation::Forward, Rotation::Backward] {
            let mut qkv = random([windows * time, heads.joint() * head_width], 1, device);
            ops::rotate(&mut qkv, 0, time, heads, &table, way);
            all.push((format!("{way:?} of {queries} heads of {head_width}"), ops::read(qkv).await?));
        }
    }
    Ok(all)
}

async fn head_norm(device: &Device) -> Done {
    let heads = Heads { queries: 4, key_values: 2 };
    let mut all = Vec::new();
    for (rows, width) in [(5, 6), (33, 64)] {
        let name = |what: &str| format!("{what} of {rows} x {width}");
        let shape = [rows, heads.joint() * width];
        let (before, mut gradient) = (random(shape, 1, device), random(shape, 2, device));
        let gains = [random([width], 3, device), random([width], 4, device)];
        let mut qkv = ops::copy(&before);
        ops::norm_heads(&mut qkv, heads, gains.each_ref(), 1e-3);
        all.push((name("queries and keys"), ops::read(qkv).await?));
        let places = [0..width, 128..128 + width];
        let mut gradients = Gradients::new(256, &[], device);
        let slots = Some(places.each_ref());
        ops::norm_heads_backward(&before, &mut gradient, heads, gains.each_ref(), 1e-3, slots, &mut gradients);
        gradients.end_pass();
        all.push((name("gradient"), ops::read(gradient).await?));
        let flat = gradients.values().await?;
        all.extend(places.map(|place| (name("gain gradient"), flat[place].to_vec())));
    }
    Ok(all)
}

async fn gate(device: &Device) -> Done {
    let mut all = Vec::new();
    for [rows, width] in [[5, 7], [40, 64]] {
        let (x, gradient) = (random([rows, 2 * width], 1, device), random([rows, width], 2, device));
        let y = ops::gate(&x, Activation::Silu, Precision::Single);
        all.push((format!("gate of {rows} x {width}"), ops::read(y).await?));
        let back = ops::gate_backward(&gradient, &x, Activation::Silu);
        all.push((format!("gradient of {rows} x {width}"), ops::read(back).await?));
    }
    Ok(all)
}

/// Softmax and cross-entropy, with targets that do not count.
async fn head(device: &Device, vocabulary: usize, [rows, width]: [usize; 2]) -> Done {
    let (hidden, tokens) = (random([rows, width], 1, device), random([vocabulary, width], 2, device));
    let target = |row: usize| if row % 3 == 2 { IGNORED as u32 } else { (row * 7 % vocabulary) as u32 };
    let targets = Targets::new((0..rows).map(target).collect(), vocabulary).expect("targets of the vocabulary");
    let mut scalars = Scalars::new(device);
    let mut gradients = Gradients::new((vocabulary * width).next_multiple_of(128), &[], device);
    let mut hidden_gradient = None;
    for _ in 0..2 {
        let scalar = scalars.add();
        let place = Some(0);
        let back = ops::head::loss_and_gradient(
            &hidden,
            from_ref(&tokens),
            &targets,
            &mut scalars,
            scalar,
            place,
            &mut gradients,
        );
        gradients.end_pass();
        hidden_gradient = Some(back);
    }
    let scalar = scalars.add();
    ops::head::loss(&hidden, from_ref(&tokens), &targets, &mut scalars, scalar);
    let mut all = vec![
        ("logits".into(), ops::read(ops::head::logits(&hidden, from_ref(&tokens))).await?),
        ("losses".into(), scalars.take().await?),
        ("token gradient of two passes".into(), gradients.values().await?[..vocabulary * width].to_vec()),
    ];
    if let Some(back) = hidden_gradient {
        all.push(("hidden gradient".into(), ops::read(back).await?));
    }
    Ok(all)
}

async fn embedding(device: &Device) -> Done {
    let mut all = Vec::new();
    for (case, [windows, time, width, vocabulary]) in
        [[2, 5, 8, 7], [3, 7, 6, 30], [1, 9, 3, 2]].into_iter().enumerate()
    {
        let (seed, context) = (100 * case as u64, time + 4);
        let name = |what: &str| format!("{what} of {windows} x {time} x {width} x {vocabulary}");
        let numbers = (0..windows * time).map(|at| ((at * 5 + 2) % 9 % vocabulary) as u32).collect();
        let ids = Ids::new(numbers, windows, vocabulary).expect("ids of the vocabulary");
        let (tokens, positions) =
            (random([vocabulary, width], seed, device), random([context, width], seed + 1, device));
        let gradient = random([windows * time, width], seed + 2, device);
        for (start, mask) in [(0, None), (4, mask(seed))] {
            let embedded = ops::embed(&ids, from_ref(&tokens), Some(&positions), start, mask);
            all.push((name("embedding"), ops::read(embedded).await?));
        }
        all.push((name("dropout"), ops::read(ops::drop_out(&gradient, mask(seed))).await?));
        let start = (vocabulary * width).next_multiple_of(128);
        let places = start..start + context * width;
        for tied in [true, false] {
            let mut gradients = Gradients::new(places.end.next_multiple_of(128), &[], device);
            for _ in 0..2 {
                ops::embed_backward(&ids, &gradient, (vocabulary, tied), Some(&places), &mut gradients);
                gradients.end_pass();
            }
            let flat = gradients.values().await?;
            all.push((name("token gradient"), flat[..vocabulary * width].to_vec()));
            all.push((name("position gradient"), flat[places.clone()].to_vec()));
        }
    }
    Ok(all)
}

/// Three updates, with and without clipping, with the gradient norm.
async fn adamw(device: &Device) -> Done {
    let (inputs, outputs) = (37usize, 29usize);
    let start = (inputs * outputs).next_multiple_of(128);
    let place = LinearGradient { weight: 0..inputs * outputs, bias: Some(start..start + outputs) };
    let len = (start + outputs).next_multiple_of(128);
    let mut weights = Flat::new(ops::read(random::<1>([len], 1, device)).await?, len, device);
    let mut moments = Moments::zeros(len, device);
    let decay = Decay::new(vec![0..128, 256..start], len, device);
    let mut gradients = Gradients::new(len, &[], device);
    let mut scalars = Scalars::new(device);
    for update in 1..=3 {
        gradients.start();
        let x = random([11, inputs], 10 * update, device);
        let gradient = random([11, outputs], 10 * update + 1, device);
        ops::weight_gradient(&x, &gradient, &place, &mut gradients);
        gradients.end_pass();
        let clip = if update == 2 { 0.0 } else { 1.0 };
        let rule = AdamW { learning_rate: 1e-2, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, clip, update };
        let scalar = scalars.add();
        rule.update(&mut weights, &mut moments, &gradients, &decay, &mut scalars, scalar);
    }
    Ok(vec![
        ("weights".into(), weights.read().await?),
        ("first moment".into(), moments.first.read().await?),
        ("second moment".into(), moments.second.read().await?),
        ("norms".into(), scalars.take().await?),
    ])
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    #[ignore = "each operation has tests of its own here"]
    fn every_check_passes_natively_too() {
        let gpu = ops::testing::gpu_device();
        for name in NAMES {
            assert_eq!(block_on(compare(name, &gpu)).unwrap(), None, "{name}");
        }
    }
}
