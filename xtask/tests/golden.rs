//! Tracewright's numbers are PyTorch's, within the bound that each group's file states.

use tracewright_models::{DeviceName, Model};
use xtask::golden::{self, Cells, Quantity};

/// `names` and `numbers` are what the golden files hold at least, so that no group can pass
/// because it compared nothing.
fn check(quantities: &[Quantity], names: usize, numbers: usize) {
    let table = golden::table(quantities);
    assert!(quantities.iter().all(Quantity::is_ok), "\n{table}");
    assert!(quantities.len() >= names, "{} quantities instead of {names}", quantities.len());
    let compared: usize = quantities.iter().map(|quantity| quantity.compared).sum();
    assert!(compared >= numbers, "{compared} numbers instead of {numbers}\n{table}");
}

fn facts() -> Model {
    golden::facts(DeviceName::Cpu).unwrap()
}

#[test]
fn tiny_checkpoints_have_the_numbers_of_hugging_faces() {
    // Three checkpoints. Logits: ten rows of each vocabulary. By both executors every site, and
    // fourteen interventions and two runs without, logits and effects.
    let vocabularies = 97 + 300 + 300;
    let sites = 2 * (6656 + 4548 + 4932);
    let numbers = 10 * vocabularies + sites + 2 * 2 * 16 * vocabularies;
    check(&golden::tiny(DeviceName::Cpu).unwrap(), 3 * 4, numbers);
}

#[test]
fn every_family_has_the_numbers_of_hugging_faces() {
    // Eighteen checkpoints by both executors: tokens; two runs of eight tokens, and for two layers or more
    // three sweeps over positions and four over heads, all of them logits of 97 tokens or more.
    let cells = 2 * 8 + 2 * (3 * 8 + 4);
    check(&golden::families(DeviceName::Cpu).unwrap(), 18 * 3, 2 * 18 * cells * 97);
}

#[test]
fn quantised_checkpoints_have_the_numbers_of_mlxs_weights() {
    // Four checkpoints: tokens, and the logits of eight tokens over vocabularies of 103 or more.
    check(&golden::quantised(DeviceName::Cpu).unwrap(), 4 * 2, 4 * (8 * 103 + 1));
}

#[test]
fn every_site_has_the_value_that_pytorch_hooks_read() {
    check(&golden::sites(&facts()).unwrap(), 26, 530_000);
}

#[test]
fn single_interventions_move_the_logits_as_pytorch_hooks_do() {
    // 69 interventions and two runs without, logits and effects, by both executors.
    let quantities = golden::interventions(&facts()).unwrap();
    check(&quantities, 2, 2 * 2 * 71 * 3072);
}

#[test]
fn patching_between_prompts_gives_the_heatmaps_of_pytorch() {
    let quantities = golden::pairs(&facts(), Cells::EverySeventh).unwrap();
    check(&quantities, 3 * 5, 3 * 4 * 100);
}

#[test]
fn the_command_pair_gives_the_heatmaps_of_pytorch() {
    // Three files, four metrics, three sites and six heads, each position or all of them together; a prompt
    // has five tokens.
    let quantities = golden::protocol(&facts()).unwrap();
    check(&quantities, 3 * 4 * 4, 3 * 4 * (3 + 6) * 12 * (5 + 1));
}

#[test]
fn paths_move_the_answer_as_four_passes_of_pytorch_do() {
    // Four sets of receivers of heads and five of MLPs and the embedding, MLPs recomputed and frozen; not
    // every layer reaches them.
    let quantities = golden::paths(&facts()).unwrap();
    check(&quantities, 8 + 10, 2 * (72 + 36 + 54 + 54) + 2 * (9 + 8 + 4 + 11 + 12 + 5));
}

#[test]
fn patching_gives_the_heatmaps_of_transformer_lens() {
    // Two files: tokens, runs, fourteen heatmaps, in one file the patterns' single cells, and paths,
    // which are compared whole: from five senders to the q, k and v of later heads. Of the others
    // every seventh cell is compared.
    let quantities = golden::transformer_lens(&facts(), Cells::EverySeventh).unwrap();
    let cells = 5 * 12 * 6 * (16 + 5) + 12 * 6 * 5 * 5;
    check(&quantities, 17 + 18, cells / 7 + 2 * 3 * 6 * (11 + 8 + 6 + 5 + 5));
}

#[test]
fn subjects_have_the_embedding_deviation_that_rome_found() {
    check(&[golden::embedding_deviation(&facts()).unwrap()], 1, 1);
}

#[test]
fn causal_traces_are_romes() {
    // A token has twelve scores, and most of the files have a dozen tokens.
    check(&golden::rome(&facts()).unwrap(), 2, 3380);
}
