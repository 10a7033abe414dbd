//! What a cell is, as opposed to what was measured there.

use crate::Row;

/// Everything that says what a cell is. Two runs' cells with equal places are the same
/// measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<'a> {
    case: &'a str,
    corruption: Option<&'a str>,
    kind: Option<&'a str>,
    site: &'a str,
    layer: Option<u32>,
    position: Option<u32>,
    src_position: Option<u32>,
    /// Another token at the same position is another place.
    token: Option<&'a str>,
    role: Option<&'a str>,
    head: Option<u32>,
    kv_head: Option<u32>,
    neuron: Option<u32>,
    sender: Option<&'a str>,
    receiver: Option<&'a str>,
    metric: &'a str,
    metric_position: Option<u32>,
}

impl<'a> Place<'a> {
    pub(crate) fn of(row: &'a Row) -> Self {
        Self {
            case: &row.case,
            corruption: row.corruption.as_deref(),
            kind: row.kind.as_deref(),
            site: &row.site,
            layer: row.layer,
            position: row.position,
            src_position: row.src_position,
            token: row.token.as_deref(),
            role: row.role.as_deref(),
            head: row.head,
            kv_head: row.kv_head,
            neuron: row.neuron,
            sender: row.sender.as_deref(),
            receiver: row.receiver.as_deref(),
            metric: &row.metric,
            metric_position: row.metric_position,
        }
    }
}
