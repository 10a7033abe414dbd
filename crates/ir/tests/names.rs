//! Names of sites.

mod common;

use common::{architectures, gpt2, llama, message, parallel};
use insta::assert_snapshot;
use proptest::prelude::*;
use tracewright_ir::{Architecture, Component as C, IrError, Site};

fn parse(name: &str, architecture: &Architecture) -> Site {
    Site::parse(name, architecture).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every name that a site has in a model.
fn names(site: Site, architecture: &Architecture) -> Vec<String> {
    let mut names = vec![site.hook_name(), site.short_name(), site.to_string()];
    let alias = |alias: &&str| match site.layer {
        Some(layer) => format!("{alias}@{layer}"),
        None => (*alias).to_owned(),
    };
    names.extend(site.component.aliases().iter().map(alias));
    for module in site.module_names(architecture) {
        let layer = site.place().layer.map(|layer| format!(".{layer}"));
        let mlx =
            layer.and_then(|layer| Some(format!("layers{layer}{}", module.split_once(&layer)?.1)));
        let tail = module.split_once('.').map(|(_, tail)| tail.to_owned());
        names.extend([Some(module), tail, mlx].into_iter().flatten());
    }
    names
}

/// `sites()`, and `resid_pre` of every layer.
fn all_sites(architecture: &Architecture) -> Vec<Site> {
    let again = (1..architecture.n_layers).map(|layer| Site::in_layer(C::ResidPre, layer));
    architecture.sites().into_iter().chain(again).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_name_of_a_site_is_read_as_its_place(architecture in architectures()) {
        for site in all_sites(&architecture) {
            for name in names(site, &architecture) {
                prop_assert_eq!(parse(&name, &architecture).place(), site.place(), "{}", name);
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_site(architecture in architectures()) {
        for site in all_sites(&architecture) {
            prop_assert_eq!(parse(&site.to_string(), &architecture), site);
            prop_assert_eq!(parse(&site.hook_name(), &architecture), site);
        }
    }

    #[test]
    fn no_two_places_share_a_name(architecture in architectures()) {
        let sites = architecture.sites();
        let mut all: Vec<(String, Site)> = sites
            .into_iter()
            .flat_map(|site| names(site, &architecture).into_iter().map(move |name| (name, site)))
            .collect();
        all.sort();
        all.dedup();
        for pair in all.windows(2) {
            prop_assert_ne!(&pair[0].0, &pair[1].0);
        }
    }

    #[test]
    fn sites_rise_and_are_listed_once(architecture in architectures()) {
        let sites = architecture.sites();
        prop_assert!(sites.is_sorted_by(|a, b| a.order() < b.order()));
        let mut places: Vec<Site> = sites.iter().map(|site| site.place()).collect();
        prop_assert_eq!(&places, &sites, "under the name of its place");
        places.sort();
        places.dedup();
        prop_assert_eq!(places.len(), sites.len());
    }

    #[test]
    fn sites_are_what_the_model_does_not_lack(architecture in architectures()) {
        let sites = architecture.sites();
        for component in C::ALL {
            let count = sites.iter().filter(|site| site.component == component).count();
            let expected = match component {
                _ if architecture.lacks(component).is_some() => 0,
                C::ResidPre => 1,
                _ if component.in_layers() => architecture.n_layers,
                _ => 1,
            };
            prop_assert_eq!(count, expected, "{}", component);
        }
        prop_assert!(sites.iter().all(|site| site.check(&architecture).is_ok()));
    }

    #[test]
    fn no_text_makes_it_panic(name in ".{0,40}", architecture in architectures()) {
        let _ = Site::parse(&name, &architecture).map(Site::order);
    }

    #[test]
    fn no_text_like_a_name_makes_it_panic(
        name in "(blocks|transformer|h|layers|z|mlp|\\{\\})?[.@]?[+-]?[0-9]{0,25}([.@](attn|hook_z|mlp|[0-9]|é|\\{\\}))*",
        architecture in architectures(),
    ) {
        if let Ok(site) = Site::parse(&name, &architecture) {
            prop_assert!(site.check(&architecture).is_ok());
        }
    }
}

#[test]
fn resid_post_and_resid_pre_above_are_one_place() {
    for layer in 0..11 {
        let (post, pre) =
            (Site::in_layer(C::ResidPost, layer), Site::in_layer(C::ResidPre, layer + 1));
        assert_eq!(post.place(), pre.place());
        assert_eq!(post.order(), pre.order());
        assert_eq!(post.module_names(&gpt2()), pre.module_names(&gpt2()));
    }
    let first = Site::in_layer(C::ResidPre, 0);
    assert_eq!(first.place(), first);
}

#[test]
fn the_words_of_module_paths_are_accepted() {
    for (word, component) in [
        ("mlp", C::MlpOut),
        ("attn", C::AttnOut),
        ("self_attn", C::AttnOut),
        ("output", C::ResidPost),
    ] {
        assert_eq!(C::from_name(word), Some(component));
        assert_eq!(parse(&format!("{word}@5"), &gpt2()), Site::in_layer(component, 5));
    }
    assert_eq!(parse("h.3.mlp", &gpt2()), Site::in_layer(C::MlpOut, 3));
    assert_eq!(parse("layers.3.self_attn", &llama()), Site::in_layer(C::AttnOut, 3));
    assert_eq!(parse("model.layers.3", &llama()), Site::in_layer(C::ResidPost, 3));
}

#[test]
fn transformer_lens_short_forms_and_other_numbers_are_not_accepted_silently() {
    for name in [
        "z3",
        "k6",
        "resid_post3",
        "z@",
        "@3",
        "z@x",
        "z@-1",
        "z@+3",
        "z@3.",
        "z@3@4",
        "z @3",
        "Z@3",
        "",
        "blocks.+3.attn.hook_z",
        "blocks.3.4.attn.hook_z",
        "blocks.3",
        "transformer.h.3.attn.",
        "h",
        "blocks.3.attn.hook_z@3",
        "z@99999999999999999999",
        "hook_z",
    ] {
        let result = Site::parse(name, &gpt2());
        assert!(
            matches!(result, Err(IrError::UnknownSite { .. } | IrError::BadLayer { .. })),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn spelling_mistakes_lead_to_the_right_name() {
    for (given, meant) in [
        ("resid_pots@3", "resid_post"),
        ("residpost@3", "resid_post"),
        ("mlp_uot@2", "mlp_out"),
        ("attnout@0", "attn_out"),
        ("z3", "z"),
        ("patern@1", "pattern"),
        ("blocks.3.attn.hook_zz", "blocks.3.attn.hook_z"),
        ("block.3.hook_resid_post", "blocks.3.hook_resid_post"),
        ("transformer.h.3.mpl", "transformer.h.3.mlp"),
        ("logit", "logits"),
        ("embd", "embed"),
    ] {
        match Site::parse(given, &gpt2()) {
            Err(IrError::UnknownSite { nearest, .. }) => {
                assert_eq!(
                    nearest.first().map(String::as_str),
                    Some(meant),
                    "{given}: {nearest:?}"
                );
            }
            other => panic!("{given}: {other:?}"),
        }
    }
}

#[test]
fn suggestions_are_sites_that_the_model_has() {
    let error = Site::parse("rot_qq@1", &gpt2()).expect_err("no such site").to_string();
    assert!(!error.contains("rot_q,"), "{error}");
    let error = Site::parse("rot_qq@1", &llama()).expect_err("no such site").to_string();
    assert!(error.contains("rot_q,"), "{error}");
}

#[test]
fn messages_say_what_was_given_and_what_would_do() {
    let wrong = |name, architecture| message(Site::parse(name, &architecture));
    assert_snapshot!(wrong("resid_pots@3", gpt2()), @"there is no site 'resid_pots@3'; the nearest names are resid_post, resid_pre, resid_mid");
    assert_snapshot!(wrong("z3", gpt2()), @"there is no site 'z3'; the nearest names are z, attn, attn_out");
    assert_snapshot!(wrong("blocks.3.attn.hook_zz", gpt2()), @"there is no site 'blocks.3.attn.hook_zz'; the nearest names are blocks.3.attn.hook_z, blocks.3.attn.hook_k, blocks.3.attn.hook_q");
    assert_snapshot!(wrong("z@x", gpt2()), @"'x' isn't a layer's number: write it as in 'z@0'");
    assert_snapshot!(wrong("resid_mid@3", parallel()), @"a gpt_neox model has no site 'resid_mid@3': attention and MLP read the same residual stream, so nothing lies between them");
    assert_snapshot!(wrong("blocks.12.hook_mlp_out", gpt2()), @"'mlp_out@12' doesn't exist: the model has layers 0 to 11");
    assert_snapshot!(wrong("resid_pre@12", gpt2()), @"'resid_pre@12' doesn't exist: the model has layers 0 to 11");
    assert_snapshot!(wrong("mlp", gpt2()), @"'mlp_out' stands in every layer: say which one, as in 'mlp_out@0'");
    assert_snapshot!(wrong("transformer.h.{}.attn", gpt2()), @"'attn_out' stands in every layer: say which one, as in 'attn_out@0'");
    assert_snapshot!(wrong("logits@3", gpt2()), @"'logits' exists once, not in every layer: leave the layer out");
    assert_snapshot!(wrong("mlp_pre_linear@0", gpt2()), @"a gpt2 model has no site 'mlp_pre_linear@0': its MLP isn't gated");
    assert_snapshot!(wrong("pos_embed", llama()), @"a llama model has no site 'pos_embed': its positions are not learned embeddings");
    assert_snapshot!(wrong("blocks.0.attn.hook_rot_q", gpt2()), @"a gpt2 model has no site 'rot_q@0': it has no rotary positions");
    assert_snapshot!(wrong("q_normed@0", gpt2()), @"a gpt2 model has no site 'q_normed@0': it doesn't normalise queries and keys");
}

#[test]
fn a_model_without_layers_has_messages_too() {
    let none = Architecture { n_layers: 0, ..gpt2() };
    assert_snapshot!(message(Site::parse("z@0", &none)), @"'z@0' doesn't exist: the model has layers 0 to 0");
}
