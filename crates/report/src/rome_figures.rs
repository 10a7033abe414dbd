//! ROME's figures over cases: heatmaps and line plots of average indirect effects by class of tokens
//! (figures 2 and 7 of the paper), and bars of severed paths (figure 3).

use tracewright_ir::Role;
use tracewright_results::RomeAverage;

use crate::case::severed_name;
use crate::colors::Palette;
use crate::curve::{Bars, Curve};
use crate::drawing::Figure;
use crate::heatmap::{Heatmap, RomeKind, x_label};
use crate::series::{Extent, Series};

/// ROME's classes of tokens in the order and the words of its figures.
const CLASSES: [(Role, &str); 6] = [
    (Role::FirstSubject, "First subject token"),
    (Role::MiddleSubject, "Middle subject tokens"),
    (Role::LastSubject, "Last subject token"),
    (Role::FirstSubsequent, "First subsequent token"),
    (Role::Further, "Further tokens"),
    (Role::Last, "Last token"),
];

/// What a trace's figures say besides its averages.
#[derive(Clone, Copy, Debug)]
pub struct Traces<'a> {
    /// The model's name, for the axis of hidden states.
    pub model: &'a str,
    /// The number of layers restored together (ignored for hidden states).
    pub window: usize,
}

/// The figures of a trace of several cases: `average_effects`, `average_effects_curve` and, with severed
/// paths, `severed_effects`. `averages` are [`rome_averages`](tracewright_results::rome_averages), `severed`
/// are [`severed_averages`](tracewright_results::severed_averages); of metrics only the first one's are drawn.
pub fn rome_figures(
    averages: &[RomeAverage],
    severed: &[RomeAverage],
    traces: Traces<'_>,
) -> Vec<Figure> {
    let Some(first) = averages.first() else { return Vec::new() };
    let ours: Vec<&RomeAverage> =
        averages.iter().filter(|average| average.metric == first.metric).collect();
    let kinds: Vec<KindAverages<'_>> = ours
        .chunk_by(|a, b| a.kind == b.kind)
        .filter_map(|averages| KindAverages::new(averages.to_vec(), traces))
        .collect();
    let high = kinds.iter().flat_map(KindAverages::effects).fold(0.0, f64::max);
    let figure = |name: &str| Figure { name: name.to_owned(), ..Figure::default() };
    let hidden = ours.iter().copied().filter(|average| average.kind == "hidden");
    let last = |average: &&RomeAverage| {
        average.role == Role::LastSubject.name() && average.metric == first.metric
    };
    let at_last: Vec<&RomeAverage> = hidden.chain(severed).filter(last).collect();
    let figures = [
        Figure {
            heatmaps: kinds.iter().map(|kind| kind.heatmap(high)).collect(),
            ..figure("average_effects")
        },
        Figure {
            curves: kinds.iter().map(KindAverages::curve).collect(),
            ..figure("average_effects_curve")
        },
        Figure { bars: Vec::from_iter(bars(&at_last)), ..figure("severed_effects") },
    ];
    figures.into_iter().filter(|figure| !figure.is_empty()).collect()
}

/// The averages of one kind, class by class and layer by layer.
struct KindAverages<'a> {
    kind: RomeKind,
    averages: Vec<&'a RomeAverage>,
    layers: usize,
    traces: Traces<'a>,
}

impl<'a> KindAverages<'a> {
    fn new(averages: Vec<&'a RomeAverage>, traces: Traces<'a>) -> Option<Self> {
        let kind = RomeKind::of_name(&averages.first()?.kind)?;
        let layers = layers(&averages);
        Some(Self { kind, averages, layers, traces })
    }

    fn effects(&self) -> impl Iterator<Item = f64> {
        self.averages.iter().map(|average| average.effect).filter(|effect| effect.is_finite())
    }

    fn at(&self, class: Role, layer: usize) -> Option<&'a RomeAverage> {
        let found = |average: &&&RomeAverage| {
            average.role == class.name() && average.layer as usize == layer
        };
        self.averages.iter().find(found).copied()
    }

    fn title(&self) -> String {
        format!("Average indirect effect of restoring {}, {}", self.kind, over(&self.averages))
    }

    fn x_label(&self) -> String {
        x_label(self.kind, self.traces.window, self.traces.model)
    }

    /// Effects below zero are drawn as zero, as in ROME's notebook, and all kinds have one scale.
    fn heatmap(&self, high: f64) -> Heatmap {
        let (least, most) = self
            .effects()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let cells = CLASSES.iter().flat_map(|(class, _)| {
            (0..self.layers).map(|layer| Some(self.at(*class, layer)?.effect.max(0.0)))
        });
        let clipped = if least < 0.0 { ", below 0 drawn as 0" } else { "" };
        Heatmap {
            title: self.title(),
            x_label: format!("{}; effects {least:.3} to {most:.3}{clipped}", self.x_label()),
            colorbar_label: "AIE, one scale".to_owned(),
            rows: CLASSES.iter().map(|(_, words)| (*words).to_owned()).collect(),
            columns: (0..self.layers).map(|layer| layer.to_string()).collect(),
            values: cells.collect(),
            low: 0.0,
            high,
            colormap: self.kind.colormap(),
            numbers: false,
        }
    }

    /// A line for each class, with the interval over cases as its band. (ROME's own bands divide by the
    /// number of other cases than those that are drawn, and take tokens of one prompt as independent.)
    fn curve(&self) -> Curve {
        let line = |(class, words): &(Role, &str)| {
            let at = |layer| self.at(*class, layer);
            Series {
                name: (*words).to_owned(),
                values: (0..self.layers).map(|layer| Some(at(layer)?.effect)).collect(),
                intervals: (0..self.layers).map(|layer| interval(at(layer)?)).collect(),
                ..Series::default()
            }
        };
        let known = |line: &Series| line.values.iter().any(Option::is_some);
        Curve {
            title: self.title(),
            x_label: format!("{}; {INTERVALS}", self.x_label()),
            columns: (0..self.layers).map(|layer| layer.to_string()).collect(),
            lines: CLASSES.iter().map(line).filter(known).collect(),
            extent: Extent::All,
            palette: Palette::Dark2,
        }
    }
}

/// What is said of bands.
const INTERVALS: &str = "bands are 95 % bootstrap intervals over cases";

/// `over 12 cases`
fn over(averages: &[&RomeAverage]) -> String {
    let cases = averages.iter().map(|average| average.cases).max().unwrap_or(0);
    format!("over {cases} cases")
}

fn layers(averages: &[&RomeAverage]) -> usize {
    averages.iter().map(|average| average.layer as usize + 1).max().unwrap_or(0)
}

fn interval(average: &RomeAverage) -> Option<(f64, f64)> {
    average.effect_low.zip(average.effect_high)
}

/// The effect of a state at the last subject token, whole and with a module severed; none where nothing is.
fn bars(averages: &[&RomeAverage]) -> Option<Bars> {
    let layers = layers(averages);
    let series = |averages: &[&RomeAverage]| {
        let (name, color) = severed_name(&averages[0].kind)?;
        let at = |layer: usize| averages.iter().find(|one| one.layer as usize == layer);
        Some(Series {
            name: name.to_owned(),
            values: (0..layers).map(|layer| Some(at(layer)?.effect)).collect(),
            intervals: (0..layers).map(|layer| interval(at(layer)?)).collect(),
            marked: None,
            color: Some(color),
        })
    };
    let kinds = averages.chunk_by(|a, b| a.kind == b.kind);
    let mut series: Vec<Series> = kinds.filter_map(series).collect();
    series.sort_by_key(|series| series.color);
    averages.iter().any(|average| average.kind.starts_with("severed_")).then(|| Bars {
        title: format!("Average effect of states at the last subject token, {}", over(averages)),
        x_label:
            "single restored layer; effect in probability, 95 % bootstrap intervals over cases"
                .to_owned(),
        columns: (0..layers).map(|layer| layer.to_string()).collect(),
        series,
        palette: Palette::Rome,
    })
}
