//! The grids of a pair's sweep: which cells there are, and what each patches.

use tracewright_ir::{Architecture, Axis, Coordinates, Intervention, Locus, RunId, Site, window};
use tracewright_results::GridAxis;

use super::prompts::FedPair;
use super::settings::{PairSettings, Per};
use crate::error::SweepError;
use crate::experiment::MOST_FORWARDS;

/// The cells of one site that are shown together: rows by columns, at one index of every other axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) site: Site,
    /// The other axes, each with its index.
    pub(crate) at: Vec<(Per, usize)>,
    pub(crate) rows: Option<Indices>,
    pub(crate) columns: Option<Indices>,
}

/// An axis with the indices that are patched one after the other.
pub(crate) type Indices = (Per, Vec<usize>);

/// All grids of a pair: sites, then the axes that have neither rows nor columns.
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
    if let Some(paths) = &settings.paths {
        paths.check(architecture)?;
    }
    if settings.window > architecture.n_layers {
        let (given, most) = (settings.window, architecture.n_layers);
        return Err(SweepError::WindowTooWide { given, most });
    }
    for site in &settings.sites {
        let axes = axes(settings, *site, fed, architecture)?;
        let cells = axes.iter().map(|(_, indices)| indices.len());
        forwards += cells.fold(1, usize::saturating_mul);
        if forwards > MOST_FORWARDS {
            return Err(SweepError::TooManyCells { forwards, most: MOST_FORWARDS });
        }
        grids.extend(of_site(*site, axes));
    }
    Ok(grids)
}

/// The axes of a site's cells.
fn axes(
    settings: &PairSettings,
    site: Site,
    fed: &FedPair,
    architecture: &Architecture,
) -> Result<Vec<Indices>, SweepError> {
    let component = site.component;
    let positions = settings.positions_of(fed)?;
    let mut axes = Vec::new();
    for per in settings.per.iter().copied() {
        let indices = match (per, component.head_axis()) {
            (Per::Position, _) => Some(positions.clone()),
            (Per::Layer, _) if !component.in_layers() => continue,
            (Per::Layer, _) => {
                Some(site.layer.map_or_else(|| (0..architecture.n_layers).collect(), |l| vec![l]))
            }
            (Per::Head, Some(axis)) => Some((0..architecture.axis_len(axis, 0)).collect()),
            (Per::Neuron, _) if component.has_neurons() => Some((0..architecture.d_mlp).collect()),
            (Per::SrcPosition, _) if component.has_sources() => {
                Some((0..fed.clean.len()).collect())
            }
            // A sender has the axes that it has.
            _ if settings.paths.is_some() => continue,
            _ => None,
        };
        let missing = || SweepError::NoAxis { site: component.name(), axis: per.name() };
        axes.push((per, indices.ok_or_else(missing)?));
    }
    Ok(axes)
}

/// Queries by keys and layers by heads as in the field's figures; otherwise layers stand across, and
/// positions down.
fn of_site(site: Site, mut axes: Vec<Indices>) -> Vec<Grid> {
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
    let grid = |at| Grid { site, at, rows: rows.clone(), columns: columns.clone() };
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
    pub(crate) fn axis(indices: Option<&Indices>) -> Option<GridAxis> {
        let (per, indices) = indices?;
        Some(GridAxis { axis: per.name().to_owned(), indices: indices.clone() })
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
        let site = Site { layer: at.layer.or(self.site.layer), ..self.site };
        let head = at.head.map_or(String::new(), |head| format!(".{head}"));
        format!("{}{head}", site.short_name())
    }

    fn cell(&self, place: impl Iterator<Item = (Per, usize)>) -> Coordinates {
        let component = self.site.component;
        let (site, layer) = (component.name().to_owned(), self.site.layer);
        let mut at = Coordinates { site, layer, ..Coordinates::default() };
        for (per, index) in self.at.iter().copied().chain(place) {
            let field = match per {
                Per::Layer => &mut at.layer,
                Per::Position => &mut at.position,
                Per::Head if component.head_axis() == Some(Axis::KvHead) => &mut at.kv_head,
                Per::Head => &mut at.head,
                Per::Neuron => &mut at.neuron,
                Per::SrcPosition => &mut at.src_position,
            };
            *field = Some(index);
        }
        at
    }

    /// Copies a run's values into a cell's place: `positions` where position isn't an axis, and a window of
    /// layers around the cell's.
    pub(crate) fn copies(
        &self,
        at: &Coordinates,
        positions: &[usize],
        architecture: &Architecture,
        width: usize,
        source: RunId,
    ) -> Vec<Intervention> {
        let Site { component, layer } = self.site;
        let n_layers = architecture.n_layers;
        let layers: Vec<Option<usize>> = match (layer, at.layer) {
            _ if !component.in_layers() => vec![None],
            (Some(layer), _) => vec![Some(layer)],
            (None, Some(centre)) => window(centre, width, n_layers).map(Some).collect(),
            (None, None) => (0..n_layers).map(Some).collect(),
        };
        let one = |index: usize| vec![index];
        let positions = at.position.map_or_else(|| positions.to_vec(), one);
        let copy = |layer| {
            let mut locus = Locus::at(Site { component, layer }).positions(positions.clone());
            locus = at.head.or(at.kv_head).into_iter().fold(locus, |l, head| l.heads([head]));
            locus = at.neuron.into_iter().fold(locus, |l, neuron| l.neurons([neuron]));
            locus = at.src_position.into_iter().fold(locus, |l, key| l.src_positions([key]));
            Intervention::copy(locus, source)
        };
        layers.into_iter().map(copy).collect()
    }
}
