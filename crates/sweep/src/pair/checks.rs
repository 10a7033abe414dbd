//! What is wrong with a pair's settings, whatever its prompts.

use tracewright_ir::{Architecture, Component, Direction};

use super::change::Change;
use super::corruption::{By, Corruption};
use super::measures::AnswerTokens;
use super::paths::Paths;
use super::positions::Positions;
use super::settings::{PairSettings, Per};
use super::target::Member;
use crate::error::SweepError;
use crate::words::{each_once, no_twins};

impl PairSettings {
    /// The same with the sites' short names, checked against the model. Patching the clean run, or from the
    /// corrupted one, is noising.
    ///
    /// # Errors
    ///
    /// Names that the model hasn't got, lists that name something twice, positions that contradict the axes, a
    /// window around nothing, senders that there aren't, paths in the other direction, a mean of nothing.
    pub fn resolved(mut self, architecture: &Architecture) -> Result<Self, SweepError> {
        let named = |name: &Option<String>, run: &str| name.as_deref() == Some(run);
        if named(&self.base, "clean") || named(&self.source, "corrupted") {
            self.direction = Direction::Noise;
        }
        for list in [&mut self.sites, &mut self.except, &mut self.read] {
            for target in list {
                *target = target.canonical(architecture)?;
            }
        }
        self.check(architecture)?;
        Ok(self)
    }

    fn check(&self, architecture: &Architecture) -> Result<(), SweepError> {
        let lists = [
            ("site", each_once(&self.sites)),
            ("axis", no_twins(&self.per)),
            ("metric", no_twins(&self.metrics)),
            ("site to leave alone", no_twins(&self.except)),
            ("site to read", no_twins(&self.read)),
            ("corruption", !self.corruptions.is_empty()),
        ];
        if let Some((what, _)) = lists.into_iter().find(|(_, good)| !good) {
            return Err(SweepError::NotEachOnce { what });
        }
        self.corruptions.iter().try_for_each(Corruption::check)?;
        self.check_places(architecture)?;
        if self.answer_tokens == Some(AnswerTokens::Product) && !self.metric_at.is_empty() {
            return Err(SweepError::ProductElsewhere);
        }
        if self.window == 0 {
            return Err(SweepError::NoWindow { given: self.window });
        }
        let mut around = self.has(Per::Layer) && self.paths.is_none();
        for target in &self.sites {
            let everywhere = |m: &Member| m.site.component.in_layers() && m.site.layer.is_none();
            around &= target.members(architecture)?.iter().all(everywhere);
        }
        if self.window > 1 && !around {
            return Err(SweepError::WindowWithoutLayers);
        }
        let changes = self.runs.iter().flat_map(|run| &run.changes).map(|change| &change.change);
        let means = std::iter::once(&self.change).chain(changes).any(|c| *c == Change::Mean);
        if means != self.mean.is_some() {
            return Err(SweepError::NoDataset { what: "the change 'mean'" });
        }
        let nothing = |corruption: &Corruption| corruption.by == By::None;
        let looks = !self.read.is_empty() || self.top_k > 0;
        let copies = self.change.reads_a_run() && self.source.is_none();
        if self.corruptions.iter().any(nothing) && copies && !looks {
            return Err(SweepError::NoCorruption);
        }
        if let Some(paths) = &self.paths {
            self.check_paths(paths, architecture)?;
        }
        self.check_positions()
    }

    /// No place twice, and no selection that none of the sites has an axis for.
    fn check_places(&self, architecture: &Architecture) -> Result<(), SweepError> {
        let mut seen: Vec<Vec<Member>> = Vec::new();
        for target in &self.sites {
            let members = target.members(architecture)?;
            for (index, member) in members.iter().enumerate() {
                if let Some(first) = members[..index].iter().find(|other| other.overlaps(member)) {
                    return Err(SweepError::same_place(first, member));
                }
            }
            let same = |other: &&Vec<Member>| match (&other[..], &members[..]) {
                ([one], [this]) => one.site.place() == this.site.place() && one.head == this.head,
                _ => false,
            };
            if let Some(other) = seen.iter().find(same) {
                return Err(SweepError::same_place(&other[0], &members[0]));
            }
            seen.push(members);
        }
        let all: Vec<Member> = seen.into_iter().flatten().collect();
        let any = |has: &dyn Fn(&Member) -> bool| all.iter().any(has);
        let heads = |m: &Member| m.site.component.head_axis().is_some() && m.head.is_none();
        let layers = |m: &Member| m.site.component.in_layers() && m.site.layer.is_none();
        let uses = [
            (&self.layers, any(&layers), "layers", "layers to choose from"),
            (&self.heads, any(&heads), "heads", "heads to choose from"),
            (&self.neurons, any(&|m| m.site.component.has_neurons()), "neurons", "neurons"),
            (&self.src_positions, any(&|m| m.site.component.has_sources()), "keys", "keys"),
        ];
        for (selection, used, flag, what) in uses {
            if selection.is_some() && !used {
                return Err(SweepError::UnusedSelection { flag, what });
            }
        }
        for target in &self.except {
            for excepted in target.members(architecture)? {
                if !any(&|m| m.overlaps(&excepted)) {
                    return Err(SweepError::UnusedException { given: excepted.to_string() });
                }
            }
        }
        Ok(())
    }

    fn check_paths(&self, paths: &Paths, architecture: &Architecture) -> Result<(), SweepError> {
        paths.check(architecture)?;
        if !each_once(&paths.receivers) {
            return Err(SweepError::NotEachOnce { what: "receiver" });
        }
        for target in &self.sites {
            let members = target.members(architecture)?;
            let sends = |m: &Member| Paths::SENDERS.contains(&m.site.component);
            if !members.iter().all(sends) {
                let known = Paths::SENDERS.map(Component::name).join(", ");
                return Err(SweepError::NoSender { site: target.0.clone(), known });
            }
        }
        if self.direction == Direction::Denoise {
            return Err(SweepError::PathsDenoise);
        }
        if self.change != Change::Copy {
            return Err(SweepError::PathsChange { change: self.change.to_string() });
        }
        match self.positions[..] {
            [] => Ok(()),
            [ref one] if *one != Positions::Each => Ok(()),
            _ => Err(SweepError::SenderPositions),
        }
    }

    fn check_positions(&self) -> Result<(), SweepError> {
        let one_by_one = self.has(Per::Position);
        match self.positions.as_slice() {
            _ if one_by_one && self.positions.contains(&Positions::All) => {
                Err(SweepError::TogetherOnAxis)
            }
            [Positions::Each] if !one_by_one => Err(SweepError::EachWithoutAxis),
            [] | [_] => Ok(()),
            _ if one_by_one => Ok(()),
            _ => Err(SweepError::SeveralWithoutAxis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::PairMetric;

    #[track_caller]
    fn check(settings: PairSettings, expected: &str) {
        let model = tracewright_models::Checkpoint::built_in().expect("the built-in model");
        let message = settings.check(model.architecture()).map_err(|error| error.to_string()).err();
        assert_eq!(message.unwrap_or_default(), expected);
    }

    #[test]
    fn positions_that_contradict_the_axes_are_refused() {
        let of = |per: &[Per], positions: &[Positions]| PairSettings {
            per: per.to_vec(),
            positions: positions.to_vec(),
            ..PairSettings::default()
        };
        let together = "the positions 'all' are patched together, but position is an axis: give --per layer, or --positions each";
        let both = [Per::Layer, Per::Position];
        check(of(&both, &[Positions::All]), together);
        let each = "the positions 'each' are patched one by one, but position isn't an axis: give --per layer,position, or --positions all";
        check(of(&[Per::Layer], &[Positions::Each]), each);
        let several = "several --positions are patched one by one, but position isn't an axis: give --per layer,position, or a single selection such as 3-5";
        check(of(&[Per::Layer], &[Positions::Subject, Positions::LAST]), several);
        check(of(&both, &[Positions::Subject, Positions::LAST]), "");
        check(of(&[Per::Layer], &[Positions::Subject]), "");
    }

    #[test]
    fn nothing_and_something_twice_are_refused() {
        let default = PairSettings::default;
        check(default(), "");
        check(PairSettings { sites: vec![], ..default() }, "give at least one site, each once");
        let twice = vec![PairMetric::Kl, PairMetric::Kl];
        check(PairSettings { metrics: twice, ..default() }, "give at least one metric, each once");
        let twice = vec![Per::Head, Per::Head];
        check(PairSettings { per: twice, ..default() }, "give at least one axis, each once");
        let none = "--window is 0: give how many layers are patched together, from 1 on";
        check(PairSettings { window: 0, ..default() }, none);
    }
}
