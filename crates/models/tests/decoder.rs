//! What a forward pass must keep, whatever the weights.

mod common;

use burn::tensor::Tensor;
use common::{TINY, built_in, families, load, tiny};
use tracewright_ir::{Axis, Component, Site};
use tracewright_models::{Batch, Decoder, Model, ModelError, Nobody, Visitor};

const LEN: usize = 9;

fn models() -> Vec<Model> {
    let tiny = TINY.iter().map(|name| tiny(name)).chain(families());
    tiny.map(|folder| load(&folder).expect("a fixture")).chain([built_in()]).collect()
}

/// Some tokens that `seed` decides.
fn ids(model: &Model, seed: usize) -> Vec<u32> {
    let vocab = model.architecture().vocab;
    (0..LEN).map(|i| ((seed + 1) * 7919 + i * (31 + seed) * 13).rem_euclid(vocab) as u32).collect()
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// The logits of all positions of sequences of `LEN` tokens.
fn logits(
    decoder: &Decoder,
    ids: &[u32],
    visitor: &mut impl Visitor<Error = ModelError>,
) -> Vec<f32> {
    let batch = Batch { sequences: ids.len() / LEN, len: LEN };
    let rows: Vec<usize> = (0..ids.len()).collect();
    let logits = decoder.forward(ids, batch, &rows, visitor).expect("its weights are there");
    numbers(logits)
}

/// Equal within 1e-6 of the largest logit; 2e-6 where queries and keys are turned, which rounds them once
/// more (PyTorch's own f32 and f64 differ by as much there).
fn check_equal(model: &Model, what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{}: {what}", model.name);
    let largest = a.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let difference = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    let turned = model.architecture().lacks(Component::RotQ).is_none();
    let bound = if turned { 2e-6 } else { 1e-6 };
    assert!(difference <= bound * largest, "{}: {what}: {difference} of {largest}", model.name);
}

#[test]
fn a_sequence_never_sees_the_others_of_its_batch() {
    for model in models() {
        let alone: Vec<Vec<f32>> =
            (0..3).map(|seed| logits(&model.decoder, &ids(&model, seed), &mut Nobody)).collect();
        let all: Vec<u32> = (0..3).flat_map(|seed| ids(&model, seed)).collect();
        let batch = logits(&model.decoder, &all, &mut Nobody);
        for (alone, batch) in alone.iter().zip(batch.chunks(alone[0].len())) {
            check_equal(&model, "alone and in a batch", alone, batch);
        }
    }
}

#[test]
fn a_later_token_never_changes_an_earlier_logit() {
    for model in models() {
        let vocab = model.architecture().vocab;
        let before = ids(&model, 5);
        let logits_before = logits(&model.decoder, &before, &mut Nobody);
        for changed in 0..LEN {
            let mut after = before.clone();
            after[changed] = (after[changed] + 1) % vocab as u32;
            let logits_after = logits(&model.decoder, &after, &mut Nobody);
            let (earlier, rest) = logits_before.split_at(changed * vocab);
            assert_eq!(
                earlier,
                &logits_after[..changed * vocab],
                "{}: before token {changed}",
                model.name
            );
            let own = changed * vocab..(changed + 1) * vocab;
            assert_ne!(
                &rest[..vocab],
                &logits_after[own],
                "{}: token {changed} matters",
                model.name
            );
        }
    }
}

#[test]
fn a_prompt_cut_short_has_the_same_logits() {
    for model in models() {
        let ids = ids(&model, 2);
        let whole = logits(&model.decoder, &ids, &mut Nobody);
        for len in 1..LEN {
            let rows: Vec<usize> = (0..len).collect();
            let batch = Batch { sequences: 1, len };
            let cut = model
                .decoder
                .forward(&ids[..len], batch, &rows, &mut Nobody)
                .expect("its weights are there");
            let part = &whole[..len * model.architecture().vocab];
            check_equal(&model, "cut short", part, &numbers(cut));
        }
    }
}

#[test]
fn only_the_wanted_rows_come_back_and_in_their_order() {
    for model in models() {
        let (ids, vocab) = (ids(&model, 3), model.architecture().vocab);
        let all = logits(&model.decoder, &ids, &mut Nobody);
        let rows = [8, 0, 8, 4];
        let batch = Batch { sequences: 1, len: LEN };
        let some =
            model.decoder.forward(&ids, batch, &rows, &mut Nobody).expect("its weights are there");
        let expected: Vec<f32> =
            rows.iter().flat_map(|row| all[row * vocab..(row + 1) * vocab].to_vec()).collect();
        check_equal(&model, "rows", &expected, &numbers(some));
    }
}

/// Looks at every site and leaves it as it is.
#[derive(Default)]
struct Everybody {
    seen: Vec<(Site, [usize; 2])>,
}

impl Visitor for Everybody {
    type Error = ModelError;

    fn wants(&self, _: Site) -> bool {
        true
    }

    fn visit(&mut self, site: Site, value: Tensor<2>) -> Result<Tensor<2>, ModelError> {
        self.seen.push((site, value.dims()));
        Ok(value)
    }
}

#[test]
fn looking_at_every_site_changes_nothing() {
    for model in models() {
        let all: Vec<u32> = (0..2).flat_map(|seed| ids(&model, seed)).collect();
        let unseen = logits(&model.decoder, &all, &mut Nobody);
        let seen = logits(&model.decoder, &all, &mut Everybody::default());
        check_equal(&model, "looked at", &unseen, &seen);
    }
}

#[test]
fn a_pass_visits_the_sites_of_its_architecture_in_their_order() {
    for model in models() {
        let mut everybody = Everybody::default();
        logits(&model.decoder, &[ids(&model, 0), ids(&model, 1)].concat(), &mut everybody);
        let sites: Vec<Site> = everybody.seen.iter().map(|(site, _)| *site).collect();
        assert_eq!(sites, model.architecture().sites(), "{}", model.name);
        assert!(sites.is_sorted_by(|a, b| a.order() < b.order()), "{}", model.name);
        assert!(sites.iter().all(|site| site.place() == *site), "{}", model.name);
    }
}

#[test]
fn a_site_has_the_shape_that_its_axes_say() {
    for model in models() {
        let architecture = model.architecture();
        let mut everybody = Everybody::default();
        logits(&model.decoder, &[ids(&model, 0), ids(&model, 1)].concat(), &mut everybody);
        for (site, [rows, columns]) in everybody.seen {
            let axes = site.component.axes();
            let count: usize = axes.iter().map(|axis| architecture.axis_len(*axis, LEN)).product();
            assert_eq!(rows * columns, 2 * count, "{}: {site}", model.name);
            let heads = if site.component.has_sources() {
                architecture.axis_len(Axis::Head, LEN)
            } else {
                1
            };
            assert_eq!(rows, 2 * LEN * heads, "{}: {site}", model.name);
        }
    }
}

/// Stops the pass at a site.
struct StopAt(Component);

#[derive(Debug, PartialEq)]
struct Stopped(Option<Site>);

impl From<ModelError> for Stopped {
    fn from(_: ModelError) -> Self {
        Self(None)
    }
}

impl Visitor for StopAt {
    type Error = Stopped;

    fn wants(&self, site: Site) -> bool {
        site.component == self.0
    }

    fn visit(&mut self, site: Site, _: Tensor<2>) -> Result<Tensor<2>, Stopped> {
        Err(Stopped(Some(site)))
    }
}

#[test]
fn an_error_of_the_visitor_stops_the_pass_where_it_stands() {
    let model = built_in();
    let batch = Batch { sequences: 1, len: LEN };
    for component in Component::ALL {
        let expected =
            model.architecture().sites().into_iter().find(|site| site.component == component);
        let stopped =
            model.decoder.forward(&ids(&model, 0), batch, &[0], &mut StopAt(component)).err();
        assert_eq!(stopped.and_then(|Stopped(site)| site), expected);
    }
}
