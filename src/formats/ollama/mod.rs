//! Writes a Modelfile, from which Ollama makes a model of a GGUF file (its `docs/modelfile.mdx` and `parser/parser.go`,
//! release v0.13.0): where the weights are, the chat template in Go's syntax, what ends an answer, and the context.

mod template;

use super::Words;
use crate::{chat, config::ModelConfig, tokenizer::Tokenizer};
use template::Template;

/// Largest context in tokens that Ollama is asked for: it takes the memory of the whole context at once.
const MOST_CONTEXT: usize = 8192;

/// Written in place of a template that cannot be written in Go's syntax.
pub const UNKNOWN: &str =
    "The chat template of this model has no equivalent here. Ollama chooses one by that in the GGUF file.";
/// Written above a template that says the date.
pub const DATED: &str = "The date in this template is that of the export.";
/// Written above a context that is shorter than the model's.
pub const SHORTER: &str = "The model reads up to {context} tokens. A longer context takes more memory.";

/// Returns the Modelfile of a model whose weights are in the file `gguf`, in the same folder. `seconds`: the moment in
/// seconds since 1970, as some chat templates say the date.
pub fn modelfile(tokenizer: &Tokenizer, config: &ModelConfig, gguf: &str, seconds: i64, words: &Words) -> String {
    let one_line: String = gguf.chars().filter(|character| !character.is_control()).collect();
    let mut text = format!("FROM ./{one_line}\n");
    text += &template_of(tokenizer, seconds, words);
    let ends = chat::ends(tokenizer).unwrap_or_else(|_| tokenizer.roles().ends.clone());
    for id in ends {
        text += &format!("PARAMETER stop {}\n", quoted(&tokenizer.token_text(id)));
    }
    let stated = config.variant.llama.and_then(|llama| llama.stated_context);
    let context = stated.unwrap_or(config.context);
    if context > MOST_CONTEXT {
        text += &comment(&words.of(SHORTER).replace("{context}", &words.thousands(context as u64)));
    }
    text + &format!("PARAMETER num_ctx {}\n", context.min(MOST_CONTEXT))
}

fn template_of(tokenizer: &Tokenizer, seconds: i64, words: &Words) -> String {
    if chat::template(tokenizer).is_none() {
        return "TEMPLATE \"\"\"{{ .Prompt }}\"\"\"\n".into();
    }
    // A Modelfile has no way to write three quotation marks within a text.
    let template = Template::read(tokenizer, seconds);
    let Some(text) = template.as_ref().map(Template::in_go).filter(|text| !text.contains("\"\"\"")) else {
        return comment(words.of(UNKNOWN));
    };
    const YEAR: i64 = 400 * 86_400;
    let dated = match Template::read(tokenizer, seconds + YEAR) == template {
        true => String::new(),
        false => comment(words.of(DATED)),
    };
    format!("{dated}TEMPLATE \"\"\"{text}\"\"\"\n")
}

fn comment(sentence: &str) -> String {
    format!("# {sentence}\n")
}

/// A text as the value of a parameter. Ollama knows no escapes.
fn quoted(text: &str) -> String {
    let mark = if text.contains(['"', '\n']) { "\"\"\"" } else { "\"" };
    format!("{mark}{text}{mark}")
}

#[cfg(test)]
mod tests;
