//! What a cell's patch does: its interventions.

use tracewright_ir::{
    Architecture, Coordinates, Direction, Intervention, Locus, Request, Run, RunId, Selection, Site,
};

use super::grid::Grid;
use super::numbers::Numbers;
use super::prompts::FedPair;
use super::settings::{PairSettings, Per};
use super::target::Member;
use crate::error::SweepError;

/// The patches of one pair.
pub(crate) struct Patching<'a> {
    settings: &'a PairSettings,
    fed: &'a FedPair,
    architecture: &'a Architecture,
    numbers: &'a Numbers,
    /// The positions that are patched together, of the clean prompt.
    positions: Vec<usize>,
    layers: Vec<usize>,
    /// The positions at which metrics are read.
    read_at: Vec<usize>,
    /// What is left alone.
    except: Vec<Member>,
}

impl<'a> Patching<'a> {
    pub(crate) fn new(
        settings: &'a PairSettings,
        fed: &'a FedPair,
        architecture: &'a Architecture,
        numbers: &'a Numbers,
    ) -> Result<Self, SweepError> {
        let except = settings.except.iter().map(|target| target.members(architecture));
        Ok(Self {
            settings,
            fed,
            architecture,
            numbers,
            positions: settings.positions_of(fed)?,
            read_at: settings.measured_at(fed)?.unwrap_or_else(|| vec![fed.clean.len() - 1]),
            layers: settings.selected(Per::Layer, architecture.n_layers)?,
            except: except.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
        })
    }

    /// Adds the run of a cell; none for one without a place in both prompts, or without a path.
    pub(super) fn run(
        &self,
        grid: &Grid,
        at: &Coordinates,
        (base, source): (RunId, RunId),
        request: &mut Request,
    ) -> Result<Option<RunId>, SweepError> {
        // Cells of keys that a position doesn't see don't exist.
        if let (Some(position), Some(key)) = (at.position, at.src_position) {
            let (width, n_layers) = (self.settings.window, self.architecture.n_layers);
            let layers = |member| Grid::layers(member, at, width, &self.layers, n_layers);
            let sees = |layer: usize| self.architecture.keys(layer, position).contains(&key);
            let mut layers = grid.members.iter().flat_map(layers).flatten();
            if !layers.any(sees) {
                return Ok(None);
            }
        }
        let changes = self.changes(grid, at, source)?;
        if changes.is_empty() {
            return Ok(None);
        }
        Ok(match &self.settings.paths {
            Some(paths) => {
                let of = (self.architecture, &self.read_at[..]);
                paths.push(request, base, at, changes, of)
            }
            None => Some(request.push(Run::variant(at.site.clone(), base, changes))),
        })
    }

    /// The interventions of a cell on its base, with what they read of `source`; none where the prompts have
    /// no such positions in common, or where nothing is left of the cell.
    ///
    /// # Errors
    ///
    /// Numbers that don't fit, heads and neurons that aren't there.
    fn changes(
        &self,
        grid: &Grid,
        at: &Coordinates,
        source: RunId,
    ) -> Result<Vec<Intervention>, SweepError> {
        let mut changes = Vec::new();
        for member in &grid.members {
            let (width, n_layers) = (self.settings.window, self.architecture.n_layers);
            for layer in Grid::layers(member, at, width, &self.layers, n_layers) {
                let site = Site { layer, ..member.site };
                if let Some((locus, from)) = self.locus(site, member.head, at)? {
                    changes.push(self.change(locus, (source, from))?);
                }
            }
        }
        Ok(changes)
    }

    fn change(
        &self,
        locus: Locus,
        source: (RunId, Option<Locus>),
    ) -> Result<Intervention, SweepError> {
        let Self { settings, fed, architecture, numbers, .. } = self;
        let len = fed.len_of(settings.direction == Direction::Denoise);
        let mean = |locus: &Locus| numbers.means.at(locus, fed, architecture);
        settings.change.at(locus, source, (architecture, len), &numbers.vectors, mean)
    }

    /// A cell's place at a site in the run that is changed, and where that is in the other run if elsewhere.
    fn locus(
        &self,
        site: Site,
        head: Option<usize>,
        at: &Coordinates,
    ) -> Result<Option<(Locus, Option<Locus>)>, SweepError> {
        let positions = at.position.map_or_else(|| self.positions.clone(), |one| vec![one]);
        let paired = positions.into_iter().filter_map(|p| Some((p, self.fed.partners[p]?)));
        let (clean, corrupted): (Vec<usize>, Vec<usize>) = paired.unzip();
        let Some(narrowed) = self.narrowed(site, head, at)? else { return Ok(None) };
        if clean.is_empty() {
            return Ok(None);
        }
        let same = clean == corrupted && self.fed.aligned();
        let [clean, corrupted] = [clean, corrupted].map(|p| narrowed.clone().positions(p));
        let (locus, from) = match self.settings.direction {
            Direction::Denoise => (corrupted, clean),
            Direction::Noise => (clean, corrupted),
        };
        if !same && site.component.has_sources() && self.settings.change.reads_a_run() {
            return Err(SweepError::CellsOfUnequal { site: site.short_name() });
        }
        Ok(Some((locus, Some(from).filter(|_| !same))))
    }

    /// The heads, neurons and keys of a cell; none where all of them are excepted.
    fn narrowed(
        &self,
        site: Site,
        head: Option<usize>,
        at: &Coordinates,
    ) -> Result<Option<Locus>, SweepError> {
        let component = site.component;
        let mut locus = Locus::at(site);
        let excepted = |head: Option<usize>| {
            let member = Member { site, head };
            self.except.iter().any(|other| other.overlaps(&member))
        };
        let Some(axis) = component.head_axis() else {
            let left = !excepted(None);
            return if left { self.within(locus, at).map(Some) } else { Ok(None) };
        };
        let len = self.architecture.axis_len(axis, 0);
        let heads = match head.or(at.head).or(at.kv_head) {
            Some(head) => vec![head],
            None => self.settings.selected(Per::Head, len)?,
        };
        let left: Vec<usize> = heads.into_iter().filter(|head| !excepted(Some(*head))).collect();
        match left.len() {
            0 => return Ok(None),
            all if all == len => {}
            _ => locus.heads = Selection::only(left),
        }
        self.within(locus, at).map(Some)
    }

    /// The neurons and keys of a cell.
    fn within(&self, mut locus: Locus, at: &Coordinates) -> Result<Locus, SweepError> {
        let component = locus.site.component;
        if component.has_neurons() {
            locus.neurons = self.chosen(at.neuron, Per::Neuron, self.architecture.d_mlp)?;
        }
        if component.has_sources() {
            let len = self.fed.clean.len();
            locus.src_positions = self.chosen(at.src_position, Per::SrcPosition, len)?;
        }
        Ok(locus)
    }

    fn chosen(
        &self,
        of_cell: Option<usize>,
        per: Per,
        len: usize,
    ) -> Result<Selection, SweepError> {
        Ok(match (of_cell, self.settings.selection(per)) {
            (Some(index), _) => Selection::only([index]),
            (None, None) => Selection::All,
            (None, Some(_)) => Selection::only(self.settings.selected(per, len)?),
        })
    }
}
