//! Values that are read of every run, as arrays.

use tracewright_engine::Outcome;
use tracewright_ir::{Architecture, Cell, Locus, Reading, RunId, State, Sweep};
use tracewright_results::Array;

use super::settings::PairSettings;
use super::target::Member;
use crate::error::SweepError;

/// More numbers than this are refused: an array of each run's would fill the memory.
const MOST: usize = 1 << 28;

/// What is read.
pub(crate) struct Readings {
    sites: Vec<Member>,
    /// The named base and source.
    ends: [Option<RunId>; 2],
}

/// Adds the readings of the settings' sites to a sweep: of every measured run, site by site.
pub(crate) fn read(
    settings: &PairSettings,
    architecture: &Architecture,
    (appended, ends): (usize, [Option<RunId>; 2]),
    sweep: &mut Sweep,
) -> Result<Readings, SweepError> {
    let mut sites = Vec::new();
    for target in &settings.read {
        for member in target.members(architecture)? {
            sites.extend(member.in_each_layer(architecture));
        }
    }
    let (mut readings, mut numbers) = (Vec::new(), 0);
    for run in &sweep.request.measured {
        let len = sweep.request.tokens(*run)?.len();
        for member in &sites {
            let mut locus = Locus::at(member.site);
            if appended > 0 {
                // Loci speak of the prompt alone.
                locus = locus.positions(0..len - appended);
                if member.site.component.has_sources() {
                    locus = locus.src_positions(0..len - appended);
                }
            }
            locus = member.head.into_iter().fold(locus, |locus, head| locus.heads([head]));
            numbers += locus.count(architecture, len);
            readings.push(Reading { run: *run, locus, state: State::Left });
        }
    }
    if numbers > MOST {
        return Err(SweepError::TooMuchRead { numbers, most: MOST });
    }
    sweep.request.readings = readings;
    Ok(Readings { sites, ends })
}

impl Readings {
    /// For each site an array of the clean run's values, of a named base's and source's, of the corrupted
    /// runs' `[samples, …]`, and of the cells' `[cells, samples, …]`, NaN for cells without a run.
    pub(crate) fn arrays(
        &self,
        sweep: &Sweep,
        outcome: &Outcome,
    ) -> Result<Vec<(String, Array)>, SweepError> {
        let mut arrays = Vec::new();
        let place = |run: &RunId| sweep.request.measured.binary_search(run).unwrap_or_default();
        for (index, site) in self.sites.iter().enumerate() {
            let value = |run: &RunId| &outcome.readings[place(run) * self.sites.len() + index];
            let mut push = |name: &str, shape: &[usize], data: Vec<f32>| {
                let array = Array::new(shape, data)?;
                arrays.push((format!("{name}.{site}"), array));
                Ok::<(), SweepError>(())
            };
            let floats = |run: &RunId| value(run).data.iter().map(|x| *x as f32);
            let clean = &sweep.clean[0];
            push("clean", &value(clean).shape, floats(clean).collect())?;
            let corrupted = &sweep.corrupted;
            let shape = [&[corrupted.len()], &value(&corrupted[0]).shape[..]].concat();
            push("corrupted", &shape, corrupted.iter().flat_map(floats).collect())?;
            // Named runs that are patched or read.
            for (name, run) in [("base", self.ends[0]), ("source", self.ends[1])] {
                if let Some(run) = &run {
                    push(name, &value(run).shape, floats(run).collect())?;
                }
            }
            let patched = sweep.cells.iter().find(|cell| !cell.runs.is_empty());
            let Some(Cell { runs, .. }) = patched else { continue };
            let (shape, samples) = (&value(&runs[0]).shape, runs.len());
            let len: usize = shape.iter().product();
            let mut data = Vec::with_capacity(sweep.cells.len() * samples * len);
            for cell in &sweep.cells {
                match cell.runs.is_empty() {
                    true => data.extend(std::iter::repeat_n(f32::NAN, samples * len)),
                    false => data.extend(cell.runs.iter().flat_map(floats)),
                }
            }
            let shape = [&[sweep.cells.len(), samples], &shape[..]].concat();
            push("cells", &shape, data)?;
        }
        Ok(arrays)
    }
}
