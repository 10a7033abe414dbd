//! A sweep's results folder: opened, filled pass by pass, finished.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::CaseRecord;
use crate::differences::differences;
use crate::entries::{
    FIGURES, PARTS, STATISTICS, list_parts, lock, part_path, refuse_file, refuse_foreign_folder,
};
use crate::outputs::{Cases, Written, digest, readings_path, write_outputs, write_readings};
use crate::part::{Part, read_cases};
use crate::run_file::{FORMAT, FailedCase, Progress, RUN_FILE, RunFile, as_read_back};
use crate::whole_file::{remove_leftovers, write_whole};
use crate::{ResultsError, rome};

/// A results folder that this process works in; no other process can until it is dropped.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
    request: Value,
    environment: Value,
    passes: usize,
    finished: BTreeSet<usize>,
    /// The cases of the parts that were there when the folder was opened.
    names: BTreeMap<usize, Vec<String>>,
    damaged: Vec<PathBuf>,
    /// Held for as long as the folder is open; the system releases it with the file.
    _lock: File,
}

impl ResultsFolder {
    /// Opens the folder of a sweep with the given number of passes, made if it doesn't exist.
    ///
    /// What a killed process left half written is removed. Parts that can't be read are removed
    /// too, count as not finished, and are told by [`ResultsFolder::damaged`]. Once a pass is
    /// finished, the `environment` of the start stays the recorded one.
    ///
    /// # Errors
    ///
    /// [`ResultsError::InUse`] while another process has it open, [`ResultsError::NotAFolder`]
    /// for a file, [`ResultsError::NotOurs`] for a folder of something else, [`ResultsError::DifferentRequest`] and
    /// [`ResultsError::DifferentPasses`] for one that was started otherwise,
    /// [`ResultsError::Damaged`] for an unreadable `run.json`, and the errors of writing.
    pub fn open(
        dir: &Path,
        request: &Value,
        environment: &Value,
        passes: usize,
    ) -> Result<Self, ResultsError> {
        refuse_file(dir)?;
        // Looked at before anything is written, so that a folder that isn't ours stays as it is.
        let recorded = RunFile::read(dir)?;
        if recorded.is_none() {
            refuse_foreign_folder(dir)?;
        }
        fs::create_dir_all(dir)
            .map_err(|source| ResultsError::NotWritable { path: dir.to_path_buf(), source })?;
        let lock = lock(dir)?;
        // Another process may have started the sweep between the first look and the lock.
        let recorded = RunFile::read(dir)?;
        let mut folder = Self {
            path: dir.to_path_buf(),
            request: as_read_back(request),
            environment: as_read_back(environment),
            passes,
            finished: BTreeSet::new(),
            names: BTreeMap::new(),
            damaged: Vec::new(),
            _lock: lock,
        };
        if let Some(recorded) = &recorded {
            folder.refuse_different_request(recorded)?;
        }
        folder.tidy()?;
        let found = folder.find_parts(recorded.as_ref())?;
        folder.record_start(recorded, &found)?;
        Ok(folder)
    }

    /// What is on record of a folder in which parts are finished: the environment that divided it into passes.
    pub fn begun(dir: &Path) -> Option<Value> {
        let is_sound = |(pass, path): (usize, PathBuf)| read_cases(&path, pass).is_ok();
        let begun = list_parts(dir).is_ok_and(|parts| parts.into_iter().any(is_sound));
        begun.then(|| RunFile::read(dir).ok().flatten()).flatten().map(|run| run.environment)
    }

    /// Refuses parts, found when the folder was opened, whose cases aren't those that `cases` says of their pass.
    ///
    /// # Errors
    ///
    /// [`ResultsError::OtherCases`].
    pub fn check_cases(&self, cases: impl Fn(usize) -> Vec<String>) -> Result<(), ResultsError> {
        match self.names.iter().find(|(pass, names)| cases(**pass) != **names) {
            Some((pass, _)) => {
                let path = part_path(&self.path, *pass);
                Err(ResultsError::OtherCases { path })
            }
            None => Ok(()),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The environment that is on record: the one given at the start of the sweep.
    pub fn environment(&self) -> &Value {
        &self.environment
    }

    /// The passes whose part is there and sound; a sweep goes on with the others.
    pub fn finished(&self) -> &BTreeSet<usize> {
        &self.finished
    }

    /// The parts that were found damaged and removed when the folder was opened.
    pub fn damaged(&self) -> &[PathBuf] {
        &self.damaged
    }

    /// Makes a pass durable: when this returns, its part survives a kill and a power cut.
    ///
    /// # Errors
    ///
    /// [`ResultsError::NoSuchPass`], and those of [`Part::write`]; the pass isn't finished then.
    pub fn commit(&mut self, pass: usize, part: &Part) -> Result<(), ResultsError> {
        if pass >= self.passes {
            let (path, passes) = (self.path.clone(), self.passes);
            return Err(ResultsError::NoSuchPass { path, pass, passes });
        }
        // What was averaged before isn't what the folder holds now.
        remove_statistics(&self.path)?;
        // Before the part, which says that the pass is finished.
        let mut cases = part.cases.clone();
        for (name, arrays) in &part.readings {
            let digest = write_readings(&self.path, name, arrays)?;
            let of_name = cases.iter_mut().filter(|case| case.name == *name);
            of_name.for_each(|case| case.readings = Some(digest.clone()));
        }
        part.write_with(cases, &part_path(&self.path, pass), pass)?;
        self.finished.insert(pass);
        Ok(())
    }

    /// Takes a finished pass, and what was read in it, from another folder.
    pub(crate) fn adopt(&mut self, pass: usize, from: &Path) -> Result<(), ResultsError> {
        let part = part_path(from, pass);
        for case in read_cases(&part, pass)? {
            if case.readings.is_some() {
                refuse_other_readings(from, &case)?;
                let name = &case.name;
                copy(&readings_path(from, name), &readings_path(&self.path, name))?;
            }
        }
        copy(&part, &part_path(&self.path, pass))?;
        self.finished.insert(pass);
        Ok(())
    }

    /// Makes `cells.parquet`, the files of the cases and `run.json` from the finished passes, in
    /// their order; for two cases or more `averages.parquet` and `peaks.parquet`, and of a trace
    /// `rome_averages.parquet`. Also for a sweep that was stopped: the next one makes them anew.
    ///
    /// # Errors
    ///
    /// [`ResultsError::Damaged`] for a part that was changed in the meantime,
    /// [`ResultsError::SameName`] for two cases of one name, and the errors of writing.
    pub fn finish(&mut self, cost: &Value) -> Result<Written, ResultsError> {
        let parts = self.parts();
        let cases = Cases::of_parts(&self.path, &parts)?;
        let mut written = write_outputs(&self.path, &parts, &cases)?;
        self.run_file(&cases, Some(cost.clone())).write(&self.path)?;
        written.files.push(self.path.join(RUN_FILE));
        Ok(written)
    }

    /// Whether the arrays that were read of a case's runs are there, and are those that were written.
    pub fn has_readings(&self, case: &CaseRecord) -> bool {
        case.readings.is_some() && refuse_other_readings(&self.path, case).is_ok()
    }

    /// The cases of the finished passes, without their rows.
    ///
    /// # Errors
    ///
    /// As for [`ResultsFolder::finish`].
    pub fn cases(&self) -> Result<Vec<CaseRecord>, ResultsError> {
        Ok(Cases::of_parts(&self.path, &self.parts())?.records)
    }

    fn parts(&self) -> Vec<(usize, PathBuf)> {
        self.finished.iter().map(|&pass| (pass, part_path(&self.path, pass))).collect()
    }

    /// As long as no pass is finished nothing is lost with the old request, and the new one takes
    /// its place.
    fn refuse_different_request(&self, recorded: &RunFile) -> Result<(), ResultsError> {
        if list_parts(&self.path)?.is_empty() {
            return Ok(());
        }
        let differences = differences(&recorded.request, &self.request);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(ResultsError::DifferentRequest { path: self.path.clone(), differences }),
        }
    }

    fn tidy(&self) -> Result<(), ResultsError> {
        let parts = self.path.join(PARTS);
        fs::create_dir_all(&parts).map_err(|source| ResultsError::writing(&parts, source))?;
        for folder in [&self.path, &parts, &self.path.join(rome::CASES), &self.path.join(FIGURES)] {
            remove_leftovers(folder)?;
        }
        Ok(())
    }

    /// Finds the finished passes, removes damaged parts, and returns the cases of the sound ones.
    fn find_parts(&mut self, recorded: Option<&RunFile>) -> Result<Cases, ResultsError> {
        let mut sound = BTreeMap::new();
        let mut damaged = Vec::new();
        for (pass, path) in list_parts(&self.path)? {
            match read_cases(&path, pass) {
                Ok(cases) => drop(sound.insert(pass, cases)),
                Err(error) if error.is_damage() => damaged.push(path),
                Err(error) => return Err(error),
            }
        }
        // A pass holds other cells when the request is divided otherwise, so no part of the old
        // division may be taken for one of the new.
        let of = recorded.map_or(self.passes, |recorded| recorded.finished.of);
        if of != self.passes && !sound.is_empty() {
            let (path, given) = (self.path.clone(), self.passes);
            return Err(ResultsError::DifferentPasses { path, recorded: of, given });
        }
        for path in damaged {
            fs::remove_file(&path).map_err(|source| ResultsError::writing(&path, source))?;
            self.damaged.push(path);
        }
        let mut found = Cases::default();
        for (pass, cases) in sound {
            self.names.insert(pass, cases.iter().map(|case| case.name.clone()).collect());
            found.add(&self.path, cases)?;
            self.finished.insert(pass);
        }
        Ok(found)
    }

    /// Writes `run.json` unless the one that is there says the same.
    fn record_start(
        &mut self,
        recorded: Option<RunFile>,
        found: &Cases,
    ) -> Result<(), ResultsError> {
        let mut cost = None;
        if let Some(recorded) = recorded {
            if !self.finished.is_empty() {
                self.environment = recorded.environment;
            }
            if recorded.finished == self.progress() {
                cost = recorded.cost;
            }
        }
        self.run_file(found, cost).write(&self.path)
    }

    fn progress(&self) -> Progress {
        Progress { passes: self.finished.len(), of: self.passes }
    }

    fn run_file(&self, cases: &Cases, cost: Option<Value>) -> RunFile {
        let failed = cases.records.iter().filter_map(|case| {
            let (case, reason) = (case.name.clone(), case.failure.clone()?);
            Some(FailedCase { case, reason })
        });
        RunFile {
            format: FORMAT,
            request: self.request.clone(),
            environment: self.environment.clone(),
            cost,
            finished: self.progress(),
            cases: cases.records.len(),
            failed: failed.collect(),
        }
    }
}

/// Removes the tables that were made on request, of the cases that were there then.
fn remove_statistics(folder: &Path) -> Result<(), ResultsError> {
    let statistics = folder.join(STATISTICS);
    match fs::remove_dir_all(&statistics) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ResultsError::writing(&statistics, source))
        }
        _ => Ok(()),
    }
}

/// Refuses readings that aren't those of the case.
fn refuse_other_readings(folder: &Path, case: &CaseRecord) -> Result<(), ResultsError> {
    let path = readings_path(folder, &case.name);
    let bytes = fs::read(&path).map_err(|error| ResultsError::reading(&path, error))?;
    match case.readings.as_ref() == Some(&digest(&bytes)) {
        true => Ok(()),
        false => Err(ResultsError::Damaged {
            path,
            problem: "it isn't what was read of the case's runs".to_owned(),
            advice: "Give the sweep's command again: the pass is computed anew",
        }),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), ResultsError> {
    let bytes = fs::read(from).map_err(|error| ResultsError::reading(from, error))?;
    write_whole(to, &bytes)
}
