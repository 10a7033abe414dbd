//! Means over cases of cells that agree in the columns that a person asks for.
//!
//! A case counts once in a group, with the mean of its cells there. As everywhere, cases that
//! failed or are answered wrongly are left out, and so are cells without a value.

use serde::{Deserialize, Serialize};

use crate::averages::averaged;
use crate::bootstrap::{Resamples, ends, resampled};
use crate::grouped::{CellGroup, Gathered, Grouped};
use crate::grouping::Grouping;
use crate::key::Key;
use crate::statistics::{RatioOfMeans, Summary};
use crate::sums::{CaseSums, mean_of, noise_stderr, sums_of};
use crate::{Results, ResultsError};

/// The means over cases of a group of cells. The fields mean what they mean in
/// [`Average`](crate::Average).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupMean {
    /// The mean over cases of the metric of the patched runs.
    pub value: f64,
    /// Its standard deviation over cases, with n − 1.
    pub std: Option<f64>,
    /// Its standard error over cases.
    pub stderr: Option<f64>,
    /// The lower end of its 95 % bootstrap interval over cases.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The standard error that the noise samples alone leave in it.
    pub noise_stderr: Option<f64>,
    /// The mean over cases of the metric of the clean run.
    pub clean: Option<f64>,
    /// The mean over cases of the metric of the corrupted runs.
    pub corrupted: Option<f64>,
    /// How much came back: of the means, not the mean of the cells' own. A case whose runs hardly
    /// differ has a recovery of any size, which a mean of them would be at the mercy of.
    pub recovery: Option<f64>,
    /// The lower end of its interval.
    pub recovery_low: Option<f64>,
    /// Its upper end.
    pub recovery_high: Option<f64>,
    /// How far the patch moved its base towards its source, of the means too.
    pub effect: Option<f64>,
    /// The lower end of its interval.
    pub effect_low: Option<f64>,
    /// Its upper end.
    pub effect_high: Option<f64>,
    /// The number of cells.
    pub cells: u32,
    /// The number of cases.
    pub n: u32,
}

/// The means over cases of the cells that agree in these columns: columns of `cells.parquet` that
/// say what a cell is, and the dataset's ([`CaseRecord::columns`](crate::CaseRecord::columns)).
///
/// `metric` is always one of them. So are `corruption`, `kind`, `site`, `receiver` and
/// `metric_position` where without them cells that differ in them would be pooled. Everything else
/// that isn't asked for is pooled: by `role` alone, a mean is over all layers.
///
/// ```
/// # use tracewright_results::{CaseRecord, Key, Progress, Results, Row, group_by};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let case = |name: &str, relation: &str| CaseRecord {
/// #     name: name.into(),
/// #     correct_prediction: true,
/// #     columns: [("relation_id".to_owned(), relation.to_owned())].into(),
/// #     ..CaseRecord::default()
/// # };
/// # let cell = |case: &str, value| Row {
/// #     case: case.into(),
/// #     site: "resid_post".into(),
/// #     layer: Some(3),
/// #     metric: "prob".into(),
/// #     value: Some(value),
/// #     ..Row::default()
/// # };
/// # let results = Results {
/// #     request: ().into(),
/// #     environment: ().into(),
/// #     cost: None,
/// #     finished: Progress { passes: 1, of: 1 },
/// #     cases: vec![case("0", "P36"), case("1", "P36"), case("2", "P19")],
/// #     rows: vec![cell("0", 0.25), cell("1", 0.5), cell("2", 0.75)],
/// # };
/// let by_relation = group_by(&results, &["relation_id", "layer"])?;
/// assert_eq!(by_relation.columns, ["relation_id", "layer", "metric"]);
/// let first = &by_relation.groups[0];
/// assert_eq!(first.keys[0], Some(Key::Text("P36".into())));
/// assert_eq!((first.numbers.value, first.numbers.n), (0.375, 2));
///
/// let error = group_by(&results, &["relation"]).unwrap_err();
/// assert!(error.to_string().contains("the nearest are relation_id, "));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ResultsError::NoColumn`] for a column that isn't known, with the nearest.
pub fn group_by<C: AsRef<str>>(
    results: &Results,
    columns: &[C],
) -> Result<Grouped<GroupMean>, ResultsError> {
    let by_name = averaged(&results.cases);
    let cells = results.rows.iter().filter_map(|row| {
        let (case, value) = (*by_name.get(row.case.as_str())?, row.value?);
        Some((case, value, row))
    });
    let rows = cells.clone().map(|(_, _, row)| row);
    let grouping = Grouping::new(columns, &results.cases, rows)?;
    let mut groups = Gathered::<Vec<CaseSums>>::default();
    for (case, value, row) in cells {
        sums_of(groups.of(grouping.keys(row, &results.cases[case])), case).add(value, row);
    }
    // The metric is the same in the whole group, and decides how its recovery is computed.
    let metric = grouping.names().iter().position(|name| name == "metric").unwrap_or(0);
    let groups = resampled(
        &groups.groups,
        |(_, cases)| cases.len(),
        |(keys, cases), resamples| {
            let metric = keys[metric].as_ref().map(Key::to_string).unwrap_or_default();
            Some(CellGroup { keys: keys.clone(), numbers: mean(cases, &metric, resamples)? })
        },
    );
    Ok(Grouped { columns: grouping.names(), groups })
}

fn mean(cases: &[CaseSums], metric: &str, resamples: &Resamples) -> Option<GroupMean> {
    let summary = Summary::with(&mean_of(cases, |case| case.value), resamples)?;
    let ratio = |fraction: &dyn Fn(&CaseSums) -> _| {
        let fractions: Vec<_> = cases.iter().map(fraction).collect();
        let ratio = RatioOfMeans::with(&fractions, resamples).ok();
        let (low, high) = ends(ratio.and_then(|ratio| ratio.interval));
        (ratio.map(|ratio| ratio.ratio), low, high)
    };
    let (low, high) = ends(summary.interval);
    let (recovery, recovery_low, recovery_high) = ratio(&|case| case.recovery(metric));
    let (effect, effect_low, effect_high) = ratio(&CaseSums::effect);
    Some(GroupMean {
        value: summary.mean,
        std: summary.std,
        stderr: summary.stderr,
        low,
        high,
        noise_stderr: noise_stderr(cases),
        clean: Summary::finite_mean(&mean_of(cases, |case| case.clean)),
        corrupted: Summary::finite_mean(&mean_of(cases, |case| case.corrupted)),
        recovery,
        recovery_low,
        recovery_high,
        effect,
        effect_low,
        effect_high,
        cells: cases.iter().map(|case| case.cells).sum::<f64>() as u32,
        n: summary.n as u32,
    })
}
