//! What a job has to do: units of cases, what they take, and their order.

use std::collections::BTreeMap;
use std::ops::Range;

use tracewright_ir::plan::Planner;
use tracewright_ir::{Architecture, Sweep};

use crate::error::SweepError;
use crate::experiment::Experiment;

/// The units of a sweep, each of which becomes a part of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The cases of each unit.
    pub(crate) units: Vec<Range<usize>>,
    /// Floating point operations that each is planned to take.
    pub(crate) flops: Vec<u64>,
}

impl Work {
    /// What units of an experiment take. Cases of one shape are planned once; the only unit of a sweep isn't,
    /// as it says itself what it takes when it begins.
    ///
    /// # Errors
    ///
    /// What rehearsing a case gives.
    pub(crate) fn of(
        experiment: &dyn Experiment,
        units: Vec<Range<usize>>,
    ) -> Result<Self, SweepError> {
        if units.len() < 2 {
            return Ok(Self { flops: vec![0; units.len()], units });
        }
        let mut known = BTreeMap::new();
        let mut flops = Vec::with_capacity(units.len());
        for unit in &units {
            let mut sum = 0;
            for case in unit.clone() {
                let shape = experiment.shape(case);
                sum += match known.get(&shape) {
                    Some(flops) => *flops,
                    None => *known.entry(shape).or_insert(experiment.flops(case)?),
                };
            }
            flops.push(sum);
        }
        Ok(Self { units, flops })
    }

    /// The units, the most work first: so devices that share them end at nearly the same time, and what takes
    /// the most memory fails first if it does.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        order.sort_by_key(|unit| std::cmp::Reverse(self.flops[*unit]));
        order
    }
}

/// The operations that a sweep is planned to take in a single pass.
///
/// # Errors
///
/// A request that doesn't fit the model.
pub(crate) fn planned(sweep: &Sweep, architecture: &Architecture) -> Result<u64, SweepError> {
    let requests = [&sweep.request];
    let planner = Planner::new(&requests, architecture)?;
    Ok(planner.cost(&planner.passes(u64::MAX)?).flops)
}
