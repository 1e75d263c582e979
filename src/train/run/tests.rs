//! Tests of the run's decisions, with a clock that the tests set and a fake engine that only takes time.

use super::*;

/// A run whose pieces of work take a given time in seconds and return given losses.
struct Driven {
    run: Run,
    now: f64,
    step: f64,
    save: Option<f64>,
    validation_loss: f32,
    sample_tokens: usize,
    /// All work done, and when each piece began.
    done: Vec<(f64, Work)>,
    unread: u64,
}

const STATUS: RunStatus = RunStatus {
    step: 0,
    start_step: 0,
    end_step: 10,
    eval_every: 4,
    tokens_per_step: 100,
    evaluation_batches: 2,
    seconds: 0.0,
    best: None,
};

impl Driven {
    fn new(status: RunStatus) -> Self {
        Self::with(status, &History::default(), false, false)
    }

    fn with(status: RunStatus, history: &History, queues: bool, unchecked: bool) -> Self {
        let now = 100.0;
        let run = Run::new(status, history, queues, unchecked, now);
        let (done, unread) = (Vec::new(), 0);
        Self { run, now, step: 0.01, save: Some(0.0), validation_loss: 2.0, sample_tokens: 2, done, unread }
    }

    /// Does the next piece of work, with times that are exact in binary.
    fn tick(&mut self) -> Result<Work> {
        let began = self.now;
        let work = self.run.next(began);
        self.done.push((began, work));
        match work {
            Work::Step => {
                self.unread += 1;
                // On a GPU the time of queued steps passes in the read-back.
                let queued = self.run.queues;
                self.now += if queued { 0.0 } else { self.step };
                self.run.stepped(began, self.now);
            }
            Work::ReadLosses => {
                self.now += if self.run.queues { self.unread as f64 * self.step } else { 0.0 };
                let record =
                    |step| StepRecord { step, loss: 3.0, gradient_norm: 1.0, learning_rate: 0.5 / step as f64 };
                let first = self.run.step - self.unread + 1;
                let records = (first..=self.run.step).map(record).collect();
                self.run.losses_read(records, began, self.now);
                self.unread = 0;
            }
            Work::SelfCheck => self.run.self_checked(),
            Work::EvaluateBatch(_) => {
                self.now += 0.125;
                self.run.batch_evaluated(began, self.now);
            }
            Work::FinishEvaluation => {
                let validation_loss = Some(self.validation_loss);
                let (step, train_loss, perplexity, bits_per_byte) = (self.run.step, None, None, None);
                let evaluation = Evaluation { step, train_loss, validation_loss, perplexity, bits_per_byte };
                self.run.evaluated(&evaluation, began, self.now)?;
                self.sample_tokens = 2;
            }
            Work::Sample => {
                self.now += 0.0625;
                self.sample_tokens -= 1;
                self.run.sampled(self.sample_tokens == 0, began, self.now);
            }
            Work::Save => {
                self.run.save_requested(began);
                if let Some(took) = self.save {
                    self.now += took;
                    self.run.saved(took, self.now);
                }
            }
            Work::FitSteps => self.fit(),
            Work::FirstStep => self.run.first_step_announced(),
            Work::Finish => {}
        }
        Ok(work)
    }

    /// Does what the session does, without evaluations.
    fn fit(&mut self) {
        let pace = self.run.pace(self.now).expect("steps were measured");
        let end_step = self.run.step + ((pace.left - pace.saving) / pace.step) as u64;
        self.run.fitted(RunStatus { end_step, ..self.run.status.clone() });
    }

    fn until(&mut self, end: impl Fn(&Self, Work) -> bool) {
        while !self.tick().map(|work| end(self, work)).unwrap() {}
    }

    fn finish(&mut self) -> Vec<Work> {
        self.until(|_, work| work == Work::Finish);
        self.done.iter().map(|(_, work)| *work).collect()
    }

    /// The times of this kind of work, counted from the first step.
    fn times(&self, of: Work) -> Vec<f64> {
        let first = self.done.iter().find(|(_, work)| *work == Work::Step).unwrap().0;
        self.done.iter().filter(|(_, work)| *work == of).map(|(began, _)| began - first).collect()
    }
}

#[test]
fn a_run_evaluates_before_the_first_step_at_its_interval_and_after_the_last() {
    let mut driven = Driven::new(STATUS);
    driven.finish();
    let mut steps = 0;
    let mut evaluated = Vec::new();
    for (_, work) in &driven.done {
        match work {
            Work::Step => steps += 1,
            Work::FinishEvaluation => evaluated.push(steps),
            _ => {}
        }
    }
    assert_eq!((evaluated, steps), (vec![0, 4, 8, 10], 10));
}

#[test]
fn an_evaluation_is_followed_by_a_sample_and_the_first_step_is_announced() {
    use Work::*;
    let mut driven = Driven::new(RunStatus { end_step: 1, ..STATUS });
    let evaluation = [EvaluateBatch(0), EvaluateBatch(1), FinishEvaluation, Sample, Sample];
    let expected = [&evaluation[..], &[FirstStep, Step, ReadLosses], &evaluation, &[Save, Finish]].concat();
    assert_eq!(driven.finish(), expected);
    let result = driven.run.result();
    assert_eq!((result.step, result.train_loss, result.validation_loss), (1, Some(3.0), Some(2.0)));
}

#[test]
fn a_resumed_run_is_not_evaluated_twice_at_the_same_step() {
    let evaluation =
        Evaluation { step: 4, train_loss: None, validation_loss: Some(1.5), perplexity: None, bits_per_byte: None };
    let sample = |step| crate::train::Sample { step, text: "text".into(), copied: None };
    let history = History { evaluations: vec![evaluation], samples: vec![sample(4)], ..History::default() };
    let mut driven = Driven::with(RunStatus { step: 4, ..STATUS }, &history, false, false);
    assert_eq!([driven.tick().unwrap(), driven.tick().unwrap()], [Work::FirstStep, Work::Step]);
    assert_eq!(driven.run.result().validation_loss, Some(1.5));
    // A run at its end has no work left.
    let evaluations = vec![Evaluation { step: 10, ..evaluation }];
    let history = History { evaluations, samples: vec![sample(10)], ..History::default() };
    let mut ended = Driven::with(RunStatus { step: 10, ..STATUS }, &history, false, false);
    assert_eq!(ended.finish(), [Work::Finish]);
}

#[test]
fn the_first_checkpoint_is_due_after_a_second_and_each_later_one_after_twice_the_time() {
    let mut driven = Driven::new(RunStatus { end_step: u64::MAX, eval_every: u64::MAX, ..STATUS });
    driven.until(|driven, _| driven.now > 320.0);
    let saves = driven.times(Work::Save);
    let expected = [1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 108.0, 153.0, 198.0];
    assert_eq!(saves.len(), expected.len());
    for (save, expected) in saves.iter().zip(expected) {
        // A step may be in progress when each is due.
        assert!((expected..expected + 0.2).contains(save), "{save} instead of {expected}");
    }
}

#[test]
fn saving_takes_at_most_a_twentieth_of_the_time() {
    let mut driven = Driven::new(RunStatus { end_step: u64::MAX, eval_every: u64::MAX, ..STATUS });
    driven.save = Some(1.0);
    driven.until(|driven, _| driven.now > 300.0);
    let saves = driven.times(Work::Save);
    // The duration of the first was unknown when it was requested.
    assert!((saves[1] - saves[0] - 21.0).abs() < 0.1 && (saves[2] - saves[1] - 41.0).abs() < 0.1, "{saves:?}");
    // Even with slow saves, at most a minute of work can be lost.
    driven.save = Some(10.0);
    driven.until(|driven, _| driven.now > 600.0);
    let saves = driven.times(Work::Save);
    assert!(saves.windows(2).all(|pair| pair[1] - pair[0] < 56.0), "{saves:?}");
}

#[test]
fn no_checkpoint_is_due_before_the_first_step() {
    let mut driven = Driven::new(STATUS);
    driven.until(|_, work| work == Work::FirstStep);
    // Shaders are compiled.
    driven.now += 30.0;
    driven.until(|driven, _| driven.run.step == 3);
    assert!(driven.times(Work::Save).is_empty());
}

#[test]
fn a_checkpoint_that_is_not_made_is_requested_again_later() {
    let mut driven = Driven::new(RunStatus { end_step: u64::MAX, eval_every: u64::MAX, ..STATUS });
    driven.save = None;
    driven.until(|driven, _| driven.now > 105.0);
    assert!(driven.times(Work::Save).windows(2).all(|pair| pair[1] - pair[0] >= 1.0));
    // A checkpoint that was not requested, as before a pause, restarts the interval.
    driven.run.saved(0.0, driven.now);
    let asked = driven.times(Work::Save).len();
    driven.until(|driven, _| driven.now > 106.5);
    assert_eq!(driven.times(Work::Save).len(), asked);
}

#[test]
fn losses_are_read_back_every_150_ms_on_a_gpu_and_after_each_step_on_a_cpu() {
    let unread_at_readings = |queues, step| {
        let mut driven = Driven::with(
            RunStatus { end_step: 400, eval_every: u64::MAX, ..STATUS },
            &History::default(),
            queues,
            false,
        );
        driven.step = step;
        let works = driven.finish();
        let mut counts = Vec::new();
        let mut unread = 0;
        for work in works {
            match work {
                Work::Step => unread += 1,
                Work::ReadLosses => counts.push(std::mem::take(&mut unread)),
                _ => {}
            }
        }
        counts
    };
    assert_eq!(unread_at_readings(false, 0.01)[..3], [1, 1, 1]);
    assert_eq!(unread_at_readings(true, 0.01)[..3], [1, 15, 15]);
    assert_eq!(unread_at_readings(true, 0.001)[..3], [1, 32, 32]);
    assert_eq!(unread_at_readings(true, 1.0)[..3], [1, 2, 2]);
}

#[test]
fn throughput_and_time_left_follow_the_last_seconds() {
    let mut driven = Driven::new(RunStatus { end_step: 2000, eval_every: u64::MAX, seconds: 50.0, ..STATUS });
    driven.step = 1.0;
    driven.until(|driven, _| driven.run.step == 10 && driven.unread == 0);
    driven.run.progress(driven.now).unwrap();
    // The machine becomes twice as fast.
    driven.step = 0.5;
    driven.until(|driven, _| driven.run.step == 20 && driven.unread == 0);
    let progress = driven.run.progress(driven.now).unwrap();
    assert_eq!((progress.step, progress.end_step, progress.records.len()), (20, 2000, 10));
    assert_eq!((progress.tokens_per_second, progress.milliseconds_per_step), (200.0, 500.0));
    // 15 s of training, and 3/8 s for the evaluation and the sample at the start, which are expected again in
    // proportion.
    assert!((progress.elapsed_seconds - 65.375).abs() < 1e-9, "{progress:?}");
    assert!((progress.seconds_left - 1980.0 * 0.5 * 15.375 / 15.0).abs() < 1e-6, "{progress:?}");
    assert!((progress.evaluation_share - 0.25 / 15.0).abs() < 1e-9, "{progress:?}");
    assert_eq!(driven.run.result().tokens_per_second, 2000.0 / 15.0);
    // Pauses do not count, because there are no ticks.
    driven.now += 1000.0;
    driven.until(|driven, _| driven.run.step == 21 && driven.unread == 0);
    let progress = driven.run.progress(driven.now).unwrap();
    assert!((progress.elapsed_seconds - 65.875).abs() < 1e-9, "{progress:?}");
    assert!((driven.run.take_seconds() - 15.875).abs() < 1e-9);
    assert_eq!(driven.run.take_seconds(), 0.0);
}

#[test]
fn progress_is_reported_at_most_ten_times_a_second_and_only_once() {
    let mut driven = Driven::new(STATUS);
    driven.until(|driven, _| driven.run.step == 1 && driven.unread == 0);
    assert!(driven.run.progress_is_due(driven.now));
    let progress = driven.run.progress(driven.now).unwrap();
    assert_eq!((progress.loss, progress.learning_rate, progress.gradient_norm), (3.0, 0.5, 1.0));
    assert_eq!(driven.run.progress(driven.now), None);
    assert!(!driven.run.progress_is_due(driven.now + 0.09) && driven.run.progress_is_due(driven.now + 0.101));
}

#[test]
fn the_gpu_is_checked_after_the_first_loss_and_before_anything_is_saved() {
    let mut driven = Driven::with(STATUS, &History::default(), true, true);
    // Steps so slow that a checkpoint is due after the first.
    driven.step = 3.0;
    driven.until(|_, work| work == Work::Save);
    let after_evaluation = driven.done.iter().skip_while(|(_, work)| *work != Work::FirstStep).map(|(_, work)| *work);
    let expected = [Work::FirstStep, Work::Step, Work::ReadLosses, Work::SelfCheck, Work::Save];
    assert_eq!(after_evaluation.collect::<Vec<_>>(), expected);
    // The check runs once.
    assert_eq!(driven.finish().iter().filter(|work| **work == Work::SelfCheck).count(), 1);
    // The check also runs if the run is stopped after the first step.
    let mut stopped = Driven::with(STATUS, &History::default(), true, true);
    stopped.until(|_, work| work == Work::Step);
    stopped.run.stop();
    assert_eq!(
        stopped.finish()[stopped.done.len() - 4..],
        [Work::ReadLosses, Work::SelfCheck, Work::Save, Work::Finish]
    );
}

#[test]
fn a_stop_drops_an_evaluation_or_a_sample_in_progress() {
    let mut driven = Driven::new(STATUS);
    driven.until(|_, work| work == Work::EvaluateBatch(0));
    driven.run.stop();
    // No step was done, so there is nothing to save.
    assert_eq!(driven.finish(), [Work::EvaluateBatch(0), Work::Finish]);
    let mut sampling = Driven::new(STATUS);
    sampling.until(|_, work| work == Work::Sample);
    sampling.run.stop();
    assert_eq!(sampling.finish()[3..], [Work::Sample, Work::Save, Work::Finish]);
}

#[test]
fn a_run_restored_from_before_the_end_of_a_sample_draws_it() {
    let evaluation =
        Evaluation { step: 4, train_loss: None, validation_loss: Some(2.0), perplexity: None, bits_per_byte: None };
    let sample = |step| crate::train::Sample { step, text: "text".into(), copied: None };
    let mut history = History { evaluations: vec![evaluation], samples: vec![sample(0)], ..History::default() };
    let status = RunStatus { step: 4, ..STATUS };
    let first = |history: &History| Driven::with(status.clone(), history, false, false).run.next(0.0);
    assert_eq!(first(&history), Work::Sample);
    history.samples.push(sample(4));
    assert_eq!(first(&history), Work::FirstStep);
}

#[test]
fn a_validation_loss_that_is_nan_is_a_divergence() {
    let mut driven = Driven::new(STATUS);
    driven.until(|driven, _| driven.run.step == 4 && driven.unread == 0);
    driven.validation_loss = f32::NAN;
    let error = loop {
        if let Err(error) = driven.tick() {
            break error;
        }
    };
    assert_eq!(error, Error::Diverged { step: 4, learning_rate: 0.125 });
    assert_eq!(driven.run.result().validation_loss, Some(2.0));
}

#[test]
fn two_consecutive_evaluations_worse_than_the_best_are_overfitting() {
    let overfits = |worse| BestSoFar::new(7, 1.5, worse).overfitting;
    assert_eq!([0, 1, 2, 3].map(overfits), [false, false, true, true]);
}

/// A run with a time limit, driven to its end: the steps after which it was fitted, and its seconds.
fn limited(seconds: f64, warmup_steps: u64, queues: bool, step: f64, save: Option<f64>) -> (u64, f64) {
    let status = RunStatus { end_step: 5000, eval_every: u64::MAX, ..STATUS };
    let mut driven = Driven::with(status, &History::default(), queues, false);
    (driven.step, driven.save) = (step, save);
    driven.run.limit_time(seconds, warmup_steps, driven.now);
    let began = driven.now;
    driven.until(|_, work| work == Work::FitSteps);
    let fitted_at = driven.run.step;
    driven.finish();
    assert_eq!(driven.done.iter().filter(|(_, work)| *work == Work::FitSteps).count(), 1);
    (fitted_at, driven.now - began)
}

#[test]
fn a_run_with_a_time_limit_ends_when_the_time_does() {
    for (seconds, queues, step, save) in [
        (60.0, false, 0.01, Some(0.0)),
        (60.0, false, 0.004, Some(0.125)),
        (300.0, false, 1.0, Some(1.0)),
        (20.0, true, 0.002, Some(0.0)),
        (300.0, true, 0.05, Some(0.25)),
        (20.0, false, 3.0, None),
    ] {
        let (fitted_at, took) = limited(seconds, 100, queues, step, save);
        assert!(fitted_at <= 100, "{fitted_at}");
        // A step may be in progress when the time is over.
        assert!((took - seconds).abs() < 0.04 * seconds + step, "{took} instead of {seconds}");
    }
}

#[test]
fn steps_are_fitted_once_20_are_measured_and_before_the_warm_up_ends() {
    // The first half second is not measured, as kernels are compiled and optimised.
    assert_eq!(limited(40.0, 100, false, 0.125, None).0, 24);
    // Fast steps are measured for half a second.
    assert_eq!(limited(16.0, 200, false, 0.0078125, None).0, 128);
    assert_eq!(limited(10.0, 30, false, 0.001, None).0, 30);
    assert_eq!(limited(10.0, 30, true, 0.001, None).0, 30);
    // A tenth of the time is enough for slow ones.
    assert_eq!(limited(20.0, 100, false, 0.5, None).0, 4);
}

#[test]
fn a_pause_while_steps_are_measured_is_no_part_of_their_time() {
    let status = RunStatus { end_step: 5000, eval_every: u64::MAX, ..STATUS };
    let mut driven = Driven::new(status);
    driven.step = 0.125;
    driven.run.limit_time(600.0, 100, driven.now);
    driven.until(|driven, _| driven.run.step == 10 && driven.unread == 0);
    driven.now += 30.0;
    driven.until(|_, work| work == Work::Step);
    let mut pace = None;
    while pace.is_none() {
        let now = driven.now;
        pace = (driven.run.next(now) == Work::FitSteps).then(|| driven.run.pace(now).unwrap());
        driven.tick().unwrap();
    }
    assert_eq!(pace.unwrap().step, 0.125);
}
