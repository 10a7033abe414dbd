//! The printed form of a pass: stage by stage, which run's rows are computed.

use std::fmt::Write;

use crate::component::Component;
use crate::plan::Planner;
use crate::plan::pass::{Birth, Held, Pass, Row, Segment};

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
        text
    }
}

struct Printer<'a> {
    planner: &'a Planner<'a>,
    pass: &'a Pass,
}

/// The stages that are printed, those that are always computed together on one line.
const LINES: [(&str, &[Component]); 9] = {
    use Component as C;
    [
        ("embed", &[C::Embed]),
        ("attn_out", &[C::AttnOut]),
        ("mlp_out", &[C::MlpOut]),
        ("q k v", &[C::Q, C::K, C::V]),
        ("q k", &[C::Q, C::K]),
        ("k v", &[C::K, C::V]),
        ("q", &[C::Q]),
        ("k", &[C::K]),
        ("v", &[C::V]),
    ]
};

impl Printer<'_> {
    fn segment(&self, at: usize, text: &mut String) -> std::fmt::Result {
        let segment = &self.pass.segments[at];
        let last = at + 1 == self.pass.segments.len();
        if at > 0 {
            self.stages(at, 1..3, text)?;
        } else {
            self.line(
                text,
                "embed",
                &select(segment, |row| row.birth.component() == Component::Embed),
                at,
            )?;
        }
        if last {
            let logits = select(segment, |row| row.computes(Component::Logits));
            return self.line(text, "logits", &logits, at);
        }
        writeln!(text, "layer {at}")?;
        self.stages(at, 3..LINES.len(), text)
    }

    /// The lines of some stages, each followed by the rows that are born there or in between.
    fn stages(
        &self,
        at: usize,
        lines: std::ops::Range<usize>,
        text: &mut String,
    ) -> std::fmt::Result {
        let segment = &self.pass.segments[at];
        let lower = lines.start == 3;
        for (name, components) in &LINES[lines] {
            let exactly = |row: &Row| {
                let all = [Component::Q, Component::K, Component::V];
                let has = |c: &Component| row.computes(*c);
                match lower {
                    true => all.iter().all(|c| has(c) == components.contains(c)),
                    false => components.iter().all(has),
                }
            };
            self.line(text, name, &select(segment, exactly), at)?;
            if !lower {
                self.births(at, components[0], text)?;
            }
        }
        if lower { self.births(at, Component::V, text) } else { Ok(()) }
    }

    /// Rows that interventions and sums make up to a stage.
    fn births(&self, at: usize, upto: Component, text: &mut String) -> std::fmt::Result {
        let segment = &self.pass.segments[at];
        let range = match upto {
            Component::AttnOut => Component::Scores..=Component::ResidMid,
            Component::MlpOut => Component::Ln2Scale..=Component::ResidPost,
            _ => Component::Ln1Scale..=Component::V,
        };
        for (index, row) in segment.rows.iter().enumerate() {
            let component = row.birth.component();
            if !range.contains(&component) {
                continue;
            }
            match row.birth {
                Birth::Patch { index: patch, .. } => {
                    let patch = &segment.patches[patch as usize];
                    let sources = patch.operands.iter().map(|held| self.held(held));
                    let changed = self.planner.intervention(patch);
                    writeln!(
                        text,
                        "  {component} {} = {changed} {}",
                        self.row(at, index as u32),
                        sources.collect::<Vec<_>>().join(" ")
                    )?;
                }
                Birth::Join { resid, branch, .. } => {
                    let below = if component == Component::ResidMid { at - 1 } else { at };
                    let (stream, added) = (self.row(below, resid), self.row(at, branch));
                    let row = self.row(at, index as u32);
                    writeln!(text, "  {component} {row} = {stream} + {added}")?;
                }
                Birth::Token(_) | Birth::Attention { .. } => {}
            }
        }
        Ok(())
    }

    fn held(&self, held: &Held) -> String {
        self.row(held.segment as usize, held.row)
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
