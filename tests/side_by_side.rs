//! Engines have no global state: several of them train in one thread or in several, and their gradients of parts of a
//! batch can be combined.

use std::thread;

use futures_lite::future::block_on;
use lorito::{
    config::{ModelConfig, TrainConfig, Variant},
    model::{Gpt, Ids, Targets},
    ops::{Device, Gradients},
    train::{Batch, Dataset, Trainer, mix},
};

const CONFIG: ModelConfig =
    ModelConfig { vocabulary: 29, context: 12, layers: 2, heads: 2, width: 20, dropout: 0.2, variant: Variant::GPT2 };

fn gpu() -> Device {
    Device::driver_gpu()
}

fn begin(device: &Device, seed: u64) -> (Gpt, Trainer) {
    let gpt = Gpt::new(CONFIG, seed, device);
    let mut trainer = Trainer::new(&gpt);
    let run = TrainConfig { steps: 6, batch_size: 3, learning_rate: 3e-3, warmup_steps: 1, ..TrainConfig::default() };
    trainer.begin(TrainConfig { gradient_accumulation: 2, seed, ..run }).unwrap();
    (gpt, trainer)
}

fn data() -> Dataset {
    Dataset { train: (0..500).map(|at| (mix(3, at / 2) % 29) as u32).collect(), ..Dataset::default() }
}

fn losses(trainer: &mut Trainer) -> Vec<f32> {
    block_on(trainer.read()).unwrap().iter().map(|record| record.loss).collect()
}

fn train(device: &Device, seed: u64) -> Vec<f32> {
    let (mut gpt, mut trainer) = begin(device, seed);
    (0..6).for_each(|_| trainer.step(&mut gpt, &data()).unwrap());
    losses(&mut trainer)
}

#[test]
fn engines_that_alternate_in_one_thread_train_as_each_does_alone() {
    let alone = [Device::cpu(), gpu(), gpu()].map(|device| train(&device, 5));
    let slow = gpu();
    // This one's kernels are divided into several submissions, the other's are not.
    slow.set_speed(1.0);
    let mut engines = [Device::cpu(), gpu(), slow].map(|device| begin(&device, 5));
    for _ in 0..6 {
        for (gpt, trainer) in &mut engines {
            trainer.step(gpt, &data()).unwrap();
        }
    }
    let together = engines.map(|(_, mut trainer)| losses(&mut trainer));
    assert_eq!(together, alone);
    assert!(alone[0][5] < alone[0][0] && (alone[0][5] - alone[1][5]).abs() < 1e-4, "{alone:?}");
}

#[test]
fn cpu_engines_train_in_separate_threads() {
    let alone = [1, 2, 3].map(|seed| train(&Device::cpu(), seed));
    let threads = [1, 2, 3].map(|seed| thread::spawn(move || train(&Device::cpu(), seed)));
    assert_eq!(threads.map(|thread| thread.join().unwrap()), alone);
    assert_ne!(alone[0], alone[1]);
}

/// Windows `from..to` of a batch of four.
fn windows(from: usize, to: usize) -> Batch {
    let ids = |seed| (12 * from as u64..12 * to as u64).map(|at| (mix(seed, at) % 29) as u32).collect();
    Batch { inputs: Ids::new(ids(1), to - from, 29).unwrap(), targets: Targets::new(ids(2), 29).unwrap() }
}

/// Without dropout, which would give each half its own masks.
fn without_dropout(device: &Device) -> (Gpt, Trainer) {
    let gpt = Gpt::new(ModelConfig { dropout: 0.0, ..CONFIG }, 5, device);
    let mut trainer = Trainer::new(&gpt);
    trainer.begin(TrainConfig { learning_rate: 1e-3, warmup_steps: 0, ..TrainConfig::default() }).unwrap();
    (gpt, trainer)
}

fn means(gradients: &Gradients) -> Vec<f32> {
    let passes = gradients.passes() as f32;
    block_on(gradients.values()).unwrap().into_iter().map(|value| value / passes).collect()
}

#[test]
fn combined_gradients_of_two_halves_equal_those_of_the_whole_batch() {
    for device in [Device::cpu(), gpu()] {
        let (mut gpt, mut trainer) = without_dropout(&device);
        let whole = trainer.gradient(&mut gpt, &[windows(0, 4)], 0);
        let right = means(&whole);
        trainer.apply(&mut gpt, whole);
        let right_norm = block_on(trainer.read()).unwrap()[0].gradient_norm;

        let (mut gpt, mut trainer) = without_dropout(&device);
        // The other half is computed on the CPU in a separate thread.
        let elsewhere = |device: Device| {
            let (mut gpt, mut trainer) = without_dropout(&device);
            trainer.gradient(&mut gpt, &[windows(2, 4)], 1)
        };
        let other = match device.gpu() {
            None => thread::spawn(move || elsewhere(Device::cpu())).join().unwrap(),
            Some(_) => elsewhere(device.clone()),
        };
        let mut gradients = trainer.gradient(&mut gpt, &[windows(0, 2)], 0);
        assert_eq!((trainer.progress().step, block_on(trainer.read()).unwrap()), (0, vec![]));
        gradients.add(&other);
        let got = means(&gradients);
        let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (at, (got, right)) in got.iter().zip(&right).enumerate() {
            assert!((got - right).abs() <= 1e-5 * largest, "{got} instead of {right} at {at} on {device:?}");
        }
        trainer.apply(&mut gpt, gradients);
        let record = block_on(trainer.read()).unwrap()[0];
        assert!((record.gradient_norm - right_norm).abs() < 1e-5 * right_norm, "{record:?} {right_norm}");
        assert_eq!((record.step, trainer.progress().step), (1, 1));
    }
}

#[test]
fn tensors_models_and_gradients_can_be_sent_to_another_thread() {
    fn goes<T: Send>() {}
    goes::<Device>();
    goes::<Gpt>();
    goes::<Trainer>();
    goes::<Gradients>();
}
