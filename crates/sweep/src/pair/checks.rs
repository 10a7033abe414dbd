//! What is wrong with a pair's settings, whatever its prompts.

use tracewright_ir::{Architecture, Component, Direction};

use super::change::Change;
use super::corruption::{By, Corruption};
use super::paths::Paths;
use super::positions::Positions;
use super::settings::{PairSettings, Per};
use super::target::Member;
use crate::error::SweepError;
use crate::words::{each_once, no_twins};

impl PairSettings {
    /// The same with the sites' short names, checked against the model.
    ///
    /// # Errors
    ///
    /// Names that the model hasn't got, lists that name something twice, positions that contradict the axes, a
    /// window around nothing, senders that there aren't, paths in the other direction, a mean of nothing.
    pub fn resolved(mut self, architecture: &Architecture) -> Result<Self, SweepError> {
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
