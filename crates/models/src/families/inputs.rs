//! Inputs of modules that are sites: what enters the output projection is z.

use tracewright_ir::{Component as C, ModuleName};

use super::Description;

/// The modules of a model whose input is a site, named `transformer.h.{}.attn.c_proj.input`.
pub(super) fn of(description: &Description) -> Vec<ModuleName> {
    let Description { architecture, names } = description;
    let [attention, mlp] = read(description);
    let below = if architecture.is_parallel() { C::ResidPre } else { C::ResidMid };
    let parts = [(names.attn_out, C::Z), (names.mlp_out, C::MlpPost), (names.qkv, attention)];
    let projections = parts.into_iter().chain([(names.mlp_in, mlp)]);
    let projections =
        projections.flat_map(|(of, input)| of.parts.iter().map(move |name| (*name, input)));
    let norms = [
        (names.ln1, C::ResidPre),
        (names.ln2, below),
        (names.ln1_post, C::AttnModule),
        (names.ln2_post, C::MlpModule),
    ];
    let norms = norms.into_iter().filter_map(|(name, input)| Some((name?, input)));
    let inside = projections.chain(norms);
    let inside = inside.map(|(name, input)| (format!("{}{name}", names.optional_prefix), input));
    // Whole modules: those of the table whose output is a component and that aren't projections.
    let whole = architecture.modules.iter().filter_map(|module| {
        let input = match module.component {
            C::AttnOut | C::AttnModule => attention,
            C::MlpOut | C::MlpModule => mlp,
            C::ResidPost => C::ResidPre,
            C::Logits => C::FinalNorm,
            _ => return None,
        };
        Some((module.pattern.clone(), input))
    });
    let mut all: Vec<ModuleName> = Vec::new();
    for (name, component) in inside.chain(whole) {
        let pattern = format!("{name}.input");
        if all.iter().all(|module| module.pattern != pattern) {
            all.push(ModuleName { component, pattern });
        }
    }
    all
}

/// What attention and the MLP read.
fn read(description: &Description) -> [C; 2] {
    let architecture = &description.architecture;
    match (architecture.has_pre_norm(), architecture.shares_norm()) {
        (true, true) => [C::Ln1, C::Ln1],
        (true, false) => [C::Ln1, C::Ln2],
        (false, _) if architecture.is_parallel() => [C::ResidPre, C::ResidPre],
        (false, _) => [C::ResidPre, C::ResidMid],
    }
}
