//! The phrases of a Jupyter notebook: those of its cells.

use serde_json::Value;

use super::{Say, markdown, python};

/// The notebook with each phrase as `say` gives it. What is no notebook comes back as it is.
pub fn map_phrases(source: &str, say: Say) -> String {
    let Ok(mut notebook) = serde_json::from_str::<Value>(source) else { return source.into() };
    for cell in notebook["cells"].as_array_mut().into_iter().flatten() {
        let lines: String = cell["source"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mapped = match cell["cell_type"].as_str() {
            Some("markdown") => markdown::map_phrases(&lines, say),
            _ => python::map_phrases(&lines, say),
        };
        cell["source"] = mapped.split_inclusive('\n').map(Value::from).collect();
    }
    format!("{notebook:#}\n")
}
