//! The figures of a report: over cases, of two runs, and of single cases again.

use std::path::{Path, PathBuf};

use tracewright_ir::nearest;
use tracewright_report::{
    CaseReport, Figure, Look, PairReport, Style, Traces, average_figures, comparison_figures,
    draw_terminal, rome_figures,
};
use tracewright_results::{
    CaseRecord, Results, Row, compare, file_name, grid_columns, rome_averages, severed_averages,
    write_whole,
};

use super::names;
use crate::args::ReportArgs;
use crate::commands::trace::{figure_name, short_name};
use crate::console::Console;
use crate::error::Failure;

/// What the cases say together; nothing for a single one.
pub(super) fn over_cases(results: &Results) -> Result<Vec<Figure>, Failure> {
    let window = results.cases.iter().map(|case| case.window).max().unwrap_or(0);
    let averages = rome_averages(&results.cases, &results.rows);
    let severed = severed_averages(&results.cases, &results.rows);
    let traces = Traces { model: model(results), window };
    let mut figures = rome_figures(&averages, &severed, traces);
    figures.extend(average_figures(results)?);
    Ok(figures)
}

/// A run beside the one that it is held against, and how far it is from it.
pub(super) fn against(
    (other, other_path): (&Results, &Path),
    (results, path): (&Results, &Path),
) -> Result<Vec<Figure>, Failure> {
    let groups = compare(other, results, &grid_columns(results))?;
    let [first, second] = names([other_path, path]);
    Ok(comparison_figures(&groups, &results.cases, [&first, &second]))
}

/// Draws these figures and those of the chosen cases, and returns their paths. The first one's heatmaps are
/// shown in the terminal too.
pub(super) fn draw(
    args: &ReportArgs,
    folder: &Path,
    figures: Vec<Figure>,
    (results, chosen): (&Results, &[&CaseRecord]),
    console: &Console,
) -> Result<Vec<PathBuf>, Failure> {
    for heatmap in figures.first().map(|figure| &figure.heatmaps).into_iter().flatten() {
        console.explain(&draw_terminal(heatmap, console.columns(), console.colors())?)?;
    }
    let look = Look { colors: args.colors, transposed: args.transpose };
    let of_cases = chosen.iter().map(|case| of_case(case, results));
    let of_cases = of_cases.collect::<Result<Vec<_>, _>>()?.concat();
    let mut paths = Vec::new();
    for figure in figures.into_iter().chain(of_cases) {
        let figure = figure.with(look);
        for format in &args.format {
            let name = format!("{}.{}", figure.name, format.extension());
            let path = folder.join("figures").join(name);
            write_whole(&path, &figure.draw(*format)?)?;
            console.explain(&format!("figure {}", path.display()))?;
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The cases with these names; without any a folder's only case.
pub(super) fn chosen<'a>(
    names: &[String],
    results: &'a Results,
) -> Result<Vec<&'a CaseRecord>, Failure> {
    let find = |name: &String| {
        let known = results.cases.iter();
        known.clone().find(|case| case.name == *name).ok_or_else(|| {
            let nearest = nearest(name, known.map(|case| case.name.as_str()));
            Failure::Usage(format!(
                "there is no case '{name}' in these results; the nearest are {}",
                nearest.join(", ")
            ))
        })
    };
    match (names, &results.cases[..]) {
        ([], [only]) => Ok(vec![only]),
        _ => names.iter().map(find).collect(),
    }
}

/// A case's own figures, named as `trace` and `pair` name them; none of a case that failed or has no cells.
fn of_case(case: &CaseRecord, results: &Results) -> Result<Vec<Figure>, Failure> {
    let figures = match case.pair() {
        _ if case.failure.is_some() => Vec::new(),
        Some(record) => PairReport::new(record)?.figures(Style::Diverging),
        None => {
            let ours = results.rows.iter().filter(|row| row.case == case.name);
            let rows: Vec<Row> = ours.cloned().collect();
            CaseReport::new(case, &rows, short_name(model(results)))?.figures()
        }
    };
    let stem = match case.pair() {
        Some(_) => file_name(&case.name),
        None => figure_name(case),
    };
    let named = |figure: Figure| Figure { name: figure.named(&stem), ..figure };
    Ok(figures.into_iter().map(named).collect())
}

/// The name of the model that the cells are of.
fn model(results: &Results) -> &str {
    results.environment["model"].as_str().unwrap_or_default()
}
