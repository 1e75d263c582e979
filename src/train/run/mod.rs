//! The decisions of a training run: when to read losses back, evaluate, sample and save, how fast it is, how long it
//! still takes, and when it ends. A [`Run`] computes nothing and waits for nothing. [`Run::next`] names the next piece
//! of work, the caller does it and reports it back; `Session::tick` is that caller. To pause, the caller stops ticking.
//! Times are seconds on a monotonic clock of the caller's, since WebAssembly has none.

mod event;
mod save_schedule;
#[cfg(test)]
mod tests;
mod throughput;
mod time_limit;

pub use event::{BestSoFar, RunEvent, RunProgress, RunResult, RunStatus};

use super::{Evaluation, History, StepRecord};
use crate::error::{Error, Result};
use save_schedule::SaveSchedule;
use throughput::{Kind, Throughput};
pub use time_limit::Pace;
use time_limit::TimeLimit;

/// Target interval between two read-backs of losses on the GPU, in seconds. A read-back waits for all queued steps.
const READ_EVERY: f64 = 0.15;
/// Largest number of steps without a read-back, which alone limits the GPU's queue.
const MOST_UNREAD: u64 = 32;
/// Seconds between two progress events.
const PROGRESS_EVERY: f64 = 0.1;

/// The next piece of work. Each is short, so that the caller can pause, stop and answer requests in between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Wait for the queued steps and read their losses back.
    ReadLosses,
    /// Compare the GPU with the CPU.
    SelfCheck,
    /// Compute the loss of this batch of the validation windows.
    EvaluateBatch(usize),
    /// Wait for the queued validation batches and average their losses.
    FinishEvaluation,
    /// Draw the next token of the sample.
    Sample,
    /// Ask the caller for a checkpoint.
    Save,
    /// Change the number of steps to what fits into the run's time ([`Run::pace`]).
    FitSteps,
    /// Announce that the first step comes next.
    FirstStep,
    /// Compute or queue one optimizer step.
    Step,
    /// The run has ended; there is nothing left to do.
    Finish,
}

enum Phase {
    Training,
    /// An evaluation, with the number of batches done.
    Evaluating(usize),
    Sampling,
}

/// One run, from the step where the caller began or resumed it to its end step.
pub struct Run {
    /// The status when the run was begun or resumed.
    status: RunStatus,
    /// Whether the engine only queues steps, as the GPU does.
    queues: bool,
    /// Whether the self-check is still to be done.
    unchecked: bool,
    phase: Phase,
    first_step_announced: bool,
    stopped: bool,
    /// Whether anything happened since the last checkpoint.
    unsaved: bool,
    /// The number of steps done, read back or not.
    step: u64,
    unread: u64,
    /// When the first step that is not read back began.
    unread_since: f64,
    /// Steps between two read-backs. The first loss is wanted soon, the others about every [`READ_EVERY`].
    read_after: u64,
    /// Losses that were read back but not reported in a progress event.
    records: Vec<StepRecord>,
    last_record: Option<StepRecord>,
    last_progress: f64,
    last_evaluation: Option<u64>,
    validation_loss: Option<f32>,
    /// The number of workers of the last step.
    workers: usize,
    throughput: Throughput,
    saves: SaveSchedule,
    /// Until the number of steps has been adapted to it.
    limit: Option<TimeLimit>,
}

impl Run {
    /// Resumes a run that has begun or was restored, and of which a checkpoint exists. `queues`: whether the engine
    /// only queues steps; `unchecked`: whether the self-check is still to be done.
    pub fn new(status: RunStatus, history: &History, queues: bool, unchecked: bool, now: f64) -> Self {
        let evaluation = history.evaluations.last();
        let is_evaluated = evaluation.is_some_and(|evaluation| evaluation.step == status.step);
        // A checkpoint may have been made between an evaluation and the end of its sample.
        let lacks_sample = is_evaluated && history.samples.last().is_none_or(|sample| sample.step < status.step);
        Self {
            queues,
            unchecked,
            phase: if lacks_sample { Phase::Sampling } else { Phase::Training },
            first_step_announced: false,
            stopped: false,
            unsaved: false,
            step: status.step,
            unread: 0,
            unread_since: now,
            read_after: 1,
            records: Vec::new(),
            last_record: history.steps.last().copied(),
            last_progress: f64::NEG_INFINITY,
            last_evaluation: evaluation.map(|evaluation| evaluation.step),
            validation_loss: evaluation.and_then(|evaluation| evaluation.validation_loss),
            workers: 1,
            throughput: Throughput::new(status.seconds),
            saves: SaveSchedule::new(now),
            limit: None,
            status,
        }
    }

    /// Limits the time of the run to `seconds` from `now` on: [`Work::FitSteps`] comes once about 20 steps have been
    /// measured, and not after the first `warmup_steps` steps of the run.
    pub fn limit_time(&mut self, seconds: f64, warmup_steps: u64, now: f64) {
        self.limit = Some(TimeLimit::new(seconds, self.status.start_step, warmup_steps, now));
    }

    /// Returns the next piece of work at the time `now`. It changes nothing, so that asking twice gives the same
    /// answer.
    pub fn next(&self, now: f64) -> Work {
        let ends = self.stopped || self.step >= self.status.end_step;
        let evaluates = !self.stopped && self.evaluation_is_due();
        let saves = self.unsaved && self.saves.is_due(now);
        let limit = self.limit.as_ref().filter(|_| !ends);
        let fits = limit.is_some_and(|limit| limit.is_due(self.step, now));
        let measures = limit.is_some_and(|limit| limit.wants_reading(self.step));
        if self.unread > 0 && (self.unread >= self.read_after || ends || evaluates || saves || fits || measures) {
            return Work::ReadLosses;
        }
        // After the first loss is reported, and before results of a faulty GPU could be saved.
        if self.check_is_due() {
            return Work::SelfCheck;
        }
        if fits {
            return Work::FitSteps;
        }
        if saves {
            return Work::Save;
        }
        match self.phase {
            Phase::Sampling if !self.stopped => Work::Sample,
            Phase::Evaluating(done) if !self.stopped => self.evaluation_work(done),
            _ if evaluates => self.evaluation_work(0),
            _ if ends && self.unsaved => Work::Save,
            _ if ends => Work::Finish,
            _ if !self.first_step_announced => Work::FirstStep,
            _ => Work::Step,
        }
    }

    /// Ends the run early: an evaluation or a sample in progress is dropped, and the steps done are read and saved.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether there are queued steps whose losses have not been read.
    pub fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// Whether the first losses have been read and the self-check has not been done.
    pub fn check_is_due(&self) -> bool {
        self.unchecked && self.unread == 0 && self.step > self.status.step
    }

    fn evaluation_is_due(&self) -> bool {
        let RunStatus { start_step, end_step, eval_every, .. } = self.status;
        let step = self.step;
        let is_time = step == start_step || step == end_step || step.is_multiple_of(eval_every);
        is_time && self.last_evaluation != Some(step)
    }

    fn evaluation_work(&self, done: usize) -> Work {
        if done < self.status.evaluation_batches { Work::EvaluateBatch(done) } else { Work::FinishEvaluation }
    }

    // Reports of the caller.

    /// Reports that [`Work::FirstStep`] is done.
    pub fn first_step_announced(&mut self) {
        self.first_step_announced = true;
    }

    /// Reports a step that was computed or queued from `began` to `now`.
    pub fn stepped(&mut self, began: f64, now: f64) {
        if self.unread == 0 {
            self.unread_since = began;
        }
        if self.step == self.status.step {
            self.saves.first_step(began);
        }
        self.throughput.spent(Kind::Training, now - began);
        self.step += 1;
        self.unread += 1;
        self.unsaved = true;
    }

    /// Reports how many workers computed the last step.
    pub fn shared_by(&mut self, workers: usize) {
        if let Some(limit) = self.limit.as_mut().filter(|_| workers != self.workers) {
            limit.measure_anew();
        }
        self.workers = workers;
    }

    /// Reports the losses of all steps done, for which the caller waited from `began` to `now`.
    pub fn losses_read(&mut self, records: Vec<StepRecord>, began: f64, now: f64) {
        self.throughput.spent(Kind::Training, now - began);
        let time = now - self.unread_since;
        if self.queues {
            let fitting = (READ_EVERY * self.unread as f64 / time).round();
            self.read_after = (fitting as u64).clamp(2, MOST_UNREAD);
        }
        self.throughput.trained(self.unread * self.status.tokens_per_step, time);
        self.unread = 0;
        if let Some(limit) = &mut self.limit {
            limit.read(self.step, now, self.throughput.by_kind());
        }
        self.last_record = records.last().copied().or(self.last_record);
        self.records.extend(records);
    }

    /// Reports that [`Work::SelfCheck`] is done.
    pub fn self_checked(&mut self) {
        self.unchecked = false;
    }

    /// Reports a validation batch that was computed or queued from `began` to `now`.
    pub fn batch_evaluated(&mut self, began: f64, now: f64) {
        self.throughput.spent(Kind::Evaluation, now - began);
        self.phase = match self.phase {
            Phase::Evaluating(done) => Phase::Evaluating(done + 1),
            _ => Phase::Evaluating(1),
        };
    }

    /// Reports an evaluation that was finished from `began` to `now`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the validation loss is not finite: the weights diverged after the last training loss that
    /// was read, and must not be saved.
    pub fn evaluated(&mut self, evaluation: &Evaluation, began: f64, now: f64) -> Result<()> {
        self.throughput.spent(Kind::Evaluation, now - began);
        if evaluation.validation_loss.is_some_and(|loss| !loss.is_finite()) {
            let learning_rate = self.last_record.map_or(0.0, |record| record.learning_rate);
            return Err(Error::Diverged { step: self.step, learning_rate });
        }
        self.last_evaluation = Some(self.step);
        self.validation_loss = evaluation.validation_loss;
        self.phase = Phase::Sampling;
        self.unsaved = true;
        Ok(())
    }

    /// Reports that a token of the sample was drawn from `began` to `now`; `is_last`: whether the sample is complete.
    pub fn sampled(&mut self, is_last: bool, began: f64, now: f64) {
        self.throughput.spent(Kind::Sample, now - began);
        if is_last {
            self.phase = Phase::Training;
            self.unsaved = true;
        }
    }

    /// Reports that the caller was asked for a checkpoint. If none is made, the next request comes after the same
    /// interval.
    pub fn save_requested(&mut self, now: f64) {
        self.unsaved = false;
        self.saves.requested(now);
    }

    /// Reports that a checkpoint was made, requested or not, which took `took` seconds.
    pub fn saved(&mut self, took: f64, now: f64) {
        self.throughput.spent(Kind::Saving, took);
        self.unsaved = false;
        self.saves.saved(took, now);
    }

    /// Returns what was measured for [`Work::FitSteps`].
    pub fn pace(&self, now: f64) -> Option<Pace> {
        self.limit.as_ref()?.pace(self.step, now, self.throughput.by_kind(), &self.saves)
    }

    /// Reports that [`Work::FitSteps`] is done; from now on the number of steps is fixed.
    pub fn fitted(&mut self, status: RunStatus) {
        self.limit = None;
        self.unsaved = true;
        let RunStatus { end_step, eval_every, evaluation_batches, .. } = status;
        self.status = RunStatus { end_step, eval_every, evaluation_batches, ..self.status.clone() };
    }

    // Reports to the caller.

    /// Returns the seconds spent on the run since the last call, for the history.
    pub fn take_seconds(&mut self) -> f64 {
        self.throughput.take_unrecorded()
    }

    /// Whether enough time has passed since the last progress event for another one.
    pub fn progress_is_due(&self, now: f64) -> bool {
        now - self.last_progress >= PROGRESS_EVERY
    }

    /// Returns losses, throughput and time left, if there are losses that have not been reported.
    pub fn progress(&mut self, now: f64) -> Option<RunProgress> {
        let last = *self.records.last()?;
        self.last_progress = now;
        let RunStatus { end_step, tokens_per_step, .. } = self.status;
        Some(RunProgress {
            step: self.step,
            end_step,
            loss: last.loss,
            learning_rate: last.learning_rate,
            gradient_norm: last.gradient_norm,
            tokens_per_second: self.throughput.tokens_per_second(),
            milliseconds_per_step: 1000.0 * self.throughput.seconds_for(tokens_per_step),
            elapsed_seconds: self.throughput.elapsed_seconds(),
            workers: self.workers,
            seconds_left: self.throughput.seconds_left(end_step.saturating_sub(self.step) * tokens_per_step),
            evaluation_share: self.throughput.evaluation_share(),
            records: std::mem::take(&mut self.records),
        })
    }

    /// Returns the final losses and the mean throughput.
    pub fn result(&self) -> RunResult {
        RunResult {
            step: self.step,
            train_loss: self.last_record.map(|record| record.loss),
            validation_loss: self.validation_loss,
            tokens_per_second: self.throughput.mean_tokens_per_second(),
        }
    }
}
