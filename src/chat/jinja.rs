//! Evaluates chat templates as transformers 5.24 does (`utils/chat_template_utils.py`): its settings of Jinja, and its
//! functions. A template is untrusted: what it computes and writes is counted, and ends at a limit.

use minijinja::{
    Environment, Error as Failure, ErrorKind, UndefinedBehavior, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, ValueKind},
};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::clock::{Moment, formatted};
use super::{Message, Role};
use crate::error::{Error, Result};

/// What one conversation may cost, in minijinja's fuel: one for each instruction, and for each 64 bytes that are made.
const FUEL: u64 = 2_000_000;

/// How deep calls of macros and blocks may be nested.
const DEPTH: usize = 64;

/// Largest template in bytes; the longest published ones have 20 KB.
const LARGEST: usize = 1 << 20;

/// Longest tag in bytes without its strings, and most signs and `not`s in a row.
const LONGEST_TAG: usize = 2048;
const MOST_SIGNS: usize = 256;

const NAME: &str = "chat";

/// A chat template that was compiled, and the special tokens that it may name.
pub struct Jinja {
    environment: Environment<'static>,
    /// `bos_token` and the like, with their texts.
    tokens: Vec<(String, String)>,
}

impl Jinja {
    /// Compiles a template; `tokens`: the texts of special tokens by their names in transformers; `now`: its date.
    ///
    /// # Errors
    /// [`Error::ChatTemplateInvalid`] if it is no Jinja, or too long.
    pub fn new(template: &str, tokens: Vec<(String, String)>, now: Moment) -> Result<Self> {
        let invalid = |reason: String| Error::ChatTemplateInvalid { reason };
        if template.len() > LARGEST {
            return Err(invalid(format!("{} bytes are too many", template.len())));
        }
        check_tags(template).map_err(invalid)?;
        let mut environment = Environment::new();
        environment.set_syntax(syntax().map_err(|error| invalid(described(&error)))?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        environment.set_unknown_method_callback(python_method);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(written);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", move |format: &str| formatted(format, now));
        environment
            .add_template_owned(NAME, without_generation_blocks(template))
            .map_err(|error| invalid(described(&error)))?;
        Ok(Self { environment, tokens })
    }

    /// Renders a conversation; `asks`: with the beginning of an answer behind it (`add_generation_prompt`).
    ///
    /// # Errors
    /// [`Error::ChatTemplateFailed`] if the template refuses the conversation or fails; [`Error::ChatTemplateEndless`]
    /// if it computes or writes too much.
    pub fn render(&self, messages: &[Message], asks: bool) -> Result<String> {
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        let messages: Value = messages.iter().map(as_value).collect();
        let tokens = Value::from_pairs(self.tokens.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let none = Value::from(());
        let values = context! {
            messages, add_generation_prompt => asks, tools => none.clone(), documents => none, ..tokens
        };
        template.render(values).map_err(|error| failed(&error))
    }
}

/// transformers' settings: a line with nothing but a tag leaves nothing behind.
fn syntax() -> std::result::Result<SyntaxConfig, Failure> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

/// The error of a rendering that failed.
fn failed(error: &Failure) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let failure = error.downcast_ref::<Failure>();
        let is_limit = |failure: &Failure| {
            failure.kind() == ErrorKind::OutOfFuel || failure.detail().is_some_and(|it| it.contains("recursion limit"))
        };
        if failure.is_some_and(is_limit) {
            return Error::ChatTemplateEndless;
        }
        cause = error.source();
    }
    Error::ChatTemplateFailed { reason: described(error) }
}

/// What an error says, and in which line of the template.
fn described(error: &Failure) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if error.kind() != ErrorKind::InvalidOperation || detail.is_empty() => {
            format!("{detail} (line {line})")
        }
        _ => detail,
    }
}

/// Refuses a tag with so much in it that the parser, which calls itself for each part of an expression, has no stack for
/// it. What strings say does not count.
fn check_tags(template: &str) -> std::result::Result<(), String> {
    let mut rest = template;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let tag = &rest[start + 2..];
        let (mut code, mut quote, mut end, mut signs) = (0, None, tag.len(), 0);
        let mut bytes = tag.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            match quote {
                Some(_) if byte == b'\\' => drop(bytes.next()),
                Some(open) => quote = (byte != open).then_some(open),
                None if matches!(byte, b'}' | b'%') && bytes.peek().is_some_and(|&(_, next)| next == b'}') => {
                    end = at + 2;
                    break;
                }
                None => {
                    quote = matches!(byte, b'\'' | b'"').then_some(byte);
                    code += 1;
                    signs = if matches!(byte, b'-' | b'+' | b'~' | b' ' | b'n' | b'o' | b't') { signs + 1 } else { 0 };
                    if code > LONGEST_TAG || signs > MOST_SIGNS {
                        return Err(format!("a tag is too long: {:.60}", tag));
                    }
                }
            }
        }
        rest = tag.get(end..).unwrap_or_default();
    }
    Ok(())
}

/// transformers marks answers by a tag of its own, whose content is rendered as it is.
fn without_generation_blocks(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out += before;
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        let word = tag.trim_start_matches("{%").trim_end_matches("%}").trim_matches(['-', '+']).trim();
        out += &match word {
            "generation" => tag.replacen("generation", "if true", 1),
            "endgeneration" => tag.replacen("endgeneration", "endif", 1),
            _ => tag.to_owned(),
        };
        rest = after;
    }
    out + rest
}

/// A method of Python's strings, lists and maps. Joined strings are counted here, before they are too long.
fn python_method(
    state: &mut minijinja::State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> std::result::Result<Value, Failure> {
    let (Some(between), "join", [parts]) = (value.as_str(), method, arguments) else {
        return unknown_method_callback(state, value, method, arguments);
    };
    let mut joined = String::new();
    for (place, part) in parts.try_iter()?.enumerate() {
        joined += if place > 0 { between } else { "" };
        joined +=
            part.as_str().ok_or_else(|| Failure::new(ErrorKind::InvalidOperation, "join of what is no string"))?;
        if joined.len() > LARGEST {
            return Err(Failure::from(ErrorKind::OutOfFuel));
        }
    }
    Ok(Value::from(joined))
}

/// The most values that a list which is written as text may have in it.
const MOST_VALUES: usize = 100_000;

/// Writes a value, unless it is endless: minijinja counts the text of a list once it is there, and a list may hold another
/// one twice, which holds another one twice, ...
fn written(
    out: &mut minijinja::Output,
    state: &mut minijinja::State,
    value: &Value,
) -> std::result::Result<(), Failure> {
    fn fits(value: &Value, left: &mut usize) -> bool {
        let is_list = matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
        let values = value.try_iter().ok().filter(|_| is_list).into_iter().flatten();
        *left = left.saturating_sub(1);
        for key in values {
            let value = if value.kind() == ValueKind::Map { value.get_item(&key).unwrap_or(key) } else { key };
            if *left == 0 || !fits(&value, left) {
                return false;
            }
        }
        true
    }
    if !fits(value, &mut { MOST_VALUES }) {
        return Err(Failure::from(ErrorKind::OutOfFuel));
    }
    minijinja::escape_formatter(out, state, value)
}

fn raise_exception(message: String) -> std::result::Result<Value, Failure> {
    Err(Failure::new(ErrorKind::InvalidOperation, message))
}

/// A message as the map that templates know.
fn as_value(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Value::from_pairs([("role", role), ("content", &message.content)])
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`.
fn to_json(value: &Value, options: Kwargs) -> std::result::Result<String, Failure> {
    let indent: Option<usize> = options.get("indent")?;
    // Its other options change nothing for what a conversation has.
    let _: (Option<Value>, Option<Value>, Option<Value>) =
        (options.get("ensure_ascii")?, options.get("separators")?, options.get("sort_keys")?);
    let mut json = String::new();
    write_json(&mut json, value, indent.map(|spaces| spaces.min(16)), 0)?;
    Ok(json)
}

/// Appends a value at a depth of nesting; `indent`: the spaces of each depth, if every element has a line of its own.
fn write_json(
    out: &mut String,
    value: &Value,
    indent: Option<usize>,
    depth: usize,
) -> std::result::Result<(), Failure> {
    // A list may hold another one twice, so that a few of them are endless text.
    if depth > DEPTH || out.len() > LARGEST {
        return Err(Failure::from(ErrorKind::OutOfFuel));
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let line = |out: &mut String, depth: usize| {
        if let Some(spaces) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', spaces * depth));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::Map => {
            out.push('{');
            let mut empty = true;
            for key in value.try_iter()? {
                out.push_str(if empty { "" } else { comma });
                empty = false;
                line(out, depth + 1);
                out.push_str(&quoted(&key.to_string()));
                out.push_str(": ");
                write_json(out, &value.get_item(&key)?, indent, depth + 1)?;
            }
            if !empty {
                line(out, depth);
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            let mut empty = true;
            for element in value.try_iter()? {
                out.push_str(if empty { "" } else { comma });
                empty = false;
                line(out, depth + 1);
                write_json(out, &element, indent, depth + 1)?;
            }
            if !empty {
                line(out, depth);
            }
            out.push(']');
        }
        _ => out.push_str(&quoted(&value.to_string())),
    }
    Ok(())
}
