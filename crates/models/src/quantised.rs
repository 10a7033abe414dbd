//! Weights that MLX has quantised in groups, as mlx-community publishes them.
//!
//! A row of the weight is cut into groups of so many numbers. Each number is an unsigned integer q of 2 to
//! 8 bits, packed into 32-bit words from the lowest bit on, and stands for scale · q + bias with a scale
//! and a bias for each group (`mlx.core.dequantize`, mode `affine`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ModelError;

/// What `config.json` says of quantised weights.
#[derive(Clone, Debug)]
pub(crate) struct Quantisation {
    all: Groups,
    /// Modules with groups of their own.
    modules: Vec<(String, Groups)>,
}

/// How the numbers of a tensor are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Groups {
    len: usize,
    bits: usize,
}

/// A quantised tensor: `[rows, words]` beside its scales and biases, `[rows, groups]`.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) scales: String,
    pub(crate) biases: String,
    groups: Groups,
}

#[derive(Deserialize)]
struct Fields {
    group_size: usize,
    bits: usize,
    mode: Option<String>,
}

impl Quantisation {
    /// Reads the `quantization` of a config.
    ///
    /// # Errors
    ///
    /// Settings that aren't MLX's affine groups.
    pub(crate) fn read(origin: &str, config: &[u8]) -> Result<Option<Self>, ModelError> {
        let bad = |problem: String| ModelError::BadConfig { origin: origin.to_owned(), problem };
        let config: Map<String, Value> =
            serde_json::from_slice(config).map_err(|e| bad(format!("isn't valid JSON: {e}")))?;
        let given = match config.get("quantization") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(given)) => given,
            Some(other) => {
                return Err(bad(format!(
                    "has {other} for 'quantization', which should be an object"
                )));
            }
        };
        let groups = |fields: &Map<String, Value>| {
            groups(fields).ok_or_else(|| {
                bad(format!(
                    "has a quantization {}, which isn't supported; supported: MLX's affine groups with \
                     group_size 32, 64 or 128 and 2, 3, 4, 5, 6 or 8 bits",
                    Value::Object(fields.clone())
                ))
            })
        };
        let own = given.iter().filter_map(|(name, value)| Some((name, value.as_object()?)));
        let modules = own.map(|(name, fields)| Ok((name.clone(), groups(fields)?)));
        let modules = modules.collect::<Result<_, ModelError>>()?;
        Ok(Some(Self { all: groups(given)?, modules }))
    }

    /// How a tensor would be packed, by its name.
    pub(crate) fn packed(&self, name: &str) -> Option<Packed> {
        let module = name.strip_suffix(".weight")?;
        let own = self.modules.iter().find(|(name, _)| name == module);
        Some(Packed {
            scales: format!("{module}.scales"),
            biases: format!("{module}.biases"),
            groups: own.map_or(self.all, |(_, groups)| *groups),
        })
    }
}

impl Quantisation {
    /// The bytes that so many numbers of a tensor would take: packed, with a scale and a bias of 16 bits for
    /// each group; norms and biases, which nobody packs, 2 bytes each.
    pub(crate) fn stored_bytes(&self, name: &str, numbers: u64) -> u64 {
        let packed = self.packed(name).filter(|packed| numbers > packed.groups.len as u64);
        packed.map_or(2 * numbers, |Packed { groups: Groups { len, bits }, .. }| {
            numbers * bits as u64 / 8 + numbers / len as u64 * 4
        })
    }
}

fn groups(fields: &Map<String, Value>) -> Option<Groups> {
    let Fields { group_size, bits, mode } =
        Fields::deserialize(Value::Object(fields.clone())).ok()?;
    let known = [32, 64, 128].contains(&group_size) && [2, 3, 4, 5, 6, 8].contains(&bits);
    let affine = mode.is_none_or(|mode| mode == "affine");
    (known && affine).then_some(Groups { len: group_size, bits })
}

impl Packed {
    /// The quantised tensor that scales or biases belong to.
    pub(crate) fn whole(name: &str) -> Option<String> {
        let module = name.strip_suffix(".scales").or_else(|| name.strip_suffix(".biases"))?;
        Some(format!("{module}.weight"))
    }

    /// Whether another tensor is packed alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.groups == other.groups
    }

    /// What the numbers are stored in: `4 bits`.
    pub(crate) fn stored_as(&self) -> String {
        format!("{} bits", self.groups.bits)
    }

    /// The shape of the numbers; none where that of the words and that of the scales don't fit.
    pub(crate) fn shape(&self, words: &[usize], scales: &[usize]) -> Option<Vec<usize>> {
        let ([rows, words], [scaled, groups]) = (words, scales) else { return None };
        let Groups { len, bits } = self.groups;
        let columns = groups.checked_mul(len)?;
        let fits = rows == scaled && words.checked_mul(32)? == columns.checked_mul(bits)?;
        fits.then(|| vec![*rows, columns])
    }

    /// The numbers; none where the parts don't fit.
    pub(crate) fn unpack(&self, words: &[u32], scales: &[f32], biases: &[f32]) -> Option<Vec<f32>> {
        let Groups { len, bits } = self.groups;
        let of_group = len * bits / 32;
        if words.len() != scales.len() * of_group || scales.len() != biases.len() {
            return None;
        }
        let mut numbers = Vec::with_capacity(scales.len() * len);
        let groups = words.chunks_exact(of_group).zip(scales.iter().zip(biases));
        for (words, (scale, bias)) in groups {
            for index in 0..len {
                let (word, shift) = (index * bits / 32, index * bits % 32);
                let next = words.get(word + 1).copied().unwrap_or_default();
                let both = u64::from(words[word]) | u64::from(next) << 32;
                let number = (both >> shift) & ((1 << bits) - 1);
                numbers.push(scale * number as f32 + bias);
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(len: usize, bits: usize) -> Packed {
        let (scales, biases) = (String::new(), String::new());
        Packed { scales, biases, groups: Groups { len, bits } }
    }

    #[test]
    fn numbers_are_packed_from_the_lowest_bit_on() {
        let words = [0x7654_3210, 0xfedc_ba98, 0x7654_3210, 0xfedc_ba98];
        let numbers = packed(32, 4).unpack(&words, &[0.5], &[-1.0]).expect("they fit");
        let expected: Vec<f32> = (0..32).map(|n| 0.5 * (n % 16) as f32 - 1.0).collect();
        assert_eq!(numbers, expected);
        // Three bits: the eleventh number stands in two words.
        let numbers = packed(32, 3).unpack(&[0x4000_0000, 1, 0], &[1.0], &[0.0]).expect("they fit");
        assert_eq!(numbers[9..12], [0.0, 5.0, 0.0]);
    }

    #[test]
    fn parts_that_do_not_fit_have_no_numbers() {
        assert_eq!(packed(32, 4).shape(&[6, 8], &[6, 2]), Some(vec![6, 64]));
        assert_eq!(packed(32, 4).shape(&[6, 7], &[6, 2]), None);
        assert_eq!(packed(32, 4).shape(&[6, 8], &[5, 2]), None);
        assert_eq!(packed(32, 4).unpack(&[0; 3], &[1.0], &[0.0]), None);
    }
}
