use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    chat::{ChatEncoder, Message, Role},
    config::{Llama, Variant},
    tokenizer::{Kind, TokenRoles},
};

/// 30 November 2026.
const THEN: i64 = 1_796_042_096;

/// Llama 2's template, without its checks.
const INST: &str = "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}\
    {% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}\
    {% set system_message = false %}{% endif %}{% for message in loop_messages %}\
    {% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + \
    '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}\
    {% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
    {% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A small tokenizer of a family, with a chat template and the names of its special tokens.
fn tokenizer(family: &str, tokens: &[(&str, &str)], template: &str) -> Tokenizer {
    let file = fs::read(fixtures().join(format!("tokenizer/families/{family}.json"))).unwrap();
    let tokenizer = Tokenizer::from_json(&file).unwrap();
    let named: BTreeMap<_, _> =
        tokens.iter().map(|(name, text)| (name.to_string(), tokenizer.special_token(text).unwrap())).collect();
    let ends = named.get("eos_token").copied().into_iter().collect();
    tokenizer.with_roles(TokenRoles { named, ends, chat_template: Some(template.to_owned()), ..TokenRoles::default() })
}

fn of_file(family: &str, tokens: &[(&str, &str)], template: &str) -> Tokenizer {
    let path = fixtures().join(format!("chat/templates/{template}.jinja"));
    tokenizer(family, tokens, &fs::read_to_string(path).unwrap())
}

fn config(context: usize) -> ModelConfig {
    ModelConfig { vocabulary: 300, context, layers: 1, heads: 2, width: 32, dropout: 0.0, variant: Variant::GPT2 }
}

fn written(tokenizer: &Tokenizer) -> String {
    modelfile(tokenizer, &config(512), "story.f16.gguf", THEN, &Words::default())
}

const QWEN: [(&str, &str); 1] = [("eos_token", "<|im_end|>")];
const LLAMA_2: [(&str, &str); 2] = [("bos_token", "<s>"), ("eos_token", "</s>")];

#[test]
fn chatml_of_a_model_from_scratch() {
    let plain = Tokenizer::train(Kind::Byte, None, &["any"]).unwrap();
    let tokenizer = plain.with_special_tokens(&chat::CHATML_TOKENS).unwrap();
    let right = r#"FROM ./story.f16.gguf
TEMPLATE """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
<|im_start|>assistant
{{ else if eq .Role "assistant" }}{{ .Content }}<|im_end|>
{{ end }}{{ end }}"""
PARAMETER stop "<|endoftext|>"
PARAMETER stop "<|im_start|>"
PARAMETER stop "<|im_end|>"
PARAMETER num_ctx 512
"#;
    assert_eq!(written(&tokenizer), right);
}

#[test]
fn smollm2_and_qwen_have_a_system_message_of_their_own() {
    let smollm2 = written(&of_file("smollm", &QWEN, "smollm2"));
    let right = r#"TEMPLATE """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ else }}<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
<|im_start|>assistant
{{ else if eq .Role "assistant" }}{{ .Content }}<|im_end|>
{{ end }}{{ end }}"""
PARAMETER stop "<|im_end|>"
PARAMETER stop "<|im_start|>"
"#;
    assert!(smollm2.contains(right), "{smollm2}");
    let qwen = written(&of_file("qwen", &QWEN, "qwen25"));
    let right = right.replace("You are a helpful AI assistant named SmolLM, trained by Hugging Face", "Answer well.");
    assert!(qwen.contains(&right), "{qwen}");
}

#[test]
fn thoughts_of_qwen3_are_left_to_the_model() {
    let text = written(&of_file("qwen", &QWEN, "qwen3"));
    let right = r#"{{ .System }}<|im_end|>
{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|im_start|>user
"#;
    assert!(text.contains(right) && !text.contains("<think>"), "{text}");
}

#[test]
fn the_headers_of_llama_3_and_its_date() {
    let tokens = [("bos_token", "<|begin_of_text|>"), ("eos_token", "<|eot_id|>")];
    let text = written(&of_file("llama3", &tokens, "llama32"));
    let right = r#"FROM ./story.f16.gguf
# The date in this template is that of the export.
TEMPLATE """{{ if .System }}<|start_header_id|>system<|end_header_id|>

Today Date: 30 Nov 2026

{{ .System }}<|eot_id|>{{ else }}<|start_header_id|>system<|end_header_id|>

Today Date: 30 Nov 2026

<|eot_id|>{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|start_header_id|>user<|end_header_id|>

{{ .Content }}<|eot_id|><|start_header_id|>assistant<|end_header_id|>

{{ else if eq .Role "assistant" }}{{ .Content }}<|eot_id|>{{ end }}{{ end }}"""
PARAMETER stop "<|eot_id|>"
PARAMETER stop "<|start_header_id|>"
PARAMETER stop "<|end_header_id|>"
"#;
    assert!(text.starts_with(right), "{text}");
}

#[test]
fn the_lines_of_zephyr_and_tinyllama() {
    let text = written(&of_file("llama2", &LLAMA_2, "zephyr"));
    let right = r#"TEMPLATE """{{ if .System }}<|system|>
{{ .System }}</s>
{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|user|>
{{ .Content }}</s>
<|assistant|>
{{ else if eq .Role "assistant" }}{{ .Content }}</s>
{{ end }}{{ end }}"""
PARAMETER stop "</s>"
PARAMETER num_ctx 512
"#;
    assert!(text.contains(right), "{text}");
}

#[test]
fn the_instructions_of_llama_2_hold_the_system_message() {
    let text = written(&tokenizer("llama2", &LLAMA_2, INST));
    // Ollama writes the first token of the text itself.
    let right = r#"TEMPLATE """{{ if .System }}[INST] <<SYS>>
{{ .System }}
<</SYS>>

{{ else }}[INST] {{ end }}{{ range .Messages }}{{ if eq .Role "user" }}{{ .Content }} [/INST]{{ else if eq .Role "assistant" }} {{ .Content }} </s><s>[INST] {{ end }}{{ end }}"""
PARAMETER stop "</s>"
"#;
    assert!(text.contains(right), "{text}");
}

#[test]
fn a_model_that_knows_no_conversations_goes_on_with_the_prompt() {
    let plain = Tokenizer::train(Kind::Char, None, &["some text"]).unwrap();
    let right = r#"FROM ./story.f16.gguf
TEMPLATE """{{ .Prompt }}"""
PARAMETER stop "<|endoftext|>"
PARAMETER num_ctx 512
"#;
    assert_eq!(written(&plain), right);
}

#[test]
fn a_template_without_an_equivalent_is_left_out() {
    let question = "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}";
    let others = [
        // Only the last question is written.
        "{{ messages[-1].content }}",
        // Every question has its number.
        &format!("{question}{{{{ loop.index }}}}{{% else %}}{{{{ m.content }}}}{{% endif %}}{{% endfor %}}"),
        // A question is written twice.
        &format!("{question}{{{{ m.content }}}}{{% endif %}}{{% endfor %}}"),
        // The answer begins otherwise than it was asked for.
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}",
        "{% for m in messages %}\"\"\"{{ m.content }}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% if %}",
    ];
    for template in others {
        let text = written(&tokenizer("qwen", &QWEN, template));
        let right = format!("FROM ./story.f16.gguf\n# {UNKNOWN}\nPARAMETER stop \"<|im_end|>\"\n");
        assert!(text.starts_with(&right), "{template}: {text}");
    }
}

#[test]
fn braces_of_a_template_are_written_as_they_are() {
    let template = "{% for m in messages %}{{ '{{' + m.role + '}}' + m.content }}{% endfor %}\
        {% if add_generation_prompt %}{{ '{{assistant}}' }}{% endif %}";
    let text = written(&tokenizer("qwen", &QWEN, template));
    assert!(text.contains(r#"{{ "{{" }}user}}{{ .Content }}{{ "{{" }}assistant}}"#), "{text}");
}

#[test]
fn a_file_name_is_one_line_and_a_long_context_is_cut() {
    let tokenizer = Tokenizer::train(Kind::Char, None, &["some text"]).unwrap();
    let llama = Llama { stated_context: Some(131_072), ..Llama::like(32, 2) };
    let long = ModelConfig { variant: Variant { llama: Some(llama), ..Variant::GPT2 }, ..config(1024) };
    let text = modelfile(&tokenizer, &long, "a\nFROM b.gguf", THEN, &Words::default());
    assert!(text.starts_with("FROM ./aFROM b.gguf\nTEMPLATE"), "{text}");
    let right = "# The model reads up to 131,072 tokens. A longer context takes more memory.\nPARAMETER num_ctx 8192\n";
    assert!(text.ends_with(right), "{text}");
}

/// What tests/fixtures/ollama/render.go renders.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Given {
    conversations: Vec<Vec<Message>>,
    templates: BTreeMap<String, String>,
}

/// The models with a template, by its name.
fn models() -> Vec<(&'static str, Tokenizer)> {
    let llama_3 = [("bos_token", "<|begin_of_text|>"), ("eos_token", "<|eot_id|>")];
    vec![
        ("chatml", of_file("smollm", &QWEN, "chatml")),
        ("smollm2", of_file("smollm", &QWEN, "smollm2")),
        ("qwen25", of_file("qwen", &QWEN, "qwen25")),
        ("qwen3", of_file("qwen", &QWEN, "qwen3")),
        ("llama32", of_file("llama3", &llama_3, "llama32")),
        ("zephyr", of_file("llama2", &LLAMA_2, "zephyr")),
        ("inst", tokenizer("llama2", &LLAMA_2, INST)),
    ]
}

fn given() -> Given {
    let turns = |contents: &[(Role, &str)]| {
        contents.iter().map(|&(role, content)| Message { role, content: content.to_owned() }).collect()
    };
    use Role::{Assistant, System, User};
    let conversations = vec![
        turns(&[(User, "¿Qué hora es?")]),
        turns(&[(System, "Sé breve."), (User, "{{ x }}\n\n\"a\""), (Assistant, "Sí."), (User, "<b>&amp;")]),
        turns(&[(User, "a"), (Assistant, "b"), (User, "c"), (Assistant, "d"), (User, "e")]),
    ];
    let template = |tokenizer: &Tokenizer| Template::read(tokenizer, THEN).unwrap().in_go();
    let templates = models().iter().map(|(name, tokenizer)| (name.to_string(), template(tokenizer))).collect();
    Given { conversations, templates }
}

#[test]
#[ignore = "writes what tests/fixtures/ollama/render.go renders"]
fn write() {
    let json = serde_json::to_string_pretty(&given()).unwrap();
    fs::write(fixtures().join("ollama/templates.json"), json + "\n").unwrap();
}

#[test]
fn go_renders_what_the_models_own_templates_do() {
    let read = |name: &str| fs::read(fixtures().join("ollama").join(name)).unwrap();
    let given = given();
    assert_eq!(given, serde_json::from_slice(&read("templates.json")).unwrap(), "templates.json is of another state");
    let rendered: BTreeMap<String, Vec<String>> = serde_json::from_slice(&read("rendered.json")).unwrap();
    for (name, tokenizer) in models() {
        let encoder = ChatEncoder::at(&tokenizer, THEN).unwrap().unwrap();
        for (messages, text) in given.conversations.iter().zip(&rendered[name]) {
            let right = encoder.text(messages, true).unwrap();
            let first = tokenizer.begins().first().map(|&id| tokenizer.token_text(id)).unwrap_or_default();
            assert_eq!(text, right.strip_prefix(&first).unwrap_or(&right), "{name}");
        }
        assert_eq!(rendered[name].len(), given.conversations.len());
    }
}
