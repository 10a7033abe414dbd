//! Layers whose queries see the nearest keys alone: what lies before has no cells and no paths.

use std::path::Path;

use tracewright_engine::{Execution, silent};
use tracewright_ir::Direction;
use tracewright_models::{Checkpoint, DeviceName, Model};
use tracewright_sweep::{Pair, PairMetric, PairSettings, Pairs, Paths, Per};

/// Three layers with a window of three keys.
fn mistral() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families/mistral");
    let checkpoint = Checkpoint::open(&folder).expect("a checkpoint");
    checkpoint.load(DeviceName::Cpu).expect("a model")
}

/// Ten letters and the spaces between them, one of which differs.
fn pair() -> Pair {
    Pair {
        clean: "q w 7 r t y u i o p".to_owned(),
        corrupted: vec!["q w 8 r t y u i o p".to_owned()],
        ..Pair::default()
    }
}

/// What the embedding of the token that differs does over a receiver, if anything.
fn sent(receiver: &str, at: &str) -> Result<Option<f64>, String> {
    let receivers = vec![receiver.parse().expect("a receiver")];
    let settings = PairSettings {
        sites: vec!["embed".into()],
        per: Vec::new(),
        positions: vec!["subject".parse().expect("positions")],
        metric_at: vec![at.parse().expect("a position")],
        metrics: vec![PairMetric::L2],
        direction: Direction::Noise,
        paths: Some(Paths { receivers, freeze_mlp: false, by_group: false }),
        ..PairSettings::default()
    };
    let model = mistral();
    let pairs = Pairs::new(&model, settings, vec![pair()]).map_err(|error| error.to_string())?;
    let part = pairs.patch(0, &Execution::default(), &mut silent);
    Ok(part.expect("it is patched").rows[0].value)
}

#[test]
fn no_path_leads_past_the_windows_of_the_layers_above() {
    // The token that differs lies far before the last position; each layer carries it two further.
    for receiver in ["k@2", "v@1.0", "resid_pre@1", "mlp_in@0"] {
        let error = sent(receiver, "last").expect_err(receiver);
        assert!(error.starts_with("no path leads from any sender"), "{error}");
    }
    let subject: usize = 5;
    let reaches = |receiver, further: usize| sent(receiver, &(subject + further).to_string()).ok();
    assert!(reaches("k@2", 2).is_some_and(|value| value > Some(0.0)));
    assert_eq!(reaches("k@2", 3), None);
    assert!(reaches("k@1", 4).is_some_and(|value| value > Some(0.0)));
    assert_eq!(reaches("k@1", 5), None);
}

#[test]
fn cells_before_a_window_are_empty() {
    let settings = PairSettings {
        sites: vec!["pattern".into()],
        per: vec![Per::Position, Per::SrcPosition],
        layers: Some("1".parse().expect("a layer")),
        metrics: vec![PairMetric::L2],
        ..PairSettings::default()
    };
    let model = mistral();
    let pairs = Pairs::new(&model, settings, vec![pair()]).expect("it can be patched");
    let part = pairs.patch(0, &Execution::default(), &mut silent).expect("it is patched");
    for row in part.rows {
        let (query, key) = (row.position.expect("a query"), row.src_position.expect("a key"));
        let seen = (query.saturating_sub(2)..=query).contains(&key);
        assert_eq!(row.value.is_some(), seen, "{query} and {key}");
    }
}
