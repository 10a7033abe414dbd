//! Sliding windows in a config: how many keys a query sees, and in which layers.

use tracewright_ir::Window;

use super::Config;
use crate::error::ModelError;

/// The fields that are read here.
pub(super) const FIELDS: &[&str] = &["layer_types", "sliding_window"];

/// A window in every layer.
pub(super) fn everywhere(keys: Option<usize>, n_layers: usize) -> Option<Window> {
    keys.map(|keys| Window { keys, layers: (0..n_layers).collect() })
}

/// A window in the layers that `layer_types` calls sliding or, without that field, in those that
/// the family's rule names.
pub(super) fn by_layer(
    config: &Config<'_>,
    keys: Option<usize>,
    n_layers: usize,
    slides: impl Fn(usize) -> bool,
) -> Result<Option<Window>, ModelError> {
    let layers: Vec<usize> = match config.by_layer("layer_types", n_layers)? {
        Some(types) => sliding(config, &types)?,
        None => (0..n_layers).filter(|layer| slides(*layer)).collect(),
    };
    match keys {
        _ if layers.is_empty() => Ok(None),
        Some(keys) => Ok(Some(Window { keys, layers })),
        None => Err(config.bad(format!(
            "has a sliding window in {} of its layers, but no size for it ('sliding_window')",
            layers.len()
        ))),
    }
}

fn sliding(config: &Config<'_>, types: &[&str]) -> Result<Vec<usize>, ModelError> {
    let known = |kind: &str| matches!(kind, "full_attention" | "sliding_attention");
    if let Some(other) = types.iter().find(|kind| !known(kind)) {
        return Err(config.bad(format!(
            "has the layer type '{other}', which isn't supported; supported: full_attention, \
             sliding_attention"
        )));
    }
    let sliding = types.iter().enumerate().filter(|(_, kind)| **kind == "sliding_attention");
    Ok(sliding.map(|(layer, _)| layer).collect())
}
