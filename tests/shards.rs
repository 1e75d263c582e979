//! Steps that several workers share: the same bits with any number of them.

use std::{cell::Cell, ops::Range, rc::Rc};

use futures_lite::future::block_on;
use lorito::{
    config::{LoraConfig, ModelConfig, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    model::Gpt,
    ops::Device,
    session::Session,
    tokenizer::Kind,
    train::{ReplicaPool, ReplicaSetup, RunEvent, Shares, StepRecord, Threads},
};

const STEPS: u64 = 20;

fn session() -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.open_file("cuento.txt", 0, None);
    let text = "Un loro verde contaba cuentos. La niña preguntaba; el loro respondía: «¡otra vez!»\n";
    session.push_bytes(text.repeat(40).as_bytes()).unwrap();
    session.close_file().unwrap();
    session.train_tokenizer(Kind::Char, None).unwrap();
    let variant = Variant::GPT2;
    let config = ModelConfig { vocabulary: 0, context: 16, layers: 2, heads: 2, width: 32, dropout: 0.1, variant };
    session.create_model(config, 7).unwrap();
    session
}

/// Batches that shards do not divide evenly, and two passes.
fn config() -> TrainConfig {
    TrainConfig {
        steps: STEPS,
        eval_every: 10,
        batch_size: 11,
        gradient_accumulation: 2,
        shards: 8,
        warmup_steps: 2,
        learning_rate: 3e-3,
        ..TrainConfig::default()
    }
}

/// A clock that advances by a tenth of a second each time it is read, so that replicas soon start.
#[derive(Default)]
struct Clock(Cell<f64>);

impl Clock {
    fn read(&self) -> f64 {
        self.0.set(self.0.get() + 0.1);
        self.0.get()
    }
}

/// Ticks until the end of the run, or until `steps` are done, and returns the numbers of workers that took part.
fn tick(session: &mut Session, steps: u64) -> Vec<usize> {
    let clock = Clock::default();
    block_on(session.start_run(|| clock.read())).unwrap();
    let mut workers = Vec::new();
    loop {
        for event in block_on(session.tick(|| clock.read())).unwrap() {
            match event {
                RunEvent::Progress { progress } => workers.push(progress.workers),
                RunEvent::Finished { .. } => return workers,
                _ => {}
            }
        }
        if session.status().unwrap().step >= steps && steps < STEPS {
            return workers;
        }
    }
}

/// The losses and the checkpoint of a run.
fn results(session: &Session) -> (Vec<StepRecord>, Vec<u32>) {
    let weights = block_on(session.export_safetensors("m")).unwrap();
    // Without the header, which has the time that training took.
    let header = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let numbers = weights[8 + header..].as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    (session.history().unwrap().steps.clone(), numbers.collect())
}

fn trained(config: TrainConfig, workers: usize) -> (Vec<StepRecord>, Vec<u32>) {
    let mut session = session();
    session.set_replica_pool(Box::<Threads>::default());
    session.set_workers(workers);
    session.begin_training(config).unwrap();
    let took_part = tick(&mut session, STEPS);
    assert!(took_part.contains(&workers), "{workers} workers: {took_part:?}");
    results(&session)
}

#[test]
fn any_number_of_workers_gives_the_same_bits() {
    let alone = {
        let mut session = session();
        session.begin_training(config()).unwrap();
        tick(&mut session, STEPS);
        results(&session)
    };
    assert_eq!(alone.0.len(), STEPS as usize);
    for workers in [1, 2, 3, 8] {
        let shared = trained(config(), workers);
        assert!(shared == alone, "{workers} workers");
    }
    // One shard gives nearly the same, as only the order of the sums and dropout differ.
    let whole = trained(TrainConfig { shards: 1, ..config() }, 1);
    assert_ne!(whole.0, alone.0);
    assert!((whole.0[0].loss - alone.0[0].loss).abs() < 0.01);
}

#[test]
fn without_dropout_shards_give_the_loss_and_gradient_of_the_whole_batch() {
    let first_step = |shards| {
        let mut session = session();
        let model = ModelConfig { dropout: 0.0, ..session.model_summary().unwrap().config };
        session.create_model(model, 7).unwrap();
        session.begin_training(TrainConfig { shards, ..config() }).unwrap();
        session.step().unwrap();
        block_on(session.read_losses()).unwrap()[0]
    };
    let whole = first_step(1);
    for shards in [2, 3, 8, 11] {
        let StepRecord { loss, gradient_norm, .. } = first_step(shards);
        assert!((loss - whole.loss).abs() < 1e-6, "{shards} shards: {loss} instead of {}", whole.loss);
        assert!((gradient_norm - whole.gradient_norm).abs() < 1e-5, "{shards} shards");
    }
}

#[test]
fn a_run_resumed_with_another_number_of_workers_goes_on_with_the_same_bits() {
    let right = trained(config(), 2);
    for (before, after) in [(1, 4), (4, 1), (2, 8)] {
        let mut first = session();
        first.set_replica_pool(Box::<Threads>::default());
        first.set_workers(before);
        first.begin_training(config()).unwrap();
        tick(&mut first, 9);
        let (checkpoint, tokens) = (block_on(first.checkpoint()).unwrap(), first.corpus_tokens().unwrap());
        let mut second = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        second.restore_run(&checkpoint, &tokens).unwrap();
        second.set_replica_pool(Box::<Threads>::default());
        second.set_workers(after);
        tick(&mut second, STEPS);
        assert!(results(&second) == right, "{before}, then {after} workers");
    }
}

#[test]
fn an_adapter_is_trained_by_several_workers_too() {
    let with = |workers| {
        let mut session = session();
        session.set_replica_pool(Box::<Threads>::default());
        session.set_workers(workers);
        session.begin_training(TrainConfig { lora: Some(LoraConfig::default()), ..config() }).unwrap();
        tick(&mut session, STEPS);
        results(&session)
    };
    assert!(with(1) == with(3));
}

/// A pool whose replicas are lost one after the other, each in the middle of a step.
struct Mortal {
    threads: Threads,
    left: Rc<Cell<usize>>,
    given: usize,
}

impl ReplicaPool for Mortal {
    fn begin(&mut self, setup: ReplicaSetup, replicas: usize) {
        self.threads.begin(setup, replicas);
        self.left.set(replicas);
    }

    fn replicas(&self) -> usize {
        self.left.get()
    }

    fn give(&mut self, replica: usize, step: u64, shards: Range<usize>, weights: &[f32]) {
        self.given += 1;
        self.threads.give(replica, step, shards, weights);
    }

    fn take(&mut self) -> Shares<'_> {
        let loses = self.given > 2 && self.left.get() > 0;
        if loses {
            (self.given, self.left) = (0, {
                self.left.set(self.left.get() - 1);
                self.left.clone()
            });
        }
        Box::pin(async move {
            let mut shares = self.threads.take().await;
            if loses {
                shares.pop();
            }
            shares
        })
    }

    fn end(&mut self) {
        self.threads.end();
    }
}

#[test]
fn what_a_lost_worker_had_to_compute_is_not_missing() {
    let right = trained(config(), 2);
    let mut session = session();
    let left = Rc::new(Cell::new(0));
    session.set_replica_pool(Box::new(Mortal { threads: Threads::default(), left: left.clone(), given: 0 }));
    session.set_workers(4);
    session.begin_training(config()).unwrap();
    tick(&mut session, STEPS);
    assert_eq!(left.get(), 0, "all three were lost");
    assert!(results(&session) == right);
}

#[test]
fn a_run_of_an_older_file_has_one_shard_and_its_steps_are_as_they_were() {
    let mut session = session();
    session.begin_training(TrainConfig { shards: 1, ..config() }).unwrap();
    tick(&mut session, 9);
    let (checkpoint, tokens) = (block_on(session.checkpoint()).unwrap(), session.corpus_tokens().unwrap());
    // As older versions wrote it: without a word of shards.
    assert!(!String::from_utf8_lossy(&checkpoint).contains("shards"));
    let mut resumed = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    resumed.restore_run(&checkpoint, &tokens).unwrap();
    resumed.set_replica_pool(Box::<Threads>::default());
    resumed.set_workers(4);
    assert!(tick(&mut resumed, STEPS).iter().all(|&workers| workers == 1));
    assert_eq!(resumed.run_settings().unwrap().shards, 1);
}

#[test]
fn memory_limits_the_number_of_workers() {
    let model = session().model_summary().unwrap().config;
    let alone = model.memory(&config(), Engine::Cpu).total();
    let total = |most: usize, total| {
        let limits = lorito::config::Limits { total, ..CPU_LIMITS };
        model.memory_of_workers(None, &config(), &limits, Engine::Cpu, most)
    };
    let many = total(8, 3 << 30);
    assert_eq!(many.total() - many.workers, alone);
    let each = many.workers / 7;
    assert_eq!(total(3, 3 << 30).workers, 2 * each);
    assert_eq!(total(8, alone + 3 * each).workers, 3 * each);
    assert_eq!(total(8, alone).workers, 0);
    assert!(each > 4 * Gpt::new(model, 1, &Device::cpu()).config.parameters());
}
