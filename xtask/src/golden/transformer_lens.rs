//! Patching as TransformerLens' own functions do it.

use anyhow::{Context, Result, bail};
use tracewright_ir::{
    Component, Intervention, Locus, Measure, Metric, Operation, Request, Run, RunId, Site, Source,
    State, Value,
};
use tracewright_models::Model;

use super::file::GoldenFile;
use super::pairs::{Axis, Cell, Heatmap, LOGITS, coordinates, patches, tokens};
use super::quantity::Quantity;
use super::{Cells, execute};

/// The functions `get_act_patch_…`, neurons, and the axes of what they give. Of patterns they patch
/// later keys too, where nothing changes.
const GRIDS: [Heatmap; 15] = {
    use {Axis as A, Component as C};
    const BY_HEAD: &[Axis] = &[A::Layer, A::Head];
    const BY_POSITION: &[Axis] = &[A::Layer, A::Position, A::Head];
    const CELLS: &[Axis] = &[A::Layer, A::Head, A::Position, A::SrcPosition];
    [
        ("resid_pre", C::ResidPre, &[A::Layer, A::Position]),
        ("attn_out", C::AttnOut, &[A::Layer, A::Position]),
        ("mlp_out", C::MlpOut, &[A::Layer, A::Position]),
        ("attn_head_out_all_pos", C::Z, BY_HEAD),
        ("attn_head_q_all_pos", C::Q, BY_HEAD),
        ("attn_head_k_all_pos", C::K, BY_HEAD),
        ("attn_head_v_all_pos", C::V, BY_HEAD),
        ("attn_head_pattern_all_pos", C::Pattern, BY_HEAD),
        ("attn_head_out_by_pos", C::Z, BY_POSITION),
        ("attn_head_q_by_pos", C::Q, BY_POSITION),
        ("attn_head_k_by_pos", C::K, BY_POSITION),
        ("attn_head_v_by_pos", C::V, BY_POSITION),
        ("attn_head_pattern_by_pos", C::Pattern, &[A::Layer, A::Head, A::Position]),
        (SINGLE_CELLS, C::Pattern, CELLS),
        ("neurons_last_every97th", C::MlpPost, &[A::Layer, A::Neuron { layer: None, step: 97 }]),
    ]
};

/// The one grid that only the file of the shorter prompts has.
const SINGLE_CELLS: &str = "attn_head_pattern_dest_src_pos";

/// `get_act_patch_direct_path` into each of these.
const RECEIVERS: [(&str, Component); 3] = [
    ("direct_path_q", Component::Q),
    ("direct_path_k", Component::K),
    ("direct_path_v", Component::V),
];

/// Logit differences, a quantity for each file and function, and one for each file's tokens.
///
/// # Errors
///
/// A file that is missing or damaged, and a patch that can't be executed.
pub fn transformer_lens(model: &Model, cells: Cells) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for golden in GoldenFile::of_folder("transformer_lens")? {
        let of_file = file(model, &golden, cells)
            .with_context(|| format!("TransformerLens' pair '{}'", golden.name))?;
        quantities.extend(of_file);
    }
    Ok(quantities)
}

fn file(model: &Model, golden: &GoldenFile, which: Cells) -> Result<Vec<Quantity>> {
    let mut request = Request::default();
    let clean = request.push(Run::of_tokens("clean", &golden.integers::<u32>("clean_ids")?));
    let ids: Vec<u32> = golden.integers("corrupted_ids")?;
    let corrupted = request.push(Run::of_tokens("corrupted", &ids));
    let (answer, distractor) = (golden.integer("answer")?, golden.integer("distractor")?);
    let metric = Metric::LogitDiff { answers: vec![answer], distractors: vec![distractor] };
    request.measures = vec![Measure::at_last(metric)];

    let unpatched = |name: &str, run| -> Result<Cell> {
        Ok(Cell { name: name.to_owned(), run, golden: golden.floats(name)?.data })
    };
    let runs = vec![unpatched("clean", clean)?, unpatched("corrupted", corrupted)?];
    let mut grids = vec![("runs", runs)];
    for grid in GRIDS {
        if grid.0 != SINGLE_CELLS || golden.keys().any(|key| key == SINGLE_CELLS) {
            grids.push((grid.0, patches(golden, grid, which, &mut request, corrupted, clean)?));
        }
    }
    let n_layers = model.architecture().n_layers;
    let paths = direct_paths(golden, n_layers, &mut request, clean, corrupted)?;
    grids.push(("direct_path", paths));
    request.measured = grids.iter().flat_map(|(_, cells)| cells).map(|cell| cell.run).collect();
    let outcome = execute(model, &request)?;

    let mut quantities = vec![tokens(model, golden, "lens")?];
    let bound = LOGITS * golden.floats("scale")?.data[0];
    let mut ours = outcome.values[0].iter();
    for (key, cells) in &grids {
        let mut quantity = Quantity::new(format!("lens {} {key}", golden.name), bound);
        for cell in cells {
            let ours = ours.next().context("fewer values than cells")?;
            quantity.compare(&cell.name, *ours, cell.golden[0], 1.0);
        }
        quantities.push(quantity);
    }
    Ok(quantities)
}

/// Single edges, from each of the file's senders to every later head.
///
/// TransformerLens adds the difference of the sender's clean and corrupted output to the stream that
/// the receiver alone reads. That is what the receiver computes in a run that holds every head's q, k
/// and v and every MLP at the corrupted run's values and has the sender's clean one.
fn direct_paths(
    golden: &GoldenFile,
    n_layers: usize,
    request: &mut Request,
    clean: RunId,
    corrupted: RunId,
) -> Result<Vec<Cell>> {
    let held = [Component::Q, Component::K, Component::V, Component::MlpOut];
    let freeze = |layer| {
        let locus = |component| Locus::at(Site::in_layer(component, layer));
        held.map(|component| Intervention::copy(locus(component), corrupted))
    };
    let mut senders = Vec::new();
    for sender in golden.integers::<usize>("senders")?.chunks(2) {
        let &[layer, head] = sender else { bail!("a sender without a head") };
        let sent = Locus::at(Site::in_layer(Component::Z, layer)).heads([head]);
        let changes = (0..n_layers).flat_map(freeze).chain([Intervention::copy(sent, clean)]);
        let run = Run::variant(format!("z@{layer}.{head} sends"), corrupted, changes);
        senders.push((layer, request.push(run)));
    }
    let mut cells = Vec::new();
    for (key, component) in RECEIVERS {
        let values = golden.floats(key)?;
        for (number, value) in values.data.iter().enumerate() {
            let at = coordinates(number, &values.shape);
            let [sender, layer, head] = at[..] else { bail!("'{key}' hasn't three axes") };
            let (from, sending) = *senders.get(sender).context("more edges than senders")?;
            // Zeros, which mean nothing.
            if layer <= from {
                continue;
            }
            let locus = Locus::at(Site::in_layer(component, layer)).heads([head]);
            let source = Source { run: sending, locus: None, state: State::Computed };
            let operation = Operation::Replace(Value::Source(source));
            let name = format!("{key} {at:?}");
            let run = Run::variant(&name, corrupted, [Intervention { locus, operation }]);
            cells.push(Cell { name, run: request.push(run), golden: vec![*value] });
        }
    }
    Ok(cells)
}
