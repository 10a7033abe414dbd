//! Devices that fail, simulated by an experiment that panics as a backend does.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tracewright_engine::{Execution, Progress};
use tracewright_ir::{Architecture, Sweep};
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_results::{Part, load};

use crate::error::SweepError;
use crate::experiment::Experiment;
use crate::noise::resolve;
use crate::settings::{Kind, Settings};
use crate::shard::Shard;
use crate::skip::{BadRecords, Skipped};
use crate::standing::Standing;
use crate::traces::Traces;
use crate::warning::Warning;
use crate::{Done, Facts, Job, Resources};

/// Traces on a device that fails at some cases.
#[derive(Debug)]
struct Failing<'a> {
    traces: Traces<'a>,
    /// The cases at which it does, and the memory from which on it does.
    fails: Box<[(usize, u64)]>,
    /// The cases that were begun, in order.
    begun: Mutex<Vec<usize>>,
}

impl Experiment for Failing<'_> {
    fn request(&self) -> Value {
        self.traces.request()
    }
    fn names(&self) -> Vec<&str> {
        self.traces.names()
    }
    fn forwards(&self, case: usize) -> usize {
        self.traces.forwards(case)
    }
    fn skipped(&self) -> &[Skipped] {
        self.traces.skipped()
    }
    fn warnings(&self) -> Vec<Warning> {
        self.traces.warnings()
    }
    fn rehearsal(&self, case: usize) -> Result<Sweep, SweepError> {
        self.traces.rehearsal(case)
    }
    fn architecture(&self) -> &Architecture {
        self.traces.architecture()
    }
    fn is_streamed(&self) -> bool {
        self.traces.is_streamed()
    }
    fn shape(&self, case: usize) -> [usize; 4] {
        self.traces.shape(case)
    }
    fn flops(&self, case: usize) -> Result<u64, SweepError> {
        self.traces.flops(case)
    }
    fn part(
        &self,
        model: &Model,
        cases: Range<usize>,
        execution: &Execution,
        progress: Progress<'_>,
    ) -> Result<Part, SweepError> {
        self.begun.lock().expect("no panic while it is held").push(cases.start);
        let fails =
            |(case, memory): &(usize, u64)| cases.contains(case) && execution.memory >= *memory;
        assert!(!self.fails.iter().any(fails), "out of memory on a device");
        self.traces.part(model, cases, execution, progress)
    }
}

/// The budget: each of the four cases is a unit of its own with it.
const MEMORY: u64 = 24 << 20;

struct Bench {
    model: Model,
}

impl Bench {
    fn new() -> Self {
        let model = Checkpoint::built_in().and_then(|model| model.load(DeviceName::Cpu));
        Self { model: model.expect("the built-in model") }
    }

    /// A job of four facts, on a device that fails so.
    fn job(&self, fails: &[(usize, u64)]) -> Job<'_> {
        let settings = Settings { kinds: vec![Kind::Hidden], samples: 8, ..Settings::default() };
        let facts = Facts::built_in().expect("facts");
        let noise = resolve(&settings.noise, &self.model, &facts.subjects(), None).expect("noise");
        let cases = facts.select(&[], Some(4)).expect("four facts");
        let traces =
            Traces::new(&self.model, settings, noise, (cases, BadRecords::Refuse)).expect("traces");
        let (fails, begun) = (fails.into(), Mutex::default());
        Job { experiment: Box::new(Failing { traces, fails, begun }), shard: Shard::WHOLE }
    }

    fn run(
        &self,
        job: &Job<'_>,
        devices: usize,
        folder: &Path,
        mut hear: impl FnMut(Standing<'_>) -> ControlFlow<()>,
    ) -> Done {
        let execution = Execution { memory: MEMORY, ..Execution::default() };
        let models = vec![&self.model; devices];
        let environment = json!({"memory": MEMORY, "executor": "lockstep", "streamed": false});
        let (environment, loaded) = (&environment, Duration::ZERO);
        let resources =
            Resources { models: &models, execution: &execution, environment, loaded, mirror: None };
        job.run(folder, resources, &mut hear).expect("a run")
    }
}

fn on(_: Standing<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    ["cells.parquet", "cases/knowledge_0.npz", "cases/knowledge_2.npz"].map(read).to_vec()
}

#[test]
fn a_unit_that_needs_less_memory_is_computed_with_less_and_says_so() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let done = bench.run(&bench.job(&[(2, MEMORY / 2 + 1)]), 1, folder.path(), on);
    assert_eq!((done.cases, done.left), (4, 0));
    let results = load(folder.path()).expect("results");
    let retried: Vec<_> = results
        .cases
        .iter()
        .filter_map(|case| Some((&case.name[..], case.retry.clone()?)))
        .collect();
    let [("2", retry)] = &retried[..] else { panic!("{retried:?}") };
    assert_eq!(retry.memory, MEMORY / 2);
    assert!(retry.reason.ends_with("out of memory on a device"), "{}", retry.reason);

    let other = tempfile::tempdir().expect("a folder");
    bench.run(&bench.job(&[]), 1, other.path(), on);
    let undisturbed = load(other.path()).expect("results");
    for (row, same) in results.rows.iter().zip(&undisturbed.rows) {
        let (value, expected) = (row.value.expect("a value"), same.value.expect("a value"));
        // The bound of another division into passes.
        assert!((value - expected).abs() <= 1e-5, "{row:?}, {expected}");
    }
}

#[test]
fn units_that_always_fail_do_not_stop_the_others_and_are_tried_again_by_the_next_start() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    // The costliest two, which come first.
    let work = bench.job(&[]);
    let mut cases: Vec<usize> = (0..4).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(work.experiment.flops(*case).expect("a plan")));
    let done = bench.run(&bench.job(&[(cases[0], 0), (cases[1], 0)]), 1, folder.path(), on);
    assert_eq!((done.cases, done.left), (4, 0));
    let failed = load(folder.path()).expect("results").failed();
    let mut names: Vec<String> = failed.iter().map(|failed| failed.case.clone()).collect();
    names.sort();
    let mut expected = [cases[0].to_string(), cases[1].to_string()];
    expected.sort();
    assert_eq!(names, expected);
    assert!(failed[0].reason.contains("out of memory on a device"), "{}", failed[0].reason);

    let done = bench.run(&bench.job(&[]), 1, folder.path(), on);
    assert_eq!((done.cases, done.left, done.resumed), (4, 0, 2));
    assert_eq!(load(folder.path()).expect("results").failed(), []);
    let other = tempfile::tempdir().expect("a folder");
    bench.run(&bench.job(&[]), 1, other.path(), on);
    assert!(files(folder.path()) == files(other.path()));
}

#[test]
fn a_device_on_which_the_least_work_fails_too_is_not_asked_again() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let job = bench.job(&[(0, 0), (1, 0), (2, 0), (3, 0)]);
    let done = bench.run(&job, 1, folder.path(), on);
    assert_eq!((done.cases, done.left), (1, 3));
    assert_eq!(load(folder.path()).expect("results").failed().len(), 1);
    let done = bench.run(&bench.job(&[]), 1, folder.path(), on);
    assert_eq!((done.cases, done.left, done.resumed), (4, 0, 0));
}

#[test]
fn several_devices_give_what_one_gives() {
    let (bench, one) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    bench.run(&bench.job(&[]), 1, one.path(), on);
    let two = tempfile::tempdir().expect("a folder");
    bench.run(&bench.job(&[]), 2, two.path(), on);
    assert!(files(one.path()) == files(two.path()));
}

#[test]
fn a_stop_finishes_what_is_under_way_and_the_next_start_goes_on() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let done = bench.run(&bench.job(&[]), 1, folder.path(), |standing| match standing.flops {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert_eq!((done.cases, done.left), (1, 3));
    assert_eq!(load(folder.path()).expect("results").cases.len(), 1);
    let mut standings = Vec::new();
    let done = bench.run(&bench.job(&[]), 1, folder.path(), |standing| {
        standings.push((standing.cases, standing.flops, standing.earlier, standing.planned));
        ControlFlow::Continue(())
    });
    assert_eq!((done.cases, done.resumed), (4, 1));
    let (first, last) = (standings[0], standings[standings.len() - 1]);
    assert_eq!((first.0, first.1), (1, first.2), "it begins with what was there");
    assert_eq!((last.0, last.1), (4, last.3), "it ends with all that was planned");
    let other = tempfile::tempdir().expect("a folder");
    bench.run(&bench.job(&[]), 1, other.path(), on);
    assert!(files(folder.path()) == files(other.path()));
}

#[test]
fn the_costliest_cases_come_first_and_shards_take_each_once() {
    let bench = Bench::new();
    let mut taken = BTreeSet::new();
    for index in 1..=2 {
        let folder = tempfile::tempdir().expect("a folder");
        let job = bench.job(&[]).shard(Shard { index, of: 2 });
        assert_eq!(job.request()["shard"], format!("{index}/2"));
        assert_eq!(bench.run(&job, 1, folder.path(), on).cases, 2);
        let results = load(folder.path()).expect("results");
        taken.extend(results.cases.into_iter().map(|case| case.name));
    }
    assert_eq!(taken.len(), 4);
    let job = bench.job(&[]);
    let costs: Vec<u64> = (0..4).map(|case| job.experiment.flops(case).expect("a plan")).collect();
    let mut planned = costs.clone();
    planned.sort_unstable_by(|a, b| b.cmp(a));
    let folder = tempfile::tempdir().expect("a folder");
    let mut begun = Vec::new();
    bench.run(&job, 1, folder.path(), |standing| {
        let case: usize = standing.case.parse().expect("an id");
        if begun.last() != Some(&costs[case]) {
            begun.push(costs[case]);
        }
        ControlFlow::Continue(())
    });
    planned.dedup();
    assert_eq!(begun, planned);
}

#[test]
fn a_shard_without_work_says_how_many_there_can_be() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().expect("a folder"));
    let job = bench.job(&[]).shard(Shard { index: 9, of: 9 });
    let execution = Execution { memory: MEMORY, ..Execution::default() };
    let (models, environment) = ([&bench.model], json!({}));
    let (environment, loaded) = (&environment, Duration::ZERO);
    let resources =
        Resources { models: &models, execution: &execution, environment, loaded, mirror: None };
    let error = job.run(folder.path(), resources, &mut on).expect_err("nothing to do");
    assert!(
        error.to_string().starts_with("the shard 9/9 has nothing to do: this sweep is 4 units")
    );
}
