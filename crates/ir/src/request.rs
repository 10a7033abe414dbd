//! The request that an executor takes, and its validation.

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::component::{Axis, Component};
use crate::error::IrError;
use crate::intervention::{Array, Intervention, Operation, Source, State, Value};
use crate::locus::Locus;
use crate::metric::{Measure, Metric};
use crate::run::{Origin, Run, RunId};
use crate::site::Site;

/// Runs and what is to be known of them: plain data, the one input of every executor.
///
/// A run's base and its sources have smaller ids than the run itself, so there are no cycles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// All runs and variants.
    pub runs: Vec<Run>,
    /// The metrics.
    pub measures: Vec<Measure>,
    /// The runs on which every metric is measured.
    pub measured: Vec<RunId>,
    /// The values that are given back.
    pub readings: Vec<Reading>,
}

/// A locus of a run whose values are given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The run.
    pub run: RunId,
    /// Where.
    pub locus: Locus,
    /// Before or after the run's own interventions there.
    #[serde(default)]
    pub state: State,
}

impl Request {
    /// Adds a run and returns its id.
    pub fn push(&mut self, run: Run) -> RunId {
        self.runs.push(run);
        RunId(self.runs.len() - 1)
    }

    /// The tokens of a run: its own, or those of the run that it comes from.
    ///
    /// # Errors
    ///
    /// [`IrError::NoSuchRun`] and [`IrError::LaterRun`], which a checked request can't give.
    pub fn tokens(&self, run: RunId) -> Result<&[u32], IrError> {
        let mut at = run;
        loop {
            match &self.runs.get(at.0).ok_or(IrError::NoSuchRun { run: at })?.origin {
                Origin::Tokens(ids) => return Ok(ids),
                Origin::Base(base) if base.0 < at.0 => at = *base,
                Origin::Base(base) => return Err(IrError::LaterRun { run: at, needs: *base }),
            }
        }
    }

    /// The run that a variant comes from; none for a run of tokens.
    pub fn base(&self, run: RunId) -> Option<RunId> {
        match self.runs.get(run.0)?.origin {
            Origin::Base(base) => Some(base),
            Origin::Tokens(_) => None,
        }
    }

    /// Every intervention of a run, those of its bases first.
    pub fn interventions(&self, run: RunId) -> Vec<&Intervention> {
        let mut chain = vec![];
        let mut at = Some(run);
        while let Some(run) = at.and_then(|id| self.runs.get(id.0)) {
            chain.push(run);
            at = match run.origin {
                Origin::Base(base) if at.is_some_and(|id| base < id) => Some(base),
                _ => None,
            };
        }
        chain.iter().rev().flat_map(|run| &run.interventions).collect()
    }

    /// The position at which a measure reads a run of `len` tokens.
    pub fn position(measure: &Measure, len: usize) -> usize {
        measure.position.unwrap_or(len.saturating_sub(1))
    }

    /// Fails where a model of this shape can't answer the request.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: tokens the model hasn't got, a locus that doesn't exist in
    /// its run, a base or source that comes later or whose value has another shape, a metric that
    /// reads a token or a position that isn't there.
    pub fn check(&self, architecture: &Architecture) -> Result<(), IrError> {
        for id in (0..self.runs.len()).map(RunId) {
            self.check_run(id, architecture)
                .map_err(|error| error.in_run(&self.runs[id.0].name))?;
        }
        for id in &self.measured {
            let len = self.tokens(*id)?.len();
            let check = |measure| self.check_measure(measure, len, architecture);
            self.measures
                .iter()
                .try_for_each(check)
                .map_err(|e| e.in_run(&self.runs[id.0].name))?;
        }
        let check = |reading: &Reading| {
            let len = self.tokens(reading.run)?.len();
            let checked = reading.locus.check(architecture, len);
            checked.map_err(|error| error.in_run(&self.runs[reading.run.0].name))
        };
        self.readings.iter().try_for_each(check)
    }

    fn check_run(&self, id: RunId, architecture: &Architecture) -> Result<(), IrError> {
        let ids = self.tokens(id)?;
        check_tokens(ids, architecture)?;
        for intervention in &self.runs[id.0].interventions {
            intervention.locus.check(architecture, ids.len())?;
            self.check_operation(id, intervention, ids.len(), architecture)?;
        }
        Ok(())
    }

    fn check_operation(
        &self,
        id: RunId,
        intervention: &Intervention,
        len: usize,
        architecture: &Architecture,
    ) -> Result<(), IrError> {
        let locus = &intervention.locus;
        let shape = locus.shape(architecture, len);
        let check = |source| self.check_source(id, locus, source, &shape, architecture);
        match &intervention.operation {
            Operation::Scale(factor) => check_finite(&[*factor], locus.site),
            Operation::Replace(value) | Operation::Add(value) => match value {
                Value::Constant(number) => check_finite(&[*number], locus.site),
                Value::Array(array) => check_array(array, locus.site, shape),
                Value::Mean(sources) if sources.is_empty() => {
                    Err(IrError::EmptyMean { site: locus.site })
                }
                Value::Source(_) | Value::Mean(_) => value.sources().iter().try_for_each(check),
            },
        }
    }

    fn check_source(
        &self,
        reader: RunId,
        locus: &Locus,
        source: &Source,
        shape: &[usize],
        architecture: &Architecture,
    ) -> Result<(), IrError> {
        if source.run >= reader {
            return Err(IrError::LaterRun { run: reader, needs: source.run });
        }
        let at = source.locus.as_ref().unwrap_or(locus);
        let len = self.tokens(source.run)?.len();
        at.check(architecture, len)?;
        if !same_axes(at.site.component, locus.site.component) {
            return Err(IrError::WrongAxes { site: locus.site, given: at.site });
        }
        let given = at.shape(architecture, len);
        if given == shape {
            return Ok(());
        }
        Err(IrError::WrongShape { site: locus.site, given, expected: shape.to_vec() })
    }

    fn check_measure(
        &self,
        measure: &Measure,
        len: usize,
        architecture: &Architecture,
    ) -> Result<(), IrError> {
        let vocab = architecture.vocab;
        if let Some(id) = measure.metric.tokens().into_iter().find(|id| *id as usize >= vocab) {
            return Err(IrError::UnknownToken { id, vocab });
        }
        if let Metric::LogitDiff { answers, distractors } = &measure.metric
            && (answers.is_empty() || distractors.is_empty())
        {
            return Err(IrError::EmptyLogitDiff);
        }
        let lens = match measure.metric.clean() {
            Some(clean) => vec![len, self.tokens(clean)?.len()],
            None => vec![len],
        };
        match lens.into_iter().find(|len| Self::position(measure, *len) >= *len) {
            Some(len) => {
                Err(IrError::MeasureOutOfRange { position: Self::position(measure, len), len })
            }
            None => Ok(()),
        }
    }
}

/// Whether the values of two components have axes of the same kinds, and so the same layout; a
/// query head may read a key/value head.
fn same_axes(a: Component, b: Component) -> bool {
    let kind = |axis: &Axis| if *axis == Axis::KvHead { Axis::Head } else { *axis };
    a.axes().iter().map(kind).eq(b.axes().iter().map(kind))
}

fn check_array(array: &Array, site: Site, expected: Vec<usize>) -> Result<(), IrError> {
    let (given, shape) = (array.data.len(), array.shape.clone());
    if shape != expected {
        return Err(IrError::WrongShape { site, given: shape, expected });
    }
    let places = shape.iter().product();
    if given != places {
        return Err(IrError::WrongCount { site, given, shape, expected: places });
    }
    check_finite(&array.data, site)
}

/// Activations are f32, in which large f64 numbers are infinite.
fn check_finite(numbers: &[f64], site: Site) -> Result<(), IrError> {
    match numbers.iter().find(|number| !(**number as f32).is_finite()) {
        Some(number) => Err(IrError::NotFinite { site, value: format!("{number:?}") }),
        None => Ok(()),
    }
}

fn check_tokens(ids: &[u32], architecture: &Architecture) -> Result<(), IrError> {
    let Architecture { vocab, context, .. } = *architecture;
    if ids.is_empty() {
        return Err(IrError::EmptyPrompt);
    }
    if ids.len() > context {
        return Err(IrError::PromptTooLong { len: ids.len(), context });
    }
    match ids.iter().find(|id| **id as usize >= vocab) {
        Some(&id) => Err(IrError::UnknownToken { id, vocab }),
        None => Ok(()),
    }
}
