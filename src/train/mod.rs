//! The training step and its state. [`Run`] decides what follows each step; the caller runs the loop and can pause,
//! stop and generate between two ticks.

mod advice;
mod answers;
mod comparison;
mod data;
mod half_check;
mod held_back;
mod history;
mod optimizer;
mod order;
mod run;
mod schedule;
mod self_check;
mod shards;
mod state;

pub use advice::{Advice, TokenCounts, advice};
pub use answers::{Answers, ContextRanges, Side};
pub use comparison::{AdapterComparison, AdapterLosses};
pub use data::{Batch, Dataset, mix};
pub use half_check::{HalfPrecision, check_half_precision};
pub use held_back::held_back_bits_per_byte;
pub use history::{Evaluation, History, Sample, StepRecord};
pub use optimizer::{Optimizer, OptimizerKind, OptimizerState, Update};
pub use run::{BestSoFar, Pace, Run, RunEvent, RunProgress, RunResult, RunStatus, Work};
pub use schedule::learning_rate;
pub use self_check::{SelfCheck, SelfCheckResult};
#[cfg(not(target_arch = "wasm32"))]
pub use shards::Threads;
pub use shards::{Replica, ReplicaPool, ReplicaSetup, Share, Shares, WorkerCount, ranges};
pub use state::{Best, Progress, TextFacts, TrainingState};

use crate::{
    config::{TrainConfig, settings},
    error::{Error, Result},
    model::Gpt,
    ops::{Dropout, Flat, Gradients, Precision, Scalars},
};
use shards::ShardedStep;

/// Share of the training work that all evaluations of a run may cost, with room to spare under the promised 10 %:
/// a validation window costs a third of a training window (no backward pass).
const EVALUATION_SHARE: f64 = 0.07;

/// Returns how many windows an evaluation reads at most, so that all evaluations of a run take only a small share of
/// its time.
pub fn most_validation_windows(config: &TrainConfig) -> usize {
    let windows = config.batch_size * config.gradient_accumulation;
    let evaluations = config.steps / config.eval_every.min(config.steps.max(1)) + 1;
    let budget = EVALUATION_SHARE * 3.0 * (config.steps as f64) * windows as f64 / evaluations as f64;
    (budget as usize).max(config.batch_size)
}

/// The optimizer state and history of one model, and the training step. On the GPU a step is only queued;
/// [`Trainer::read`] waits for the queued steps and returns their losses.
pub struct Trainer {
    progress: Progress,
    /// AdamW's state takes twice the memory of the weights; there is none before the first step, so that a model that
    /// only generates does not pay for it.
    optimizer: Option<Box<dyn Optimizer>>,
    /// Gradient buffers of the last step, for reuse: one, or as many as a sum of shards needs.
    spare: Vec<Gradients>,
    history: History,
    /// Steps whose scalars have not been read back: (step, learning rate, passes). Their scalars are the losses of the
    /// passes and the gradient norm.
    unread: Vec<(u64, f64, usize)>,
    scalars: Scalars,
    /// The number of losses of the current step.
    losses: usize,
    /// The number of targets that count in each validation batch of the current evaluation, whose losses are
    /// `validation_losses`.
    evaluating: Vec<usize>,
    validation_losses: Scalars,
    best: Option<Held>,
    /// Sum and count of the training losses since the last evaluation.
    since_evaluation: (f64, u64),
}

/// The best weights so far, on the engine.
struct Held {
    step: u64,
    validation_loss: f32,
    /// A copy; `None` as long as they are the current ones.
    flat: Option<Flat>,
}

/// The mean loss per target of batches with so many targets that count; `None` if none counts.
fn mean_of_batches(losses: impl Iterator<Item = f32>, counted: &[usize]) -> Option<f32> {
    let targets: usize = counted.iter().sum();
    let sum: f64 = losses.zip(counted).map(|(loss, &counted)| f64::from(loss) * counted as f64).sum();
    (targets > 0).then_some((sum / targets as f64) as f32)
}

/// The dropout of one pass of a step.
fn dropout_of(probability: f32, seed: u64, step: u64, pass: u64) -> Option<Dropout> {
    Dropout::new(probability, mix(mix(seed ^ 0xd209, step), pass))
}

impl Trainer {
    /// Creates a trainer for a model that has not been trained; [`begin`](Self::begin) starts its first run.
    pub fn new(gpt: &Gpt) -> Self {
        Self {
            progress: Progress {
                config: TrainConfig { steps: 0, ..TrainConfig::default() },
                start_step: 0,
                step: 0,
                updates: 0,
            },
            optimizer: None,
            spare: Vec::new(),
            history: History::default(),
            unread: Vec::new(),
            scalars: Scalars::new(&gpt.device()),
            losses: 0,
            evaluating: Vec::new(),
            validation_losses: Scalars::new(&gpt.device()),
            best: None,
            since_evaluation: (0.0, 0),
        }
    }

    /// Recreates a trainer from the training state of a checkpoint.
    pub fn restore(gpt: &Gpt, state: TrainingState) -> Self {
        let device = gpt.device();
        let flat = |values| Flat::new(values, &gpt.trained().segments, &device);
        let OptimizerState { kind, tensors } = state.optimizer;
        let optimizer = Some(kind.restore(gpt, tensors));
        let best = state.best.map(|Best { step, validation_loss, weights }| Held {
            step,
            validation_loss,
            flat: Some(flat(weights)),
        });
        let mut trainer = Self { progress: state.progress, optimizer, history: state.history, best, ..Self::new(gpt) };
        let last = trainer.history.last_evaluation().map_or(0, |evaluation| evaluation.step);
        for record in trainer.history.steps.iter().filter(|record| record.step > last) {
            trainer.since_evaluation.0 += f64::from(record.loss);
            trainer.since_evaluation.1 += 1;
        }
        trainer
    }

    /// Creates a trainer for a model that comes with a history but without optimizer state: the step count goes on, and
    /// the optimizer begins anew.
    pub fn continuing(gpt: &Gpt, history: History) -> Self {
        let mut trainer = Self::new(gpt);
        let step = history.steps.last().map_or(0, |record| record.step);
        // A run of no steps, which begins and ends here.
        trainer.progress = Progress { start_step: step, step, ..trainer.progress };
        trainer.history = history;
        trainer
    }

    /// Starts another run on the same model, with a learning-rate schedule of its own; the state of the optimizer is
    /// kept.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] if a setting is outside its limits.
    pub fn begin(&mut self, config: TrainConfig) -> Result<()> {
        config.validate()?;
        self.progress = Progress { config, start_step: self.progress.step, ..self.progress.clone() };
        Ok(())
    }

    /// Changes the number of steps of the run to what fits into its time, once, and lets go of its time limit: from here
    /// on it is a run as any other. Evaluations keep their number.
    pub fn fit_steps(&mut self, gpt: &Gpt, data: &Dataset, pace: &Pace) {
        let Progress { config, start_step, step, .. } = &self.progress;
        let done = step - start_step;
        let batches = |config: &TrainConfig| Self::validation_of(config, gpt, data).0.len() as f64;
        let evaluations = (config.steps / config.eval_every.min(config.steps).max(1)).max(1);
        let windows = (config.batch_size * config.gradient_accumulation) as f64;
        // A window that is only read takes a third of one that is learned.
        let one_batch = pace.evaluation.map_or(pace.step * config.batch_size as f64 / (3.0 * windows), |measured| {
            measured / batches(config).max(1.0)
        });
        let mut fitted = TrainConfig { time_limit: None, ..config.clone() };
        // The windows of an evaluation depend on the number of steps.
        for _ in 0..3 {
            let beside = evaluations as f64 * (one_batch * batches(&fitted) + pace.sample) + pace.saving;
            // However little time is left, every run learns something.
            let steps = ((pace.left - beside) / pace.step).max(1.0) as u64 + done;
            fitted.steps = steps.min(settings::STEPS.max as u64);
            fitted.eval_every = fitted.steps.div_ceil(evaluations);
        }
        // A warm-up that fills the run would never reach the peak.
        fitted.warmup_steps = fitted.warmup_steps.min((fitted.steps / 4).max(done));
        self.progress.config = fitted;
    }

    /// Returns the settings of the run and the number of steps taken.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Returns the losses, evaluations and samples of all runs of this model.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns the history for adding samples and training time, which the trainer does not know.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Returns the number of shards of the steps of this run: 1 on the GPU, which computes batches as a whole.
    pub fn shards(&self, gpt: &Gpt) -> usize {
        if gpt.device().gpu().is_some() { 1 } else { self.progress.config.shards_of(&gpt.config) }
    }

    /// Queues one optimizer step on the windows that follow from the seed of the run and the step number.
    ///
    /// # Errors
    /// [`Error::TextTooShort`] or [`Error::NothingToLearn`] if no window can be drawn; [`Error::TokenOutOfRange`] if
    /// the text has ids outside the vocabulary of the model.
    pub fn step(&mut self, gpt: &mut Gpt, data: &Dataset) -> Result<()> {
        let Progress { config, step, .. } = &self.progress;
        data.check(config.window(gpt.config.context))?;
        if self.shards(gpt) == 1 {
            let batches = data.batches(config, *step, &gpt.config)?;
            self.step_on(gpt, &batches);
            return Ok(());
        }
        let config = config.clone();
        let sharded = ShardedStep::new(gpt, &config, data, *step)?;
        let share = sharded.share(0..sharded.count(), &mut self.spare);
        let (losses, gradients, tokens) = sharded.joined(vec![share], &mut self.spare);
        self.apply_shards(gpt, &losses, gradients, tokens);
        Ok(())
    }

    /// Takes the same step as [`Trainer::step`], to the bit, with the help of so many replicas of a pool.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub async fn step_with(
        &mut self,
        gpt: &mut Gpt,
        data: &Dataset,
        pool: &mut dyn ReplicaPool,
        replicas: usize,
    ) -> Result<()> {
        let shards = self.shards(gpt);
        // An array in several buffers is larger than what a pool is for.
        let (Some(weights), true) = (gpt.trained_flat().as_slice(), shards > 1 && replicas > 0) else {
            return self.step(gpt, data);
        };
        let (config, step) = (self.progress.config.clone(), self.progress.step);
        data.check(config.window(gpt.config.context))?;
        let sharded = ShardedStep::new(gpt, &config, data, step)?;
        let mut ranges = ranges(shards, replicas + 1).into_iter();
        // The first range is never the longest, and the optimizer's is the most work besides.
        let own = ranges.next().unwrap_or_default();
        for (replica, range) in ranges.enumerate() {
            pool.give(replica, step, range, weights);
        }
        let share = sharded.share(own, &mut self.spare);
        let mut shares = pool.take().await;
        shares.push(share);
        let (losses, gradients, tokens) = sharded.joined(shares, &mut self.spare);
        self.apply_shards(gpt, &losses, gradients, tokens);
        Ok(())
    }

    fn apply_shards(&mut self, gpt: &mut Gpt, losses: &[f32], gradients: Gradients, tokens: usize) {
        self.history.tokens += tokens as u64;
        losses.iter().for_each(|&loss| self.scalars.push(loss));
        self.losses += losses.len();
        self.apply(gpt, gradients);
        // Those that came from a pool are not kept: a sum needs one for each level of its tree.
        self.spare.truncate(1 + self.shards(gpt).ilog2() as usize);
    }

    /// Queues one optimizer step on the given batches, whose gradients are averaged.
    pub fn step_on(&mut self, gpt: &mut Gpt, batches: &[Batch]) {
        let gradients = self.gradient(gpt, batches, 0);
        self.apply(gpt, gradients);
    }

    /// Computes the gradient of the loss of `batches`, each of which is one pass of gradient accumulation. It changes
    /// neither the weights nor the step number. The first batch is pass number `first_pass` of the step, which seeds
    /// its dropout mask: if several trainers share a step, each must use other pass numbers.
    ///
    /// # Panics
    /// If a batch has a larger vocabulary or longer windows than the model.
    pub fn gradient(&mut self, gpt: &mut Gpt, batches: &[Batch], first_pass: usize) -> Gradients {
        let Progress { config, step, .. } = &self.progress;
        gpt.set_precision(if config.half_precision { Precision::Half } else { Precision::Single });
        let mut gradients = self.spare.pop().unwrap_or_else(|| gpt.gradients());
        gradients.start();
        for (pass, batch) in (first_pass as u64..).zip(batches) {
            let dropout = dropout_of(gpt.config.dropout, config.seed, *step, pass);
            let loss = self.scalars.add();
            gpt.loss_and_gradient(&batch.inputs, &batch.targets, dropout, &mut self.scalars, loss, &mut gradients);
            self.history.tokens += batch.inputs.as_slice().len() as u64;
        }
        self.losses += batches.len();
        gradients
    }

    /// Updates the weights with the gradient averaged over its passes, which may come from several trainers of equal
    /// models ([`Gradients::add`]). This ends the step; its recorded loss is the mean over the passes that this trainer
    /// computed.
    pub fn apply(&mut self, gpt: &mut Gpt, gradients: Gradients) {
        if gradients.passes() == 0 {
            self.spare.push(gradients);
            return;
        }
        // The best weights are about to change: keep a copy of them.
        if let Some(best) = self.best.as_mut().filter(|best| best.flat.is_none()) {
            best.flat = Some(gpt.trained_flat().copied());
        }
        let Progress { config, start_step, step, updates } = &mut self.progress;
        let learning_rate = learning_rate(config, *step - *start_step);
        let optimizer = self.optimizer.get_or_insert_with(|| OptimizerKind::default().create(gpt));
        let norm = self.scalars.add();
        let update = Update { config, learning_rate, number: *updates + 1 };
        optimizer.update(gpt.trained_flat_mut(), &gradients, &update, &mut self.scalars, norm);
        gpt.weights_changed();
        *step += 1;
        *updates += 1;
        self.unread.push((*step, learning_rate, std::mem::take(&mut self.losses)));
        self.spare.push(gradients);
    }

    /// Waits for the queued steps and returns their losses, gradient norms and learning rates. It returns nothing
    /// between [`Trainer::gradient`] and [`Trainer::apply`], as the losses of an unfinished step are read together with
    /// it.
    ///
    /// # Errors
    /// [`Error::Diverged`] at the first step whose loss or gradient norm is not finite; the records of that step and of
    /// later ones are dropped. [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn read(&mut self) -> Result<Vec<StepRecord>> {
        if self.unread.is_empty() || self.losses > 0 {
            return Ok(Vec::new());
        }
        let unread = std::mem::take(&mut self.unread);
        let mut scalars = self.scalars.take().await?.into_iter();
        let mut records = Vec::with_capacity(unread.len());
        for (step, learning_rate, passes) in &unread {
            let loss = scalars.by_ref().take(*passes).sum::<f32>() / *passes as f32;
            let gradient_norm = scalars.next().unwrap_or(f32::NAN);
            let record = StepRecord { step: *step, loss, gradient_norm, learning_rate: *learning_rate };
            if !record.loss.is_finite() || !record.gradient_norm.is_finite() {
                return Err(Error::Diverged { step: *step, learning_rate: *learning_rate });
            }
            self.since_evaluation.0 += f64::from(record.loss);
            self.since_evaluation.1 += 1;
            self.history.steps.push(record);
            records.push(record);
        }
        Ok(records)
    }

    /// The fixed validation windows of this run, as batches of window starts, and the windows' length.
    fn validation(&self, gpt: &Gpt, data: &Dataset) -> (Vec<Vec<usize>>, usize) {
        Self::validation_of(&self.progress.config, gpt, data)
    }

    fn validation_of(config: &TrainConfig, gpt: &Gpt, data: &Dataset) -> (Vec<Vec<usize>>, usize) {
        let (starts, time) =
            data.validation_windows(most_validation_windows(config), config.window(gpt.config.context));
        (starts.chunks(config.batch_size).map(<[usize]>::to_vec).collect(), time)
    }

    /// Returns how many calls of [`Trainer::evaluate_batch`] make one evaluation.
    pub fn validation_batches(&self, gpt: &Gpt, data: &Dataset) -> usize {
        self.validation(gpt, data).0.len()
    }

    /// Queues the loss of validation batch `index`; index 0 begins a new evaluation.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if the text has ids outside the vocabulary of the model.
    pub fn evaluate_batch(&mut self, gpt: &Gpt, data: &Dataset, index: usize) -> Result<()> {
        if index == 0 {
            self.evaluating.clear();
            self.validation_losses.clear();
        }
        let (batches, time) = self.validation(gpt, data);
        let Some(starts) = batches.get(index) else { return Ok(()) };
        let batch = data.validation_batch(starts, time, gpt.config.vocabulary)?;
        let loss = self.validation_losses.add();
        gpt.loss(&batch.inputs, &batch.targets, &mut self.validation_losses, loss);
        self.evaluating.push(batch.targets.counted());
        Ok(())
    }

    /// Begins to measure what the model's adapter changes, on the windows of this run's evaluations.
    pub fn compare_adapter(&self, gpt: &Gpt, data: &Dataset) -> AdapterComparison {
        AdapterComparison::new(gpt, self.validation(gpt, data))
    }

    /// Waits for the queued validation batches and adds the evaluation to the history; the weights are kept as the best
    /// checkpoint if their loss is the lowest so far.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn finish_evaluation(&mut self, data: &Dataset) -> Result<Evaluation> {
        let batches = std::mem::take(&mut self.evaluating);
        let validation_loss = match batches.is_empty() {
            true => None,
            false => mean_of_batches(self.validation_losses.take().await?.into_iter(), &batches),
        };
        let (sum, count) = std::mem::take(&mut self.since_evaluation);
        let per_byte = data.validation.len() as f32 / data.validation_bytes.max(1) as f32 / std::f32::consts::LN_2;
        let evaluation = Evaluation {
            step: self.progress.step,
            train_loss: (count > 0).then(|| (sum / count as f64) as f32),
            validation_loss,
            perplexity: validation_loss.map(f32::exp),
            bits_per_byte: validation_loss.filter(|_| data.validation_bytes > 0).map(|loss| loss * per_byte),
        };
        self.history.evaluations.push(evaluation);
        if let Some(validation_loss) = validation_loss.filter(|loss| loss.is_finite())
            && self.best.as_ref().is_none_or(|best| validation_loss < best.validation_loss)
        {
            self.best = Some(Held { step: self.progress.step, validation_loss, flat: None });
        }
        Ok(evaluation)
    }

    /// Drops the best checkpoint. It must be called before the model trains on another text, whose losses are not
    /// comparable.
    pub fn forget_best(&mut self) {
        self.best = None;
    }

    /// Returns the evaluation with the lowest validation loss on this text, in this run or an earlier one, and the
    /// number of worse ones since.
    pub fn best(&self) -> Option<BestSoFar> {
        let Held { step, validation_loss, .. } = self.best.as_ref()?;
        let worse = self.history.evaluations.iter().rev().take_while(|evaluation| evaluation.step > *step).count();
        Some(BestSoFar::new(*step, *validation_loss, worse))
    }

    /// Replaces the weights by those of the best checkpoint and resets the state of the optimizer, which belongs to the
    /// weights that are dropped. Nothing changes if the current weights are the best.
    pub fn return_to_best(&mut self, gpt: &mut Gpt) {
        if let Some(flat) = self.best.as_ref().and_then(|best| best.flat.as_ref()) {
            *gpt.trained_flat_mut() = flat.copied();
            gpt.weights_changed();
            self.optimizer = None;
            self.spare.clear();
            self.progress.updates = 0;
        }
    }

    /// Reads the optimizer state back to the CPU.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn optimizer_state(&self, gpt: &Gpt) -> Result<OptimizerState> {
        let Some(optimizer) = &self.optimizer else { return Ok(OptimizerState::initial(gpt.trained().len)) };
        let mut tensors = Vec::new();
        for tensor in optimizer.state() {
            tensors.push(tensor.read().await?);
        }
        Ok(OptimizerState { kind: optimizer.kind(), tensors })
    }

    /// Copies the optimizer state, the history and the best checkpoint to the CPU. Queued steps must have been
    /// [read](Trainer::read) before.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn state(&self, gpt: &Gpt) -> Result<TrainingState> {
        Ok(TrainingState {
            progress: self.progress.clone(),
            optimizer: self.optimizer_state(gpt).await?,
            best: match &self.best {
                Some(Held { step, validation_loss, flat }) => {
                    let weights = flat.as_ref().unwrap_or(gpt.trained_flat()).read().await?;
                    Some(Best { step: *step, validation_loss: *validation_loss, weights })
                }
                None => None,
            },
            history: self.history.clone(),
        })
    }
}
