//! One file's way into the cache: in pieces where it breaks, checked, and only then under its name.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::client::{Client, field};
use super::error::HubError;
use super::files::{RemoteFile, Sum};
use super::folder::{Folder, size, unwritable};
use crate::weights::hex;

/// A connection that brought this much before it broke doesn't count as a failed try.
const WORTHWHILE: u64 = 1 << 20;

/// A file that is on its way.
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) folder: &'a Folder,
    pub(super) commit: &'a str,
    pub(super) file: &'a RemoteFile,
    /// Is told how many bytes are there.
    pub(super) tell: &'a dyn Fn(u64),
}

impl Transfer<'_> {
    /// Downloads the file if its blob isn't there, and links it into the snapshot.
    pub(super) fn run(&self) -> Result<(), HubError> {
        let blob = self.folder.blob(self.file);
        let _lock = self.folder.lock(self.file)?;
        if self.folder.has(self.commit, self.file) {
            // Another program has just done it, and may be reading the file.
            return Ok(());
        }
        // What another program has left there is looked at before it is used.
        let is_sound = size(&blob) == Some(self.file.size)
            && self.file.sum.of(&blob).is_ok_and(|found| found == self.file.sum.text());
        if !is_sound {
            self.download(&blob)?;
        }
        self.folder.link(self.commit, self.file)
    }

    /// Twice where the sum is wrong: what was left of an earlier download may be the damaged part.
    fn download(&self, blob: &Path) -> Result<(), HubError> {
        let folder = blob.parent().unwrap_or(blob);
        fs::create_dir_all(folder).map_err(unwritable(folder))?;
        let partial = PathBuf::from(format!("{}.incomplete", blob.display()));
        let mut again = true;
        loop {
            self.fill(&partial)?;
            let found = self.file.sum.of(&partial).map_err(unwritable(&partial))?;
            if found == self.file.sum.text() {
                return fs::rename(&partial, blob).map_err(unwritable(blob));
            }
            fs::remove_file(&partial).map_err(unwritable(&partial))?;
            if !again {
                let (file, kind) = (self.file.name.clone(), self.file.sum.kind());
                let expected = self.file.sum.text().to_owned();
                return Err(HubError::WrongSum { file, kind, expected, found });
            }
            again = false;
        }
    }

    /// Goes on until the partial file has its full size.
    fn fill(&self, partial: &Path) -> Result<(), HubError> {
        let open = || File::options().create(true).truncate(false).write(true).open(partial);
        let mut file = open().map_err(unwritable(partial))?;
        let mut done = size(partial).filter(|size| *size <= self.file.size).unwrap_or(0);
        let mut tried = 0;
        (self.tell)(done);
        while done < self.file.size {
            let before = done;
            let Err(error) = self.piece(&mut file, partial, &mut done) else { continue };
            if done >= before.saturating_add(WORTHWHILE) {
                tried = 0;
            }
            self.client.wait(&mut tried, error).map_err(|error| self.broken(error, done))?;
        }
        let end = file.set_len(done).and_then(|()| file.sync_all());
        end.map_err(unwritable(partial))
    }

    fn broken(&self, error: HubError, done: u64) -> HubError {
        match error {
            HubError::Unreachable { problem, .. } => {
                let (file, size) = (self.file.name.clone(), self.file.size);
                HubError::Broken { file, done, size, problem }
            }
            other => other,
        }
    }

    /// One request for what is missing.
    fn piece(&self, file: &mut File, partial: &Path, done: &mut u64) -> Result<(), HubError> {
        let name = &self.file.name;
        let path = format!("/{}/resolve/{}/{name}", self.client.id, self.commit);
        let answer = self.client.get(&path, *done, name)?;
        let begins = field(&answer, "content-range").starts_with(&format!("bytes {done}-"));
        let goes_on = *done > 0 && answer.status().as_u16() == 206 && begins;
        if *done > 0 && !goes_on {
            // The server doesn't continue files, or not this one: from the beginning.
            *done = 0;
            if answer.status().as_u16() != 200 {
                let problem = "it doesn't continue the file".to_owned();
                return Err(self.client.unreachable(name, problem));
            }
        }
        file.seek(SeekFrom::Start(*done)).map_err(unwritable(partial))?;
        file.set_len(*done).map_err(unwritable(partial))?;
        let mut body = answer.into_body().into_reader().take(self.file.size - *done);
        let mut buffer = vec![0; 64 << 10];
        while *done < self.file.size {
            let ended = |problem: String| self.client.unreachable(name, problem);
            let count = body.read(&mut buffer).map_err(|error| ended(error.to_string()))?;
            if count == 0 {
                return Err(ended("the server ended it too early".to_owned()));
            }
            file.write_all(&buffer[..count]).map_err(unwritable(partial))?;
            *done += count as u64;
            (self.tell)(*done);
        }
        Ok(())
    }
}

impl Sum {
    fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Git(_) => "git object name",
        }
    }

    /// The sum of this kind of a file.
    fn of(&self, path: &Path) -> io::Result<String> {
        let mut file = File::open(path)?;
        match self {
            Self::Sha256(_) => digest(Sha256::new(), &mut file),
            Self::Git(_) => {
                let header = format!("blob {}\0", file.metadata()?.len());
                digest(Sha1::new().chain_update(header), &mut file)
            }
        }
    }
}

fn digest<D: Digest>(mut digest: D, file: &mut File) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}
