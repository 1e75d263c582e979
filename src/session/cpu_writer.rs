//! Generates on the CPU while the model is on the GPU: for each token the GPU starts dozens of small kernels and its
//! result has to be read back, which takes longer than a small model's arithmetic. The faster engine is found by
//! measuring.

use serde::Serialize;

use super::{Session, running::Running};
use crate::{
    config::ModelConfig,
    device::Engine,
    error::Result,
    model::{Cache, Gpt},
    ops::{Device, read},
};

/// Largest number of parameters of a model that is copied, 64 MiB of them: no larger one is faster on a CPU than on a
/// GPU.
const MOST_PARAMETERS: u64 = 1 << 24;
/// Shortest duration in seconds that is measured precisely enough; browsers' clocks count milliseconds.
const ENOUGH: f64 = 0.01;
/// The number of prompt tokens that the CPU reads in the time of generating one.
const READ_AS_ONE: f64 = 4.0;

/// Measured times of generation with the current model, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct WritingTimes {
    /// Time to copy the weights from the GPU to the CPU.
    pub copy: f64,
    /// Time for one token on the CPU.
    pub cpu: f64,
    /// Time for one token on the GPU, including the read-back of its logits.
    pub gpu: f64,
}

impl WritingTimes {
    /// Whether the CPU is faster for a prompt of `read` tokens and a text of `write`.
    fn favour_cpu(&self, read: usize, write: usize, is_copied: bool) -> bool {
        let copy = if is_copied { 0.0 } else { self.copy };
        // The GPU reads a prompt in one pass.
        let cpu = copy + self.cpu * (read as f64 / READ_AS_ONE + write as f64);
        cpu < self.gpu * (1 + write) as f64
    }
}

/// A copy of the model on the CPU, once it is useful.
#[derive(Default)]
pub(super) struct CpuWriter {
    /// The copy, with the version of the model at that time.
    copy: Option<(Gpt, u64)>,
    times: Option<WritingTimes>,
}

impl CpuWriter {
    /// Returns the copy, if it is up to date.
    pub fn copy_of(&self, gpt: &Gpt) -> Option<&Gpt> {
        self.copy.as_ref().filter(|(_, version)| *version == gpt.version()).map(|(copy, _)| copy)
    }

    async fn choose(&mut self, gpt: &Gpt, read: usize, write: usize, clock: &impl Fn() -> f64) -> Result<()> {
        let times = match self.times {
            Some(times) => times,
            None => self.measure(gpt, clock).await?,
        };
        let is_copied = self.copy_of(gpt).is_some();
        if !times.favour_cpu(read, write, is_copied) {
            self.copy = None;
        } else if !is_copied {
            self.copy = None; // its memory serves again
            self.copy = Some((gpt.on(&Device::cpu()).await?, gpt.version()));
        }
        Ok(())
    }

    async fn measure(&mut self, gpt: &Gpt, clock: &impl Fn() -> f64) -> Result<WritingTimes> {
        // The GPU first, because this also waits for queued work.
        let gpu = seconds_a_token(gpt, clock).await?;
        let began = clock();
        let copied = gpt.on(&Device::cpu()).await?;
        let copy = clock() - began;
        let cpu = seconds_a_token(&copied, clock).await?;
        self.copy = Some((copied, gpt.version()));
        let times = WritingTimes { copy, cpu, gpu };
        self.times = Some(times);
        Ok(times)
    }
}

/// The better of two trials: in the first the GPU compiles kernels, and the browser the WebAssembly code.
async fn seconds_a_token(gpt: &Gpt, clock: &impl Fn() -> f64) -> Result<f64> {
    let ModelConfig { context, .. } = gpt.config;
    let weights = gpt.weights();
    let mut cache = Cache::new(gpt);
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let (began, mut tokens) = (clock(), 0);
        loop {
            let logits = match cache.len() < context {
                true => gpt.read_one(&weights, 0, &mut cache)?,
                false => gpt.read(&weights, &gpt.ids(vec![0])?, &mut cache),
            };
            read(logits).await?;
            tokens += 1;
            let passed = clock() - began;
            if passed >= ENOUGH {
                best = best.min(passed / f64::from(tokens));
                break;
            }
        }
    }
    Ok(best)
}

impl Session {
    /// Decides by measured times which engine generates the next text, of at most `write` tokens after a prompt of at
    /// most `read` tokens, and copies the weights to the CPU if it is faster. Without this call the engine of the model
    /// generates. `clock` returns seconds.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    pub async fn choose_writer(&mut self, read: usize, write: usize, clock: impl Fn() -> f64) -> Result<()> {
        let Some(model) = &mut self.model else { return Ok(()) };
        let ModelConfig { context, .. } = model.gpt.config;
        // The copy must not change while a run's sample is generated with it.
        let is_sampling = model.run.as_ref().is_some_and(Running::is_sampling);
        if self.engine == Engine::Cpu || model.gpt.config.parameters() > MOST_PARAMETERS || is_sampling {
            return Ok(());
        }
        model.cpu_writer.choose(&model.gpt, read.min(context), write, &clock).await
    }

    /// Returns the speed of generation on both engines, if it has been measured with this model.
    pub fn writing_times(&self) -> Option<WritingTimes> {
        self.model.as_ref()?.cpu_writer.times
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        config::{LoraConfig, TrainConfig, Variant},
        device,
        generate::Sampling,
        ops::testing::gpu_device,
        session::{GenerateOptions, Model},
        tokenizer::Kind,
    };

    #[test]
    fn the_cpu_generates_where_copying_the_weights_is_worth_it() {
        let times = WritingTimes { copy: 0.1, cpu: 0.001, gpu: 0.005 };
        assert!(times.favour_cpu(0, 100, false));
        // Few tokens are not worth a copy, unless it exists already.
        assert!(!times.favour_cpu(0, 10, false) && times.favour_cpu(0, 10, true));
        // The GPU reads a long prompt faster.
        assert!(!times.favour_cpu(1024, 50, true) && times.favour_cpu(1024, 200, true));
        assert!(!WritingTimes { cpu: 0.006, ..times }.favour_cpu(0, 100, true));
    }

    /// A session on the GPU with a slightly trained model.
    fn session() -> Session {
        let limits = device::limits(Engine::WebGpu, &device::Machine::default());
        let mut session = Session::new(gpu_device(), Engine::WebGpu, limits);
        session.open_file("story.txt", 0, None);
        session.push_bytes("The parrot said again what the sea had said. ".repeat(60).as_bytes()).unwrap();
        session.close_file().unwrap();
        session.train_tokenizer(Kind::Char, None).unwrap();
        let variant = Variant::GPT2;
        let config = ModelConfig { vocabulary: 0, context: 16, layers: 1, heads: 2, width: 32, dropout: 0.0, variant };
        session.create_model(config, 7).unwrap();
        session
    }

    fn train(session: &mut Session, lora: Option<LoraConfig>) {
        let run = TrainConfig { steps: 20, learning_rate: 2e-2, warmup_steps: 0, lora, ..TrainConfig::default() };
        session.begin_training(run).unwrap();
        (0..20).for_each(|_| session.step().unwrap());
        block_on(session.read_losses()).unwrap();
    }

    /// The generated text, and whether the copy generated it.
    fn write(session: &mut Session, temperature: f32, cache: bool) -> (String, bool) {
        let sampling = Sampling { temperature, seed: 3, ..Sampling::default() };
        session
            .begin_generation("The ", GenerateOptions { max_tokens: 40, sampling, cache, ..GenerateOptions::default() })
            .unwrap();
        let by_copy = session.writing.as_ref().unwrap().by_copy;
        let mut text = String::new();
        while let Some(piece) = block_on(session.next_token()).unwrap() {
            text += &piece;
        }
        (text + &session.end_generation(), by_copy)
    }

    /// Chooses the engine for a text so long that the copy is worth it.
    fn choose(session: &mut Session) {
        let began = Instant::now();
        block_on(session.choose_writer(4, 10_000, || began.elapsed().as_secs_f64())).unwrap();
    }

    #[test]
    fn the_copy_generates_the_same_text_as_the_gpu_and_is_updated_after_training() {
        let mut session = session();
        train(&mut session, None);
        let written = [(0.0, true), (0.9, true), (0.0, false)].map(|(temperature, cache)| {
            let (text, by_copy) = write(&mut session, temperature, cache);
            assert!(!by_copy, "nothing has been decided");
            text
        });
        choose(&mut session);
        let times = session.writing_times().unwrap();
        assert!(times.cpu > 0.0 && times.cpu < times.gpu, "{times:?}");
        for ((temperature, cache), text) in [(0.0, true), (0.9, true), (0.0, false)].into_iter().zip(&written) {
            assert_eq!(write(&mut session, temperature, cache), (text.clone(), true));
        }
        // After training the copy is stale: the GPU generates until there is a new one.
        train(&mut session, Some(LoraConfig::default()));
        let (learned, by_copy) = write(&mut session, 0.0, true);
        assert!(!by_copy && learned != written[0], "{learned}");
        choose(&mut session);
        assert_eq!(write(&mut session, 0.0, true), (learned.clone(), true));
        session.merge_adapter().unwrap();
        assert_eq!(write(&mut session, 0.0, true).0, learned);
    }

    #[test]
    fn the_copy_is_kept_while_it_generates_a_sample() {
        let mut session = session();
        train(&mut session, None);
        choose(&mut session);
        let run = TrainConfig { steps: 20, ..TrainConfig::default() };
        session.begin_training(run).unwrap();
        let began = Instant::now();
        let clock = || began.elapsed().as_secs_f64();
        block_on(session.start_run(clock)).unwrap();
        while !session.model().unwrap().run.as_ref().unwrap().is_sampling() {
            block_on(session.tick(clock)).unwrap();
        }
        // A text for the user that the GPU would generate faster.
        session.model_mut().unwrap().cpu_writer.times = Some(WritingTimes { copy: 1.0, cpu: 1.0, gpu: 0.0 });
        block_on(session.choose_writer(1, 1, clock)).unwrap();
        let is_copied = |session: &Session| {
            let Model { gpt, cpu_writer, .. } = session.model().unwrap();
            cpu_writer.copy_of(gpt).is_some()
        };
        assert!(is_copied(&session));
        while session.history().unwrap().samples.is_empty() {
            block_on(session.tick(clock)).unwrap();
        }
        block_on(session.choose_writer(1, 1, clock)).unwrap();
        assert!(!is_copied(&session));
    }
}
