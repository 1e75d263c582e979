//! The workers that share the steps of a run on the CPU engine.

use std::sync::Arc;

use super::{Model, Session};
use crate::{
    device::Engine,
    error::{Error, Result},
    model::Frozen,
    train::{ReplicaPool, ReplicaSetup, WorkerCount},
};

/// A pool, and how many of it take part.
pub(super) struct Workers {
    pool: Box<dyn ReplicaPool>,
    /// For the run in training, if its steps can be shared.
    worker_count: Option<WorkerCount>,
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
        self.workers = Some(Workers { pool, worker_count: None });
    }

    /// Gets the pool ready for the run that has begun, as many replicas as memory and shards allow.
    ///
    /// # Errors
    /// When there is no run.
    pub(super) fn prepare_workers(&mut self) -> Result<()> {
        let limits = self.limits_beside_texts();
        let Self { model, workers, engine, most_workers, .. } = self;
        let (Some(workers), Some(Model { gpt, trainer, data, .. })) = (workers, model) else { return Ok(()) };
        let data = data.as_ref().ok_or(Error::NoRun)?;
        let (config, shards) = (trainer.progress().config.clone(), trainer.shards(gpt));
        workers.pool.end();
        workers.worker_count = None;
        let packed = gpt.frozen().map(Frozen::bytes);
        let most = gpt.config.workers_that_fit(packed, &config, &limits, *engine).min(*most_workers).min(shards);
        if most < 2 || *engine != Engine::Cpu {
            return Ok(());
        }
        let weights = |flat: &[f32]| Arc::new(flat.to_vec());
        let adapter = match (gpt.adapter(), gpt.flat.as_slice()) {
            (Some(adapter), Some(flat)) => Some((adapter.config, weights(flat))),
            (Some(_), None) => return Ok(()),
            (None, _) => None,
        };
        workers.worker_count = Some(WorkerCount::new(shards));
        let (data, frozen) = (Arc::new((**data).clone()), gpt.frozen().cloned());
        workers.pool.begin(ReplicaSetup { model: gpt.config, config, data, adapter, frozen }, most - 1);
        Ok(())
    }

    /// Computes one step of the run with as many workers as help.
    ///
    /// # Errors
    /// Those of [`Session::step`].
    pub(super) async fn shared_step(&mut self, clock: &impl Fn() -> f64) -> Result<()> {
        let Self { model, workers, .. } = self;
        let Some((pool, worker_count)) =
            workers.as_mut().and_then(|Workers { pool, worker_count, .. }| Some((pool, worker_count.as_mut()?)))
        else {
            return self.step();
        };
        let model = model.as_mut().ok_or(Error::NoModel)?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        let workers = worker_count.next(pool.replicas() + 1);
        let began = clock();
        model.trainer.step_with(&mut model.gpt, &data, pool.as_mut(), workers - 1).await?;
        worker_count.took(workers, clock() - began);
        if let Some(running) = &mut model.run {
            running.shared_by(workers);
        }
        Ok(())
    }

    /// Dismisses the replicas of a run that has ended.
    pub(super) fn end_workers(&mut self) {
        if let Some(workers) = &mut self.workers {
            workers.pool.end();
            workers.worker_count = None;
        }
    }
}
