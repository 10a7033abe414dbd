//! What a cell patches: a site, or several together.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_ir::{Architecture, Component, IrError, Site};

use super::indices::number;
use crate::error::SweepError;

/// Sites by any of their names, joined with `+` where they are patched together: `resid_post`, `z@9`,
/// `attn_out+mlp_out`; and single heads: `z@9.6+z@9.9`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Target(pub String);

/// One site of a target; without its layer it stands for the component in all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) site: Site,
    pub(crate) head: Option<usize>,
}

impl Target {
    /// Its sites.
    ///
    /// # Errors
    ///
    /// A name that the model hasn't got, with the nearest, and a head of a site without heads.
    pub(crate) fn members(&self, architecture: &Architecture) -> Result<Vec<Member>, SweepError> {
        self.0.split('+').map(|name| member(name.trim(), architecture)).collect()
    }

    /// The same by the sites' short names.
    pub(crate) fn canonical(&self, architecture: &Architecture) -> Result<Self, SweepError> {
        Ok(Self::of(&self.members(architecture)?))
    }

    pub(crate) fn of(members: &[Member]) -> Self {
        Self(members.iter().map(Member::to_string).collect::<Vec<_>>().join("+"))
    }
}

impl Member {
    /// The member in its layer, or in each of them.
    pub(crate) fn in_each_layer(&self, architecture: &Architecture) -> Vec<Self> {
        let in_layer = |layer| Self { site: Site { layer, ..self.site }, ..*self };
        match self.site.layer.is_none() && self.site.component.in_layers() {
            true => (0..architecture.n_layers).map(|layer| in_layer(Some(layer))).collect(),
            false => vec![*self],
        }
    }

    /// Whether the two have a place in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let heads = match (self.head, other.head) {
            (Some(head), Some(other)) => head == other,
            _ => true,
        };
        let sites = match (self.site.layer, other.site.layer) {
            (Some(_), Some(_)) => self.site.place() == other.site.place(),
            _ => self.site.component == other.site.component,
        };
        heads && sites
    }
}

impl From<Component> for Target {
    fn from(component: Component) -> Self {
        Self(component.name().to_owned())
    }
}

impl From<Site> for Target {
    fn from(site: Site) -> Self {
        Self(site.short_name())
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

fn member(name: &str, architecture: &Architecture) -> Result<Member, SweepError> {
    let (of_site, head) = match name.split_once('@').and_then(|(_, place)| place.split_once('.')) {
        Some((_, head)) => {
            let digits = name.len() - head.len();
            let head = number(head)
                .ok_or_else(|| SweepError::UnknownIndices { given: head.to_owned() })?;
            (&name[..digits - 1], Some(head))
        }
        None => (name, None),
    };
    let site = site(of_site, architecture)?;
    if let Some(head) = head {
        let axis = site.component.head_axis();
        let axis = axis
            .ok_or(SweepError::NoAxis { site: site.component.name().to_owned(), axis: "head" })?;
        let len = architecture.axis_len(axis, 0);
        if head >= len {
            let given = head.to_string();
            return Err(SweepError::NoSuchIndex { axis: "head", given, len });
        }
    }
    Ok(Member { site, head })
}

/// A site by any of its names; without its layer it stands for the component in all layers.
fn site(name: &str, architecture: &Architecture) -> Result<Site, SweepError> {
    // As `tracewright sites` writes a name for all layers.
    let of_any = name.replace(".N.", ".0.").replace("h.N", "h.0").replace("layers.N", "layers.0");
    let everywhere = |component| Site { component, layer: None };
    match Site::parse(&of_any, architecture) {
        Err(IrError::NoLayer { component }) => Ok(everywhere(component)),
        Ok(site) if of_any != name => Ok(everywhere(site.component)),
        _ => Ok(Site::parse(name, architecture)?),
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = self.site.short_name();
        match self.head {
            Some(head) => write!(f, "{site}.{head}"),
            None => f.write_str(&site),
        }
    }
}
