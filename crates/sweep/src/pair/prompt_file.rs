//! Prompts of a file, for means and resampling.

use std::path::Path;

use crate::dataset::{Look, Record, Records};
use crate::error::SweepError;

/// The prompts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PromptFile {
    pub(crate) prompts: Vec<FilePrompt>,
    /// Of the file's bytes, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// A prompt with what is known of it; other fields of a record aren't read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilePrompt {
    pub(crate) prompt: String,
    pub(crate) subject: Option<String>,
    pub(crate) group: Option<String>,
}

impl PromptFile {
    /// Reads records with `prompt` (or, of pairs, `clean`) and perhaps `subject` and `group`, or prompts alone, in
    /// any format of [`Records`].
    ///
    /// # Errors
    ///
    /// A file that can't be read, holds no prompts, or has a bad record: a mean over the others would be another
    /// one.
    pub(crate) fn read(path: &Path) -> Result<Self, SweepError> {
        let records = Records::read(path)?;
        let (mut prompts, mut bad) = (Vec::new(), records.bad.clone());
        for record in &records.records {
            match prompt(record) {
                Ok(prompt) => prompts.push(prompt),
                Err(problem) => bad.push(crate::dataset::Bad { place: record.place, problem }),
            }
        }
        match bad.into_iter().min_by_key(|bad| bad.place) {
            Some(bad) => {
                let problem = format!("has a bad record at {bad}");
                Err(SweepError::BadDataset { path: path.to_owned(), problem })
            }
            None => Ok(Self { prompts, sha256: records.sha256 }),
        }
    }
}

fn prompt(record: &Record) -> Result<FilePrompt, String> {
    let mut look = Look::at(&record.fields);
    let name = if record.fields.contains_key("prompt") { "prompt" } else { "clean" };
    let prompt = look.optional(name);
    if prompt.is_none() && look.problems.is_empty() {
        look.note("'prompt' is missing".to_owned());
    }
    let found = FilePrompt {
        prompt: prompt.unwrap_or_default(),
        subject: look.optional("subject"),
        group: look.label("group"),
    };
    if look.problems.is_empty() { Ok(found) } else { Err(look.problems.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_lists_and_records_are_prompts() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            let read = PromptFile::read(&path);
            read.map(|file| file.prompts).map_err(|error| error.to_string())
        };
        let of = |prompt: &str| FilePrompt { prompt: prompt.to_owned(), ..FilePrompt::default() };
        let two = [of("One is"), of("Two are")];
        assert_eq!(read("a.txt", "One is\n\nTwo are\n").as_deref(), Ok(&two[..]));
        assert_eq!(read("a.json", r#"["One is", "Two are"]"#).as_deref(), Ok(&two[..]));
        let records = r#"[{"prompt": "One is", "subject": "One", "other": 3}]"#;
        let one = FilePrompt { subject: Some("One".to_owned()), ..two[0].clone() };
        assert_eq!(read("b.json", records).as_deref(), Ok(&[one][..]));
        let grouped = FilePrompt { group: Some("g".to_owned()), ..two[0].clone() };
        assert_eq!(read("c.csv", "clean,group\nOne is,g\n").as_deref(), Ok(&[grouped][..]));
        let bad =
            read("d.jsonl", "{\"prompt\": \"One is\"}\n{\"text\": \"Two\"}\n").expect_err("bad");
        assert!(bad.ends_with("has a bad record at line 2: 'prompt' is missing"), "{bad}");
        assert!(read("e.txt", "\n").expect_err("empty").contains("holds no records"));
    }
}
