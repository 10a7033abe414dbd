//! `files.md`: columns and keys of every file, from the fields of the structs that are written and read.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tracewright_sweep::SweepFile;

use super::markdown::{names, table};
use super::source::{Item, Source};

const INTRO: &str = "\
What a results folder holds, and what a sweep file can say. Tables are Parquet; JSON files are UTF-8; `.npz` files are
NumPy's. A file appears whole or not at all.";

/// Files that are written from the same structs.
struct File {
    title: &'static str,
    about: &'static str,
    /// The files of `crates/results/src` and the structs in them.
    structs: &'static [(&'static str, &'static [&'static str])],
}

const FILES: [File; 7] = [
    File {
        title: "cells.parquet",
        about: "All cells of all cases; the parts have the same columns.",
        structs: &[("row", &["Row"])],
    },
    File {
        title: "averages.parquet",
        about: "The cells' means over cases, where there are two cases or more.",
        structs: &[("average", &["Group", "Average"])],
    },
    File {
        title: "rome_averages.parquet",
        about: "Of traces of two cases or more.",
        structs: &[("rome_average", &["RomeAverage"])],
    },
    File {
        title: "peaks.parquet",
        about: "The columns of `cells.parquet`, then these.",
        structs: &[("peaks", &["Peak"])],
    },
    File {
        title: "statistics/",
        about: "What `tracewright report` writes: a column for each that cells are grouped by, then those of `GroupMean`, \
                or with `--against` of `PairedDifference`.",
        structs: &[("group_by", &["GroupMean"]), ("compare", &["PairedDifference"])],
    },
    File {
        title: "run.json",
        about: "What was asked, where it ran and what it cost. `tracewright sweep run.json` runs it again.",
        structs: &[("run_file", &["RunFile", "Progress", "FailedCase"])],
    },
    File {
        title: "parts/",
        about: "One Parquet table for each finished unit of work, with the columns of `cells.parquet` and its cases as \
                JSON in the metadata. All other files are made from these.",
        structs: &[("case", &["CaseRecord", "KindGrid", "Retry"])],
    },
];

const PAIRS: &str = "The prompts, baselines and grids of a pair.";

const SWEEP_FILES: &str = "\
What `tracewright sweep` reads, as TOML or JSON: a `PairFile` or a `TraceFile`. `tracewright sweep --schema` prints the JSON
schema that this is made from, `--print` of `trace` and `pair` writes a file, and [sweep-files.md](../sweep-files.md) has
whole ones.";

pub(super) fn page() -> Result<String> {
    let mut text = INTRO.to_owned();
    for File { title, about, structs } in FILES {
        text += &format!("\n\n## {title}\n\n{about}");
        for (file, names) in structs {
            let source = Source::read(&format!("crates/results/src/{file}.rs"))?;
            text +=
                &names.iter().map(|name| fields(source.item(name)?)).collect::<Result<String>>()?;
        }
    }
    let arrays = Source::read("crates/results/src/rome.rs")?;
    text += &format!("\n\n## cases/\\*.npz\n\n{}", arrays.item("npz_arrays")?.documented()?.docs);
    let pair = Source::read("crates/results/src/pair.rs")?;
    let pair = pair.items.iter().filter(|item| !item.parts.is_empty()).map(fields);
    text += &format!("\n\n## cases/NAME.json\n\n{PAIRS}{}", pair.collect::<Result<String>>()?);
    Ok(format!("{text}\n\n## Sweep files\n\n{SWEEP_FILES}{}", sweep_files()?))
}

/// A table of a struct's fields.
fn fields(of: &Item) -> Result<String> {
    let fields = of.parts.iter().filter(|field| !field.flattened);
    let row = |field: &Item| {
        let docs = field.documented()?.docs.replace('\n', " ");
        Ok(vec![names([&field.name]), kind(&field.of), docs])
    };
    let rows = fields.map(row).collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "\n\n**{}**: {}\n\n{}",
        of.name,
        of.documented()?.summary(),
        table(&["name", "type", "what it holds"], &rows)
    ))
}

/// A Rust type in words.
fn kind(of: &str) -> String {
    if let Some(inner) = of.strip_prefix("Option<").and_then(|inner| inner.strip_suffix('>')) {
        return format!("{} or null", kind(inner));
    }
    if let Some(inner) = of.strip_prefix("Vec<").and_then(|inner| inner.strip_suffix('>')) {
        return format!("list of {}", kind(inner));
    }
    match of {
        "String" => "text".to_owned(),
        "u32" | "u64" | "usize" => "integer".to_owned(),
        "f64" => "number".to_owned(),
        "bool" => "true or false".to_owned(),
        "Value" => "JSON".to_owned(),
        other => format!("`{other}`"),
    }
}

/// A table of each object and each list of words that a sweep file can hold.
fn sweep_files() -> Result<String> {
    let schema = json!(SweepFile::schema());
    let parts = schema["$defs"].as_object().context("a schema with parts")?;
    let part = |(name, of): (&String, &Value)| {
        let rows = match &of["properties"] {
            Value::Object(keys) => {
                keys.iter().map(|(key, of)| vec![names([key]), default(of), about(of)]).collect()
            }
            _ => words(of),
        };
        let columns: &[&str] = if of["properties"].is_object() {
            &["key", "default", "what it says"]
        } else {
            &["word", "what it says"]
        };
        let table =
            if rows.is_empty() { String::new() } else { format!("\n{}", table(columns, &rows)) };
        format!("\n\n### {name}\n\n{}\n{table}", about(of))
    };
    Ok(parts.iter().map(part).collect())
}

fn about(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn default(of: &Value) -> String {
    of.get("default")
        .filter(|default| !default.is_null())
        .map(|default| format!("`{default}`"))
        .unwrap_or_default()
}

/// The words of an enum, with what each says.
fn words(of: &Value) -> Vec<Vec<String>> {
    let words = of["oneOf"].as_array().into_iter().flatten();
    let word = |of: &Value| Some(vec![names([of["const"].as_str()?]), about(of)]);
    words.filter_map(word).collect()
}
