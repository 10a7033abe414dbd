//! Records as JSON.

use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::error::DatasetError;
use super::fields::short;
use super::records::{Fields, Place, Read, prompt_alone};

/// The records of a list, each with the line on which it begins.
pub(super) fn list(origin: &str, text: &str) -> Result<Vec<Read>, DatasetError> {
    let slices: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let (origin, problem) = (origin.to_owned(), reason(&error));
        match error.classify() {
            Category::Data => DatasetError::NotAList { origin, problem },
            _ => {
                let (line, column) = (error.line(), error.column());
                DatasetError::BadJson { origin, line, column, problem }
            }
        }
    })?;
    let (mut line, mut counted) = (1, 0);
    let read = slices.into_iter().map(|slice| {
        // A slice is borrowed from the text, so its address tells where it stands there.
        let start = slice.get().as_ptr().addr() - text.as_ptr().addr();
        line += text[counted..start].matches('\n').count();
        counted = start;
        (Place::Line(line), record(slice.get()))
    });
    Ok(read.collect())
}

/// The records of lines, each by itself.
pub(super) fn lines(text: &str) -> Vec<Read> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| (Place::Line(number), record(line))).collect()
}

fn record(text: &str) -> Result<Fields, String> {
    let invalid = |error: serde_json::Error| {
        let at = match error.line() {
            1 => format!("column {}", error.column()),
            line => format!("line {line}, column {}", error.column()),
        };
        format!("it isn't valid JSON at its {at}: {}", reason(&error))
    };
    match serde_json::from_str(text).map_err(invalid)? {
        Value::Object(fields) => Ok(fields),
        Value::String(prompt) => Ok(prompt_alone(&prompt)),
        other => Err(format!(
            "{} is neither a record, {{…}}, nor a prompt in quotes",
            short(&other.to_string())
        )),
    }
}

/// What is wrong, without the place, which is told in another way.
fn reason(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let told = error.to_string();
    told.strip_suffix(&place).unwrap_or(&told).to_owned()
}
