//! Operations and metrics of the caller's own, by the names that requests call them by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use tracewright_ir::{Metric, Operation, Request};

use crate::error::EngineError;

/// The values of a locus in one run.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The length of each axis, as [`Locus::shape`](tracewright_ir::Locus::shape) gives it.
    pub shape: &'a [usize],
    /// The numbers in C order.
    pub numbers: &'a [f32],
}

type Function = Arc<dyn Fn(Values<'_>, &[Values<'_>]) -> Vec<f32> + Send + Sync>;
type OwnMetric = Arc<dyn Fn(&[f32], Option<&[f32]>) -> f64 + Send + Sync>;

/// What [`Operation::Call`] and [`Metric::Own`] stand for.
///
/// Both must be pure: equal arguments give equal values. They are called with host memory, in whatever
/// order and as often as the plan needs, from the thread that executes the request.
#[derive(Clone, Default)]
pub struct Extensions {
    functions: BTreeMap<String, Function>,
    metrics: BTreeMap<String, OwnMetric>,
}

impl Extensions {
    /// Adds an operation: from the values of a locus, and those of each of its reads, to as many new values.
    #[must_use]
    pub fn function(
        mut self,
        name: impl Into<String>,
        function: impl Fn(Values<'_>, &[Values<'_>]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        self.functions.insert(name.into(), Arc::new(function));
        self
    }

    /// Adds a metric: from a row of logits, and the clean run's where the request names one, to a number.
    #[must_use]
    pub fn metric(
        mut self,
        name: impl Into<String>,
        metric: impl Fn(&[f32], Option<&[f32]>) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.metrics.insert(name.into(), Arc::new(metric));
        self
    }

    /// Fails where a request names something that isn't here.
    pub(crate) fn check(&self, request: &Request) -> Result<(), EngineError> {
        let changes = request.runs.iter().flat_map(|run| &run.interventions);
        for change in changes {
            if let Operation::Call(call) = &change.operation
                && !self.functions.contains_key(&call.name)
            {
                return Err(unknown("function", &call.name, self.functions.keys()));
            }
        }
        for measure in &request.measures {
            if let Metric::Own { name, .. } = &measure.metric
                && !self.metrics.contains_key(name)
            {
                return Err(unknown("metric", name, self.metrics.keys()));
            }
        }
        Ok(())
    }

    /// Calls a function of a checked request.
    pub(crate) fn call(
        &self,
        name: &str,
        own: Values<'_>,
        reads: &[Values<'_>],
    ) -> Result<Vec<f32>, EngineError> {
        let function = self.functions.get(name);
        let function = function.ok_or_else(|| unknown("function", name, self.functions.keys()))?;
        let made = function(own, reads);
        let (given, expected) = (made.len(), own.numbers.len());
        match given == expected {
            true => Ok(made),
            false => Err(EngineError::WrongOutput { name: name.to_owned(), given, expected }),
        }
    }

    /// A metric of the caller's own of each row of logits, `width` numbers each.
    pub(crate) fn measure(
        &self,
        name: &str,
        logits: &[f32],
        width: usize,
        clean: Option<&[f32]>,
    ) -> Result<Vec<f32>, EngineError> {
        let metric = self.metrics.get(name);
        let metric = metric.ok_or_else(|| unknown("metric", name, self.metrics.keys()))?;
        Ok(logits.chunks_exact(width).map(|row| metric(row, clean) as f32).collect())
    }
}

/// A metric of each row of logits, `[rows, vocab]` → `[rows]`; `None` where it compares with a clean row that
/// isn't given.
pub(crate) fn measure(
    metric: &Metric,
    logits: Tensor<2>,
    clean: Option<Tensor<2>>,
    extensions: &Extensions,
) -> Result<Option<Tensor<1>>, EngineError> {
    let Metric::Own { name, .. } = metric else {
        return Ok(tracewright_metrics::measure(metric, logits, clean));
    };
    let (device, [rows, width]) = (logits.device(), logits.dims());
    let host = |value: Tensor<2>| value.try_into_vec_as::<f32>().map_err(EngineError::device);
    let clean = clean.map(host).transpose()?;
    let values = extensions.measure(name, &host(logits)?, width, clean.as_deref())?;
    Ok(Some(Tensor::from_data(TensorData::new(values, [rows]), &device)))
}

fn unknown<'a>(
    what: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> EngineError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    EngineError::UnknownExtension { what, name: name.to_owned(), known }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { functions, metrics } = self;
        f.debug_struct("Extensions")
            .field("functions", &functions.keys())
            .field("metrics", &metrics.keys())
            .finish()
    }
}
