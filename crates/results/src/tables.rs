//! The tables: each field of a row is a column, in its order.

use std::collections::BTreeSet;

use crate::columns::{Column, Table, column};
use crate::{Average, GroupMean, PairedDifference, Peak, RomeAverage, Row, key};

/// `cells.parquet`, and the parts.
pub(crate) fn cells() -> Table<Row> {
    let columns = vec![
        column!(Row, text case),
        column!(Row, text? corruption),
        column!(Row, text? kind),
        column!(Row, text site),
        column!(Row, id? layer),
        column!(Row, id? position),
        column!(Row, id? src_position),
        column!(Row, text? token),
        column!(Row, text? role),
        column!(Row, id? head),
        column!(Row, id? kv_head),
        column!(Row, id? neuron),
        column!(Row, text? sender),
        column!(Row, text? receiver),
        column!(Row, text metric),
        column!(Row, id? metric_position),
        column!(Row, float? value),
        column!(Row, float? clean),
        column!(Row, float? corrupted),
        column!(Row, float? base),
        column!(Row, float? source),
        column!(Row, float? recovery),
        column!(Row, float? effect),
        column!(Row, float? std),
        column!(Row, float? stderr),
        column!(Row, float? low),
        column!(Row, float? high),
        column!(Row, id n),
    ];
    Table { name: "cells", columns }
}

/// `averages.parquet`.
pub(crate) fn averages() -> Table<Average> {
    let columns = vec![
        column!(Average, text? corruption, group),
        column!(Average, text? kind, group),
        column!(Average, text site, group),
        column!(Average, id? layer, group),
        column!(Average, id? position, group),
        column!(Average, id? src_position, group),
        column!(Average, text? role, group),
        column!(Average, text? src_role, group),
        column!(Average, id? head, group),
        column!(Average, id? kv_head, group),
        column!(Average, id? neuron, group),
        column!(Average, text? sender, group),
        column!(Average, text? receiver, group),
        column!(Average, text metric, group),
        column!(Average, id? metric_position, group),
        column!(Average, float value),
        column!(Average, float? std),
        column!(Average, float? stderr),
        column!(Average, float? low),
        column!(Average, float? high),
        column!(Average, float? noise_stderr),
        column!(Average, float? clean),
        column!(Average, float? corrupted),
        column!(Average, float? recovery),
        column!(Average, float? recovery_low),
        column!(Average, float? recovery_high),
        column!(Average, text? reason),
        column!(Average, float? mean_of_ratios),
        column!(Average, id ratios),
        column!(Average, id n),
    ];
    Table { name: "averages", columns }
}

/// `rome_averages.parquet`.
pub(crate) fn rome_averages() -> Table<RomeAverage> {
    let columns = vec![
        column!(RomeAverage, text kind),
        column!(RomeAverage, text site),
        column!(RomeAverage, text metric),
        column!(RomeAverage, text role),
        column!(RomeAverage, id layer),
        column!(RomeAverage, float value),
        column!(RomeAverage, float? std),
        column!(RomeAverage, float? stderr),
        column!(RomeAverage, float? low),
        column!(RomeAverage, float? high),
        column!(RomeAverage, float clean),
        column!(RomeAverage, float corrupted),
        column!(RomeAverage, float effect),
        column!(RomeAverage, float? effect_low),
        column!(RomeAverage, float? effect_high),
        column!(RomeAverage, id n),
        column!(RomeAverage, id cases),
    ];
    Table { name: "rome_averages", columns }
}

/// `peaks.parquet`.
pub(crate) fn peaks() -> Table<Peak> {
    let within =
        |column: Column<Row>| column.within(|peak: &Peak| &peak.cell, |peak| &mut peak.cell);
    let mut columns: Vec<_> = cells().columns.into_iter().map(within).collect();
    columns.extend([column!(Peak, id rank), column!(Peak, id rank_in_component)]);
    Table { name: "peaks", columns }
}

/// The numbers of a group of cells.
pub(crate) fn group_means() -> Vec<Column<GroupMean>> {
    vec![
        column!(GroupMean, float value),
        column!(GroupMean, float? std),
        column!(GroupMean, float? stderr),
        column!(GroupMean, float? low),
        column!(GroupMean, float? high),
        column!(GroupMean, float? noise_stderr),
        column!(GroupMean, float? clean),
        column!(GroupMean, float? corrupted),
        column!(GroupMean, float? recovery),
        column!(GroupMean, float? recovery_low),
        column!(GroupMean, float? recovery_high),
        column!(GroupMean, float? effect),
        column!(GroupMean, float? effect_low),
        column!(GroupMean, float? effect_high),
        column!(GroupMean, id cells),
        column!(GroupMean, id n),
    ]
}

/// The numbers of a group of pairs of cells.
pub(crate) fn paired_differences() -> Vec<Column<PairedDifference>> {
    vec![
        column!(PairedDifference, float? a),
        column!(PairedDifference, float? b),
        column!(PairedDifference, float? difference),
        column!(PairedDifference, float? std),
        column!(PairedDifference, float? stderr),
        column!(PairedDifference, float? low),
        column!(PairedDifference, float? high),
        column!(PairedDifference, id n),
        column!(PairedDifference, id cells),
        column!(PairedDifference, id only_a),
        column!(PairedDifference, id only_b),
    ]
}

/// The names of all columns that groups of cells have in a file.
pub(crate) fn column_names() -> BTreeSet<String> {
    let cells = cells().columns.into_iter().map(|column| column.name);
    let means = group_means().into_iter().map(|column| column.name);
    let differences = paired_differences().into_iter().map(|column| column.name);
    cells.chain(means).chain(differences).chain([key::SRC_ROLE.to_owned()]).collect()
}
