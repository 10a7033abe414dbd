//! Sites: components at a layer, and the names by which they are known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, fill};
use crate::component::{Component, Entry, TABLE};
use crate::error::IrError;

/// A component at a layer; without a layer where the model has just one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The layer, counted from 0.
    pub layer: Option<usize>,
    /// The component.
    pub component: Component,
}

impl Site {
    /// A component of a layer.
    pub fn in_layer(component: Component, layer: usize) -> Self {
        Self { layer: Some(layer), component }
    }

    /// A component that stands outside the layers, such as the logits.
    pub const fn outside(component: Component) -> Self {
        Self { layer: None, component }
    }

    /// The same place under its one name: `resid_pre` above layer 0 is `resid_post` below.
    pub fn place(self) -> Self {
        match (self.component, self.layer) {
            (Component::ResidPre, Some(layer)) if layer > 0 => {
                Self::in_layer(Component::ResidPost, layer - 1)
            }
            _ => self,
        }
    }

    /// Where the site stands in a forward pass; sites are computed in rising order.
    pub fn order(self) -> (usize, Component) {
        let Self { layer, component } = self.place();
        let depth = match layer {
            Some(layer) => layer.saturating_add(1),
            None if component < Component::ResidPre => 0,
            None => usize::MAX,
        };
        (depth, component)
    }

    /// TransformerLens' name: `blocks.3.attn.hook_z`.
    pub fn hook_name(self) -> String {
        fill(self.component.hook(), self.layer)
    }

    /// The short name with its layer: `z@3`.
    pub fn short_name(self) -> String {
        match self.layer {
            Some(layer) => format!("{}@{layer}", self.component.name()),
            None => self.component.name().to_owned(),
        }
    }

    /// The names of the checkpoint's PyTorch modules whose output this site is.
    pub fn module_names(self, architecture: &Architecture) -> Vec<String> {
        let Self { component, layer } = self.place();
        let modules = architecture.modules.iter().filter(|m| m.component == component);
        modules.map(|m| m.at(layer)).collect()
    }

    /// Reads a site's name as a model knows it: TransformerLens' (`blocks.3.attn.hook_z`, `z3`
    /// isn't one), ours (`z@3`, `logits`), or the PyTorch module's (`transformer.h.3.mlp`, also
    /// without its first part or with MLX's `layers.3.self_attn`).
    ///
    /// # Errors
    ///
    /// [`IrError::UnknownSite`] with the nearest names, [`IrError::BadLayer`], and what
    /// [`Site::check`] gives.
    pub fn parse(name: &str, architecture: &Architecture) -> Result<Self, IrError> {
        let unknown = || IrError::unknown_site(name, &known_names(architecture));
        let site = read_short_name(name)
            .unwrap_or_else(|| read_long_name(name, architecture).ok_or_else(unknown))?;
        let site = site.as_added(architecture);
        site.check(architecture)?;
        Ok(site)
    }

    /// What is added to the stream, where the model adds its modules' outputs as they are.
    fn as_added(self, architecture: &Architecture) -> Self {
        let component = match self.component {
            Component::AttnModule if !architecture.has_post_norm() => Component::AttnOut,
            Component::MlpModule if !architecture.has_post_norm() => Component::MlpOut,
            component => component,
        };
        Self { component, ..self }
    }

    /// Fails where the model hasn't got this site.
    ///
    /// # Errors
    ///
    /// [`IrError::MissingSite`], [`IrError::LayerOutOfRange`], [`IrError::NoLayer`] and
    /// [`IrError::StrayLayer`].
    pub fn check(self, architecture: &Architecture) -> Result<(), IrError> {
        let Self { component, layer } = self;
        if let Some(reason) = architecture.lacks(component) {
            return Err(IrError::MissingSite {
                site: self,
                family: architecture.family.clone(),
                reason,
            });
        }
        match layer {
            Some(layer) if layer >= architecture.n_layers => {
                Err(IrError::LayerOutOfRange { site: self, n_layers: architecture.n_layers })
            }
            Some(_) if !component.in_layers() => Err(IrError::StrayLayer { component }),
            None if component.in_layers() => Err(IrError::NoLayer { component }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short_name())
    }
}

/// A dotted name with its (first) number taken out: `h.3.mlp` is `("h.{}.mlp", Some(3))`.
fn split_layer(name: &str) -> (String, Option<usize>) {
    let mut layer = None;
    let parts: Vec<&str> = name
        .split('.')
        .map(|part| match read_layer(part) {
            Some(number) if layer.is_none() => {
                layer = Some(number);
                "{}"
            }
            _ => part,
        })
        .collect();
    (parts.join("."), layer)
}

/// A layer's number: digits only, where `str::parse` would take `+3` as well.
fn read_layer(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Reads `z@3`; `None` where the part before the `@` isn't a component's name.
fn read_short_name(name: &str) -> Option<Result<Site, IrError>> {
    let (component, given) = name.split_once('@')?;
    let component = Component::from_name(component)?;
    let bad = || IrError::BadLayer { component, given: given.to_owned() };
    Some(read_layer(given).map(|layer| Site::in_layer(component, layer)).ok_or_else(bad))
}

fn read_long_name(name: &str, architecture: &Architecture) -> Option<Site> {
    if let Some(component) = Component::from_name(name) {
        return Some(Site { component, layer: None });
    }
    let (pattern, layer) = split_layer(name);
    let by_hook = TABLE.iter().find(|entry| entry.hook == pattern).map(|entry| entry.component);
    let by_module = || {
        // A module's name means its output anyway.
        let pattern = pattern.strip_suffix(".output").unwrap_or(&pattern);
        let matches = |m: &&crate::ModuleName| module_matches(&m.pattern, pattern);
        architecture.modules.iter().find(matches).map(|m| m.component)
    };
    let component = by_hook.or_else(by_module)?;
    Some(Site { component, layer })
}

/// True where `given` names the module `pattern`: whole, without its first part, or with the
/// container of the layers called `layers` and attention `self_attn`, as MLX does.
fn module_matches(pattern: &str, given: &str) -> bool {
    let given = given.strip_prefix("model.").unwrap_or(given);
    let given = match given.starts_with("layers.") && !pattern.contains("self_attn") {
        true => &given.replace(".self_attn", ".attn"),
        false => given,
    };
    let tail = pattern.split_once('.').map_or(pattern, |(_, tail)| tail);
    let mlx = || Some(format!("layers.{{}}{}", pattern.split_once(".{}")?.1));
    given == pattern || given == tail || mlx().is_some_and(|mlx| given == mlx)
}

/// All names of all sites; `{}` stands for the layer.
fn known_names(architecture: &Architecture) -> Vec<String> {
    let has = |entry: &&Entry| architecture.lacks(entry.component).is_none();
    let ours = TABLE.iter().filter(has).flat_map(|entry| {
        let short = std::iter::once(entry.short).chain(entry.aliases.iter().copied());
        short.map(str::to_owned).chain([entry.hook.to_owned()])
    });
    ours.chain(architecture.modules.iter().map(|m| m.pattern.clone())).collect()
}

/// The part of a site's name that a spelling mistake is looked for in, and its layer.
pub(crate) fn comparable(name: &str) -> (String, Option<usize>) {
    match name.split_once('@') {
        Some((component, layer)) => (component.to_owned(), read_layer(layer)),
        None => split_layer(name),
    }
}
