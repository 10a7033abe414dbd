//! Sweep files: a whole experiment as TOML or JSON.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracewright_results::RunFile;

use crate::case::Case;
use crate::dataset::{Bad, Checked, Records};
use crate::error::SweepError;
use crate::pair::{By, Corruption, Pair, PairSettings};
use crate::settings::Settings;
use crate::skip::{BadRecords, refuse};

/// An experiment: what `tracewright trace` or `tracewright pair` would be asked with flags, and more cases and
/// runs than flags can say.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SweepFile {
    /// Patching ([`PairFile`]).
    Pair(Box<PairFile>),
    /// ROME's causal tracing ([`TraceFile`]).
    Trace(Box<TraceFile>),
}

/// Patching between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairFile {
    /// `pair`
    pub command: PairCommand,
    /// A checkpoint's folder or a cached model's name; the built-in model where neither this nor `--model` says
    /// another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What is patched and measured.
    #[serde(default)]
    pub settings: PairSettings,
    /// A file of pairs (JSON, JSONL, CSV, TSV or Parquet), beside `cases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PathBuf>,
    /// Only the first pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Go on without records and pairs that can't be used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_bad: bool,
    /// The pairs; the built-in ones where there are none.
    #[serde(default)]
    pub cases: Vec<Pair>,
}

/// Causal traces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// `trace`
    pub command: TraceCommand,
    /// As in a pair's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The text whose embeddings the noise rules `m` and `t` take their statistics from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_text: Option<PathBuf>,
    /// The facts file whose subjects the noise rule `s` is measured on; without cases all its facts are traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<PathBuf>,
    /// What is traced.
    #[serde(default)]
    pub settings: Settings,
    /// Go on without records and prompts that can't be used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_bad: bool,
    /// The prompts.
    #[serde(default)]
    pub cases: Vec<Case>,
}

/// The word `pair`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairCommand {
    /// `pair`
    #[default]
    Pair,
}

/// The word `trace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceCommand {
    /// `trace`
    #[default]
    Trace,
}

impl PairFile {
    /// The pairs of the file, of the file of pairs that it names, or the built-in ones; and the records that were
    /// skipped.
    ///
    /// # Errors
    ///
    /// A file of pairs that can't be read, or has bad records unless they are skipped.
    pub fn all_cases(&self) -> Result<(Vec<Pair>, Vec<Bad>), SweepError> {
        let mut cases = self.cases.clone();
        let mut skipped = Vec::new();
        if let Some(path) = &self.pairs {
            let records = Records::read(path)?;
            let by_prompt = |corruption: &Corruption| corruption.by == By::Prompt;
            let required: &[&str] = match self.settings.corruptions.iter().any(by_prompt) {
                true => &["corrupted"],
                false => &[],
            };
            let Checked { good, bad } = Checked::<Pair>::pairs(&records, required);
            refuse(&records.origin, &bad, good.len(), self.bad())?;
            cases.extend(good);
            skipped = bad;
        }
        if cases.is_empty() {
            cases = Pair::built_in();
        }
        cases.truncate(self.limit.unwrap_or(usize::MAX));
        match cases.is_empty() {
            true => Err(SweepError::NoPairs),
            false => Ok((cases, skipped)),
        }
    }

    /// What becomes of bad records and pairs.
    pub fn bad(&self) -> BadRecords {
        if self.skip_bad { BadRecords::Skip } else { BadRecords::Refuse }
    }

    /// The paths of the file, which say where things are that a request knows by their content; `model` is
    /// given in place of the file's.
    pub fn given(&self, model: Option<&str>) -> Value {
        json!({ "model": model.or(self.model.as_deref()).map(located) })
    }
}

impl TraceFile {
    /// What becomes of bad records and prompts.
    pub fn bad(&self) -> BadRecords {
        if self.skip_bad { BadRecords::Skip } else { BadRecords::Refuse }
    }

    /// As [`PairFile::given`].
    pub fn given(&self, model: Option<&str>) -> Value {
        json!({
            "model": model.or(self.model.as_deref()).map(located),
            "facts": self.facts.as_deref().and_then(absolute),
            "noise_text": self.noise_text.as_deref().and_then(absolute),
        })
    }
}

/// What a file has to say before the rest of it means anything.
#[derive(Deserialize)]
struct Kind {
    command: Option<String>,
}

impl SweepFile {
    /// Reads a file; one whose name ends in `.json` is JSON, every other one TOML.
    ///
    /// # Errors
    ///
    /// A file that can't be read, and one that isn't what it should be, with the line.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let unreadable = |error| SweepError::UnreadableText { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let bad = |problem: String| SweepError::BadSweepFile { path: path.to_owned(), problem };
        let mut file = Self::parse(&text, json).map_err(bad)?;
        let cases = match &mut file {
            Self::Pair(file) => file.cases.iter_mut().map(|case| &mut case.name).collect(),
            Self::Trace(file) => file.cases.iter_mut().map(|case| &mut case.name).collect(),
        };
        number(cases);
        Ok(file)
    }

    fn parse(text: &str, json: bool) -> Result<Self, String> {
        let kind: Kind = parsed(text, json)?;
        match kind.command.as_deref() {
            Some("pair") => Ok(Self::Pair(parsed(text, json)?)),
            Some("trace") => Ok(Self::Trace(parsed(text, json)?)),
            Some(other) => Err(format!("there is no command '{other}': give pair or trace")),
            None => {
                Err("it says no command: begin it with command = \"pair\" or \"trace\"".to_owned())
            }
        }
    }

    /// The experiment of a results folder's `run.json`, with the paths that it was given.
    ///
    /// # Errors
    ///
    /// A request that isn't one of ours.
    pub fn of_run(run: &RunFile) -> Result<Self, SweepError> {
        let mut file = run.request.clone();
        let given = run.environment.get("given").and_then(Value::as_object);
        if let Some(fields) = file.as_object_mut() {
            // What the request knows by its content; a path says where it is.
            fields.retain(|name, _| matches!(name.as_str(), "command" | "settings" | "cases"));
            fields.extend(given.cloned().unwrap_or_default());
        }
        let bad = |error: serde_json::Error| SweepError::BadSweepFile {
            path: "run.json".into(),
            problem: error.to_string(),
        };
        match file["command"].as_str() {
            Some("trace") => Ok(Self::Trace(serde_json::from_value(file).map_err(bad)?)),
            _ => Ok(Self::Pair(serde_json::from_value(file).map_err(bad)?)),
        }
    }

    /// The file as TOML.
    ///
    /// # Errors
    ///
    /// Numbers that TOML hasn't got.
    pub fn to_toml(&self) -> Result<String, SweepError> {
        let unwritable =
            |error: toml::ser::Error| SweepError::UnwritableFile { problem: error.to_string() };
        toml::to_string(self).map_err(unwritable)
    }

    /// The JSON schema of sweep files.
    pub fn schema() -> Schema {
        schema_for!(Self)
    }
}

/// A model's folder, wherever the program is run from, or its name on the hub.
fn located(model: &str) -> String {
    let folder = Path::new(model).is_dir().then(|| absolute(Path::new(model))).flatten();
    folder.unwrap_or_else(|| model.to_owned())
}

/// A path that is the same wherever the program is run from.
fn absolute(path: &Path) -> Option<String> {
    std::path::absolute(path).ok()?.into_os_string().into_string().ok()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn parsed<T: DeserializeOwned>(text: &str, json: bool) -> Result<T, String> {
    match json {
        true => serde_json::from_str(text).map_err(|error| error.to_string()),
        false => toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned()),
    }
}

/// Cases without a name are called by their numbers.
fn number(names: Vec<&mut String>) {
    for (index, name) in names.into_iter().enumerate() {
        if name.is_empty() {
            *name = index.to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> Result<PairFile, String> {
        match SweepFile::parse(text, false)? {
            SweepFile::Pair(file) => Ok(*file),
            SweepFile::Trace(_) => Err("a trace".to_owned()),
        }
    }

    #[test]
    fn what_is_not_said_is_as_without_flags() {
        let file = pair("command = \"pair\"").expect("a file");
        assert_eq!(file, PairFile::default());
    }

    #[test]
    fn a_file_is_read_as_it_is_written() {
        let mut file = PairFile::default();
        let words = ["scale=2", "add=v.npz:x"];
        for change in words {
            file.settings.change = change.parse().expect(change);
            file.settings.heads = Some("not 3".parse().expect("indices"));
            file.settings.positions = vec!["last-1".parse().expect("positions")];
            let case = Pair { clean: "A is".to_owned(), ..Pair::default() };
            file.cases = vec![Pair { corrupted: vec!["B is".to_owned()], ..case }];
            let text = SweepFile::Pair(Box::new(file.clone())).to_toml().expect("TOML");
            assert_eq!(pair(&text).as_ref(), Ok(&file), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let wrong = |text: &str| pair(text).expect_err("wrong");
        insta::assert_snapshot!(wrong("command = \"pair\"\n[settings]\nsite = [\"z\"]"), @r#"
        TOML parse error at line 3, column 1
          |
        3 | site = ["z"]
          | ^^^^
        unknown field `site`, expected one of `sites`, `per`, `positions`, `layers`, `heads`, `neurons`, `src_positions`, `except`, `window`, `change`, `mean`, `metrics`, `metric_at`, `metric_mean`, `answer_tokens`, `top_k`, `read`, `direction`, `align`, `corruptions`, `runs`, `base`, `source`, `paths`
        "#);
        insta::assert_snapshot!(wrong("command = \"pair\"\n[settings]\nchange = \"sclae=2\""), @r#"
        TOML parse error at line 3, column 10
          |
        3 | change = "sclae=2"
          |          ^^^^^^^^^
        there is no change 'sclae=2': use copy, plus (the other run's value is added), zero, mean, scale=2, constant=0.5, interpolate=0.5, or with an array of an npz or safetensors file set=FILE:KEY, add=FILE:KEY, add=-2*FILE:KEY, project-out=FILE:KEY, project-in=FILE:KEY, along=FILE:KEY
        "#);
        insta::assert_snapshot!(wrong("command = \"pear\""), @"there is no command 'pear': give pair or trace");
        insta::assert_snapshot!(wrong("[settings]"), @r#"it says no command: begin it with command = "pair" or "trace""#);
        let json = SweepFile::parse("{\"command\": \"pair\",\n \"case\": []}", true);
        insta::assert_snapshot!(json.expect_err("wrong"), @"unknown field `case`, expected one of `command`, `model`, `settings`, `pairs`, `limit`, `skip_bad`, `cases` at line 2 column 7");
    }
}
