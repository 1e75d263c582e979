//! The training loop, one tick at a time: does what [`Run`] decides with the session's model.

use super::{GenerateOptions, Session, Writing};
use crate::{
    copied::CopiedSearch,
    device::Engine,
    error::{Error, Result},
    train::{Run, RunEvent, RunStatus, Sample, Work},
};

/// Options of the sample after each evaluation: no prompt and always the same seed, so that samples can be compared.
fn sample_options() -> GenerateOptions {
    GenerateOptions { max_tokens: 120, ..GenerateOptions::default() }
}

/// A run that was begun or resumed.
pub(super) struct Running {
    run: Run,
    /// The sample of the current evaluation. Other texts may be generated before it is complete.
    sample: Option<Sampling>,
    /// Why the run ends, once the self-check has been reported.
    failed: Option<Error>,
}

/// The stages of a sample.
enum Sampling {
    /// The sample is being generated; the text so far.
    Writing(Box<Writing>, String),
    /// The sample is being compared with the training text.
    Comparing(Box<CopiedSearch>, String),
}

impl Running {
    pub fn is_sampling(&self) -> bool {
        self.sample.is_some()
    }

    /// Reports how many workers computed the last step.
    pub fn shared_by(&mut self, workers: usize) {
        self.run.shared_by(workers);
    }
}

impl Session {
    /// Begins or resumes the training loop of the run that [`Session::begin_training`] or [`Session::restore_run`] has
    /// prepared; [`Session::tick`] then does its work. `clock` returns seconds on a monotonic clock, here and below.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared on the GPU;
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn start_run(&mut self, clock: impl Fn() -> f64) -> Result<RunStatus> {
        self.begin_self_check().await?;
        let status = self.status()?;
        let (queues, unchecked) = (self.engine == Engine::WebGpu, self.self_check.is_some());
        let now = clock();
        let mut run = Run::new(status.clone(), self.history()?, queues, unchecked, now);
        let config = self.run_settings()?;
        if let Some(seconds) = config.time_limit {
            run.limit_time(seconds, config.warmup_steps, now);
        }
        self.model_mut()?.run = Some(Running { run, sample: None, failed: None });
        self.prepare_workers()?;
        Ok(status)
    }

    /// Does the next piece of work of the run, such as a step or a batch of an evaluation, and returns the events to
    /// report.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] before [`Session::start_run`]; [`Error::Diverged`] if
    /// the loss is not finite; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn tick(&mut self, clock: impl Fn() -> f64) -> Result<Vec<RunEvent>> {
        let mut events = Vec::new();
        let result = self.do_next(&clock, &mut events).await;
        self.or_check_first(result, &mut events).await?;
        Ok(events)
    }

    /// Waits for the queued steps and returns their events. It is needed before a pause, before a checkpoint that was
    /// not requested, and before a generation for the user.
    ///
    /// # Errors
    /// Those of [`Session::tick`].
    pub async fn flush_run(&mut self, clock: impl Fn() -> f64) -> Result<Vec<RunEvent>> {
        let mut events = Vec::new();
        let result = self.flush(&clock, &mut events).await;
        self.or_check_first(result, &mut events).await?;
        Ok(events)
    }

    /// Reports that a checkpoint of the run was made, which took `took` seconds.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] before [`Session::start_run`].
    pub fn run_saved(&mut self, took: f64, clock: impl Fn() -> f64) -> Result<()> {
        self.run_mut()?.saved(took, clock());
        Ok(())
    }

    /// Lets the run end with the next ticks: the steps done are saved, and [`RunEvent::Finished`] is the last event.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] before [`Session::start_run`].
    pub fn stop_run(&mut self) -> Result<()> {
        self.run_mut()?.stop();
        Ok(())
    }

    async fn do_next(&mut self, clock: &impl Fn() -> f64, events: &mut Vec<RunEvent>) -> Result<()> {
        self.fail_if_failed()?;
        let began = clock();
        match self.run_mut()?.next(began) {
            Work::Step => {
                self.shared_step(clock).await?;
                let now = clock();
                let run = self.run_mut()?;
                run.stepped(began, now);
                if run.next(now) == Work::ReadLosses {
                    self.read_losses_of_run(clock, events).await?;
                }
            }
            Work::ReadLosses => self.read_losses_of_run(clock, events).await?,
            Work::SelfCheck => self.check_run(events).await?,
            Work::EvaluateBatch(index) => {
                self.evaluate_batch(index)?;
                self.run_mut()?.batch_evaluated(began, clock());
            }
            Work::FinishEvaluation => {
                let evaluation = self.finish_evaluation().await?;
                let best = self.model()?.trainer.best();
                let now = clock();
                let run = self.run_mut()?;
                run.evaluated(&evaluation, began, now)?;
                events.extend(run.progress(now).map(|progress| RunEvent::Progress { progress }));
                events.push(RunEvent::Evaluation { evaluation, best });
            }
            Work::Sample => self.sample(began, clock, events).await?,
            Work::Save => {
                self.flush(clock, events).await?;
                self.run_mut()?.save_requested(began);
                events.push(RunEvent::SaveDue);
            }
            Work::FitSteps => {
                let pace = self.run_mut()?.pace(began).ok_or(Error::NoRun)?;
                let model = self.model_mut()?;
                let data = model.data.clone().ok_or(Error::NoRun)?;
                model.trainer.fit_steps(&model.gpt, &data, &pace);
                let status = self.status()?;
                self.run_mut()?.fitted(status);
            }
            Work::FirstStep => {
                self.run_mut()?.first_step_announced();
                events.push(RunEvent::FirstStep);
            }
            Work::Finish => {
                self.flush(clock, events).await?;
                let running = self.model_mut()?.run.take().ok_or(Error::NoRun)?;
                self.end_workers();
                events.push(RunEvent::Finished { result: running.run.result() });
            }
        }
        Ok(())
    }

    async fn flush(&mut self, clock: &impl Fn() -> f64, events: &mut Vec<RunEvent>) -> Result<()> {
        self.fail_if_failed()?;
        self.read_losses_of_run(clock, events).await?;
        if self.run_mut()?.check_is_due() {
            self.check_run(events).await?;
        }
        let run = self.run_mut()?;
        let seconds = run.take_seconds();
        events.extend(run.progress(clock()).map(|progress| RunEvent::Progress { progress }));
        self.model_mut()?.trainer.history_mut().seconds += seconds;
        Ok(())
    }

    async fn read_losses_of_run(&mut self, clock: &impl Fn() -> f64, events: &mut Vec<RunEvent>) -> Result<()> {
        if !self.run_mut()?.has_unread() {
            return Ok(());
        }
        let began = clock();
        let records = self.read_losses().await?;
        let now = clock();
        let run = self.run_mut()?;
        run.losses_read(records, began, now);
        if run.progress_is_due(now) {
            events.extend(run.progress(now).map(|progress| RunEvent::Progress { progress }));
        }
        Ok(())
    }

    async fn check_run(&mut self, events: &mut Vec<RunEvent>) -> Result<()> {
        let found = self.finish_self_check().await?;
        self.run_mut()?.self_checked();
        events.extend(found.map(|found| RunEvent::Checked { found }));
        Ok(())
    }

    /// A loss that is not finite before the self-check may be the GPU's fault, and not the settings': then the check is
    /// reported first, and the next tick fails.
    async fn or_check_first(&mut self, result: Result<()>, events: &mut Vec<RunEvent>) -> Result<()> {
        match result {
            Err(error @ Error::Diverged { .. }) if self.self_check.is_some() => {
                self.check_run(events).await?;
                self.model_mut()?.run.as_mut().ok_or(Error::NoRun)?.failed = Some(error);
                Ok(())
            }
            other => other,
        }
    }

    /// Draws the next token of the sample, or compares the whole sample with the next piece of the training text.
    async fn sample(&mut self, began: f64, clock: &impl Fn() -> f64, events: &mut Vec<RunEvent>) -> Result<()> {
        if !self.model()?.run.as_ref().is_some_and(Running::is_sampling) {
            let options = sample_options();
            self.choose_writer(0, options.max_tokens, clock).await?;
            let writing = Box::new(self.begin_writing("", options)?);
            let sampling = Sampling::Writing(writing, String::new());
            self.model_mut()?.run.as_mut().ok_or(Error::NoRun)?.sample = Some(sampling);
        }
        let model = self.model_mut()?;
        let Some(sampling) = model.run.as_mut().ok_or(Error::NoRun)?.sample.take() else { return Ok(()) };
        let (goes_on, whole) = match sampling {
            Sampling::Writing(mut writing, text) => match writing.next(&model.gpt, &model.cpu_writer).await? {
                Some(piece) => (Some(Sampling::Writing(writing, text + &piece)), None),
                None => {
                    let text = text + &writing.finish();
                    match model.copied_in_sample(&text) {
                        Some(search) => (Some(Sampling::Comparing(Box::new(search), text)), None),
                        None => (None, Some((text, None))),
                    }
                }
            },
            Sampling::Comparing(mut search, text) => match search.read() {
                true => (Some(Sampling::Comparing(search, text)), None),
                false => (None, Some((text, Some(search.share())))),
            },
        };
        let is_last = goes_on.is_none();
        if let Some((text, copied)) = whole {
            let step = model.trainer.progress().step;
            model.trainer.history_mut().samples.push(Sample { step, text: text.clone(), copied });
            events.push(RunEvent::Sample { step, text, copied });
        }
        let running = model.run.as_mut().ok_or(Error::NoRun)?;
        running.sample = goes_on;
        running.run.sampled(is_last, began, clock());
        Ok(())
    }

    fn run_mut(&mut self) -> Result<&mut Run> {
        Ok(&mut self.model_mut()?.run.as_mut().ok_or(Error::NoRun)?.run)
    }

    fn fail_if_failed(&mut self) -> Result<()> {
        let running = self.model_mut()?.run.as_mut().ok_or(Error::NoRun)?;
        running.failed.take().map_or(Ok(()), Err)
    }
}
