//! Decides how many workers take part in each step, by the time that steps take with each number of them. The machine may
//! have fewer idle processors than it says, and a small step more messages than arithmetic. Times are in seconds.

/// How often each number is tried at least and at most, and the time of the whole trial from which on the least is enough:
/// what else the machine does changes the time of a single step by half. One slow step is enough to know.
const TRIES: (usize, usize) = (3, 15);
const TRIAL: f64 = 1.5;
/// Largest share of a run's time for that.
const TRIAL_SHARE: f64 = 0.02;
const SLOW: f64 = 2.0;
/// A further worker must save this share of a step.
const LEAST_GAIN: f64 = 0.04;
/// A choice is tried anew after this time, or after so many times the time that the trial took, if that is longer.
const VALID: f64 = 30.0;
const VALID_TRIALS: f64 = 15.0;

/// The numbers of workers that are worth trying: each computes fewer shards one after another than the one before.
fn useful(shards: usize, available: usize) -> Vec<usize> {
    let rounds = |workers: usize| shards.div_ceil(workers);
    (1..=available.max(1)).filter(|&workers| workers == 1 || rounds(workers) < rounds(workers - 1)).collect()
}

/// The number of workers for each step.
#[derive(Debug, Clone)]
pub struct WorkerCount {
    shards: usize,
    available: usize,
    /// The numbers on trial, and the time of a step with each, a row a round.
    candidates: Vec<usize>,
    rounds: Vec<Vec<f64>>,
    /// The number of steps of the trial.
    tried: usize,
    /// The time that the trial took, and the time from which on it may end.
    spent: f64,
    trial: f64,
    /// The choice, and how long it still holds.
    chosen: Option<(usize, f64)>,
}

impl WorkerCount {
    /// Begins with one worker and a step of so many shards; `time_limit`: the time of the run, if it has one.
    pub fn new(shards: usize, time_limit: Option<f64>) -> Self {
        let mut new = Self {
            shards,
            available: 1,
            candidates: Vec::new(),
            rounds: Vec::new(),
            tried: 0,
            spent: 0.0,
            trial: time_limit.map_or(TRIAL, |seconds| TRIAL.min(TRIAL_SHARE * seconds)),
            chosen: None,
        };
        new.try_anew();
        new
    }

    fn try_anew(&mut self) {
        self.candidates = useful(self.shards, self.available);
        self.rounds.clear();
        (self.tried, self.spent, self.chosen) = (0, 0.0, None);
    }

    /// Returns the number of workers for the next step, of which so many are available.
    pub fn next(&mut self, available: usize) -> usize {
        if available != self.available {
            self.available = available;
            self.try_anew();
        }
        // The largest number first, so that a worker's first, slower step is in the round that counts least.
        self.chosen.map_or(self.candidates[self.candidates.len() - 1 - self.tried % self.candidates.len()], |it| it.0)
    }

    /// Reports the time of a step with so many workers.
    pub fn took(&mut self, workers: usize, seconds: f64) {
        if let Some((_, left)) = &mut self.chosen {
            *left -= seconds;
            if *left <= 0.0 && self.candidates.len() > 1 {
                self.try_anew();
            }
            return;
        }
        let Some(at) = self.candidates.iter().position(|&candidate| candidate == workers) else { return };
        let count = self.candidates.len();
        if self.tried.is_multiple_of(count) {
            self.rounds.push(vec![f64::INFINITY; count]);
        }
        if let Some(round) = self.rounds.last_mut() {
            round[at] = seconds;
        }
        self.tried += 1;
        self.spent += seconds;
        if self.tried.is_multiple_of(count) && self.is_decided() {
            self.chosen = Some((self.best(), VALID.max(VALID_TRIALS * self.spent)));
        }
    }

    /// Whether the rounds of the trial are enough.
    fn is_decided(&self) -> bool {
        let (rounds, (least, most)) = (self.rounds.len(), TRIES);
        let is_slow = self.rounds.iter().flatten().any(|&seconds| seconds > SLOW);
        is_slow || rounds >= most || rounds >= least && self.spent >= self.trial
    }

    /// The largest number each worker of which was worth it, in most rounds.
    fn best(&self) -> usize {
        let mut best = 0;
        for at in 1..self.candidates.len() {
            let mut ratios: Vec<f64> = self.rounds.iter().map(|round| round[at] / round[best]).collect();
            ratios.sort_by(f64::total_cmp);
            if ratios[ratios.len() / 2] < 1.0 - LEAST_GAIN {
                best = at;
            }
        }
        self.candidates[best]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes steps on a machine of so many idle processors and returns the numbers of workers.
    fn steps(worker_count: &mut WorkerCount, available: usize, processors: usize, count: usize) -> Vec<usize> {
        let step = |_| {
            let workers = worker_count.next(available);
            let rounds = 8usize.div_ceil(workers) as f64;
            // Workers without a processor of their own take turns, and each costs a message.
            let turns = (workers as f64 / processors as f64).max(1.0);
            worker_count.took(workers, 0.01 * rounds * turns + 0.001 * workers as f64);
            workers
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn as_many_workers_as_help_are_found_in_the_first_steps() {
        for (available, processors, best) in [(2, 2, 2), (4, 2, 2), (3, 1, 1), (7, 8, 4), (8, 8, 8), (1, 4, 1)] {
            let taken = steps(&mut WorkerCount::new(8, None), available, processors, 100);
            assert_eq!(taken[80..], [best; 20], "{available} workers, {processors} processors");
        }
    }

    #[test]
    fn only_numbers_with_fewer_rounds_are_tried() {
        assert_eq!(useful(8, 7), [1, 2, 3, 4]);
        assert_eq!(useful(8, 100), [1, 2, 3, 4, 8]);
        assert_eq!(useful(1, 4), [1]);
        assert_eq!(useful(8, 0), [1]);
    }

    #[test]
    fn another_number_of_available_workers_is_tried_at_once() {
        let mut worker_count = WorkerCount::new(8, None);
        assert_eq!(steps(&mut worker_count, 1, 4, 10), [1; 10]);
        assert_eq!(steps(&mut worker_count, 4, 4, 80)[70..], [4; 10]);
        // Two were lost.
        assert_eq!(steps(&mut worker_count, 2, 4, 40)[30..], [2; 10]);
    }

    #[test]
    fn a_machine_that_becomes_busy_is_noticed() {
        let mut worker_count = WorkerCount::new(8, None);
        assert_eq!(steps(&mut worker_count, 2, 2, 40)[30..], [2; 10]);
        let taken = steps(&mut worker_count, 2, 1, 1600);
        assert_eq!(taken[1590..], [1; 10]);
        // It is tried again for a small share of the time.
        assert!(steps(&mut worker_count, 2, 1, 1000).iter().filter(|&&workers| workers == 2).count() < 40);
    }

    #[test]
    fn other_work_on_the_machine_does_not_decide() {
        let mut worker_count = WorkerCount::new(8, None);
        // Every third step takes twice as long, and the first of a new worker three times.
        for step in 0..40 {
            let workers = worker_count.next(2);
            let busy = if step == 0 {
                3.0
            } else if step % 3 == 1 {
                2.0
            } else {
                1.0
            };
            worker_count.took(workers, busy * 0.05 / (1.0 + 0.4 * (workers - 1) as f64));
        }
        assert_eq!(worker_count.next(2), 2);
    }

    #[test]
    fn a_short_run_has_a_short_trial() {
        let mut worker_count = WorkerCount::new(8, Some(15.0));
        assert_eq!(steps(&mut worker_count, 2, 2, 6), [2, 1, 2, 1, 2, 1]);
        assert_eq!(steps(&mut worker_count, 2, 2, 4), [2, 2, 2, 2]);
    }

    #[test]
    fn slow_steps_are_tried_once() {
        let mut worker_count = WorkerCount::new(8, None);
        let tried: Vec<usize> = (0..4)
            .map(|_| {
                let workers = worker_count.next(2);
                worker_count.took(workers, 10.0 / workers as f64);
                workers
            })
            .collect();
        assert_eq!(tried, [2, 1, 2, 2]);
    }
}
