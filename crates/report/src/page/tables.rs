//! The tables of results as cells of grids.

use tracewright_results::{
    Average, CellGroup, Grouped, Key, PairedDifference, PeakSpread, RomeAverage, Row,
};

use super::grid::Cell;

/// The numbers of a case's cells.
pub(super) const OF_ROWS: [&str; 11] = [
    "value",
    "recovery",
    "effect",
    "clean",
    "corrupted",
    "base",
    "source",
    "std",
    "low",
    "high",
    "n",
];
/// The numbers of averages over cases.
pub(super) const OF_AVERAGES: [&str; 15] = [
    "value",
    "recovery",
    "effect",
    "clean",
    "corrupted",
    "std",
    "stderr",
    "low",
    "high",
    "noise_stderr",
    "recovery_low",
    "recovery_high",
    "effect_low",
    "effect_high",
    "n",
];
/// The numbers of ROME's averages.
pub(super) const OF_ROME: [&str; 11] = [
    "effect",
    "value",
    "clean",
    "corrupted",
    "std",
    "stderr",
    "low",
    "high",
    "effect_low",
    "effect_high",
    "n",
];
/// The numbers of peaks.
pub(super) const OF_PEAKS: [&str; 1] = ["cases"];
/// The numbers of two runs' differences, in pairs.
pub(super) const OF_DIFFERENCES: [&str; 6] = ["difference", "std", "stderr", "low", "high", "n"];

fn number(key: Option<u32>) -> Option<Key> {
    key.map(Key::Number)
}

fn text(key: &Option<String>) -> Option<Key> {
    key.clone().map(Key::Text)
}

/// One cell of a case.
pub(super) fn of_row(row: &Row) -> Cell {
    Cell {
        facets: vec![
            ("corruption", row.corruption.clone()),
            ("kind", row.kind.clone()),
            ("site", Some(row.site.clone())),
            ("metric", Some(row.metric.clone())),
            ("metric_position", row.metric_position.map(|position| position.to_string())),
        ],
        place: vec![
            ("layer", number(row.layer)),
            ("position", number(row.position)),
            ("src_position", number(row.src_position)),
            ("head", number(row.head)),
            ("kv_head", number(row.kv_head)),
            ("neuron", number(row.neuron)),
            ("sender", text(&row.sender)),
            ("receiver", text(&row.receiver)),
        ],
        numbers: vec![
            row.value,
            row.recovery,
            row.effect,
            row.clean,
            row.corrupted,
            row.base,
            row.source,
            row.std,
            row.low,
            row.high,
            Some(f64::from(row.n)),
        ],
    }
}

/// A cell of the averages over cases; where corrupted values were put into the clean run, its effect is what isn't
/// recovered.
pub(super) fn of_average(average: &Average, noised: bool) -> Cell {
    let group = &average.group;
    let effect = |recovery: Option<f64>| recovery.filter(|_| noised).map(|recovery| 1.0 - recovery);
    Cell {
        facets: vec![
            ("statistics", Some("averages of cells".to_owned())),
            ("corruption", group.corruption.clone()),
            ("kind", group.kind.clone()),
            ("site", Some(group.site.clone())),
            ("metric", Some(group.metric.clone())),
            ("metric_position", group.metric_position.map(|position| position.to_string())),
        ],
        place: vec![
            ("layer", number(group.layer)),
            ("position", number(group.position)),
            ("role", text(&group.role)),
            ("src_position", number(group.src_position)),
            ("src_role", text(&group.src_role)),
            ("head", number(group.head)),
            ("kv_head", number(group.kv_head)),
            ("neuron", number(group.neuron)),
            ("sender", text(&group.sender)),
            ("receiver", text(&group.receiver)),
        ],
        numbers: vec![
            Some(average.value),
            average.recovery,
            effect(average.recovery),
            average.clean,
            average.corrupted,
            average.std,
            average.stderr,
            average.low,
            average.high,
            average.noise_stderr,
            average.recovery_low,
            average.recovery_high,
            effect(average.recovery_high),
            effect(average.recovery_low),
            Some(f64::from(average.n)),
        ],
    }
}

/// A cell of ROME's averages.
pub(super) fn of_rome(average: &RomeAverage) -> Cell {
    Cell {
        facets: vec![
            ("statistics", Some("ROME's classes of tokens".to_owned())),
            ("kind", Some(average.kind.clone())),
            ("site", Some(average.site.clone())),
            ("metric", Some(average.metric.clone())),
        ],
        place: vec![
            ("layer", Some(Key::Number(average.layer))),
            ("role", Some(Key::Text(average.role.clone()))),
        ],
        numbers: vec![
            Some(average.effect),
            Some(average.value),
            Some(average.clean),
            Some(average.corrupted),
            average.std,
            average.stderr,
            average.low,
            average.high,
            average.effect_low,
            average.effect_high,
            Some(f64::from(average.n)),
        ],
    }
}

/// How many cases have their peak in each of the layers up to `last`.
pub(super) fn of_peaks(spread: &PeakSpread, last: u32) -> Vec<Cell> {
    let tokens = spread.role.clone().unwrap_or_else(|| "any token".to_owned());
    let cell = |layer: u32| Cell {
        facets: vec![
            ("statistics", Some("layers of the peaks".to_owned())),
            ("corruption", spread.corruption.clone()),
            ("kind", spread.kind.clone()),
            ("site", Some(spread.site.clone())),
            ("metric", Some(spread.metric.clone())),
            ("metric_position", spread.metric_position.map(|position| position.to_string())),
            ("tokens", Some(tokens.clone())),
        ],
        place: vec![("layer", Some(Key::Number(layer))), ("receiver", text(&spread.receiver))],
        numbers: vec![Some(spread.layers.get(&layer).copied().map_or(0.0, f64::from))],
    };
    (0..=last).filter(|_| !spread.layers.is_empty()).map(cell).collect()
}

/// Differences in pairs, with the facets that averages have, so that the two can be found together.
pub(super) fn of_differences(groups: &Grouped<PairedDifference>) -> Vec<Cell> {
    let cell = |group: &CellGroup<PairedDifference>| {
        let key = |name: &str| {
            let place = groups.columns.iter().position(|column| column == name)?;
            group.keys.get(place)?.clone()
        };
        let facet = |name: &'static str| (name, key(name).map(|key| key.to_string()));
        let axis = |name: &'static str| (name, key(name));
        let facets = ["corruption", "kind", "site", "metric", "metric_position"].map(facet);
        let axes = [
            "layer",
            "position",
            "role",
            "src_position",
            "src_role",
            "head",
            "kv_head",
            "neuron",
            "sender",
            "receiver",
        ];
        let numbers = &group.numbers;
        Cell {
            facets: facets.into_iter().collect(),
            place: axes.map(axis).into_iter().collect(),
            numbers: vec![
                numbers.difference,
                numbers.std,
                numbers.stderr,
                numbers.low,
                numbers.high,
                Some(f64::from(numbers.n)),
            ],
        }
    };
    groups.groups.iter().map(cell).collect()
}
