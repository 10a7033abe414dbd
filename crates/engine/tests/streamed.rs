//! A streamed model gives what one that is held gives, and reads what the plan says.

use std::path::{Path, PathBuf};

use tracewright_engine::{Execution, execute, silent};
use tracewright_ir::plan::{Birth, Planner};
use tracewright_ir::{Component, Intervention, Locus, Measure, Metric, Request, Run, Site};
use tracewright_models::{Checkpoint, DeviceName, Model};

/// Enough for a few of the tiny models' runs at a time.
const MEMORY: u64 = 400 << 10;

fn folders() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let entries = std::fs::read_dir(fixtures.join("families")).expect("the fixtures are there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder").path()).collect();
    folders.sort();
    folders
}

fn model(folder: &Path, streamed: bool) -> Model {
    let checkpoint = Checkpoint::open(folder).expect("a fixture").streamed(streamed);
    checkpoint.load(DeviceName::Cpu).expect("its weights")
}

fn has_pytorch_files(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).expect("a fixture");
    entries.any(|entry| entry.expect("a file").path().extension().is_some_and(|end| end == "bin"))
}

/// The stream of one prompt at every layer and position, copied into another.
fn request(model: &Model, metrics: &[Metric]) -> Request {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &[5, 1, 90, 17, 3, 64]));
    let corrupted = request.push(Run::of_tokens("corrupted", &[5, 2, 90, 17, 3, 64]));
    request.measured = vec![clean, corrupted];
    for layer in 0..model.architecture().n_layers {
        for position in 1..6 {
            let site = Site::in_layer(Component::ResidPost, layer);
            let copy = Intervention::copy(Locus::at(site).positions([position]), clean);
            let run = request.push(Run::variant("patched", corrupted, [copy]));
            request.measured.push(run);
        }
    }
    request.measures = metrics.iter().cloned().map(Measure::at_last).collect();
    request
}

#[test]
fn a_streamed_pass_gives_the_numbers_of_one_with_held_weights_and_reads_what_the_plan_says() {
    let mut passes_in_all = 0;
    for folder in folders() {
        let footprint = Checkpoint::open(&folder).expect("a fixture").footprint();
        let (held, streamed) = (model(&folder, false), model(&folder, true));
        let in_rows = !has_pytorch_files(&folder);
        // A row of the table as it is stored.
        let row = footprint.stored_unembedding / held.architecture().vocab as u64;
        let whole = [Metric::Entropy, Metric::Prob { answer: 7 }];
        let few = [Metric::LogitDiff { answers: vec![7], distractors: vec![9] }];
        for metrics in [&whole[..], &few] {
            let request = request(&held, metrics);
            let execution = Execution { memory: MEMORY, ..Execution::default() };
            let run = |model: &Model| {
                let outcome = execute(&model.decoder, &request, &execution, &mut silent);
                outcome.expect("numbers").values
            };
            let before = streamed.decoder.bytes_read();
            assert_eq!(run(&streamed), run(&held), "{}", folder.display());
            let read = streamed.decoder.bytes_read() - before;
            let requests = [&request];
            let planner = Planner::new(&requests, held.architecture()).expect("it fits");
            let chunks = planner.passes(MEMORY).expect("the budget is enough");
            passes_in_all += chunks.len();
            let unembeddings: u64 = chunks.iter().map(|chunk| chunk.cost().unembeddings).sum();
            let mut rows = 0;
            for chunk in &chunks {
                let pass = planner.pass(chunk);
                let is_token = |birth: &Birth| matches!(birth, Birth::Token(_));
                let fed = pass.segments[0].rows.iter().filter(|row| is_token(&row.birth)).count();
                // One block of rows, whose two tokens' columns are read.
                let columns = pass.scope.tokens.as_ref().map_or(0, Vec::len);
                // PyTorch's files have no rows that can be read by themselves.
                let vocab = held.architecture().vocab;
                let whole = |rows: usize| if in_rows { rows } else { rows.min(1) * vocab };
                rows += whole(fed) + whole(columns);
            }
            let expected = chunks.len() as u64 * footprint.stored_layers
                + unembeddings * footprint.stored_unembedding
                + rows as u64 * row;
            assert_eq!(read, expected, "{}: {metrics:?}", folder.display());
        }
    }
    assert!(passes_in_all > 2 * folders().len(), "no request was split");
}

#[test]
fn the_reference_executor_streams_too() {
    let folder = &folders()[0];
    let (held, streamed) = (model(folder, false), model(folder, true));
    let request = request(&held, &[Metric::Entropy]);
    let execution =
        Execution { executor: tracewright_engine::Executor::Reference, ..Execution::default() };
    let run = |model: &Model| {
        execute(&model.decoder, &request, &execution, &mut silent).expect("numbers").values
    };
    assert_eq!(run(&streamed), run(&held));
}
