//! Chat templates with names: of several, transformers takes the one named "default" (`get_chat_template` of
//! `tokenization_utils_base.py`, version 5.24), and others only if a program asks for them, as for `tool_use`.

use serde_json::Value;

use crate::error::shown;

/// The name of the template that conversations get.
const DEFAULT: &str = "default";

/// Most names that are told; a file can have any number.
const MOST_NAMES: usize = 32;

/// The chat templates of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    /// The one that is used, in Jinja.
    pub used: Option<String>,
    /// The names of the others, sorted.
    pub left_out: Vec<String>,
}

impl Templates {
    /// The field `chat_template` of `tokenizer_config.json`: a text, or a list of templates with names.
    pub fn of_settings(value: &Value) -> Self {
        if let Some(template) = value.as_str() {
            return Self { used: Some(template.to_owned()), left_out: Vec::new() };
        }
        let named = value.as_array().into_iter().flatten();
        let named = named.filter_map(|it| Some((it["name"].as_str()?, it["template"].as_str()?)));
        let (mut used, mut others) = (None, Vec::new());
        for (name, template) in named {
            match name {
                // Of two with one name the last one counts, as in a dictionary of Python.
                DEFAULT => used = Some(template.to_owned()),
                other => others.push(other),
            }
        }
        Self { used, left_out: names(others) }
    }
}

/// Names for people: sorted, each once, and not too many.
pub fn names(mut names: Vec<&str>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names.truncate(MOST_NAMES);
    names.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_default_template_is_used_and_the_others_are_named() {
        let named = |name: &str, template: &str| json!({ "name": name, "template": template });
        let templates = |used: Option<&str>, left_out: &[&str]| Templates {
            used: used.map(str::to_owned),
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (value, right) in [
            (json!("a"), templates(Some("a"), &[])),
            (json!(null), templates(None, &[])),
            (json!([]), templates(None, &[])),
            (json!([named("tool_use", "t"), named("default", "a"), named("rag", "r")]), {
                templates(Some("a"), &["rag", "tool_use"])
            }),
            (json!([named("default", "a"), named("default", "b")]), templates(Some("b"), &[])),
            (json!([named("tool_use", "t"), named("tool_use", "u")]), templates(None, &["tool_use"])),
            (json!([{ "name": "default" }, { "template": "t" }, 7, { "name": 1, "template": "t" }]), {
                templates(None, &[])
            }),
            (json!({ "default": "a" }), templates(None, &[])),
        ] {
            assert_eq!(Templates::of_settings(&value), right, "{value}");
        }
        let many = Value::Array((0..1000).map(|index| named(&format!("{index:04}"), "t")).collect());
        assert_eq!(Templates::of_settings(&many).left_out.len(), MOST_NAMES);
        let long = Templates::of_settings(&json!([named(&"x".repeat(1 << 16), "t")]));
        assert!(long.left_out[0].len() < 200);
    }
}
