//! The workers that share the steps of a run on the CPU engine.

use std::sync::Arc;

use super::{Model, Session};
use crate::{
    device::Engine,
    error::{Error, Result},
    train::{Brief, Crew, Headcount},
};

/// A crew, and how many of it take part.
pub(super) struct Team {
    crew: Box<dyn Crew>,
    /// For the run in training, if its steps can be shared.
    headcount: Option<Headcount>,
}

impl Session {
    /// Sets how many workers may train together from the next run on, this session and hands of a crew. How many do is
    /// measured in the first steps, and now and then again. Losses are the same bits with any number.
    pub fn set_workers(&mut self, most: usize) {
        self.most_workers = most.max(1);
    }

    /// Sets the crew of later runs.
    pub fn set_crew(&mut self, crew: Box<dyn Crew>) {
        self.rest_crew();
        self.team = Some(Team { crew, headcount: None });
    }

    /// Gets the crew ready for the run that has begun, as many hands as memory and shards allow.
    ///
    /// # Errors
    /// When there is no run.
    pub(super) fn brief_crew(&mut self) -> Result<()> {
        let limits = self.limits_beside_texts();
        let Self { model, team, engine, most_workers, .. } = self;
        let (Some(team), Some(Model { gpt, trainer, data, .. })) = (team, model) else { return Ok(()) };
        let data = data.as_ref().ok_or(Error::NoRun)?;
        let (config, shards) = (trainer.progress().config.clone(), trainer.shards(gpt));
        team.crew.end();
        team.headcount = None;
        let most = gpt.config.workers_that_fit(&config, &limits, *engine).min(*most_workers).min(shards);
        if most < 2 || *engine != Engine::Cpu {
            return Ok(());
        }
        let weights = |flat: &[f32]| Arc::new(flat.to_vec());
        let adapter = match (gpt.adapter(), gpt.flat.as_slice()) {
            (Some(adapter), Some(flat)) => Some((adapter.config, weights(flat))),
            (Some(_), None) => return Ok(()),
            (None, _) => None,
        };
        team.headcount = Some(Headcount::new(shards));
        team.crew.begin(Brief { model: gpt.config, config, data: Arc::new((**data).clone()), adapter }, most - 1);
        Ok(())
    }

    /// Computes one step of the run with as many workers as help.
    ///
    /// # Errors
    /// Those of [`Session::step`].
    pub(super) async fn shared_step(&mut self, clock: &impl Fn() -> f64) -> Result<()> {
        let Self { model, team, .. } = self;
        let Some((crew, headcount)) =
            team.as_mut().and_then(|Team { crew, headcount, .. }| Some((crew, headcount.as_mut()?)))
        else {
            return self.step();
        };
        let model = model.as_mut().ok_or(Error::NoModel)?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        let workers = headcount.next(crew.hands() + 1);
        let began = clock();
        model.trainer.step_with(&mut model.gpt, &data, crew.as_mut(), workers - 1).await?;
        headcount.took(workers, clock() - began);
        if let Some(running) = &mut model.run {
            running.shared_by(workers);
        }
        Ok(())
    }

    /// Dismisses the hands of a run that has ended.
    pub(super) fn rest_crew(&mut self) {
        if let Some(team) = &mut self.team {
            team.crew.end();
            team.headcount = None;
        }
    }
}
