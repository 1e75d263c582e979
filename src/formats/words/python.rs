//! Translates the phrases of a Python program: each paragraph of its comments, and its strings that are text. Code is
//! never changed. Strings are found by their quotation marks, so an f-string must not contain its own quotation mark.

use super::{Say, says_something};

/// The beginning of a section's title.
const BANNER: &str = "--- ";

/// Line width in columns.
const COLUMNS: usize = 120;

/// Returns the program with each phrase replaced by `say`; phrases have no `#` and no indentation.
pub fn map_phrases(source: &str, say: Say) -> String {
    let mut mapped = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(['#', '"', '\'']) {
        let (code, from) = rest.split_at(at);
        mapped.push_str(code);
        let line = mapped.rsplit('\n').next().unwrap_or_default();
        let indentation: String = line.chars().take_while(|&character| character == ' ').collect();
        let alone = line.len() == indentation.len();
        rest = match from.strip_prefix('#') {
            Some(_) if alone => {
                let end = end_of_block(from, &indentation);
                mapped += &map_block(&from[..end], &indentation, say);
                &from[end..]
            }
            Some(comment) => {
                let end = comment.find('\n').unwrap_or(comment.len());
                mapped += &format!("# {}", say(comment[..end].trim()));
                &comment[end..]
            }
            None => {
                let quote = if from.starts_with("\"\"\"") { 3 } else { 1 };
                let end = end_of_string(from, quote);
                let content = &from[quote..end];
                mapped.push_str(&from[..quote]);
                let is_text = quote == 3 || content.trim().contains(' ') || mapped.ends_with("label(\"");
                mapped += &if is_text { map_string(content, &indentation, say) } else { content.into() };
                mapped.push_str(&from[end..(end + quote).min(from.len())]);
                &from[(end + quote).min(from.len())..]
            }
        };
    }
    mapped + rest
}

/// Returns the end of a block of consecutive comments.
fn end_of_block(from: &str, indentation: &str) -> usize {
    let mut end = 0;
    for line in from.split_inclusive('\n') {
        let continues = line.strip_prefix(indentation).is_some_and(|line| line.starts_with('#'));
        if end > 0 && !continues {
            break;
        }
        end += line.len();
    }
    from[..end].trim_end_matches('\n').len()
}

/// Translates a block of consecutive comments: each paragraph is a phrase, and so is the title of a section.
fn map_block(block: &str, indentation: &str, say: Say) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut end_paragraph = |paragraph: &mut Vec<&str>, lines: &mut Vec<String>| {
        if !paragraph.is_empty() {
            lines.extend(say(&paragraph.join("\n")).split('\n').map(String::from));
            paragraph.clear();
        }
    };
    for line in block.split('\n') {
        let comment = line.trim_start().trim_start_matches('#');
        let comment = comment.strip_prefix(' ').unwrap_or(comment);
        let title = comment.strip_prefix(BANNER);
        if title.is_none() && !comment.is_empty() {
            paragraph.push(comment);
            continue;
        }
        end_paragraph(&mut paragraph, &mut lines);
        let title = title.map(|title| title.trim_end_matches('-').trim());
        if let Some(title) = title {
            end_paragraph(&mut vec![title], &mut lines);
            let said = lines.pop().unwrap_or_default();
            lines.push(format!("{BANNER}{said} {}", "-".repeat(COLUMNS.saturating_sub(said.chars().count() + 7))));
        } else {
            lines.push(String::new());
        }
    }
    end_paragraph(&mut paragraph, &mut lines);
    let lines: Vec<_> =
        lines.iter().map(|line| if line.is_empty() { "#".into() } else { format!("# {line}") }).collect();
    lines.join(&format!("\n{indentation}"))
}

/// Returns the byte index of the closing quotation mark of a string that begins here.
fn end_of_string(from: &str, quote: usize) -> usize {
    let mark = &from[..quote];
    let mut at = quote;
    while at < from.len() && !from[at..].starts_with(mark) {
        let character = from[at..].chars().next().unwrap_or_default();
        at += character.len_utf8();
        if character == '\\' {
            at += from[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    at
}

fn map_string(content: &str, indentation: &str, say: Say) -> String {
    let text = content.trim();
    if !says_something(text) {
        return content.into();
    }
    let (before, after) = content.split_once(text).unwrap_or_default();
    let indented = format!("\n{indentation}");
    let said = say(&text.replace(&indented, "\n"));
    let mut lines = said.split('\n');
    let mut string = lines.next().unwrap_or_default().to_string();
    for line in lines {
        string.push('\n');
        if !line.is_empty() {
            string.push_str(indentation);
            string.push_str(line);
        }
    }
    format!("{before}{string}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r##""""What it does,
in two lines.
"""

# --- Part -------------------------------------------------------------------------------------------------------------
#
# Why it is
# as it is.


def f(x):
    """Says
    more."""
    # For "quotes".
    say(f"It's {x['key']} of {x:.1f} here.")  # trailing
    return {"a key": "key", "p": ", ".join(x), "q": "a \" b"}
"##;

    #[test]
    fn comments_and_texts_are_phrases_and_code_is_not() {
        let mut found = Vec::new();
        let mapped = map_phrases(PROGRAM, &mut |phrase| {
            found.push(phrase.to_string());
            if phrase == "Says\nmore." { "Uno\ndos\ntres.".into() } else { phrase.into() }
        });
        assert_eq!(
            found,
            [
                "What it does,\nin two lines.",
                "Part",
                "Why it is\nas it is.",
                "Says\nmore.",
                "For \"quotes\".",
                "It's {x['key']} of {x:.1f} here.",
                "trailing",
                "a key",
                "a \\\" b",
            ]
        );
        assert_eq!(mapped, PROGRAM.replace("Says\n    more.", "Uno\n    dos\n    tres."));
    }
}
