//! One row of the table of ROME's averages, and what is told of each kind.

use serde::{Deserialize, Serialize};
use tracewright_ir::Role;

/// One class of tokens at one layer, averaged as ROME's notebook does.
///
/// The fields are the columns of `rome_averages.parquet`, in this order and with these names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RomeAverage {
    /// What is restored: `hidden`, `mlp`, `attn`.
    pub kind: String,
    /// The site's name in the cells.
    pub site: String,
    /// The metric of the scores; ROME's is `prob`.
    pub metric: String,
    /// The class of tokens, a word of [`Role`]. Unlike a cell's role it isn't one for each
    /// token: a subject's only token is its first and its last, and a single token after the
    /// subject is the first subsequent and the last.
    pub role: String,
    /// The layer; the centre of a window.
    pub layer: u32,
    /// The mean score. ROME's heatmap shows `effect`, clipped at 0.
    pub value: f64,
    /// The standard deviation of the pooled scores, with n − 1 (ROME's divides by n); null for one.
    pub std: Option<f64>,
    /// `std` / √n; ROME's line plots show `effect` ± 1.96 of it. It takes tokens of one prompt as
    /// independent, which those of the middle and the further ones aren't; `low` and `high` don't.
    pub stderr: Option<f64>,
    /// The lower end of the mean's 95 % bootstrap interval. Cases are drawn, each with all its
    /// tokens: another sample of prompts is what could have come instead. Null for one case.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The mean over the kind's cases of the clean run's score.
    pub clean: f64,
    /// The mean over the kind's cases of the corrupted runs' score.
    pub corrupted: f64,
    /// The average indirect effect: `value` − `corrupted`.
    pub effect: f64,
    /// The lower end of its 95 % bootstrap interval, for which a case's scores and its low score are drawn
    /// together; null for one case.
    pub effect_low: Option<f64>,
    /// Its upper end.
    pub effect_high: Option<f64>,
    /// The number of pooled scores: of tokens, for the middle and the further ones.
    pub n: u32,
    /// The number of cases that have such a token.
    pub cases: u32,
}

/// What ROME's notebook prints of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RomeSummary {
    /// What is restored.
    pub kind: String,
    /// The site's name in the cells.
    pub site: String,
    /// The metric of the scores.
    pub metric: String,
    /// The mean over cases of the clean run's score.
    pub clean: f64,
    /// The mean over cases of the corrupted runs' score.
    pub corrupted: f64,
    /// The average total effect: `clean` − `corrupted`.
    pub total_effect: f64,
    /// The best average indirect effect at the subject's last token.
    pub last_subject: Option<BestLayer>,
    /// The best one at the prompt's last token.
    pub last: Option<BestLayer>,
}

/// The layer with the largest average indirect effect; the lowest of equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestLayer {
    /// The layer.
    pub layer: u32,
    /// Its average indirect effect.
    pub effect: f64,
}

impl RomeSummary {
    /// Of each kind, in the order of the averages.
    pub fn of(averages: &[RomeAverage]) -> Vec<Self> {
        let kind = |a: &RomeAverage, b: &RomeAverage| {
            (&a.kind, &a.site, &a.metric) == (&b.kind, &b.site, &b.metric)
        };
        averages.chunk_by(kind).filter_map(Self::of_kind).collect()
    }

    fn of_kind(averages: &[RomeAverage]) -> Option<Self> {
        let RomeAverage { kind, site, metric, clean, corrupted, .. } = averages.first()?.clone();
        let total_effect = clean - corrupted;
        let [last_subject, last] =
            [Role::LastSubject, Role::Last].map(|role| BestLayer::of(averages, role));
        Some(Self { kind, site, metric, clean, corrupted, total_effect, last_subject, last })
    }
}

impl BestLayer {
    fn of(averages: &[RomeAverage], role: Role) -> Option<Self> {
        let of_role = averages.iter().filter(|average| average.role == role.name());
        let layers = of_role.map(|&RomeAverage { layer, effect, .. }| Self { layer, effect });
        layers.reduce(|best, next| if next.effect > best.effect { next } else { best })
    }
}
