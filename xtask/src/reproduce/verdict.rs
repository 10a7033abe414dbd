//! Whether what was measured is what was expected, published and claimed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::file::{Bound, Claim, Published, Quantity, Reproduction};
use super::query::{Measured, Tables};

/// How far we may be from PyTorch, as a share of the largest number of a quantity (of 1, where that is smaller).
pub(super) const EXACT: f64 = 1e-4;

/// A reproduction with all that was found.
pub(super) struct Outcome {
    pub(super) reproduction: Reproduction,
    /// In the order of the file.
    pub(super) numbers: Vec<Compared>,
    /// Each claim, and the bounds that it was held to; true where it holds.
    pub(super) claims: Vec<(Claim, String, bool)>,
}

/// A quantity beside what it should be.
pub(super) struct Compared {
    pub(super) quantity: Quantity,
    pub(super) measured: Measured,
    /// What PyTorch gets on the same model; none for the published model.
    pub(super) expected: Option<Vec<f64>>,
    /// What was published, of another model unless this is the published one.
    pub(super) published: Option<Vec<f64>>,
    /// Largest difference from what decides, and the most that it may be; none where nothing decides.
    pub(super) difference: Option<(f64, f64)>,
}

impl Compared {
    /// True unless it is too far from what decides.
    pub(super) fn is_right(&self) -> bool {
        self.difference.is_none_or(|(found, allowed)| found <= allowed)
    }
}

impl Outcome {
    /// The built-in model: PyTorch decides, and claims are held to.
    pub(super) fn beside_pytorch(
        reproduction: Reproduction,
        tables: &Tables,
        folder: &Path,
    ) -> Result<Self> {
        let mut expected: BTreeMap<String, Vec<f64>> = arrays(&folder.join("expected.json"))?;
        let compare = |quantity: &Quantity| {
            let measured = tables.measure(quantity)?;
            let Some(expected) = expected.remove(&quantity.name) else {
                bail!(
                    "expected.json hasn't got '{}': run `cargo xtask reproduce --expect`",
                    quantity.name
                );
            };
            let size = expected.iter().fold(1.0, |size: f64, value| size.max(value.abs()));
            let difference = (worst(&quantity.name, &measured.values, &expected)?, EXACT * size);
            let (quantity, difference) = (quantity.clone(), Some(difference));
            let published = published(&quantity, folder)?;
            Ok(Compared { quantity, measured, expected: Some(expected), published, difference })
        };
        let numbers = reproduction.quantities.iter().map(compare).collect::<Result<Vec<_>>>()?;
        let claims = reproduction.claims.iter().map(|claim| judged(claim, &numbers));
        Ok(Self { claims: claims.collect::<Result<_>>()?, numbers, reproduction })
    }

    /// The published model: what was published decides. Claims are about the built-in model, and so are quantities
    /// at layers, positions and heads that weren't published: they are left out.
    pub(super) fn beside_published(
        reproduction: Reproduction,
        tables: &Tables,
        folder: &Path,
    ) -> Result<Self> {
        let compare = |quantity: &Quantity| {
            let published = published(quantity, folder)?;
            let places = ["layer", "position", "head"];
            let placed = places.iter().any(|place| quantity.rows.contains_key(*place));
            if placed && published.is_none() {
                return Ok(None);
            }
            let measured = tables.measure(quantity)?;
            let difference = match (&published, quantity.tolerance) {
                (Some(published), Some(tolerance)) => {
                    Some((worst(&quantity.name, &measured.values, published)?, tolerance))
                }
                _ => None,
            };
            let quantity = quantity.clone();
            Ok(Some(Compared { quantity, measured, expected: None, published, difference }))
        };
        let numbers = reproduction.quantities.iter().filter_map(|one| compare(one).transpose());
        Ok(Self { numbers: numbers.collect::<Result<_>>()?, claims: Vec::new(), reproduction })
    }

    /// True where every number and every claim is right.
    pub(super) fn is_reproduced(&self) -> bool {
        self.problems().is_empty()
    }

    /// How many numbers and claims there are, and whether they are right.
    pub(super) fn words(&self) -> String {
        let decides = self.numbers.iter().any(|one| one.difference.is_some());
        let verdict = match (self.is_reproduced(), decides) {
            (true, true) => "reproduced",
            (true, false) => "measured, nothing was published to compare with",
            (false, _) => "NOT REPRODUCED",
        };
        format!("{verdict}, {} quantities, {} claims", self.numbers.len(), self.claims.len())
    }

    /// What isn't right.
    pub(super) fn problems(&self) -> Vec<String> {
        let wrong = self.numbers.iter().filter(|one| !one.is_right()).map(|one| {
            let (found, allowed) = one.difference.unwrap_or_default();
            format!("{}: off by {found:.2e}, allowed is {allowed:.2e}", one.quantity.name)
        });
        let surprising = self.claims.iter().filter(|(claim, _, holds)| *holds != claim.holds);
        let surprising = surprising.map(|(claim, why, holds)| {
            let verb = if *holds { "holds, against what is said" } else { "doesn't hold" };
            format!("{verb}: {} ({why})", claim.says)
        });
        wrong.chain(surprising).collect()
    }
}

/// Whether a claim holds, with the numbers that say so.
fn judged(claim: &Claim, numbers: &[Compared]) -> Result<(Claim, String, bool)> {
    let quantity = |name: &str| {
        let one = numbers.iter().find(|one| one.quantity.name == name);
        let one = one.with_context(|| format!("a claim names '{name}', which isn't a quantity"))?;
        one.measured.range().with_context(|| name.to_owned())
    };
    let bound = |bound: &Bound| match bound {
        Bound::Number(number) => Ok((*number, *number)),
        Bound::Quantity(name) => quantity(name),
    };
    let (low, high) = quantity(&claim.quantity)?;
    let (mut words, mut holds) = (shown(low, high), true);
    if let Some(least) = &claim.above {
        let (from, to) = bound(least)?;
        words += &format!(" > {}", shown(from, to));
        holds &= low > to;
    }
    if let Some(most) = &claim.below {
        let (from, to) = bound(most)?;
        words += &format!(" < {}", shown(from, to));
        holds &= high < from;
    }
    ensure!(
        claim.above.is_some() || claim.below.is_some(),
        "a claim without a bound: {}",
        claim.says
    );
    Ok((claim.clone(), words, holds))
}

/// A number, or an interval.
pub(super) fn shown(low: f64, high: f64) -> String {
    match low == high {
        true => number(low),
        false => format!("[{}, {}]", number(low), number(high)),
    }
}

/// A number with four digits after the point, or none where it is whole.
pub(super) fn number(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value}"),
        false => format!("{value:.4}"),
    }
}

fn worst(name: &str, values: &[f64], others: &[f64]) -> Result<f64> {
    let (ours, theirs) = (values.len(), others.len());
    ensure!(ours == theirs, "'{name}' has {ours} numbers where {theirs} are expected");
    Ok(values.iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

fn published(quantity: &Quantity, folder: &Path) -> Result<Option<Vec<f64>>> {
    Ok(match &quantity.published {
        None => None,
        Some(Published::Number(number)) => Some(vec![*number]),
        Some(Published::Array(name)) => {
            let mut arrays = arrays(&folder.join("published.json"))?;
            Some(
                arrays
                    .remove(name)
                    .with_context(|| format!("published.json hasn't got '{name}'"))?,
            )
        }
    })
}

/// A file of arrays by name.
pub(super) fn arrays(path: &Path) -> Result<BTreeMap<String, Vec<f64>>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quantity that has been measured.
    fn compared(name: &str, value: f64, interval: Option<(f64, f64)>) -> Compared {
        let text =
            format!("name = {name:?}\ntable = \"cells\"\ncolumn = \"value\"\ntake = \"only\"");
        Compared {
            quantity: toml::from_str(&text).expect("a quantity"),
            measured: Measured { values: vec![value], interval },
            expected: None,
            published: None,
            difference: None,
        }
    }

    #[track_caller]
    fn check(claim: &str, holds: bool, why: &str) {
        let numbers = [
            compared("early", 0.5, Some((0.4, 0.6))),
            compared("late", 0.55, Some((0.5, 0.7))),
            compared("noise", 0.3, None),
        ];
        let claim = toml::from_str(&format!("says = \"so\"\n{claim}")).expect("a claim");
        let (_, words, holding) = judged(&claim, &numbers).expect("a verdict");
        assert_eq!((holding, words.as_str()), (holds, why));
    }

    #[test]
    fn a_claim_holds_only_with_its_intervals() {
        check("quantity = \"early\"\nabove = \"noise\"", true, "[0.4000, 0.6000] > 0.3000");
        // The means are in order, their intervals overlap.
        check(
            "quantity = \"late\"\nabove = \"early\"",
            false,
            "[0.5000, 0.7000] > [0.4000, 0.6000]",
        );
        check("quantity = \"early\"\nbelow = 0.55", false, "[0.4000, 0.6000] < 0.5500");
        check(
            "quantity = \"noise\"\nabove = 0\nbelow = \"early\"",
            true,
            "0.3000 > 0 < [0.4000, 0.6000]",
        );
    }

    #[test]
    fn numbers_too_far_from_what_decides_are_problems() {
        let mut one = compared("early", 0.5, None);
        one.difference = Some((2e-4, EXACT));
        assert!(!one.is_right());
        assert!(worst("early", &[1.0], &[1.0, 2.0]).is_err());
        assert_eq!(worst("early", &[1.0, 3.0], &[1.0, 2.0]).ok(), Some(1.0));
    }
}
