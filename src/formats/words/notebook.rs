//! Translates the phrases of a Jupyter notebook's cells.

use serde_json::Value;

use super::{Say, markdown, python};

/// Returns the notebook with each phrase replaced by `say`. Anything but a notebook is returned unchanged.
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
