//! A model that is opened and not trained itself is held in the 8 or 16 bits a number of its file, and computes what the
//! same numbers with 32 bits do.

use std::collections::{BTreeMap, HashMap};

use futures_lite::future::block_on;
use lorito::{
    architecture::Role,
    config::{Activation, Limits, Llama, LlamaFamily, LoraConfig, ModelConfig, Targets, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats::{self, GgufPrecision, ModelFile, llama_cpp},
    generate::{Generation, Sampling},
    model::{Frozen, Gpt, Layout, packed_shape},
    ops::{Device, Form, Packed, read},
    session::Session,
    train::{Dataset, Threads, Trainer},
};

use crate::{
    adapters::assert_near,
    formats::sample,
    hugging_face::{open, unzip},
};

/// GPT-2, and a Llama with grouped heads, with whole blocks in every row.
fn shapes() -> [ModelConfig; 3] {
    let gpt2 = ModelConfig { heads: 4, width: 64, ..sample::model().config };
    let llama = |family, tied| {
        let llama = Some(Llama { family, key_value_heads: 2, mlp_width: 96, ..Llama::like(64, 4) });
        let variant = Variant { activation: Activation::Silu, bias: false, tied, llama, ..Variant::GPT2 };
        ModelConfig { variant, ..gpt2 }
    };
    [gpt2, llama(LlamaFamily::Llama, true), llama(LlamaFamily::Qwen3, false)]
        .map(|config| ModelConfig { dropout: 0.0, ..config })
}

/// Makes a matrix of a form, of about these numbers.
fn packed(form: Form, shape: [usize; 2], rows: &[f32]) -> Packed {
    let mut bytes = Vec::new();
    match form {
        Form::F16 => rows.iter().for_each(|&value| bytes.extend(half::f16::from_f32(value).to_le_bytes())),
        Form::Bf16 => rows.iter().for_each(|&value| bytes.extend(half::bf16::from_f32(value).to_le_bytes())),
        Form::Q8 | Form::Offset | Form::Scaled => {
            for block in rows.chunks(32) {
                let scale = half::f16::from_f32(block.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 100.0);
                match form {
                    Form::Q8 => bytes.extend(scale.to_le_bytes()),
                    Form::Offset => [1.1, -2.0].iter().for_each(|factor| {
                        bytes.extend(half::f16::from_f32(factor * scale.to_f32()).to_le_bytes());
                    }),
                    _ => [1.1, 0.8, -2.0].iter().for_each(|factor| {
                        bytes.extend((factor * scale.to_f32()).to_le_bytes());
                    }),
                }
                bytes.extend(block.iter().map(|value| (value / scale.to_f32()).round() as i8 as u8));
            }
        }
    }
    Packed::new(form, shape, bytes).unwrap()
}

/// A frozen model, and the same one with 32 bits a number.
fn both(config: ModelConfig, form: Form) -> [Gpt; 2] {
    let layout = Layout::new(&config);
    let flat = sample::weights(&layout, 7, 0.2);
    let mut matrices: BTreeMap<Role, Packed> = BTreeMap::new();
    for parameter in &layout.parameters {
        if let Some(shape) = packed_shape(parameter) {
            matrices.insert(parameter.spec.role, packed(form, shape, &flat[parameter.range()]));
        }
    }
    let frozen = Frozen::new(&layout, matrices).unwrap();
    let rest = layout.moved(&flat, &frozen.rest);
    let widened = frozen.widened(&layout, &rest);
    [Gpt::of_frozen(config, rest, frozen), Gpt::from_flat(config, widened, &Device::cpu())]
}

fn all() -> impl Iterator<Item = (ModelConfig, Form)> {
    let forms = [Form::F16, Form::Bf16, Form::Q8, Form::Offset, Form::Scaled];
    shapes().into_iter().flat_map(move |config| forms.map(|form| (config, form)))
}

fn data(vocabulary: usize) -> Dataset {
    let ids = (0..900u64).map(|step| (lorito::train::mix(3, step) % 5 + step % 11) as u32 % vocabulary as u32);
    Dataset { train: ids.collect(), ..Dataset::default() }
}

#[test]
fn logits_and_texts_are_those_of_the_widened_model() {
    for (config, form) in all() {
        let models = both(config, form);
        let [got, right] = [0, 1].map(|index| {
            let gpt: &Gpt = &models[index];
            let ids = gpt.ids((0..20).map(|id| id * 3 % 29).collect()).unwrap();
            let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
            let mut generation = Generation::new(gpt, &[5, 3, 12], greedy, 16, 0, &[], true).unwrap();
            let mut text = Vec::new();
            while let Some(id) = block_on(generation.next(gpt)).unwrap() {
                text.push(id);
            }
            (block_on(read(gpt.logits(&ids))).unwrap(), block_on(read(gpt.last_logits(&ids))).unwrap(), text)
        });
        assert_near(&got.0, &right.0, 1e-5);
        assert_near(&got.1, &right.1, 1e-5);
        assert_eq!(got.2, right.2, "{form:?}");
        assert_eq!(block_on(models[0].numbers()).unwrap(), block_on(models[1].numbers()).unwrap());
    }
}

#[test]
fn losses_of_an_adapter_are_those_on_the_widened_model() {
    let every = Targets { attention: true, attention_out: true, mlp: true, mlp_out: true };
    for (config, form) in all() {
        let [got, right] = both(config, form).map(|mut gpt| {
            gpt.adapt(LoraConfig { rank: 4, alpha: 8.0, targets: every }, 7);
            let mut trainer = Trainer::new(&gpt);
            let run = TrainConfig {
                steps: 12,
                batch_size: 3,
                learning_rate: 1e-2,
                warmup_steps: 1,
                ..TrainConfig::default()
            };
            trainer.begin(run).unwrap();
            (0..12).for_each(|_| trainer.step(&mut gpt, &data(config.vocabulary)).unwrap());
            let losses: Vec<f32> = block_on(trainer.read()).unwrap().iter().map(|record| record.loss).collect();
            assert!(losses[11] < losses[0] - 0.05, "{losses:?}");
            let merged = block_on(gpt.merged()).unwrap();
            gpt.merge();
            assert_eq!(block_on(gpt.flat.read()).unwrap(), merged);
            (losses, merged)
        });
        for (got, right) in got.0.iter().zip(&right.0) {
            assert!((got - right).abs() <= 1e-5 * right, "{form:?}: {got} instead of {right}");
        }
        assert_near(&got.1, &right.1, 1e-3);
    }
}

fn session(limits: Limits) -> Session {
    Session::new(Device::cpu(), Engine::Cpu, limits)
}

/// A GGUF file of a model with whole blocks.
fn gguf(precision: GgufPrecision) -> Vec<u8> {
    let config = shapes()[1];
    let weights = sample::weights(&Layout::new(&config), 7, 0.3);
    llama_cpp(&ModelFile { config, weights, ..sample::model() }, precision).unwrap()
}

fn opened(bytes: &[u8], limits: Limits) -> Result<Session, Error> {
    let mut session = session(limits);
    open(&mut session, &HashMap::from([("model.gguf".to_owned(), bytes.to_vec())]))?;
    Ok(session)
}

/// A session with a model of 8 bits and a text.
fn ready() -> Session {
    let mut session = opened(&gguf(GgufPrecision::Q8), CPU_LIMITS).unwrap();
    session.open_file("texto.txt", 0, None);
    session.push_bytes("El veloz kiwi comía feliz cardillo. ¿Verdad? 0123\n".repeat(60).as_bytes()).unwrap();
    session.close_file().unwrap();
    session
}

fn run(lora: bool) -> TrainConfig {
    TrainConfig {
        steps: 8,
        batch_size: 4,
        shards: 4,
        warmup_steps: 1,
        learning_rate: 5e-3,
        lora: lora.then_some(LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() }),
        ..TrainConfig::default()
    }
}

fn losses(session: &mut Session, steps: usize) -> Vec<f32> {
    (0..steps).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap().iter().map(|record| record.loss).collect()
}

fn packed_in(checkpoint: &[u8]) -> bool {
    formats::read(checkpoint).unwrap().frozen.is_some()
}

fn logits(session: &Session) -> Vec<f32> {
    block_on(session.logits(&[3, 1, 4, 1, 5, 9, 2, 6])).unwrap()
}

#[test]
fn a_run_with_an_adapter_goes_on_from_its_checkpoint_to_the_bit() {
    let mut session = ready();
    session.begin_training(run(true)).unwrap();
    let before = losses(&mut session, 4);
    let (checkpoint, tokens) = (block_on(session.checkpoint()).unwrap(), session.corpus_tokens().unwrap());
    let after = losses(&mut session, 4);
    assert!(packed_in(&checkpoint));
    // Little more than 8 bits a number, where the weights would have 32.
    let file = formats::read(&checkpoint).unwrap();
    let weights = file.frozen.as_ref().unwrap().widened(&Layout::new(&file.config), &file.weights);
    let wide = formats::write(&ModelFile { weights, frozen: None, ..file }).unwrap();
    let parameters = session.model_summary().unwrap().parameters as usize;
    assert!(checkpoint.len() + parameters * 27 / 10 < wide.len(), "{} and {}", checkpoint.len(), wide.len());
    let mut resumed = self::session(CPU_LIMITS);
    resumed.restore_run(&checkpoint, &tokens).unwrap();
    assert_eq!(losses(&mut resumed, 4), after);
    assert!(after[3] < before[0]);
}

#[test]
fn a_checkpoint_whose_bytes_are_another_matrix_s_is_refused() {
    let session = ready();
    let file = formats::read(&block_on(session.export_safetensors("small")).unwrap()).unwrap();
    let good = formats::write(&file).unwrap();
    assert_eq!(formats::read(&good).unwrap(), file);
    let text = String::from_utf8_lossy(&good).into_owned();
    let name = text.find("\\\"packed\\\":{\\\"").expect("the manifest names packed matrices");
    for change in [name + 14, good.len() - 1] {
        let mut bad = good.clone();
        bad[change] ^= 1;
        assert!(formats::read(&bad).is_err(), "{change}");
    }
}

#[test]
fn every_export_has_the_numbers_of_the_file() {
    let mut session = ready();
    let right = logits(&session);
    let again = block_on(session.export_gguf("again", GgufPrecision::Q8)).unwrap();
    assert_near(&logits(&opened(&again, CPU_LIMITS).unwrap()), &right, 1e-5);
    let own = block_on(session.export_safetensors("own")).unwrap();
    let mut other = self::session(CPU_LIMITS);
    other.import_model(&own).unwrap();
    assert_eq!(logits(&other), right);
    // A page with 8 bits a number, whose blocks lie the other way, and a folder with 32.
    other.import_model(&block_on(session.export_safetensors_in_8_bits("page")).unwrap()).unwrap();
    assert_near(&logits(&other), &right, 2e-2);
    open(&mut other, &unzip(&block_on(session.export_hugging_face("folder", "2026-11-30")).unwrap())).unwrap();
    assert_near(&logits(&other), &right, 1e-5);
    // With an adapter too: merged into the folder, and by itself.
    session.begin_training(run(true)).unwrap();
    losses(&mut session, 8);
    let right = logits(&session);
    open(&mut other, &unzip(&block_on(session.export_hugging_face("folder", "2026-11-30")).unwrap())).unwrap();
    assert_near(&logits(&other), &right, 1e-5);
    let adapter = unzip(&block_on(session.export_adapter("base")).unwrap());
    let mut other = opened(&gguf(GgufPrecision::Q8), CPU_LIMITS).unwrap();
    other.import_adapter(&adapter["adapter_config.json"], &adapter["adapter_model.safetensors"]).unwrap();
    assert_near(&logits(&other), &right, 1e-5);
    session.merge_adapter().unwrap();
    assert_near(&logits(&session), &right, 1e-5);
    assert!(!packed_in(&block_on(session.export_safetensors("merged")).unwrap()));
}

#[test]
fn training_all_weights_widens_them_first() {
    let mut session = ready();
    let right = logits(&session);
    session.begin_training(run(false)).unwrap();
    assert_near(&logits(&session), &right, 1e-5);
    let checkpoint = block_on(session.checkpoint()).unwrap();
    assert!(!packed_in(&checkpoint));
    let losses = losses(&mut session, 8);
    assert!(losses[7] < losses[0] - 0.1, "{losses:?}");
}

#[test]
fn workers_share_the_steps_on_a_frozen_model() {
    let train = |workers: usize| {
        let mut session = ready();
        session.set_replica_pool(Box::<Threads>::default());
        session.set_workers(workers);
        session.begin_training(TrainConfig { eval_every: 8, ..run(true) }).unwrap();
        let clock = std::cell::Cell::new(0.0);
        let clock = || clock.replace(clock.get() + 0.001);
        block_on(session.start_run(clock)).unwrap();
        while session.status().unwrap().step < 8 {
            block_on(session.tick(clock)).unwrap();
        }
        block_on(session.read_losses()).unwrap();
        session.history().unwrap().steps.clone()
    };
    assert_eq!(train(3), train(1));
}

#[test]
fn the_estimate_follows_the_bits_of_the_file() {
    let [eight, sixteen] = [GgufPrecision::Q8, GgufPrecision::F16].map(gguf);
    let plan = |file: &[u8], lora: bool| {
        let mut session = opened(file, CPU_LIMITS).unwrap();
        let config = session.model_summary().unwrap().config;
        session.plan(&config, &run(lora)).unwrap().memory
    };
    let parameters = shapes()[1].parameters();
    let [small, half, single] = [plan(&eight, true), plan(&sixteen, true), plan(&eight, false)].map(|it| it.weights);
    assert!(small > parameters && small < parameters * 12 / 10, "{small} bytes of {parameters} numbers");
    assert!(half > 2 * parameters && half < parameters * 21 / 10, "{half} bytes of {parameters} numbers");
    assert_eq!(single, 4 * parameters);
    // What does not fit with 32 bits a number is opened with 8, and refused when it is to be trained whole.
    let config = shapes()[1];
    let packed = Some(small);
    let total = config.memory_to_write(packed, Engine::Cpu).total();
    assert!(total < config.memory_to_write(None, Engine::Cpu).total());
    let adapter = {
        let mut session = ready();
        session.begin_training(run(true)).unwrap();
        unzip(&block_on(session.export_adapter("base")).unwrap())
    };
    let mut session = opened(&eight, Limits { total, ..CPU_LIMITS }).unwrap();
    assert!(matches!(opened(&sixteen, Limits { total, ..CPU_LIMITS }), Err(Error::ModelTooLarge { .. })));
    session.open_file("texto.txt", 0, None);
    session.push_bytes("kiwi ".repeat(90).as_bytes()).unwrap();
    session.close_file().unwrap();
    assert!(matches!(session.begin_training(run(false)), Err(Error::ModelTooLarge { .. })));
    assert!(logits(&session).iter().all(|value| value.is_finite()), "the model is still there");
    session.import_adapter(&adapter["adapter_config.json"], &adapter["adapter_model.safetensors"]).unwrap();
    assert!(matches!(session.merge_adapter(), Err(Error::ModelTooLarge { .. })));
    assert!(session.model_summary().unwrap().adapter.is_some(), "the adapter is still there");
    // By the configuration alone, before anything of the weights is fetched.
    let cost = |dtype: &str| {
        let json = format!(r#"{{"model_type": "gpt2", "torch_dtype": "{dtype}"}}"#);
        session.cost_of_opening(json.as_bytes()).unwrap().bytes
    };
    assert!(cost("bfloat16") < cost("float32") * 3 / 4);
    assert_eq!(cost("bfloat16"), cost("float16"));
}
