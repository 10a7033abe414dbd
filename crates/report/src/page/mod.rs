//! One self-contained HTML page of a results folder, or of two side by side.
//!
//! The page is a template (`assets/page/page.html`) with our style and scripts, Plotly, and the data: one script of JSON
//! for each case, which a browser leaves alone until the case is chosen.
//!
//! Nothing of a prompt or a file can act in it. Texts go through [`crate::visible`], then as JSON without `<`, `>` and
//! `&` into a script that isn't run; our script puts them into the document as text alone; and the
//! page's own policy lets no script run but these two, and no connection be made.

mod case;
mod embed;
mod grid;
mod run;
mod tables;

use std::collections::BTreeMap;

use tracewright_results::Row;

use self::case::Document;
use self::embed::{data, policy};
pub use self::run::PageRun;
use crate::colormap::Colormap;
use crate::error::ReportError;

const TEMPLATE: &str = include_str!("../../assets/page/page.html");
const STYLE: &str = include_str!("../../assets/page/page.css");
/// One script; within a function, so that no name of it meets one of the browser's.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/page/words.js"),
    include_str!("../../assets/page/state.js"),
    include_str!("../../assets/page/grid.js"),
    include_str!("../../assets/page/choice.js"),
    include_str!("../../assets/page/colours.js"),
    include_str!("../../assets/page/traces.js"),
    include_str!("../../assets/page/figure.js"),
    include_str!("../../assets/page/cell.js"),
    include_str!("../../assets/page/tables.js"),
    include_str!("../../assets/page/controls.js"),
    "})();\n",
);
const PLOTLY: &str = include_str!("../../assets/plotly-cartesian.min.js");

/// The page of one run, or of two side by side: an HTML document that needs no other file and no network.
///
/// Numbers are of single precision, which the files that they come from aren't always.
///
/// ```
/// use serde_json::json;
/// use tracewright_report::{PageRun, page};
/// use tracewright_results::{CaseRecord, Progress, Results, Row};
///
/// let case = CaseRecord::failed("0", "the device was lost");
/// let results = Results {
///     request: json!({ "prompt": "Hi there" }),
///     environment: json!({ "model": "facts-6m" }),
///     cost: None,
///     finished: Progress { passes: 1, of: 1 },
///     cases: vec![case],
///     rows: Vec::<Row>::new(),
/// };
/// let run = PageRun { name: "runs/one", results: &results, sentences: &[] };
/// let html: String = page(&run, None)?;
/// assert!(html.contains("This case failed: the device was lost"));
/// # Ok::<(), tracewright_report::ReportError>(())
/// ```
///
/// # Errors
///
/// Rows that aren't the grids which their cases promise, and two cells at one place.
pub fn page(run: &PageRun<'_>, against: Option<&PageRun<'_>>) -> Result<String, ReportError> {
    let runs: Vec<&PageRun<'_>> = [run].into_iter().chain(against).collect();
    let (mut outlines, mut scripts) = (Vec::new(), String::new());
    for (index, run) in runs.iter().enumerate() {
        let all = run.all_cases(against.filter(|_| index == 0))?;
        outlines.push(run.outline(all.is_some()));
        if let Some(all) = all {
            scripts += &data(&format!("all-{index}"), &all)?;
        }
        let mut rows: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
        for row in &run.results.rows {
            rows.entry(&row.case).or_default().push(row.clone());
        }
        for (number, case) in run.results.cases.iter().enumerate() {
            let rows = rows.remove(case.name.as_str()).unwrap_or_default();
            let document = Document::of_case(case, &rows, run.model())?;
            scripts += &data(&format!("case-{index}-{number}"), &document)?;
        }
    }
    let scripts = data("runs", &outlines)? + &data("colours", &colours())? + &scripts;
    Ok(filled(&scripts))
}

/// The papers' colour maps as Plotly takes them: stops from 0 to 1.
fn colours() -> BTreeMap<&'static str, Vec<(f64, String)>> {
    const STOPS: u8 = 20;
    let stop = |map: Colormap, stop: u8| {
        let at = f64::from(stop) / f64::from(STOPS);
        let (red, green, blue) = map.rgb(at);
        (at, format!("rgb({red},{green},{blue})"))
    };
    let maps = [
        ("purples", Colormap::Purples),
        ("greens", Colormap::Greens),
        ("reds", Colormap::Reds),
        ("redblue", Colormap::RedBlue),
    ];
    let stops = |map| (0..=STOPS).map(|at| stop(map, at)).collect();
    maps.into_iter().map(|(name, map)| (name, stops(map))).collect()
}

/// The template with everything in its place.
fn filled(data: &str) -> String {
    let policy = policy(&[PLOTLY, SCRIPT]);
    let mut page = String::with_capacity(PLOTLY.len() + data.len() + (1 << 16));
    let mut rest = TEMPLATE;
    // What is put in isn't searched, so no text of the data can be taken for a place of the template.
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        page += before;
        page += match name {
            "policy" => &policy,
            "style" => STYLE,
            "data" => data,
            "plotly" => PLOTLY,
            "script" => SCRIPT,
            _ => "",
        };
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_data_is_smaller_than_three_mebibytes() {
        let page = filled("");
        assert!(page.len() <= 3 << 20, "{} bytes", page.len());
        assert!(!page.contains("{{") && page.trim_end().ends_with("</html>"));
    }

    #[test]
    fn the_scripts_can_stand_in_a_document() {
        for script in [PLOTLY, SCRIPT] {
            let script = script.to_ascii_lowercase();
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
        assert!(!STYLE.to_ascii_lowercase().contains("</style"));
    }

    #[test]
    fn the_page_asks_for_nothing_else() {
        for part in [TEMPLATE, STYLE, SCRIPT] {
            for outside in ["http:", "https:", "src=", "@import", "url("] {
                assert!(!part.contains(outside), "{outside}");
            }
        }
    }
}
