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
    /// How many of the likeliest next tokens are given back for each measured run, where the first
    /// metric reads its logits.
    #[serde(default)]
    pub top_k: usize,
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
        // The tokens of the runs so far: following each run's bases anew would take long for chains.
        let mut tokens: Vec<&[u32]> = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            self.check_run(run, &mut tokens, architecture)
                .map_err(|error| error.in_run(&run.name))?;
        }
        let of = |run: RunId| tokens.get(run.0).copied().ok_or(IrError::NoSuchRun { run });
        if self.top_k > 0 && self.measures.is_empty() {
            return Err(IrError::TopWithoutMetric);
        }
        for id in &self.measured {
            let len = of(*id)?.len();
            let check = |measure: &Measure| {
                let clean = measure.metric.clean().map(of).transpose()?.map(<[u32]>::len);
                check_measure(measure, len, clean, architecture)
            };
            let checked = self.measures.iter().try_for_each(check);
            checked.map_err(|error| error.in_run(&self.runs[id.0].name))?;
        }
        let check = |reading: &Reading| {
            let checked = reading.locus.check(architecture, of(reading.run)?.len());
            checked.map_err(|error| error.in_run(&self.runs[reading.run.0].name))
        };
        self.readings.iter().try_for_each(check)
    }

    /// Checks the run that comes after those of these tokens.
    fn check_run<'a>(
        &self,
        run: &'a Run,
        tokens: &mut Vec<&'a [u32]>,
        architecture: &Architecture,
    ) -> Result<(), IrError> {
        let id = RunId(tokens.len());
        let ids = match &run.origin {
            Origin::Tokens(ids) => ids,
            Origin::Base(base) => {
                tokens.get(base.0).copied().ok_or(IrError::LaterRun { run: id, needs: *base })?
            }
        };
        check_tokens(ids, architecture)?;
        for intervention in &run.interventions {
            intervention.locus.check(architecture, ids.len())?;
            check_operation(tokens, intervention, ids.len(), architecture)?;
        }
        tokens.push(ids);
        Ok(())
    }
}

fn check_operation(
    tokens: &[&[u32]],
    intervention: &Intervention,
    len: usize,
    architecture: &Architecture,
) -> Result<(), IrError> {
    let locus = &intervention.locus;
    let check = |source| check_source(tokens, locus, source, len, architecture);
    if let Operation::Interpolate { weight, .. } = &intervention.operation {
        check_finite(&[*weight], locus.site)?;
    }
    match &intervention.operation {
        Operation::Scale(factor) => check_finite(&[*factor], locus.site),
        Operation::Replace(value)
        | Operation::Add(value)
        | Operation::Interpolate { value, .. } => match value {
            Value::Constant(number) => check_finite(&[*number], locus.site),
            Value::Array(array) => check_array(array, locus.site, locus.shape(architecture, len)),
            Value::Mean(sources) if sources.is_empty() => {
                Err(IrError::EmptyMean { site: locus.site })
            }
            Value::Source(_) | Value::Mean(_) => value.sources().iter().try_for_each(check),
        },
        Operation::Project { direction, .. } => {
            if locus.site.component.has_sources() {
                return Err(IrError::DirectionOfCells { site: locus.site });
            }
            let shape = locus.shape(architecture, len);
            check_array(direction, locus.site, shape.last().copied().into_iter().collect())?;
            if direction.data.iter().all(|number| *number == 0.0) {
                return Err(IrError::NoDirection { site: locus.site });
            }
            intervention.sources().iter().try_for_each(check)
        }
        Operation::Call(call) => {
            let of = |source: &Source| {
                let later = IrError::LaterRun { run: RunId(tokens.len()), needs: source.run };
                let len = tokens.get(source.run.0).ok_or(later)?.len();
                source.locus.as_ref().unwrap_or(locus).check(architecture, len)
            };
            call.reads.iter().try_for_each(of)
        }
    }
}

/// Checks what the run after those of these tokens reads.
fn check_source(
    tokens: &[&[u32]],
    locus: &Locus,
    source: &Source,
    reader_len: usize,
    architecture: &Architecture,
) -> Result<(), IrError> {
    let later = || IrError::LaterRun { run: RunId(tokens.len()), needs: source.run };
    let len = tokens.get(source.run.0).ok_or_else(later)?.len();
    if source.locus.is_none() && len == reader_len {
        return Ok(());
    }
    let at = source.locus.as_ref().unwrap_or(locus);
    at.check(architecture, len)?;
    if !same_axes(at.site.component, locus.site.component) {
        return Err(IrError::WrongAxes { site: locus.site, given: at.site });
    }
    let (given, expected) = (at.shape(architecture, len), locus.shape(architecture, reader_len));
    if given == expected {
        return Ok(());
    }
    Err(IrError::WrongShape { site: locus.site, given, expected })
}

/// Checks a metric of a run of `len` tokens, compared with one of `clean` tokens.
fn check_measure(
    measure: &Measure,
    len: usize,
    clean: Option<usize>,
    architecture: &Architecture,
) -> Result<(), IrError> {
    let vocab = architecture.vocab;
    if let Some(id) = measure.metric.tokens().into_iter().find(|id| *id as usize >= vocab) {
        return Err(IrError::UnknownToken { id, vocab });
    }
    if let Metric::TopK { k: 0, .. } = &measure.metric {
        return Err(IrError::NoTop);
    }
    if let Metric::LogitDiff { answers, distractors } = &measure.metric
        && (answers.is_empty() || distractors.is_empty())
    {
        return Err(IrError::EmptyLogitDiff);
    }
    let position = |len: &usize| Request::position(measure, *len);
    match [Some(len), clean].into_iter().flatten().find(|len| position(len) >= *len) {
        Some(len) => Err(IrError::MeasureOutOfRange { position: position(&len), len }),
        None => Ok(()),
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
