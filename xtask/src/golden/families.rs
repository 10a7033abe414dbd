//! Tiny random checkpoints of every family: logits, sites, and sweeps between two prompts.

use anyhow::{Result, ensure};
use tracewright_engine::{Execution, Outcome};
use tracewright_ir::{
    Array, Component, Intervention, Locus, Reading, Request, Run, RunId, Site, State,
};
use tracewright_models::{Checkpoint, DeviceName, Model};

use super::execute_both;
use super::file::{GoldenFile, fixture};
use super::quantity::{Quantity, largest};

/// Of the largest logit: f32 sums in another order. PyTorch's own f32 and f64 differ by 2e-6 here, an
/// exact GELU and its tanh form by 2e-4.
pub(super) const BOUND: f64 = 1e-5;

/// The text whose tokens are compared.
pub(super) const TEXT: &str = "The capital of France is";

/// The sweeps of the golden files: an array, what is patched, and whether a cell has one position or
/// one head of it; otherwise neurons 1 and 5.
const SWEEPS: [(&str, Component, Cells); 10] = {
    use {Cells::*, Component as C};
    [
        ("resid_post", C::ResidPost, Positions),
        ("attn_out", C::AttnOut, Positions),
        ("mlp_out", C::MlpOut, Positions),
        ("attn_module", C::AttnModule, Positions),
        ("mlp_module", C::MlpModule, Positions),
        ("z", C::Z, Heads),
        ("q", C::Q, Heads),
        ("k", C::K, Heads),
        ("v", C::V, Heads),
        ("mlp_post", C::MlpPost, Neurons),
    ]
};

/// What is read of the clean run.
const READ: [(&str, Component); 3] =
    [("pattern", Component::Pattern), ("ln1", Component::Ln1), ("ln2", Component::Ln2)];

#[derive(Clone, Copy)]
enum Cells {
    Positions,
    Heads,
    Neurons,
}

/// Of every checkpoint in `fixtures/families`, by both executors.
///
/// # Errors
///
/// A file that is missing or damaged, and a model that can't be run.
pub fn families(device: DeviceName) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("families")? {
        let model = Checkpoint::open(&fixture("families").join(&golden.name))?.load(device)?;
        let mut tokens = Quantity::new(format!("{} tokens", golden.name), 0.0);
        tokens.equal(TEXT, &model.tokenizer.prompt(TEXT)?.ids, &golden.integers("text_ids")?);
        quantities.push(tokens);
        let asked = Asked::new(&model, &golden)?;
        let outcomes = execute_both(&model, &asked.request, &Execution::default())?;
        for (executor, outcome) in ["lockstep", "reference"].into_iter().zip(&outcomes) {
            quantities.push(asked.compare(&golden, executor, outcome)?);
        }
    }
    Ok(quantities)
}

/// Everything that a golden file answers.
struct Asked {
    request: Request,
    /// For each reading the array that holds its answer, and where in it, by numbers.
    places: Vec<(String, usize)>,
}

impl Asked {
    fn new(model: &Model, golden: &GoldenFile) -> Result<Self> {
        let mut asked = Self { request: Request::default(), places: Vec::new() };
        let mut run = |name: &str| -> Result<RunId> {
            let ids: Vec<u32> = golden.integers(&format!("{name}_ids"))?;
            let run = asked.request.push(Run::of_tokens(name, &ids));
            asked.read(
                run,
                Locus::at(Site::outside(Component::Logits)),
                &format!("logits_{name}"),
                0,
            );
            Ok(run)
        };
        let (clean, corrupted) = (run("clean")?, run("corrupted")?);
        let architecture = model.architecture();
        let len = asked.request.tokens(clean)?.len();
        for (key, component) in READ.into_iter().filter(|(key, _)| golden.keys().any(|k| k == *key))
        {
            for layer in 0..architecture.n_layers {
                let locus = Locus::at(Site::in_layer(component, layer));
                let count: usize = locus.shape(architecture, len).iter().product();
                asked.read(clean, locus, key, layer * count);
            }
        }
        for (key, component, cells) in SWEEPS {
            if architecture.lacks(component).is_some() {
                continue;
            }
            let heads = component.head_axis().map_or(0, |axis| architecture.axis_len(axis, len));
            let count = match cells {
                Cells::Positions => len,
                Cells::Heads => heads,
                Cells::Neurons => 1,
            };
            for (layer, cell) in (0..architecture.n_layers)
                .flat_map(|layer| (0..count).map(move |cell| (layer, cell)))
            {
                let locus = Locus::at(Site::in_layer(component, layer));
                let locus = match cells {
                    Cells::Positions => locus.positions([cell]),
                    Cells::Heads => locus.heads([cell]),
                    Cells::Neurons => locus.neurons([1, 5]),
                };
                let name = format!("{key} {layer} {cell}");
                let run = Run::variant(name, corrupted, [Intervention::copy(locus, clean)]);
                let run = asked.request.push(run);
                let last = Locus::at(Site::outside(Component::Logits)).positions([len - 1]);
                asked.read(run, last, key, (layer * count + cell) * architecture.vocab);
            }
        }
        Ok(asked)
    }

    fn read(&mut self, run: RunId, locus: Locus, key: &str, first: usize) {
        self.request.readings.push(Reading { run, locus, state: State::Left });
        self.places.push((key.to_owned(), first));
    }

    fn compare(&self, golden: &GoldenFile, executor: &str, outcome: &Outcome) -> Result<Quantity> {
        let mut quantity = Quantity::new(format!("{} {executor}", golden.name), BOUND);
        let logits = largest(&golden.floats("logits_clean")?.data);
        for ((key, first), ours) in self.places.iter().zip(&outcome.readings) {
            let golden = golden.floats(key)?;
            let part = golden.data.get(*first..first + ours.data.len()).unwrap_or_default();
            ensure!(!part.is_empty(), "{}: '{key}' has too few numbers", quantity.name);
            let part = Array { shape: ours.shape.clone(), data: part.to_vec() };
            let inside = READ.iter().any(|(read, _)| read == key);
            let scale = if inside { largest(&golden.data) } else { logits };
            quantity.compare_arrays(&format!("{key} from {first}"), ours, &part, scale)?;
        }
        Ok(quantity)
    }
}
