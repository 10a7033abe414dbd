//! How to trace.

use std::ops::Range;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracewright_corruption::NoiseRule;
use tracewright_ir::{Component, window};

use crate::error::SweepError;
use crate::warning::Warning;
use crate::words::{each_once, no_twins, word};

/// What a trace restores.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The residual stream after one layer.
    Hidden,
    /// The MLPs' outputs in a window of layers.
    Mlp,
    /// The attentions' outputs in a window of layers.
    Attn,
}

impl Kind {
    /// Every kind, in the order of the paper's figure.
    pub const ALL: [Self; 3] = [Self::Hidden, Self::Mlp, Self::Attn];

    /// The word for it in flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Mlp => "mlp",
            Self::Attn => "attn",
        }
    }

    /// The module of this name, which can be severed.
    ///
    /// # Errors
    ///
    /// Another name than `mlp` and `attn`.
    pub fn severable(name: &str) -> Result<Self, SweepError> {
        word("module to sever called", name, &[Self::Mlp, Self::Attn], Self::name)
    }

    /// The component that is restored.
    pub fn component(self) -> Component {
        match self {
            Self::Hidden => Component::ResidPost,
            Self::Mlp => Component::MlpOut,
            Self::Attn => Component::AttnOut,
        }
    }
}

impl FromStr for Kind {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        word("kind", given, &Self::ALL, Self::name)
    }
}

/// A window of more layers than any model has is a slip of the hand.
const MOST_LAYERS: usize = 10_000;

/// How to trace; the defaults are those of ROME's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is restored, in this order.
    pub kinds: Vec<Kind>,
    /// Layers that are restored together for MLPs and attention.
    pub window: usize,
    /// Corrupted runs, each with its own noise.
    pub samples: usize,
    /// The noise on the subject's embeddings.
    #[schemars(with = "String")]
    pub noise: NoiseRule,
    /// The noise replaces the embeddings instead of being added. As in ROME's code the corrupted
    /// score is measured with added noise all the same.
    pub replace: bool,
    /// The seed of the noise.
    pub seed: u32,
    /// Modules (MLP, attention) to sever: at the last subject token, every layer's hidden state is
    /// restored once more while all outputs of the module there are held at their corrupted
    /// values, so that the restored state can't act through them (Fig. 3 of the paper).
    pub sever: Vec<Kind>,
    /// The noise of the severed runs.
    pub sever_noise: SeverNoise,
}

/// Which noise a severed run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeverNoise {
    /// That of the run whose values are held.
    #[default]
    Same,
    /// The next draw from the same stream: ROME's notebook makes its generator once for both of its
    /// passes.
    Rome,
}

impl FromStr for SeverNoise {
    type Err = SweepError;

    fn from_str(given: &str) -> Result<Self, SweepError> {
        match given {
            "same" => Ok(Self::Same),
            "rome" => Ok(Self::Rome),
            _ => Err(SweepError::UnknownSeverNoise { given: given.to_owned() }),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            window: 10,
            samples: 10,
            noise: NoiseRule::SubjectDeviations(3.0),
            replace: false,
            seed: tracewright_corruption::ROME_SEED,
            sever: Vec::new(),
            sever_noise: SeverNoise::Same,
        }
    }
}

impl Settings {
    /// Fails where there is nothing to trace.
    ///
    /// # Errors
    ///
    /// A window or a number of samples of 0, a window wider than any model, no kinds or one of
    /// them twice, something else severed than MLP and attention.
    pub fn check(&self) -> Result<(), SweepError> {
        let zero = [("the window", self.window), ("the number of samples", self.samples)];
        if let Some((what, _)) = zero.into_iter().find(|(_, number)| *number == 0) {
            return Err(SweepError::Zero { what });
        }
        if self.window > MOST_LAYERS {
            return Err(SweepError::WindowTooWide { given: self.window, most: MOST_LAYERS });
        }
        if !each_once(&self.kinds) {
            return Err(SweepError::BadKinds);
        }
        if self.sever.contains(&Kind::Hidden) || !no_twins(&self.sever) {
            return Err(SweepError::BadSever);
        }
        Ok(())
    }

    /// What is odd about the settings for a model of so many layers.
    pub(crate) fn warning(&self, layers: usize) -> Option<Warning> {
        let has_windows = self.kinds.iter().any(|kind| *kind != Kind::Hidden);
        let window = self.window;
        (has_windows && window > layers).then_some(Warning::WideWindow { window, layers })
    }

    /// The layers that a kind restores around a centre.
    pub(crate) fn layers(&self, kind: Kind, centre: usize, n_layers: usize) -> Range<usize> {
        match kind {
            Kind::Hidden => centre..centre + 1,
            Kind::Mlp | Kind::Attn => window(centre, self.window, n_layers),
        }
    }

    /// Full forward passes that tracing a prompt takes: progress is counted in these.
    pub fn forwards(&self, tokens: usize, n_layers: usize) -> usize {
        let corrupted = if self.replace { 2 } else { 1 };
        let second = match self.sever_noise {
            SeverNoise::Rome if !self.sever.is_empty() => 1,
            _ => 0,
        };
        let cells = (self.kinds.len() * tokens + self.sever.len()) * n_layers;
        self.samples.saturating_mul(corrupted + second + cells).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_anything_to_trace_are_refused() {
        let message = |settings: Settings| settings.check().map_err(|e| e.to_string()).err();
        let default = Settings::default;
        assert_eq!(message(default()), None);
        let none = "give each kind once: hidden, mlp, attn";
        assert_eq!(message(Settings { kinds: vec![], ..default() }).as_deref(), Some(none));
        let twice = vec![Kind::Mlp, Kind::Mlp];
        assert_eq!(message(Settings { kinds: twice, ..default() }).as_deref(), Some(none));
        let hidden = Settings { sever: vec![Kind::Hidden], ..default() };
        assert_eq!(message(hidden).as_deref(), Some("only mlp and attn can be severed, each once"));
        let zero = "the window is 0: give at least 1";
        assert_eq!(message(Settings { window: 0, ..default() }).as_deref(), Some(zero));
        let zero = "the number of samples is 0: give at least 1";
        assert_eq!(message(Settings { samples: 0, ..default() }).as_deref(), Some(zero));
    }
}
