//! The printed form of a pass: stage by stage, which run's rows are computed.

use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::component::Component;
use crate::intervention::{Intervention, Operation, Value};
use crate::plan::pass::{Birth, Pass, Row, Segment};
use crate::plan::{CarriedRow, Planner};

impl Planner<'_> {
    /// A pass for people, stage by stage: the rows that are computed, each under the first run that
    /// has it, and where rows come from that no stage computes.
    ///
    /// It is the same text for the same plan; the planner's tests compare it.
    pub fn print(&self, pass: &Pass) -> String {
        let printer = Printer { planner: self, pass };
        let mut text = String::new();
        for at in 0..pass.segments.len() {
            // Writing to a string doesn't fail.
            let _ = printer.segment(at, &mut text);
        }
        for (number, held) in &pass.carries {
            let CarriedRow { site, .. } = self.carried()[*number as usize];
            let row = printer.row(held.segment as usize, held.row);
            let _ = writeln!(text, "carry {number} = {site} {row}");
        }
        text
    }
}

struct Printer<'a> {
    planner: &'a Planner<'a>,
    pass: &'a Pass,
}

/// Stages that are printed as one: a row stands under the last of them that it computes.
const ATTENTION: &[Component] = &[
    Component::Scores,
    Component::Pattern,
    Component::Z,
    Component::Result,
    Component::AttnModule,
    Component::Ln1PostScale,
    Component::Ln1PostNormalized,
    Component::AttnOut,
];
const MLP: &[Component] = &[
    Component::Ln2Scale,
    Component::Ln2Normalized,
    Component::Ln2,
    Component::MlpPreLinear,
    Component::MlpPre,
    Component::MlpPost,
    Component::MlpModule,
    Component::Ln2PostScale,
    Component::Ln2PostNormalized,
    Component::MlpOut,
];
const TOP: &[Component] =
    &[Component::FinalScale, Component::FinalNormalized, Component::FinalNorm, Component::Logits];
const LN1: &[Component] = &[Component::Ln1Scale, Component::Ln1Normalized, Component::Ln1];

/// What a row may compute for the attention above, the same products on one line.
const QKV: [(&str, &[Component]); 8] = {
    use Component as C;
    [
        ("ln1", &[]),
        ("q k v", &[C::Q, C::K, C::V]),
        ("q k", &[C::Q, C::K]),
        ("q v", &[C::Q, C::V]),
        ("k v", &[C::K, C::V]),
        ("q", &[C::Q]),
        ("k", &[C::K]),
        ("v", &[C::V]),
    ]
};

impl Printer<'_> {
    fn segment(&self, at: usize, text: &mut String) -> std::fmt::Result {
        use Component as C;
        let segment = &self.pass.segments[at];
        let parallel = self.planner.program.layout.is_parallel();
        if at == 0 {
            let tokens = select(segment, |row| matches!(row.birth, Birth::Token(_)));
            self.line(text, C::Embed.name(), &tokens, at)?;
            self.births(at, C::Embed..=C::ResidPre, text)?;
        } else {
            self.stages(at, ATTENTION, text)?;
            self.births(at, C::Scores..=C::AttnOut, text)?;
            if !parallel {
                self.births(at, C::ResidMid..=C::ResidMid, text)?;
                self.mlp(at, text)?;
            }
            self.births(at, C::ResidPost..=C::ResidPost, text)?;
        }
        if at + 1 < self.pass.segments.len() {
            writeln!(text, "layer {at}")?;
            self.qkv(at, text)?;
            self.births(at, C::Ln1Scale..=C::RotK, text)?;
            if parallel {
                self.mlp(at, text)?;
                self.births(at, C::ResidMid..=C::ResidMid, text)?;
            }
        } else {
            self.stages(at, TOP, text)?;
            let computed = segment.rows.iter().any(|row| row.computes(C::Logits));
            if let (Some(tokens), true) = (&self.pass.scope.tokens, computed) {
                let tokens: Vec<String> = tokens.iter().map(u32::to_string).collect();
                writeln!(text, "  of tokens {}", tokens.join(", "))?;
            }
            self.births(at, C::FinalScale..=C::Logits, text)?;
        }
        self.held_values(at, text)
    }

    fn stages(&self, at: usize, stages: &[Component], text: &mut String) -> std::fmt::Result {
        for stage in stages {
            let last = |row: &Row| stages.iter().rev().find(|stage| row.computes(**stage));
            let rows = select(&self.pass.segments[at], |row| last(row) == Some(stage));
            self.line(text, stage.name(), &rows, at)?;
        }
        Ok(())
    }

    fn mlp(&self, at: usize, text: &mut String) -> std::fmt::Result {
        self.stages(at, MLP, text)?;
        self.births(at, Component::Ln2Scale..=Component::MlpOut, text)
    }

    fn qkv(&self, at: usize, text: &mut String) -> std::fmt::Result {
        for (stage, next) in LN1.iter().zip(&LN1[1..]) {
            let last = |row: &Row| row.computes(*stage) && !row.computes(*next);
            self.line(text, stage.name(), &select(&self.pass.segments[at], last), at)?;
        }
        for (name, components) in QKV {
            let exactly = |row: &Row| {
                let all = [Component::Q, Component::K, Component::V];
                row.computes(if components.is_empty() { Component::Ln1 } else { components[0] })
                    && all.iter().all(|c| row.computes(*c) == components.contains(c))
            };
            self.line(text, name, &select(&self.pass.segments[at], exactly), at)?;
        }
        Ok(())
    }

    /// Rows that interventions and sums make at some stages.
    fn births(
        &self,
        at: usize,
        range: RangeInclusive<Component>,
        text: &mut String,
    ) -> std::fmt::Result {
        let segment = &self.pass.segments[at];
        for (index, row) in segment.rows.iter().enumerate() {
            let component = row.birth.component();
            if !range.contains(&component) {
                continue;
            }
            let born = self.row(at, index as u32);
            match row.birth {
                Birth::Patch { index, .. } => {
                    let patch = &segment.patches[index as usize];
                    let intervention = self.planner.intervention(patch);
                    write!(text, "  {component} {born} = {intervention}")?;
                    write!(text, "{}", numbers(intervention, patch.index as usize))?;
                    for held in &patch.operands {
                        match held.segment as usize == self.pass.segments.len() {
                            true => write!(text, " carried {}", held.row)?,
                            false => {
                                write!(text, " {}", self.row(held.segment as usize, held.row))?
                            }
                        }
                    }
                    writeln!(text)?;
                }
                Birth::Join { resid, branch, .. } => {
                    let of_below = component == self.planner.program.layout.attention_sum();
                    let below = if of_below { at - 1 } else { at };
                    let (stream, added) = (self.row(below, resid), self.row(at, branch));
                    writeln!(text, "  {component} {born} = {stream} + {added}")?;
                }
                Birth::Token(_) | Birth::Attention { .. } => {}
            }
        }
        Ok(())
    }

    /// What readers higher up and readings wait for.
    fn held_values(&self, at: usize, text: &mut String) -> std::fmt::Result {
        let held: Vec<(Component, u32)> = self.pass.segments[at].held.iter().copied().collect();
        for values in held.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<u32> = values.iter().map(|(_, row)| *row).collect();
            self.line(text, &format!("held {}", values[0].0), &rows, at)?;
        }
        Ok(())
    }

    fn row(&self, at: usize, row: u32) -> String {
        let segment = &self.pass.segments[at];
        let run = self.planner.name(segment.runs[row as usize]);
        format!("{run} {}", segment.rows[row as usize].position)
    }

    /// A stage with its rows: `  mlp_out   clean 0-4, corrupted 3-4`.
    fn line(&self, text: &mut String, name: &str, rows: &[u32], at: usize) -> std::fmt::Result {
        let segment = &self.pass.segments[at];
        if rows.is_empty() {
            return Ok(());
        }
        let mut runs: Vec<(u32, Vec<u32>)> = Vec::new();
        for row in rows {
            let (run, position) =
                (segment.runs[*row as usize], segment.rows[*row as usize].position);
            match runs.last_mut() {
                Some((last, positions)) if *last == run => positions.push(position),
                _ => runs.push((run, vec![position])),
            }
        }
        let words = runs.iter_mut().map(|(run, positions)| {
            positions.sort_unstable();
            format!("{} {}", self.planner.name(*run), ranges(positions))
        });
        writeln!(text, "  {name:<9} {}", words.collect::<Vec<_>>().join(", "))
    }
}

/// The first numbers of a row of an array, by which two noises are told apart.
fn numbers(intervention: &Intervention, row: usize) -> String {
    const SHOWN: usize = 2;
    let (Operation::Replace(Value::Array(array)) | Operation::Add(Value::Array(array))) =
        &intervention.operation
    else {
        return String::new();
    };
    // Of cells the first head's.
    let axis = usize::from(intervention.locus.site.component.has_sources());
    let len = array.shape[axis + 1..].iter().product();
    let row = &array.data[row * len..][..len];
    let words: Vec<String> = row.iter().take(SHOWN).map(f64::to_string).collect();
    format!(" ({}{})", words.join(" "), if len > SHOWN { " …" } else { "" })
}

fn select(segment: &Segment, which: impl Fn(&Row) -> bool) -> Vec<u32> {
    (0..segment.rows.len() as u32).filter(|row| which(&segment.rows[*row as usize])).collect()
}

/// `0-2 5`
fn ranges(positions: &[u32]) -> String {
    let parts = positions.chunk_by(|a, b| a + 1 == *b).map(|part| match part {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    parts.collect::<Vec<_>>().join(" ")
}
