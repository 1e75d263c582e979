//! README.md of an exported folder: where the model comes from, how good it is, how to use it. Figures only; nothing of
//! the text it was trained on.

use super::ModelFile;
use crate::copied::{FEWEST_CHARACTERS, FEWEST_WORDS};

/// The model card. The lines between `---` are what Hugging Face's hub reads.
pub fn model_card(file: &ModelFile, date: &str) -> String {
    let config = &file.config;
    let architecture = file.config.exported().architecture();
    let name = one_line(&file.name);
    let date = one_line(date);
    let rows = |rows: Vec<(&str, String)>| {
        let rows = rows.iter().map(|(what, value)| format!("| {what} | {value} |\n"));
        format!("| | |\n|---|---|\n{}", rows.collect::<String>())
    };
    let model = rows(vec![
        ("Architecture", architecture.name.into()),
        ("Parameters", thousands(architecture.parameters())),
        ("Layers", config.layers.to_string()),
        ("Heads", config.heads.to_string()),
        ("Embedding width", config.width.to_string()),
        ("Context length", format!("{} tokens", config.context)),
        ("Vocabulary", format!("{} tokens", thousands(config.vocabulary as u64))),
    ]);
    format!(
        r#"---
library_name: transformers
pipeline_tag: text-generation
tags:
- {family}
- lorito
---

# {name}

A small {architecture}, trained with Lorito in a browser and exported on {date}.

{model}
## Text

{text}
## Training

{training}
## Results

{results}
## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # where this file is
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)

inputs = tokenizer("{prompt}", return_tensors="pt")
written = model.generate(**inputs, max_length={context})
print(tokenizer.decode(written[0]))
```

The model reads at most {context} tokens, prompt and answer together.

## Carry on training

`continue_training.py` goes on from here, with the text, which is not in this folder:

```sh
pip install torch transformers accelerate
python continue_training.py --text my-text.txt                                           # one GPU, or none
accelerate launch --multi_gpu --num_processes 4 continue_training.py --text my-text.txt  # four GPUs
```

`--help` lists the settings, and says how several machines work together. `continued/best` is then a folder like this
one: transformers open it, and so does the page. `continue_training.ipynb` does the same in Google Colab.
"#,
        text = rows(text(file)),
        training = rows(training(file)),
        results = rows(results(file)),
        prompt = "Once upon a time",
        context = config.context,
        family = architecture.family.model_type,
        architecture = architecture.name,
    )
}

fn text(file: &ModelFile) -> Vec<(&'static str, String)> {
    let facts = &file.facts;
    vec![
        ("Documents", thousands(facts.documents as u64)),
        ("Characters", thousands(facts.characters as u64)),
        ("Training tokens", thousands(facts.train_tokens as u64)),
        ("Validation tokens", thousands(facts.validation_tokens as u64)),
    ]
}

/// The settings are the last run's; steps, tokens and time are of all runs.
fn training(file: &ModelFile) -> Vec<(&'static str, String)> {
    let (config, history) = (&file.progress.config, &file.history);
    let passes = match config.gradient_accumulation {
        1 => String::new(),
        passes => format!(" × {passes}"),
    };
    vec![
        ("Steps", thousands(file.progress.step)),
        ("Tokens seen", thousands(history.tokens)),
        ("Time", format!("{} s", thousands(history.seconds.max(0.0) as u64))),
        ("Batch size", format!("{}{passes}", config.batch_size)),
        ("Optimizer", format!("AdamW, betas {} and {}", config.beta1, config.beta2)),
        ("Learning rate", format!("{}, after {} steps of warm-up", config.learning_rate, config.warmup_steps)),
        ("Weight decay", config.weight_decay.to_string()),
        ("Gradient clipping", config.grad_clip.to_string()),
        ("Dropout", file.config.dropout.to_string()),
        ("Seed", config.seed.to_string()),
    ]
}

fn results(file: &ModelFile) -> Vec<(&'static str, String)> {
    let last = file.history.last_evaluation();
    let figure = |value: Option<f32>| value.map_or_else(|| "not measured".into(), |value| format!("{value:.4}"));
    let mut rows = vec![
        ("Training loss", figure(last.and_then(|last| last.train_loss))),
        ("Validation loss", figure(last.and_then(|last| last.validation_loss))),
        ("Validation perplexity", figure(last.and_then(|last| last.perplexity))),
        ("Validation bits per byte", figure(last.and_then(|last| last.bits_per_byte))),
        ("Evaluated at step", last.map_or_else(|| "never".into(), |last| thousands(last.step))),
    ];
    // Older files do not say it.
    if let Some(share) = file.history.samples.last().and_then(|sample| sample.copied) {
        let limits = format!("runs of {FEWEST_WORDS} words or {FEWEST_CHARACTERS} characters");
        rows.push(("Copied from the training text", format!("{:.1} % of the last sample ({limits})", 100.0 * share)));
    }
    rows
}

/// A name as it may stand in Markdown: what is no letter or digit there is escaped.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(200) {
        if character.is_ascii_punctuation() && !"-.,:".contains(character) {
            line.push('\\');
        }
        line.push(character);
    }
    line
}

/// 1234567 as 1,234,567.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_names_stay_on_their_line() {
        assert_eq!(["0", "999", "1,000", "12,345,678"], [0, 999, 1000, 12_345_678].map(thousands)[..]);
        assert_eq!(one_line("a\n# b_c|<i>"), "a \\# b\\_c\\|\\<i\\>");
    }
}
