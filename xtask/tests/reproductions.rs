//! The reproductions that are committed.

use std::collections::BTreeSet;

use xtask::reproduce::{names, problems};

/// What was promised.
const PROMISED: [&str; 20] = [
    "candle-mi-llama-1b",
    "candle-mi-pairs",
    "induction-heads",
    "ioi-heads",
    "ioi-layers",
    "ioi-noising",
    "ioi-positions",
    "mlxterp-components",
    "mlxterp-corruptions",
    "mlxterp-facts",
    "mlxterp-gpt2-xl",
    "path-patching-ioi",
    "rome-fig1",
    "rome-fig2",
    "rome-fig3",
    "similarity",
    "similarity-1b",
    "similarity-70b",
    "tl-gpt2-xl-eiffel",
    "tl-ioi-demo",
];

#[test]
fn every_reproduction_is_there_and_whole() {
    let names = names().expect("the folder");
    let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(named, BTreeSet::from(PROMISED));
    for name in names {
        assert_eq!(problems(&name).expect("a reproduction"), Vec::<String>::new(), "{name}");
    }
}
