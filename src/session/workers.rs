//! The workers that share the steps of a run on the CPU engine.

use std::sync::Arc;

use super::{Model, Session};
use crate::{
    device::Engine,
    error::{Error, Result},
    model::Frozen,
    train::{ReplicaPool, ReplicaSetup, WorkerCount},
};

/// Seconds of steps after which replicas start: they would slow down the first loss, and a run that soon ends needs none.
const ALONE: f64 = 0.5;

/// A pool, and how many of it take part.
pub(super) struct Workers {
    pool: Box<dyn ReplicaPool>,
    /// For the run in training, if its steps can be shared.
    shared: Option<Shared>,
}

/// How the steps of a run are shared.
struct Shared {
    worker_count: WorkerCount,
    /// The number of replicas to start, until they do.
    waiting: Option<usize>,
    /// The seconds that steps have taken until then.
    seconds: f64,
}

impl Session {
    /// Sets how many workers may train together from the next run on, this session and replicas of a pool. How many do is
    /// measured in the first steps, and now and then again. Losses are the same bits with any number.
    pub fn set_workers(&mut self, most: usize) {
        self.most_workers = most.max(1);
    }

    /// Sets the pool of later runs.
    pub fn set_replica_pool(&mut self, pool: Box<dyn ReplicaPool>) {
        self.end_workers();
        self.workers = Some(Workers { pool, shared: None });
    }

    /// Decides for the run that has begun how many replicas may start: as many as memory and shards allow.
    ///
    /// # Errors
    /// When there is no run.
    pub(super) fn prepare_workers(&mut self) -> Result<()> {
        let limits = self.limits_beside_texts();
        let Self { model, workers, engine, most_workers, .. } = self;
        let (Some(workers), Some(Model { gpt, trainer, .. })) = (workers, model) else { return Ok(()) };
        let shards = trainer.shards(gpt);
        workers.pool.end();
        workers.shared = None;
        let config = &trainer.progress().config;
        let packed = gpt.frozen().map(Frozen::bytes);
        let most = gpt.config.workers_that_fit(packed, config, &limits, *engine).min(*most_workers).min(shards);
        // Without its weights, a model with an adapter has nothing to give to replicas.
        if most < 2 || *engine != Engine::Cpu || (gpt.adapter().is_some() && gpt.flat.as_slice().is_none()) {
            return Ok(());
        }
        workers.shared = Some(Shared {
            worker_count: WorkerCount::new(shards, config.time_limit),
            waiting: Some(most - 1),
            seconds: 0.0,
        });
        Ok(())
    }

    /// Computes one step of the run with as many workers as help.
    ///
    /// # Errors
    /// Those of [`Session::step`].
    pub(super) async fn shared_step(&mut self, clock: &impl Fn() -> f64) -> Result<()> {
        let Self { model, workers, .. } = self;
        let Some((pool, shared)) =
            workers.as_mut().and_then(|Workers { pool, shared, .. }| Some((pool, shared.as_mut()?)))
        else {
            return self.step();
        };
        let model = model.as_mut().ok_or(Error::NoModel)?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        let workers = shared.worker_count.next(pool.replicas() + 1);
        let began = clock();
        model.trainer.step_with(&mut model.gpt, &data, pool.as_mut(), workers - 1).await?;
        let took = clock() - began;
        shared.worker_count.took(workers, took);
        shared.seconds += took;
        if let Some(replicas) = shared.waiting.take_if(|_| shared.seconds >= ALONE) {
            pool.begin(model.replica_setup()?, replicas);
        }
        if let Some(running) = &mut model.run {
            running.shared_by(workers);
        }
        Ok(())
    }

    /// Dismisses the replicas of a run that has ended.
    pub(super) fn end_workers(&mut self) {
        if let Some(workers) = &mut self.workers {
            workers.pool.end();
            workers.shared = None;
        }
    }
}

impl Model {
    /// What a replica has to know of the run.
    ///
    /// # Errors
    /// [`Error::NoRun`] when there is no run.
    fn replica_setup(&self) -> Result<ReplicaSetup> {
        let Self { gpt, trainer, data, .. } = self;
        let weights = || gpt.flat.as_slice().map(|flat| Arc::new(flat.to_vec()));
        Ok(ReplicaSetup {
            model: gpt.config,
            config: trainer.progress().config.clone(),
            data: Arc::new((**data.as_ref().ok_or(Error::NoRun)?).clone()),
            adapter: gpt.adapter().and_then(|adapter| Some((adapter.config, weights()?))),
            frozen: gpt.frozen().cloned(),
        })
    }
}
