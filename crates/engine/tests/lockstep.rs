//! The lockstep executor against the reference executor, on random small models and requests.

use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tracewright_engine::{
    EngineError, Execution, Extensions, Outcome, Values, lockstep, reference,
};
use tracewright_ir::plan::{BLOCK_ROWS, PassCost, PlanError, Planner};
use tracewright_ir::{
    Along, Array, Call, Component, Intervention, Locus, Measure, Metric, Operation, Reading,
    Request, Run, RunId, Site, Source, State, Value,
};
use tracewright_metrics::{Logits, bound};
use tracewright_models::{Checkpoint, Decoder, DeviceName};

/// Random checkpoints of every shape that the fixtures have.
static MODELS: LazyLock<Vec<Decoder>> = LazyLock::new(|| {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let entries = ["tiny", "families"]
        .map(|folder| fixtures.join(folder).read_dir().expect("the fixtures are there"));
    let mut folders: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .collect();
    folders.sort();
    let load = |path: &_| Checkpoint::open(path).and_then(|c| c.load(DeviceName::Cpu));
    folders.iter().map(|path| load(path).expect("the fixture loads").decoder).collect()
});

/// Enough for everything here in one pass.
const PLENTY: u64 = 1 << 30;

/// Of the largest absolute logit: sums in another order (`docs/design`, invariant 1).
const LOGITS: f64 = 1e-5;

/// Of a reading's largest number.
const READINGS: f64 = 3e-5;

/// What [`shaken`] adds to the stream at most, for a run and for each of its bases: three times as much as
/// the executors were seen to differ by there (1.4e-6 in values of up to 6).
const SHAKE: f64 = 4e-6;

/// How often [`shaken`] rounds in another way.
const SHAKES: usize = 4;

/// An execution in so many bytes, with a function and a metric of the caller's own.
fn executing(memory: u64) -> Execution {
    let sound = |x: f32| if x.is_finite() { x } else { 0.0 };
    let blend = move |own: Values<'_>, reads: &[Values<'_>]| {
        let read = |values: &Values<'_>| {
            values.numbers.iter().map(|x| sound(*x)).sum::<f32>() / values.numbers.len() as f32
        };
        let of_reads: f32 = reads.iter().map(read).sum();
        let other = own.numbers.iter().rev();
        let blended = own.numbers.iter().zip(other);
        blended.map(|(a, b)| 0.75 * a - 0.25 * sound(*b) + 0.5 * of_reads).collect()
    };
    let spread = |logits: &[f32], clean: Option<&[f32]>| {
        let largest = |row: &[f32]| f64::from(row.iter().copied().fold(f32::MIN, f32::max));
        largest(logits) - clean.map_or(0.0, largest)
    };
    let extensions = Extensions::default().function("blend", blend).metric("spread", spread);
    Execution { memory, extensions, ..Execution::default() }
}

fn run(decoder: &Decoder, request: &Request, budget: u64) -> Result<Outcome, EngineError> {
    let how = executing(budget);
    let outcomes = lockstep::execute(decoder, &[request], &how, &mut |_, _| Continue(()))?;
    Ok(outcomes.into_iter().next().expect("one outcome for one request"))
}

fn reference(decoder: &Decoder, request: &Request) -> Outcome {
    let how = executing(PLENTY);
    let outcome = reference::execute(decoder, request, &how, &mut |_, _| Continue(()));
    outcome.expect("the request is answered")
}

/// Choices that a test case is made of.
struct Tape<'a>(std::slice::Iter<'a, u32>);

impl Tape<'_> {
    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |choice| *choice as usize % count.max(1))
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Some of the numbers below `count`, at least one.
    fn some(&mut self, count: usize) -> Vec<usize> {
        let bits = self.below(1 << count.min(20));
        let chosen: Vec<usize> = (0..count).filter(|index| bits >> (index % 20) & 1 == 1).collect();
        if chosen.is_empty() { vec![self.below(count)] } else { chosen }
    }
}

/// Makes requests out of choices.
struct Maker<'a, 'b> {
    decoder: &'a Decoder,
    tape: Tape<'b>,
    request: Request,
    /// Whether sources may lie above their readers, which takes several passes.
    above: bool,
}

impl Maker<'_, '_> {
    fn site(&mut self) -> Site {
        let architecture = self.decoder.architecture();
        let has = |component: &Component| architecture.lacks(*component).is_none();
        let all: Vec<Component> = Component::ALL.into_iter().filter(has).collect();
        let component = self.tape.one(&all);
        match component.in_layers() {
            true => {
                Site::in_layer(component, self.tape.below(self.decoder.architecture().n_layers))
            }
            false => Site::outside(component),
        }
    }

    fn locus(&mut self, site: Site, len: usize) -> Locus {
        let architecture = self.decoder.architecture();
        let mut locus = Locus::at(site);
        if self.tape.below(4) > 0 {
            locus = locus.positions(self.tape.some(len));
        }
        if let Some(axis) = site.component.head_axis()
            && self.tape.below(2) == 0
        {
            locus = locus.heads(self.tape.some(architecture.axis_len(axis, len)));
        }
        if site.component.has_sources() && self.tape.below(2) == 0 {
            locus = locus.src_positions(self.tape.some(len));
        }
        if site.component.has_neurons() && self.tape.below(2) == 0 {
            locus = locus.neurons(self.tape.some(architecture.d_mlp));
        }
        locus
    }

    fn source(&mut self, locus: &Locus, of: usize, len: usize) -> Source {
        let fits = |run: &usize| self.request.tokens(RunId(*run)).is_ok_and(|t| t.len() == len);
        let fitting: Vec<usize> = (0..of).filter(fits).collect();
        let run = RunId(self.tape.one(&fitting));
        let state = self.tape.one(&[State::Left, State::Left, State::Computed]);
        let from = match (locus.site.layer, self.tape.below(4)) {
            // The same component of another layer, below or above.
            (Some(layer), 0) if self.above || layer > 0 => {
                let layers = if self.above { self.decoder.architecture().n_layers } else { layer };
                let mut from = locus.clone();
                from.site.layer = Some(self.tape.below(layers));
                // Or of another component whose values have the same axes.
                let axes = locus.site.component.axes();
                let like: Vec<Component> = Component::ALL
                    .into_iter()
                    .filter(|component| component.in_layers() && component.axes() == axes)
                    .filter(|c| self.decoder.architecture().lacks(*c).is_none())
                    .collect();
                from.site.component = self.tape.one(&like);
                // A cell that only the reader's layer has is −inf at the source.
                let architecture = self.decoder.architecture();
                let window = |site: Site| architecture.window(site.layer.unwrap_or_default());
                let cells = locus.site.component.has_sources();
                Some(from).filter(|from| !cells || window(from.site) == window(locus.site))
            }
            _ => None,
        };
        Source { run, locus: from, state }
    }

    /// What a function reads: any loci of earlier runs, of whatever shape.
    fn reads(&mut self, of: usize) -> Vec<Source> {
        let one = |maker: &mut Self| {
            let run = RunId(maker.tape.below(of));
            let len = maker.request.tokens(run).expect("it is there").len();
            let site = maker.site();
            let state = maker.tape.one(&[State::Left, State::Computed]);
            Source { run, locus: Some(maker.locus(site, len)), state }
        };
        (0..self.tape.below(3)).map(|_| one(self)).collect()
    }

    fn project(&mut self, locus: &Locus, of: usize, len: usize) -> Operation {
        let shape = locus.shape(self.decoder.architecture(), len);
        let width = *shape.last().expect("every site has axes");
        let data = (0..width).map(|i| (i % 5) as f64 - 1.5).collect();
        // Where nothing else goes on, a small part along a direction is all rounding.
        use Component as C;
        let branches = [C::Q, C::K, C::V, C::Z, C::Result, C::AttnOut, C::MlpPost, C::MlpOut];
        let kinds = if branches.contains(&locus.site.component) { 3 } else { 2 };
        let along = match self.tape.below(kinds) {
            0 => Along::Out,
            1 => Along::Of(self.source(locus, of, len)),
            _ => Along::In,
        };
        Operation::Project { direction: Arc::new(Array { shape: vec![width], data }), along }
    }

    fn operation(&mut self, locus: &Locus, of: usize, len: usize) -> Operation {
        use Component as C;
        let mut choice = self.tape.below(14);
        let mut number = 0.25 * self.tape.below(9) as f64 - 1.0;
        let scales = [C::Ln1Scale, C::Ln1PostScale, C::Ln2Scale, C::Ln2PostScale, C::FinalScale];
        if scales.contains(&locus.site.component) {
            // Nothing is divided by 0.
            let restored = (5..11).contains(&choice);
            (choice, number) = (if restored { choice } else { 0 }, number.abs() + 0.5);
        }
        let stream = [C::Embed, C::ResidPre, C::ResidMid, C::ResidPost];
        if choice == 1 && stream.contains(&locus.site.component) {
            // Numbers that are all the same are all rounding once their mean is taken away.
            choice = 2;
        }
        match choice {
            0 => Operation::Scale(number),
            1 => Operation::Replace(Value::Constant(number)),
            2 => Operation::Add(Value::Constant(number)),
            3 => {
                let shape = locus.shape(self.decoder.architecture(), len);
                let data = (0..shape.iter().product()).map(|i: usize| (i % 7) as f64 * 0.1 - 0.3);
                let array = Arc::new(Array { data: data.collect(), shape });
                let value = Value::Array(array);
                if number < 0.0 { Operation::Add(value) } else { Operation::Replace(value) }
            }
            4 => Operation::Add(Value::Source(self.source(locus, of, len))),
            5 => {
                let sources = [self.source(locus, of, len), self.source(locus, of, len)];
                Operation::Replace(Value::Mean(sources.to_vec()))
            }
            11 => Operation::Interpolate {
                value: Value::Source(self.source(locus, of, len)),
                weight: number,
            },
            12 if !locus.site.component.has_sources() => self.project(locus, of, len),
            13 if self.above => {
                let name = "blend".to_owned();
                Operation::Call(Call { name, reads: self.reads(of), flops: 7 })
            }
            _ => Operation::Replace(Value::Source(self.source(locus, of, len))),
        }
    }

    fn tokens(&mut self) -> Run {
        let vocab = self.decoder.architecture().vocab;
        let len = 1 + self.tape.below(6);
        let mut ids: Vec<u32> = (0..len as u32).map(|id| id % 5 + 1).collect();
        for _ in 0..self.tape.below(3) {
            ids[self.tape.below(len)] = self.tape.below(vocab) as u32;
        }
        Run::of_tokens(format!("tokens {}", self.request.runs.len()), &ids)
    }

    /// A variant of one of the first `bases` runs.
    fn variant(&mut self, bases: usize) -> Run {
        let id = self.request.runs.len();
        let base = RunId(self.tape.below(id.min(bases)));
        let len = self.request.tokens(base).expect("it is there").len();
        let mut changes = Vec::new();
        for _ in 0..1 + self.tape.below(3) {
            let site = self.site();
            let locus = self.locus(site, len);
            let operation = self.operation(&locus, id, len);
            changes.push(Intervention { locus, operation });
        }
        Run::variant(format!("variant {id}"), base, changes)
    }

    /// Prompts, variants of them, four metrics of all, and readings.
    fn request(mut self) -> Request {
        for _ in 0..1 + self.tape.below(3) {
            let run = self.tokens();
            self.request.push(run);
        }
        for _ in 0..1 + self.tape.below(10) {
            let run = self.variant(usize::MAX);
            self.request.push(run);
        }
        self.measured()
    }

    /// The same with this many variants of the prompts, each with an embedding of its own.
    fn large(mut self, variants: usize) -> Request {
        for _ in 0..3 {
            let run = self.tokens();
            self.request.push(run);
        }
        for index in 0..variants {
            let mut run = self.variant(3);
            let locus = Locus::at(Site::outside(Component::Embed)).positions([0]);
            let operation = Operation::Add(Value::Constant(index as f64 / variants as f64));
            run.interventions.push(Intervention { locus, operation });
            self.request.push(run);
        }
        self.measured()
    }

    fn measured(mut self) -> Request {
        let clean = RunId(self.tape.below(self.request.runs.len()));
        let answer = self.tape.below(self.decoder.architecture().vocab) as u32;
        let vocab = self.decoder.architecture().vocab;
        let distractors = vec![(answer + 1 + self.tape.below(vocab - 1) as u32) % vocab as u32];
        // No cosine, which logits that are all zero haven't got.
        let others = [
            Metric::L2 { clean },
            Metric::Logprob { answer },
            Metric::LogitDiff { answers: vec![answer], distractors },
            Metric::Mse { clean },
            Metric::Entropy,
            Metric::Own { name: "spread".to_owned(), clean: Some(clean) },
            Metric::TopK { answer, k: 3 },
        ];
        let other = others[self.tape.below(others.len())].clone();
        let metrics =
            [Metric::Logit { answer }, Metric::Prob { answer }, Metric::Kl { clean }, other];
        self.request.measures = metrics.map(Measure::at_last).to_vec();
        let first = Measure { metric: Metric::Logit { answer }, position: Some(0) };
        self.request.measures.push(first);
        self.request.measured = (0..self.request.runs.len()).map(RunId).collect();
        self.request.top_k = self.tape.below(4);
        for run in 0..self.request.runs.len() {
            let len = self.request.tokens(RunId(run)).expect("it is there").len();
            for position in [len - 1, 0] {
                let logits = Locus::at(Site::outside(Component::Logits)).positions([position]);
                self.read(run, logits, State::Left);
            }
            if self.tape.below(3) == 0 {
                let site = self.site();
                // A single score may be the small sum of large products; among all it isn't the largest.
                let locus = match site.component.has_sources() {
                    true => Locus::at(site),
                    false => self.locus(site, len),
                };
                let state = self.tape.one(&[State::Left, State::Computed]);
                self.read(run, locus, state);
            }
        }
        self.request
    }

    fn read(&mut self, run: usize, locus: Locus, state: State) {
        self.request.readings.push(Reading { run: RunId(run), locus, state });
    }
}

fn case(choices: &[u32]) -> (&'static Decoder, Request) {
    let mut tape = Tape(choices.iter());
    let decoder = &MODELS[tape.below(MODELS.len())];
    let request = Maker { decoder, tape, request: Request::default(), above: true }.request();
    (decoder, request)
}

/// A request that may still be added to: prompts, variants of them and what is measured of them.
fn open_case(choices: &[u32]) -> (Maker<'static, '_>, usize) {
    let mut tape = Tape(choices.iter());
    let decoder = &MODELS[tape.below(MODELS.len())];
    let mut maker = Maker { decoder, tape, request: Request::default(), above: true };
    let prompts = 2 + maker.tape.below(2);
    for _ in 0..prompts {
        let run = maker.tokens();
        maker.request.push(run);
    }
    (maker, prompts)
}

/// That some runs have the same metrics as others.
fn check_same(
    decoder: &Decoder,
    mut request: Request,
    pairs: &[(RunId, RunId)],
) -> Result<(), TestCaseError> {
    let (of, like): (Vec<RunId>, Vec<RunId>) = pairs.iter().copied().unzip();
    request.measured = of;
    let ours = run(decoder, &request, PLENTY).expect("the request is answered");
    request.measured = like;
    let theirs = run(decoder, &request, PLENTY).expect("the request is answered");
    check(decoder, &request, &ours, &theirs)
}

/// The reading of the logits that a measure of a run looks at: each run has two, of its last position
/// and of its first.
fn logits_read(request: &Request, measure: &Measure, run: RunId) -> usize {
    let of_run = request.readings.iter().position(|reading| reading.run == run);
    of_run.expect("every run's logits are read") + usize::from(measure.position.is_some())
}

/// Every logit, metric and reading of two executions.
///
/// Some requests amplify rounding, whoever executes them: a run that adds its own negative has
/// nothing but rounding left, and the norm of a row whose values cancel multiplies it. They fail
/// like any other; the message says whether [`shaken`] explains the difference.
fn check(
    decoder: &Decoder,
    request: &Request,
    ours: &Outcome,
    theirs: &Outcome,
) -> Result<(), TestCaseError> {
    let still = vec![0.0; request.readings.len()];
    within(request, ours, theirs, &still).map_err(|error| {
        let moved = shaken(decoder, request);
        let explained = match within(request, ours, theirs, &moved) {
            Ok(()) => "rounding alone moves this request as far: its values cancel",
            Err(_) => "rounding alone doesn't move this request as far",
        };
        TestCaseError::fail(format!("{error}\n{explained}"))
    })
}

/// How far each reading of a request moves when every run's stream is rounded in another way:
/// a few units in the last place are added to it before and after each layer, other ones for each run.
fn shaken(decoder: &Decoder, request: &Request) -> Vec<f64> {
    let still = reference(decoder, request);
    let mut moved = vec![0.0; request.readings.len()];
    for round in 0..SHAKES {
        let mut request = request.clone();
        for id in 0..request.runs.len() {
            let len = request.tokens(RunId(id)).expect("it is there").len();
            let layers = decoder.architecture().n_layers;
            let above = (0..layers).map(|layer| Site::in_layer(Component::ResidPost, layer));
            let stream = above.chain([Site::in_layer(Component::ResidPre, 0)]);
            for (place, site) in stream.enumerate() {
                let locus = Locus::at(site);
                let shape = locus.shape(decoder.architecture(), len);
                let seed = round + SHAKES * (place + (layers + 1) * id);
                let unit = |index: usize| ((index * 7919 + seed * 104_729) % 1009) as f64 / 504.0;
                let data = (0..shape.iter().product()).map(|i| SHAKE * (unit(i) - 1.0)).collect();
                let value = Value::Array(Arc::new(Array { data, shape }));
                let shake = Intervention { locus, operation: Operation::Add(value) };
                request.runs[id].interventions.push(shake);
            }
        }
        let other = reference(decoder, &request);
        for (moved, (a, b)) in moved.iter_mut().zip(other.readings.iter().zip(&still.readings)) {
            let differences = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs());
            // Masked scores are infinite.
            *moved = differences.filter(|d| d.is_finite()).fold(*moved, f64::max);
        }
    }
    moved
}

/// That two executions differ by no more than the bounds or, where it is more, by `moved`: one
/// number for each reading.
fn within(
    request: &Request,
    ours: &Outcome,
    theirs: &Outcome,
    moved: &[f64],
) -> Result<(), TestCaseError> {
    let largest = |array: &Array| {
        let finite = array.data.iter().filter(|x| x.is_finite());
        finite.fold(1e-3_f64, |most, x| most.max(x.abs()))
    };
    for (index, reading) in request.readings.iter().enumerate() {
        let (a, b) = (&ours.readings[index], &theirs.readings[index]);
        prop_assert_eq!(&a.shape, &b.shape);
        let logits = reading.locus.site.component == Component::Logits;
        let bound = if logits { LOGITS } else { READINGS } * largest(b);
        let bound = bound.max(moved[index]);
        for (a, b) in a.data.iter().zip(&b.data) {
            let close = a == b || (a - b).abs() <= bound;
            prop_assert!(close, "{:?}: {a} and {b}, bound {bound:e}", reading);
        }
    }
    for (measure, (a, b)) in request.measures.iter().zip(ours.values.iter().zip(&theirs.values)) {
        for (run, (a, b)) in request.measured.iter().zip(a.iter().zip(b)) {
            let clean = measure.metric.clean().unwrap_or(*run);
            let [own, clean] = [*run, clean].map(|run| {
                let read = logits_read(request, measure, run);
                let epsilon = (LOGITS * largest(&theirs.readings[read])).max(moved[read]);
                let logits = theirs.readings[read].data.iter().map(|logit| *logit as f32);
                (logits.collect::<Vec<f32>>(), epsilon)
            });
            let epsilon = own.1.max(clean.1);
            let moved = match &measure.metric {
                // The difference of two largest logits.
                Metric::Own { .. } => 2.0 * epsilon,
                metric => bound(metric, Logits(&own.0), Logits(&clean.0), epsilon),
            };
            // 1e-6 for the rounding of the metric's own sums over the vocabulary.
            let bound = moved + 1e-6 * (1.0 + b.abs());
            let name = measure.metric.name();
            prop_assert!((a - b).abs() <= bound, "{name} of {run}: {a} and {b}, bound {bound:e}");
        }
    }
    for ((run, a), b) in request.measured.iter().zip(&ours.tops).zip(&theirs.tops) {
        let read = logits_read(request, &request.measures[0], *run);
        let logits = &theirs.readings[read];
        let epsilon = (LOGITS * largest(logits)).max(moved[read]);
        prop_assert_eq!(a.len(), request.top_k.min(logits.data.len()));
        prop_assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            // Tokens of nearly equal logits may change places.
            let (theirs, place) = (f64::from(b.logit), f64::from(a.logit));
            let there = logits.data[a.id as usize];
            prop_assert!((place - theirs).abs() <= epsilon && (place - there).abs() <= epsilon);
            prop_assert!(f64::from((a.prob - b.prob).abs()) <= 2.0 * epsilon + 1e-6);
        }
    }
    Ok(())
}

/// As many cases as are asked for, other ones each time; otherwise always the same 256, since about one
/// request in 20,000 amplifies rounding beyond the bound.
fn config() -> ProptestConfig {
    let asked = std::env::var("TRACEWRIGHT_CASES").ok().and_then(|n| n.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases: asked.unwrap_or(256), rng_seed, ..ProptestConfig::default() }
}

fn choices() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 40..400)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lockstep_agrees_with_one_forward_for_every_run(choices in choices()) {
        let (decoder, request) = case(&choices);
        let ours = run(decoder, &request, PLENTY).expect("the request is answered");
        check(decoder, &request, &ours, &reference(decoder, &request))?;
    }

    #[test]
    fn neither_the_budget_nor_the_company_changes_a_result(choices in choices(), room in 0u64..40_000) {
        let (decoder, request) = case(&choices);
        let alone = run(decoder, &request, PLENTY).expect("the request is answered");
        let Err(EngineError::Plan(PlanError::TooSmall { smallest, .. })) = run(decoder, &request, 1)
        else {
            panic!("one byte is too little")
        };
        let small = run(decoder, &request, smallest + room).expect("the smallest budget works");
        check(decoder, &request, &small, &alone)?;
        let (_, mut other) = case(&choices[1..]);
        let mut tape = Tape(choices[1..].iter());
        if tape.below(MODELS.len()) != Tape(choices.iter()).below(MODELS.len()) {
            other = request.clone();
            other.runs.truncate(1);
            (other.measured, other.measures, other.readings) = (vec![RunId(0)], Vec::new(), Vec::new());
            other.measures.push(Measure::at_last(Metric::Logit { answer: 0 }));
        }
        let together =
            lockstep::execute(decoder, &[&other, &request], &executing(PLENTY), &mut |_, _| Continue(()))
                .expect("both are answered");
        check(decoder, &request, &together[1], &alone)?;
    }

    #[test]
    fn a_run_with_its_own_values_is_what_it_was(choices in choices()) {
        let (mut maker, _) = open_case(&choices);
        for _ in 0..1 + maker.tape.below(4) {
            let run = maker.variant(usize::MAX);
            maker.request.push(run);
        }
        let mut pairs = Vec::new();
        for run in (0..maker.request.runs.len()).map(RunId) {
            let len = maker.request.tokens(run).expect("it is there").len();
            let site = maker.site();
            let copy = Intervention::copy(maker.locus(site, len), run);
            pairs.push((maker.request.push(Run::variant("itself", run, [copy])), run));
        }
        let decoder = maker.decoder;
        check_same(decoder, maker.measured(), &pairs)?;
    }

    #[test]
    fn the_whole_stream_of_another_run_makes_it_that_run(choices in choices()) {
        let (mut maker, prompts) = open_case(&choices);
        let mut pairs = Vec::new();
        for (run, source) in (0..prompts).flat_map(|run| (0..prompts).map(move |s| (run, s))) {
            let len = |run| maker.request.tokens(RunId(run)).expect("it is there").len();
            if len(run) == len(source) {
                let layer = maker.tape.below(maker.decoder.architecture().n_layers);
                let stream = Locus::at(Site::in_layer(Component::ResidPost, layer));
                let copy = Intervention::copy(stream, RunId(source));
                let variant = maker.request.push(Run::variant("other", RunId(run), [copy]));
                pairs.push((variant, RunId(source)));
            }
        }
        let decoder = maker.decoder;
        check_same(decoder, maker.measured(), &pairs)?;
    }

    #[test]
    fn the_order_in_which_runs_are_measured_changes_no_result(
        choices in choices(), room in 0u64..40_000
    ) {
        let (decoder, mut request) = case(&choices);
        let Err(EngineError::Plan(PlanError::TooSmall { smallest, .. })) = run(decoder, &request, 1)
        else {
            panic!("one byte is too little")
        };
        let mut ours = run(decoder, &request, smallest + room).expect("there is room");
        request.measured.reverse();
        ours.values.iter_mut().for_each(|values| values.reverse());
        ours.tops.reverse();
        let budget = smallest + 2 * room;
        let theirs = run(decoder, &request, budget).or_else(|_| run(decoder, &request, PLENTY));
        check(decoder, &request, &ours, &theirs.expect("there is room"))?;
    }

    #[test]
    fn metrics_of_few_tokens_are_the_same_without_the_other_logits(choices in choices()) {
        let (decoder, request) = case(&choices);
        let few = |measure: &Measure| measure.metric.reads_tokens_alone();
        let inner = |reading: &Reading| reading.locus.site.component != Component::Logits;
        let narrow = |mut request: Request| {
            request.measures.retain(few);
            request.readings.retain(inner);
            request
        };
        // In company of a request that reads other tokens.
        let mut company = narrow(request.clone());
        let vocab = decoder.architecture().vocab as u32;
        for measure in &mut company.measures {
            if let Metric::Logit { answer } = &mut measure.metric {
                *answer = (*answer + vocab / 2) % vocab;
            }
        }
        let requests = [&company, &narrow(request.clone())];
        let found = lockstep::execute(decoder, &requests, &executing(PLENTY), &mut |_, _| Continue(()));
        let found = found.expect("the requests are answered").swap_remove(1);
        let theirs = run(decoder, &request, PLENTY).expect("the request is answered");
        let mut ours = theirs.clone();
        let measures = (0..request.measures.len()).filter(|m| few(&request.measures[*m]));
        measures.zip(found.values).for_each(|(measure, values)| ours.values[measure] = values);
        let readings = (0..request.readings.len()).filter(|r| inner(&request.readings[*r]));
        readings.zip(found.readings).for_each(|(reading, array)| ours.readings[reading] = array);
        check(decoder, &request, &ours, &theirs)?;
    }

    #[test]
    fn the_plan_counts_what_the_executor_does(choices in choices(), room in 0u64..200_000) {
        let (decoder, mut request) = case(&choices);
        if room % 2 == 0 {
            request.measures.retain(|measure| measure.metric.reads_tokens_alone());
            request.readings.clear();
        }
        let requests = [&request];
        let architecture = decoder.architecture();
        let planner = Planner::new(&requests, architecture).expect("it is a valid request");
        let Err(PlanError::TooSmall { smallest, .. }) = planner.passes(1) else {
            panic!("one byte is too little")
        };
        let budget = smallest + room;
        let passes = planner.passes(budget).expect("the smallest budget works");
        let costs: Vec<PassCost> =
            passes.iter().map(|chunk| planner.pass(chunk).cost(architecture)).collect();
        for cost in &costs {
            prop_assert!(cost.peak_bytes <= budget, "{} bytes of {budget}", cost.peak_bytes);
        }
        let planned: PassCost = costs.into_iter().sum();
        let outcome = run(decoder, &request, budget).expect("the request is answered");
        prop_assert_eq!(planned.flops, outcome.cost.flops);
        prop_assert_eq!(planned.rows, outcome.cost.rows as u64);
    }
}

proptest! {
    // Each has hundreds of forwards; shrinking would take minutes.
    #![proptest_config(ProptestConfig {
        cases: config().cases.div_ceil(32),
        max_shrink_iters: 0,
        ..config()
    })]

    #[test]
    fn where_a_block_ends_does_not_change_a_result(
        choices in prop::collection::vec(any::<u32>(), 12_000)
    ) {
        let mut tape = Tape(choices.iter());
        let decoder = &MODELS[tape.below(MODELS.len())];
        let (request, above) = (Request::default(), false);
        let request = Maker { decoder, tape, request, above }.large(600);
        let requests = [&request];
        let planner = Planner::new(&requests, decoder.architecture()).expect("it is valid");
        let chunks = planner.passes(PLENTY).expect("there is room");
        let segments = planner.pass(&chunks[0]).segments;
        prop_assert!(chunks.len() == 1 && segments.iter().all(|s| s.rows.len() > BLOCK_ROWS));
        let ours = run(decoder, &request, PLENTY).expect("the request is answered");
        check(decoder, &request, &ours, &reference(decoder, &request))?;
    }
}
