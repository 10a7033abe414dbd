//! A page for each reproduction, and one that lists them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::verdict::{Compared, EXACT, Outcome, number, shown};

/// Writes a reproduction's page, and its figures beside it.
pub(super) fn write(
    pages: &Path,
    name: &str,
    outcome: &Outcome,
    (results, model): (&Path, Option<&str>),
) -> Result<()> {
    for figure in &outcome.reproduction.figures {
        let (sweep, file) = figure.file.split_once('/').context("a figure is SWEEP/NAME")?;
        let from = results.join(sweep).join("figures").join(format!("{file}.png"));
        let to = pages.join(image(name, &figure.file));
        fs::copy(&from, &to).with_context(|| format!("{} → {}", from.display(), to.display()))?;
    }
    let path = pages.join(format!("{name}.md"));
    let text = page(name, outcome, model)?;
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Writes the list of all pages.
pub(super) fn index(pages: &Path, outcomes: &BTreeMap<String, Outcome>) -> Result<()> {
    let mut text = "# Published work, done again\n\n\
        `cargo xtask reproduce --offline` runs all of these on the built-in model (in 45 to 52 s on two cores, by `time`), compares every number with what PyTorch \
        gets there (`xtask/reproduce/expect.py`: one forward pass for each cell, with hooks; intervals are ours alone), and \
        holds claims to the intervals of their quantities where these have one (averages over cases or noise samples do; layers \
        and single cells don't). Everything here is of the built-in model: **no published model was run**, because no weights \
        were at hand. Some claims are the papers', about their models, and are said not to hold where they don't. `cargo xtask \
        reproduce NAME --model ID` does one on the published model and compares with the published numbers.\n\n\
        | name | what | agrees with PyTorch | claims that hold | published claims that don't |\n\
        | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (name, outcome) in outcomes {
        let agrees = if outcome.numbers.iter().all(Compared::is_right) { "yes" } else { "**no**" };
        let (ours, others): (Vec<_>, Vec<_>) =
            outcome.claims.iter().partition(|(claim, _, _)| claim.holds);
        writeln!(
            text,
            "| [{name}]({name}.md) | {} | {agrees} | {} of {} | {} |",
            outcome.reproduction.title,
            ours.iter().filter(|(_, _, holds)| *holds).count(),
            ours.len(),
            others.len()
        )?;
    }
    let path = pages.join("README.md");
    fs::write(&path, text).with_context(|| path.display().to_string())
}

fn page(name: &str, outcome: &Outcome, model: Option<&str>) -> Result<String> {
    let of = &outcome.reproduction;
    let mut text = format!("# {}\n\n{}\n\n{}\n", of.title, of.source.trim(), of.about.trim());
    for figure in &of.figures {
        write!(text, "\n![{}]({})\n\n{}\n", figure.shows, image(name, &figure.file), figure.shows)?;
    }
    write!(text, "\n## Numbers\n\n{}\n", legend(outcome, model))?;
    text += &numbers(outcome, model);
    if !outcome.claims.is_empty() {
        text += "\n## What is claimed\n\n| claim | | holds |\n| --- | --- | --- |\n";
        for (claim, why, holds) in &outcome.claims {
            let holds = match (holds, claim.holds) {
                (true, _) => "yes",
                (false, true) => "**no**",
                (false, false) => "no, see below",
            };
            writeln!(text, "| {} | {why} | {holds} |", claim.says)?;
        }
    }
    if model.is_none() {
        write!(
            text,
            "\n## What is seen, and what differs\n\n{}\n\n## Again\n\n```sh\ncargo xtask reproduce {name} --offline\n```\n\n\
             On the published model, whose weights weren't at hand:\n\n```sh\ncargo xtask reproduce {name} --model {}\n```\n",
            of.seen.trim(),
            of.model
        )?;
    }
    Ok(text)
}

fn legend(outcome: &Outcome, model: Option<&str>) -> String {
    let published = outcome.numbers.iter().any(|one| one.published.is_some());
    let beside = match published {
        true => format!("; the published numbers are those of {}", outcome.reproduction.model),
        false => String::new(),
    };
    match model {
        Some(model) => format!("Of {model}{beside}."),
        None => format!(
            "Of the built-in model, with 95 % intervals where a table has them, beside PyTorch on the same model. The interval \
             of a largest or smallest number reaches as far as that of any row that was chosen among. The most that a \
             number may be off is {EXACT:.0e} of the quantity's largest (of 1, where that is smaller){beside}."
        ),
    }
}

fn numbers(outcome: &Outcome, model: Option<&str>) -> String {
    let beside = if model.is_some() { "off by" } else { "PyTorch | off by" };
    let line = if model.is_some() { "---: |" } else { "---: | ---: |" };
    let mut text = format!(
        "\n| quantity | Tracewright | {beside} | published |\n| --- | ---: | {line} ---: |\n"
    );
    for one in &outcome.numbers {
        let ours = match (one.measured.range(), &one.measured.values[..]) {
            (Some((low, high)), [value]) if low < high => {
                format!("{} {}", number(*value), shown(low, high))
            }
            _ => listed(&one.measured.values),
        };
        let expected = one.expected.as_deref().map(listed);
        let expected = expected.map_or(String::new(), |expected| format!("{expected} | "));
        let published = one.published.as_deref().map_or("–".to_owned(), listed);
        let _ = writeln!(
            text,
            "| {} | {ours} | {expected}{} | {published} |",
            one.quantity.name,
            off(one)
        );
    }
    text
}

/// How far a quantity is from what decides.
fn off(one: &Compared) -> String {
    match one.difference {
        None => "–".to_owned(),
        Some((0.0, _)) => "0".to_owned(),
        // Digits of rounding, which differ from machine to machine, would make a page differ too.
        Some((found, allowed)) if found <= allowed / 10.0 => {
            format!("< {:.0e}", allowed / 10.0)
        }
        Some((found, _)) if one.is_right() => format!("{found:.0e}"),
        Some((found, allowed)) => format!("**{found:.1e}**, allowed is {allowed:.0e}"),
    }
}

/// A number; of several, how many and their range.
fn listed(values: &[f64]) -> String {
    match values {
        [value] => number(*value),
        _ => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} numbers, {} … {}", values.len(), number(low), number(high))
        }
    }
}

/// The file of a figure on a page: `sweep/x` is `NAME-x.png`, `sweep-heads/x` is `NAME-heads-x.png`.
fn image(name: &str, figure: &str) -> String {
    let figure = figure.strip_prefix("sweep").unwrap_or(figure);
    format!("{name}-{}.png", figure.trim_start_matches(['/', '-']).replace('/', "-"))
}
