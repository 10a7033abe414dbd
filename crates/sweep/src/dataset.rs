//! Prompts of a file, for means and resampling.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::SweepError;

/// The prompts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub(crate) prompts: Vec<DataPrompt>,
    /// Of the file's bytes, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// A prompt with what is known of it; other fields of a record aren't read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct DataPrompt {
    pub(crate) prompt: String,
    pub(crate) subject: Option<String>,
    pub(crate) group: Option<String>,
}

impl Dataset {
    /// Reads a JSON list of prompts, or of records with `prompt` and perhaps `subject` and `group`; or a text
    /// with a prompt on each line.
    ///
    /// # Errors
    ///
    /// A file that can't be read, isn't a list, or holds no prompts.
    pub(crate) fn read(path: &Path) -> Result<Self, SweepError> {
        let unreadable = |error| SweepError::UnreadableText { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let bad = |problem: String| SweepError::BadDataset { path: path.to_owned(), problem };
        let json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let prompts: Vec<DataPrompt> = if json {
            records(&text).map_err(|error| bad(format!("isn't a list of prompts: {error}")))?
        } else {
            text.lines().filter(|line| !line.trim().is_empty()).map(DataPrompt::from).collect()
        };
        if prompts.is_empty() {
            return Err(bad("holds no prompts".to_owned()));
        }
        Ok(Self { prompts, sha256: hex(&Sha256::digest(text.as_bytes())) })
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<&str> for DataPrompt {
    fn from(prompt: &str) -> Self {
        Self { prompt: prompt.to_owned(), ..Self::default() }
    }
}

fn records(text: &str) -> serde_json::Result<Vec<DataPrompt>> {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(lines) => Ok(lines.iter().map(|line| line.as_str().into()).collect()),
        Err(_) => serde_json::from_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lists_and_records_are_prompts() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            let read = Dataset::read(&path);
            read.map(|dataset| dataset.prompts).map_err(|error| error.to_string())
        };
        let two = [DataPrompt::from("One is"), DataPrompt::from("Two are")];
        assert_eq!(read("a.txt", "One is\n\nTwo are\n").as_deref(), Ok(&two[..]));
        assert_eq!(read("a.json", r#"["One is", "Two are"]"#).as_deref(), Ok(&two[..]));
        let records = r#"[{"prompt": "One is", "subject": "One", "other": 3}]"#;
        let one = DataPrompt { subject: Some("One".to_owned()), ..two[0].clone() };
        assert_eq!(read("b.json", records).as_deref(), Ok(&[one][..]));
        assert!(read("c.txt", "\n").expect_err("empty").ends_with("holds no prompts"));
        assert!(read("c.json", "{}").expect_err("no list").contains("isn't a list of prompts"));
    }
}
