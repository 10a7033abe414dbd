//! A small checkpoint of which one file is a fuzzer's.
//!
//! Whatever is in it, opening and loading it must end with a model or an error: no panic, and no more memory
//! than libFuzzer allows (2 GiB).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use tracewright_models::{Batch, Checkpoint, DeviceName, Nobody};

/// A folder of `fixtures/`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}

/// A copy of a checkpoint, in memory where the system has such a place.
pub struct Copy(TempDir);

impl Copy {
    /// All files of a fixture.
    pub fn of(path: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("room for a folder");
        for entry in fs::read_dir(fixture(path)).expect("a fixture") {
            let path = entry.expect("a file").path();
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("room");
        }
        Self(folder)
    }

    /// The path of one of its files.
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Opens, loads and runs it with this content of a file.
    pub fn run(&self, file: &str, content: &[u8]) {
        fs::write(self.path(file), content).expect("room for a file");
        let Ok(checkpoint) = Checkpoint::open(self.0.path()) else { return };
        let _ = (checkpoint.footprint(), checkpoint.stored_as());
        // A config may ask for a model that is large and right: it hasn't got its weights.
        let Ok(model) = checkpoint.load(DeviceName::Cpu) else { return };
        let batch = Batch { sequences: 1, len: 1 };
        let _ = model.decoder.forward(&[0], batch, &[0], &mut Nobody);
    }
}

/// A copy for the life of the process.
pub type Shared = LazyLock<Copy>;
