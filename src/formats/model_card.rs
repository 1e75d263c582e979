//! Writes README.md of an exported folder: the model's origin, quality and use. Of the training text it has only
//! numbers, none of its contents.

use super::{ModelFile, words::Words};
use crate::copied::{FEWEST_CHARACTERS, FEWEST_WORDS};

/// The English card. `{placeholders}` are filled in; Hugging Face's hub reads the lines between `---`.
pub const CARD: &str = include_str!("model_card.md");

/// Replaces a loss that was not measured.
pub const NOT_MEASURED: &str = "not measured";

/// Replaces the step of an evaluation that did not take place.
pub const NEVER: &str = "never";

/// Writes the model card in the language of `words`.
pub fn model_card(file: &ModelFile, date: &str, words: &Words) -> String {
    let (config, progress, facts, history) = (&file.config, &file.progress, &file.facts, &file.history);
    let training = &progress.config;
    let architecture = config.exported().architecture();
    let last = history.last_evaluation();
    let count = |number: u64| words.thousands(number);
    let decimal = |number: &dyn ToString| words.decimal(&number.to_string());
    let loss = |value: Option<f32>| match value {
        Some(value) => words.decimal(&format!("{value:.4}")),
        None => words.of(NOT_MEASURED).into(),
    };
    let copied = history.samples.last().and_then(|sample| sample.copied);
    let card = words.markdown(CARD);
    // Older model files have no share of copied text.
    let rows = card.split_inclusive('\n').filter(|row| copied.is_some() || !row.contains("{copied}"));
    let passes = match training.gradient_accumulation {
        1 => String::new(),
        passes => format!(" × {passes}"),
    };
    let values = [
        ("family", architecture.family.model_type.into()),
        ("name", one_line(&file.name)),
        ("date", one_line(date)),
        ("architecture", architecture.name.into()),
        ("parameters", count(architecture.parameters())),
        ("layers", config.layers.to_string()),
        ("heads", config.heads.to_string()),
        ("width", config.width.to_string()),
        ("context", config.context.to_string()),
        ("vocabulary", count(config.vocabulary as u64)),
        ("documents", count(facts.documents as u64)),
        ("characters", count(facts.characters as u64)),
        ("train_tokens", count(facts.train_tokens as u64)),
        ("validation_tokens", count(facts.validation_tokens as u64)),
        // The settings are those of the last run; steps, tokens and time are totals of all runs.
        ("steps", count(progress.step)),
        ("tokens_seen", count(history.tokens)),
        ("seconds", count(history.seconds.max(0.0) as u64)),
        ("batch_size", format!("{}{passes}", training.batch_size)),
        ("beta1", decimal(&training.beta1)),
        ("beta2", decimal(&training.beta2)),
        ("learning_rate", decimal(&training.learning_rate)),
        ("warmup_steps", training.warmup_steps.to_string()),
        ("weight_decay", decimal(&training.weight_decay)),
        ("grad_clip", decimal(&training.grad_clip)),
        ("dropout", decimal(&config.dropout)),
        ("seed", training.seed.to_string()),
        ("train_loss", loss(last.and_then(|last| last.train_loss))),
        ("validation_loss", loss(last.and_then(|last| last.validation_loss))),
        ("perplexity", loss(last.and_then(|last| last.perplexity))),
        ("bits_per_byte", loss(last.and_then(|last| last.bits_per_byte))),
        ("copied", words.decimal(&format!("{:.1} %", 100.0 * copied.unwrap_or_default()))),
        ("fewest_words", FEWEST_WORDS.to_string()),
        ("fewest_characters", FEWEST_CHARACTERS.to_string()),
        ("evaluated_at", last.map_or_else(|| words.of(NEVER).into(), |last| count(last.step))),
    ];
    filled(&rows.collect::<String>(), &values)
}

/// Replaces each `{name}` in `template` by its value, in one pass: values are not scanned for placeholders.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        text.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    text + rest
}

/// Escapes a name for Markdown: control characters become spaces, punctuation gets a backslash.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_line_and_values_are_not_filled_in_themselves() {
        assert_eq!(one_line("a\n# b_c|<i>"), "a \\# b\\_c\\|\\<i\\>");
        let values = [("name", "{date}".to_string()), ("date", "today".to_string())];
        assert_eq!(filled("{name}, {date}.", &values), "{date}, today.");
    }
}
