//! Translates the phrases of a Markdown text: paragraphs, headings without their `#`, table rows, and the phrases in
//! its code.

use super::{Say, python, says_something};

/// Returns the text with each phrase replaced by `say`.
pub fn map_phrases(text: &str, say: Say) -> String {
    let mut mapped = String::new();
    let mut rest = text;
    // The metadata that Hugging Face's hub reads has no phrases.
    if let Some(end) = text.strip_prefix("---\n").and_then(|head| head.find("\n---\n")) {
        let (head, body) = text.split_at(end + "---\n\n---\n".len());
        mapped.push_str(head);
        rest = body;
    }
    for (index, part) in rest.split("```").enumerate() {
        if index > 0 {
            mapped.push_str("```");
        }
        // Comments and strings of a shell have the syntax of Python's.
        mapped += &if index % 2 == 1 { python::map_phrases(part, say) } else { map_prose(part, say) };
    }
    mapped
}

fn map_prose(text: &str, say: Say) -> String {
    let paragraphs: Vec<_> = text.split("\n\n").map(|paragraph| map_paragraph(paragraph, say)).collect();
    paragraphs.join("\n\n")
}

fn map_paragraph(paragraph: &str, say: Say) -> String {
    let phrase = paragraph.trim_matches('\n').trim_start_matches('#').trim();
    if phrase.starts_with('|') {
        let rows = paragraph.split('\n').map(|row| if says_something(row) { say(row) } else { row.into() });
        return rows.collect::<Vec<_>>().join("\n");
    }
    if !says_something(phrase) {
        return paragraph.into();
    }
    // A phrase is a substring of its paragraph, so it is found.
    let (before, after) = paragraph.split_once(phrase).unwrap_or_default();
    format!("{before}{}{after}", say(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_headings_rows_and_comments_are_phrases() {
        let text = "---\ntags:\n- {family}\n---\n\n# {name}\n\n## Use it\n\nTwo lines\nof text.\n\n| | |\n|---|---|\n| Steps | {steps} |\n\n\
                    ```python\nx = 1  # one\n```\n";
        let mut found = Vec::new();
        let mapped = map_phrases(text, &mut |phrase| {
            found.push(phrase.to_string());
            phrase.to_uppercase()
        });
        assert_eq!(found, ["Use it", "Two lines\nof text.", "| Steps | {steps} |", "one"]);
        assert!(mapped.contains("## USE IT\n\nTWO LINES\nOF TEXT.\n") && mapped.contains("x = 1  # ONE\n```\n"));
    }
}
