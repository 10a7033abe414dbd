//! The grids of a pair's sweep: which cells there are, and what each patches.

use tracewright_ir::{Architecture, Axis, Component, Coordinates, window};
use tracewright_results::GridAxis;

use super::prompts::FedPair;
use super::settings::{PairSettings, Per};
use super::target::{Member, Target};
use crate::error::SweepError;
use crate::experiment::MOST_FORWARDS;

/// The cells of one target that are shown together: rows by columns, at one index of every other axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) members: Vec<Member>,
    /// The other axes, each with its index.
    pub(crate) at: Vec<(Per, usize)>,
    pub(crate) rows: Option<Indices>,
    pub(crate) columns: Option<Indices>,
}

/// An axis with the indices that are patched one after the other.
pub(crate) type Indices = (Per, Vec<usize>);

/// All grids of a pair: targets, then the axes that have neither rows nor columns.
///
/// # Errors
///
/// An axis that a site hasn't got, positions that the prompts haven't got, more cells than can be kept
/// track of.
pub(crate) fn grids(
    settings: &PairSettings,
    fed: &FedPair,
    architecture: &Architecture,
) -> Result<Vec<Grid>, SweepError> {
    let mut grids = Vec::new();
    let mut forwards = 2;
    if settings.window > architecture.n_layers {
        let (given, most) = (settings.window, architecture.n_layers);
        return Err(SweepError::WindowTooWide { given, most });
    }
    for target in &settings.sites {
        let members = target.members(architecture)?;
        let axes = axes(settings, &members, fed, architecture)?;
        let cells = axes.iter().map(|(_, indices)| indices.len()).fold(1, usize::saturating_mul);
        forwards += cells.saturating_mul(fed.samples());
        if forwards > MOST_FORWARDS {
            return Err(SweepError::TooManyCells { forwards, most: MOST_FORWARDS });
        }
        grids.extend(of_target(&members, axes));
    }
    Ok(grids)
}

/// The axes of a target's cells.
fn axes(
    settings: &PairSettings,
    members: &[Member],
    fed: &FedPair,
    architecture: &Architecture,
) -> Result<Vec<Indices>, SweepError> {
    let mut axes = Vec::new();
    for per in settings.per.iter().copied() {
        let name = Target::of(members).0;
        match indices(settings, per, members, fed, architecture)? {
            Some(indices) => axes.push((per, indices)),
            // What has no layers stands in none; a sender has the axes that it has.
            None if per == Per::Layer && !members.iter().any(in_layers) => {}
            None if settings.paths.is_some() => {}
            None => return Err(SweepError::NoAxis { site: name, axis: per.name() }),
        }
    }
    Ok(axes)
}

fn in_layers(member: &Member) -> bool {
    member.site.component.in_layers()
}

/// The indices of an axis that all members have.
fn indices(
    settings: &PairSettings,
    per: Per,
    members: &[Member],
    fed: &FedPair,
    architecture: &Architecture,
) -> Result<Option<Vec<usize>>, SweepError> {
    let all = |has: fn(Component) -> bool| members.iter().all(|m| has(m.site.component));
    match per {
        Per::Position => settings.positions_of(fed).map(Some),
        Per::Layer => match members {
            [Member { site, .. }] if site.layer.is_some() => {
                Ok(site.layer.map(|layer| vec![layer]))
            }
            _ if members.iter().any(|m| in_layers(m) && m.site.layer.is_none()) => {
                settings.selected(Per::Layer, architecture.n_layers).map(Some)
            }
            _ => Ok(None),
        },
        Per::Head => {
            let len = |member: &Member| {
                let axis = member.site.component.head_axis()?;
                member.head.is_none().then(|| architecture.axis_len(axis, 0))
            };
            let lens: Option<Vec<usize>> = members.iter().map(len).collect();
            match lens.as_deref() {
                Some([first, others @ ..]) if others.iter().all(|len| len == first) => {
                    settings.selected(Per::Head, *first).map(Some)
                }
                _ => Ok(None),
            }
        }
        Per::Neuron if all(Component::has_neurons) => {
            settings.selected(Per::Neuron, architecture.d_mlp).map(Some)
        }
        Per::SrcPosition if all(Component::has_sources) => {
            settings.selected(Per::SrcPosition, fed.clean.len()).map(Some)
        }
        Per::Neuron | Per::SrcPosition => Ok(None),
    }
}

/// Queries by keys and layers by heads as in the field's figures; otherwise layers stand across, and
/// positions down.
fn of_target(members: &[Member], mut axes: Vec<Indices>) -> Vec<Grid> {
    let has = |per| axes.iter().any(|(axis, _)| *axis == per);
    let orders: [&[Per]; 2] = if has(Per::Position) && has(Per::SrcPosition) {
        [&[Per::Position], &[Per::SrcPosition]]
    } else if has(Per::Layer) && has(Per::Head) {
        [&[Per::Layer], &[Per::Head]]
    } else {
        let rows = &[Per::Position, Per::SrcPosition, Per::Neuron];
        [rows, &[Per::Layer, Per::Head, Per::Neuron]]
    };
    let mut take = |order: &[Per]| {
        let found = order.iter().find_map(|per| axes.iter().position(|(axis, _)| axis == per));
        found.map(|index| axes.remove(index))
    };
    let columns = take(orders[1]);
    let rows = take(orders[0]);
    let mut places: Vec<Vec<(Per, usize)>> = vec![Vec::new()];
    for (per, indices) in axes {
        let with = |place: &Vec<(Per, usize)>, index: &usize| {
            place.iter().copied().chain([(per, *index)]).collect()
        };
        places =
            places.iter().flat_map(|p| indices.iter().map(move |index| with(p, index))).collect();
    }
    let grid =
        |at| Grid { members: members.to_vec(), at, rows: rows.clone(), columns: columns.clone() };
    places.into_iter().map(grid).collect()
}

impl Grid {
    /// How many cells a row has.
    pub(crate) fn across(&self) -> usize {
        self.columns.as_ref().map_or(1, |(_, indices)| indices.len())
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.across() * self.rows.as_ref().map_or(1, |(_, indices)| indices.len())
    }

    /// The axis of rows or columns as it is recorded.
    pub(crate) fn axis(&self, indices: Option<&Indices>) -> Option<GridAxis> {
        let (per, indices) = indices?;
        Some(GridAxis { axis: self.axis_name(*per).to_owned(), indices: indices.clone() })
    }

    /// What an axis is called in the tables: heads of keys and values have a column of their own.
    pub(crate) fn axis_name(&self, per: Per) -> &'static str {
        match per {
            Per::Head if self.has_shared_heads() => "kv_head",
            per => per.name(),
        }
    }

    /// Whether the target's heads are key/value heads.
    fn has_shared_heads(&self) -> bool {
        let shared = |member: &Member| member.site.component.head_axis() == Some(Axis::KvHead);
        self.members.iter().all(shared)
    }

    /// The cells' places, row by row.
    pub(crate) fn cells(&self, settings: &PairSettings) -> Vec<Coordinates> {
        let along = |axis: &Option<Indices>| -> Vec<Option<(Per, usize)>> {
            match axis {
                Some((per, indices)) => indices.iter().map(|index| Some((*per, *index))).collect(),
                None => vec![None],
            }
        };
        let (rows, columns) = (along(&self.rows), along(&self.columns));
        let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| [*row, *column]));
        let cell = |place: [Option<(Per, usize)>; 2]| {
            let mut at = self.cell(place.into_iter().flatten());
            if let Some(paths) = &settings.paths {
                at.sender = Some(self.sender(&at));
                at.receiver = Some(paths.names().join(","));
            }
            at
        };
        pairs.map(cell).collect()
    }

    /// A sender as the program's flag writes it: `z@9.6`.
    fn sender(&self, at: &Coordinates) -> String {
        let in_cell = |member: &Member| {
            let mut member = *member;
            member.site.layer = member.site.layer.or(at.layer.filter(|_| in_layers(&member)));
            member.head = member.head.or(at.head);
            member
        };
        Target::of(&self.members.iter().map(in_cell).collect::<Vec<_>>()).0
    }

    /// The target as it is recorded.
    pub(crate) fn name(&self) -> String {
        Target::of(&self.members).0
    }

    fn cell(&self, place: impl Iterator<Item = (Per, usize)>) -> Coordinates {
        let mut at = match self.members.as_slice() {
            [Member { site, head }] => {
                let (site, layer, head) = (site.component.name().to_owned(), site.layer, *head);
                let mut at = Coordinates { site, layer, ..Coordinates::default() };
                *self.head(&mut at) = head;
                at
            }
            _ => Coordinates { site: self.name(), ..Coordinates::default() },
        };
        for (per, index) in self.at.iter().copied().chain(place) {
            let field = match per {
                Per::Layer => &mut at.layer,
                Per::Position => &mut at.position,
                Per::Head => self.head(&mut at),
                Per::Neuron => &mut at.neuron,
                Per::SrcPosition => &mut at.src_position,
            };
            *field = Some(index);
        }
        at
    }

    /// The column of the target's heads.
    fn head<'c>(&self, at: &'c mut Coordinates) -> &'c mut Option<usize> {
        if self.has_shared_heads() { &mut at.kv_head } else { &mut at.head }
    }

    /// The layers that a cell patches of a member: its own, a window around the cell's, or all selected.
    pub(crate) fn layers(
        member: &Member,
        at: &Coordinates,
        width: usize,
        selected: &[usize],
        n_layers: usize,
    ) -> Vec<Option<usize>> {
        match (member.site.layer, at.layer) {
            _ if !in_layers(member) => vec![None],
            (Some(layer), _) => vec![Some(layer)],
            (None, Some(centre)) => window(centre, width, n_layers).map(Some).collect(),
            (None, None) => selected.iter().copied().map(Some).collect(),
        }
    }
}
