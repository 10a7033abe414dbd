//! `files.md`: columns and keys of every file, from the fields of the structs that are written and read.

use anyhow::Result;
use tracewright_ir::Role;

use super::markdown::{names, table};
use super::schema::sweep_files;
use super::source::{Item, Source};

const INTRO: &str = "\
What a results folder holds, and what a sweep file can say. Tables are Parquet; JSON files are UTF-8; `.npz` files are
NumPy's. A file appears whole or not at all.";

/// Files that are written from the same structs.
struct File {
    title: &'static str,
    about: &'static str,
    /// Source files and the structs in them.
    structs: &'static [(&'static str, &'static [&'static str])],
}

const FILES: [File; 7] = [
    File {
        title: "cells.parquet",
        about: "All cells of all cases; the parts have the same columns.",
        structs: &[("crates/results/src/row.rs", &["Row"])],
    },
    File {
        title: "averages.parquet",
        about: "The cells' means over cases, where there are two cases or more.",
        structs: &[("crates/results/src/average.rs", &["Group", "Average"])],
    },
    File {
        title: "rome_averages.parquet",
        about: "Of traces of two cases or more.",
        structs: &[("crates/results/src/rome_average.rs", &["RomeAverage"])],
    },
    File {
        title: "peaks.parquet",
        about: "The columns of `cells.parquet`, then these.",
        structs: &[("crates/results/src/peaks.rs", &["Peak"])],
    },
    File {
        title: "statistics/",
        about: "What `tracewright report` writes: a column for each that cells are grouped by, then those of `GroupMean`, \
                or with `--against` of `PairedDifference`.",
        structs: &[
            ("crates/results/src/group_by.rs", &["GroupMean"]),
            ("crates/results/src/compare.rs", &["PairedDifference"]),
        ],
    },
    File {
        title: "run.json",
        about: "What was asked, where it ran and what it cost. `tracewright sweep run.json` runs it again.",
        structs: &[("crates/results/src/run_file.rs", &["RunFile", "Progress", "FailedCase"])],
    },
    File {
        title: "parts/",
        about: "One Parquet table for each finished unit of work, with the columns of `cells.parquet` and its cases as \
                JSON in the metadata. All other files are made from these.",
        structs: &[
            ("crates/results/src/case.rs", &["CaseRecord", "KindGrid", "Retry"]),
            ("crates/ir/src/tokens.rs", &["Tokens"]),
        ],
    },
];

const PAIRS: &str = "The prompts, baselines and grids of a pair.";

pub(super) fn page() -> Result<String> {
    let mut text = INTRO.to_owned();
    for File { title, about, structs } in FILES {
        text += &format!("\n\n## {title}\n\n{about}");
        for (file, names) in structs {
            let source = Source::read(file)?;
            text +=
                &names.iter().map(|name| fields(source.item(name)?)).collect::<Result<String>>()?;
        }
    }
    let arrays = Source::read("crates/results/src/rome.rs")?;
    text += &format!("\n\n## cases/\\*.npz\n\n{}", arrays.item("npz_arrays")?.documented()?.docs);
    let pair = Source::read("crates/results/src/pair.rs")?;
    let pair = pair.items.iter().filter(|item| !item.parts.is_empty()).map(fields);
    text += &format!("\n\n## cases/NAME.json\n\n{PAIRS}{}", pair.collect::<Result<String>>()?);
    Ok(format!("{text}\n\n## Roles\n\n{}\n\n{}", roles()?, sweep_files()?))
}

/// What a token is to its prompt's subject.
fn roles() -> Result<String> {
    let source = Source::read("crates/ir/src/role.rs")?;
    let role = source.item("Role")?;
    let rows = role.variants(&Role::ALL.map(Role::name))?;
    Ok(format!("{}\n\n{}", role.docs, table(&["role", "what it is"], &rows)))
}

/// A table of a struct's fields.
fn fields(of: &Item) -> Result<String> {
    let fields = of.parts.iter().filter(|field| !field.flattened);
    let row = |field: &Item| {
        Ok(vec![names([&field.name]), kind(&field.of), field.documented()?.docs.clone()])
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
        "Range<usize>" => "object of `start` and `end`".to_owned(),
        "BTreeMap<String,String>" => "object of texts".to_owned(),
        other => format!("`{other}`"),
    }
}
