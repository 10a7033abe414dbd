//! Paths to keys and values that query heads share: a model with grouped heads beside the same model with
//! the shared ones repeated, where every query head has its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;
use tracewright_engine::{Execution, Executor, silent};
use tracewright_ir::Direction;
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_sweep::{Pair, PairMetric, PairSettings, Pairs, Paths, Per};

/// Six query heads over two key/value heads of eight numbers.
const HEADS: usize = 6;
const KV_HEADS: usize = 2;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families/llama3")
}

fn open(folder: &Path) -> Model {
    let checkpoint = Checkpoint::open(folder).expect("a checkpoint");
    checkpoint.load(DeviceName::Cpu).expect("a model")
}

/// The same model with as many key/value heads as query heads.
fn ungrouped(folder: &Path) -> Model {
    let read = |file: &str| fs::read(fixture().join(file)).expect("a fixture's file");
    let mut config: Value = serde_json::from_slice(&read("config.json")).expect("JSON");
    assert_eq!(config["num_key_value_heads"], KV_HEADS);
    config["num_key_value_heads"] = HEADS.into();
    fs::write(folder.join("config.json"), config.to_string()).expect("room");
    fs::write(folder.join("tokenizer.json"), read("tokenizer.json")).expect("room");
    let bytes = read("model.safetensors");
    let held = SafeTensors::deserialize(&bytes).expect("safetensors");
    let repeated = |name: &str, tensor: &TensorView<'_>| -> (Vec<usize>, Vec<u8>) {
        let (mut shape, data) = (tensor.shape().to_vec(), tensor.data());
        if !name.contains("k_proj") && !name.contains("v_proj") {
            return (shape, data.to_vec());
        }
        shape[0] *= HEADS / KV_HEADS;
        let heads = data.chunks(data.len() / KV_HEADS);
        (shape, heads.flat_map(|head| head.repeat(HEADS / KV_HEADS)).collect())
    };
    let tensors: BTreeMap<String, _> = held
        .iter()
        .map(|(name, tensor)| (name.to_owned(), (tensor.dtype(), repeated(name, &tensor))))
        .collect();
    let views = tensors.iter().map(|(name, (dtype, (shape, data)))| {
        (name, TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
    });
    let file = safetensors::serialize(views, None).expect("safetensors");
    fs::write(folder.join("model.safetensors"), file).expect("room");
    open(folder)
}

/// Two prompts of as many tokens.
fn pair() -> Pair {
    Pair {
        clean: "The X of Q is".to_owned(),
        corrupted: vec!["The X of Z is".to_owned()],
        ..Pair::default()
    }
}

/// What each head of the first layer does to the answer over these receivers, by both executors.
fn values(model: &Model, receivers: &[&str], by_group: bool) -> Vec<Option<f64>> {
    let receivers = receivers.iter().map(|receiver| receiver.parse().expect("a receiver"));
    let paths = Paths { receivers: receivers.collect(), freeze_mlp: false, by_group };
    let settings = PairSettings {
        sites: vec!["z@0".into()],
        per: vec![Per::Layer, Per::Head],
        metrics: vec![PairMetric::L2],
        direction: Direction::Noise,
        paths: Some(paths),
        ..PairSettings::default()
    };
    let pairs = Pairs::new(model, settings, vec![pair()]).expect("it can be patched");
    let found = [Executor::Lockstep, Executor::Reference].map(|executor| {
        let execution = Execution { executor, ..Execution::default() };
        let part = pairs.patch(0, &execution, &mut silent).expect("it is patched");
        part.rows.iter().map(|row| row.value).collect::<Vec<_>>()
    });
    check_close(&found[0], &found[1]);
    let [found, _] = found;
    assert_eq!(found.len(), HEADS);
    found
}

/// The same but for the last digits.
fn check_close(a: &[Option<f64>], b: &[Option<f64>]) {
    for (a, b) in a.iter().zip(b) {
        let (Some(a), Some(b)) = (a, b) else { panic!("{a:?} and {b:?}") };
        assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{a} and {b}");
    }
}

#[test]
fn a_query_head_alone_sees_the_changed_keys_and_values_of_its_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let (grouped, ungrouped) = (open(&fixture()), ungrouped(folder.path()));
    for receivers in [
        &["k@1.4"][..],
        &["v@1.1"],
        &["q@1.2", "k@1.2", "v@1.2", "v@1.0"],
        &["k@1.3", "v@1.5", "k@2.0", "mlp_in@2"],
    ] {
        let found = values(&grouped, receivers, false);
        check_close(&found, &values(&ungrouped, receivers, false));
        assert!(found.iter().flatten().any(|value| value.abs() > 1e-3), "{receivers:?}: {found:?}");
    }
}

#[test]
fn a_group_sees_them_together_when_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (grouped, ungrouped) = (open(&fixture()), ungrouped(folder.path()));
    let found = values(&grouped, &["k@1.1", "v@2.0"], true);
    let all = ["k@1.3", "k@1.4", "k@1.5", "v@2.0", "v@2.1", "v@2.2"];
    check_close(&found, &values(&ungrouped, &all, false));
    let alone = values(&grouped, &["k@1.3", "v@2.0"], false);
    assert_ne!(found, alone);
}

#[test]
fn a_head_that_is_not_there_is_named_by_what_it_would_be() {
    let model = open(&fixture());
    let refused = |receiver: &str, by_group| {
        let paths = Paths {
            receivers: vec![receiver.parse().expect("a receiver")],
            freeze_mlp: false,
            by_group,
        };
        let settings = PairSettings {
            sites: vec!["z@0".into()],
            per: vec![Per::Layer, Per::Head],
            paths: Some(paths),
            ..PairSettings::default()
        };
        Pairs::new(&model, settings, vec![pair()]).expect_err("refused").to_string()
    };
    insta::assert_snapshot!(refused("k@1.6", false), @"the receiver 'k@1.6' isn't there: the model has heads 0 to 5");
    insta::assert_snapshot!(refused("k@1.2", true), @"the receiver 'k@1.2' isn't there: the model has key/value heads 0 to 1");
}
