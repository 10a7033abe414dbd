//! Rotary positions in a config, in both spellings: transformers 4's `rope_theta` and
//! `rope_scaling` at the top, transformers 5's `rope_parameters`.
//!
//! Which of them counts is what transformers 5.23 does (`modeling_rope_utils.py`): a `rope_scaling`
//! replaces the `rope_parameters`, and what stands inside comes before what stands at the top.

use tracewright_ir::{AngleScaling, Angles, Pairs, Rotary};

use super::Config;
use crate::error::ModelError;

/// The fields that are read here.
pub const FIELDS: &[&str] = &[
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "partial_rotary_factor",
    "original_max_position_embeddings",
];

/// The same within a section.
const SECTION_FIELDS: &[&str] = &[
    "factor",
    "high_freq_factor",
    "low_freq_factor",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "type",
];

/// What a family's config has at its top for what its section doesn't say.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    /// The field of the base.
    pub base: &'static str,
    /// The field of the part of a head that is turned.
    pub part: &'static str,
    /// That part where the field isn't there either.
    pub absent_part: f64,
}

/// The spelling of most families.
pub const USUAL: Spelling =
    Spelling { base: "rope_theta", part: "partial_rotary_factor", absent_part: 1.0 };

/// The base where a config has none.
const BASE: f64 = 10_000.0;

/// Rotary positions over halves of whole heads: in families without a part of them, transformers
/// turns whole heads whatever the config says.
///
/// # Errors
///
/// Fields that aren't what they should be, a kind of scaling that isn't computed, and a part of heads.
pub fn whole_heads(config: &Config<'_>, d_head: usize) -> Result<Rotary, ModelError> {
    let rotary = rotary(config, d_head, &USUAL)?;
    if rotary.width != d_head {
        return Err(config.bad(
            "has a partial_rotary_factor, which its family doesn't have: leave it out".to_owned(),
        ));
    }
    Ok(rotary)
}

/// Rotary positions over halves of the part of heads that a config says.
///
/// # Errors
///
/// Fields that aren't what they should be, a kind of scaling that isn't computed, and a part that isn't an
/// even number of a head's.
pub fn rotary(
    config: &Config<'_>,
    d_head: usize,
    spelling: &Spelling,
) -> Result<Rotary, ModelError> {
    let given = match config.section("rope_scaling")? {
        Some(scaling) => Some(scaling),
        None => config.section("rope_parameters")?,
    };
    let angles = angles(config, given.as_ref(), spelling.base, BASE)?;
    let part = match within(given.as_ref(), "partial_rotary_factor")? {
        Some(part) => part,
        None => config.number(spelling.part, spelling.absent_part)?,
    };
    let width = (d_head as f64 * part) as usize;
    check_width(config, width, d_head)?;
    Ok(Rotary { width, pairs: Pairs::Halves, angles, window_angles: None })
}

/// The angles that a section gives; `base` is the field at the config's top for the base, which is
/// `absent` without it.
pub(super) fn angles(
    config: &Config<'_>,
    given: Option<&Config<'_>>,
    base: &str,
    absent: f64,
) -> Result<Angles, ModelError> {
    let base = match within(given, "rope_theta")? {
        Some(base) => base,
        None => config.number(base, absent)?,
    };
    let scaling = given.map(|given| scaling(config, given)).transpose()?;
    Ok(Angles { base, scaling: scaling.unwrap_or(AngleScaling::None) })
}

/// Fails where a head can't be turned over so many of its numbers.
pub(super) fn check_width(
    config: &Config<'_>,
    width: usize,
    d_head: usize,
) -> Result<(), ModelError> {
    if width > d_head || width == 0 || !width.is_multiple_of(2) {
        return Err(config.bad(format!(
            "asks for rotary positions over {width} of a head's {d_head} numbers: it has to be an \
             even number of them"
        )));
    }
    Ok(())
}

fn within(given: Option<&Config<'_>>, key: &str) -> Result<Option<f64>, ModelError> {
    Ok(given.map(|given| given.positive(key)).transpose()?.flatten())
}

/// How a section scales angles.
fn scaling(config: &Config<'_>, given: &Config<'_>) -> Result<AngleScaling, ModelError> {
    let kind = match given.text("rope_type")? {
        Some(kind) => Some(kind),
        None => given.text("type")?,
    };
    let required = |key: &str| {
        let lacks = || config.bad(format!("lacks '{key}' among its rope fields"));
        given.positive(key)?.ok_or_else(lacks)
    };
    let scaling = match kind.unwrap_or("default") {
        "default" => AngleScaling::None,
        "linear" => AngleScaling::Linear { factor: required("factor")? },
        "llama3" => {
            let context = match given.size("original_max_position_embeddings")? {
                Some(context) => context,
                None => config.required_size("max_position_embeddings")?,
            };
            let factor = required("factor")?;
            let (low, high) = (required("low_freq_factor")?, required("high_freq_factor")?);
            if low >= high {
                return Err(config.bad(format!(
                    "has a low_freq_factor of {low}, which has to be below high_freq_factor {high}"
                )));
            }
            AngleScaling::Llama3 { factor, low, high, context }
        }
        other => {
            return Err(config.bad(format!(
                "has the rope type '{other}', which isn't supported; supported: default, linear, \
                 llama3"
            )));
        }
    };
    let known = |key: &String| SECTION_FIELDS.contains(&key.as_str());
    match given.keys().find(|key| !known(key)) {
        Some(key) => {
            Err(config.bad(format!("has '{key}' among its rope fields, which isn't supported")))
        }
        None => Ok(scaling),
    }
}
