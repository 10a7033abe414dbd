//! Copies of the tiny checkpoints, to be damaged.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tracewright_models::{Checkpoint, DeviceName, Model, ModelError};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TINY: [&str; 3] = ["gpt2-inverse", "gpt2-untied-bf16", "gpt2-relu-f16"];

pub(crate) fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny").join(name)
}

/// The folders of a checkpoint of each family.
pub(crate) fn families() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families");
    let entries = fs::read_dir(folder).expect("the fixtures are there");
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a folder that can be read").path()).collect();
    folders.sort();
    folders
}

pub(crate) fn load(folder: &Path) -> Result<Model, ModelError> {
    Checkpoint::open(folder)?.load(DeviceName::Cpu)
}

pub(crate) fn built_in() -> Model {
    let checkpoint = Checkpoint::built_in().expect("the built-in model");
    checkpoint.load(DeviceName::Cpu).expect("the built-in weights")
}

/// A tensor on disk.
pub(crate) struct Stored {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn zeros(shape: &[usize]) -> Self {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }
}

/// A checkpoint in a folder that is removed afterwards.
pub(crate) struct Copy {
    folder: TempDir,
}

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in [CONFIG, TOKENIZER, WEIGHTS] {
            fs::copy(tiny(name).join(file), folder.path().join(file)).expect("a fixture's file");
        }
        Self { folder }
    }

    /// All files of a folder.
    pub(crate) fn of_folder(from: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in fs::read_dir(from).expect("a fixture") {
            let path = entry.expect("a file").path();
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("room");
        }
        Self { folder }
    }

    /// The names of its files, in their order.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the copy");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries.map(|entry| name(entry.expect("a file"))).collect();
        names.sort();
        names
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).expect("a file of the copy")
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(file), bytes).expect("room for a small file");
        self
    }

    pub(crate) fn damage(&self, file: &str, damage: impl FnOnce(&mut Vec<u8>)) -> &Self {
        let mut bytes = self.read(file);
        damage(&mut bytes);
        self.write(file, bytes)
    }

    pub(crate) fn config(&self, change: impl FnOnce(&mut Map<String, Value>)) -> &Self {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&self.read(CONFIG)).expect("a config");
        change(&mut fields);
        self.write(CONFIG, Value::Object(fields).to_string())
    }

    pub(crate) fn set(&self, field: &str, value: Value) -> &Self {
        self.config(|fields| drop(fields.insert(field.to_owned(), value)))
    }

    pub(crate) fn tensors(&self, change: impl FnOnce(&mut BTreeMap<String, Stored>)) -> &Self {
        let bytes = self.read(WEIGHTS);
        let file = SafeTensors::deserialize(&bytes).expect("a fixture's weights");
        let stored = |(name, view): (&str, TensorView<'_>)| {
            let (dtype, shape, bytes) = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
            (name.to_owned(), Stored { dtype, shape, bytes })
        };
        let mut all: BTreeMap<String, Stored> = file.iter().map(stored).collect();
        change(&mut all);
        let views = all.iter().map(|(name, Stored { dtype, shape, bytes })| {
            (
                name,
                TensorView::new(*dtype, shape.clone(), bytes)
                    .expect("as many bytes as the shape says"),
            )
        });
        self.write(WEIGHTS, serialize(views, None).expect("tensors of known size"))
    }

    pub(crate) fn load(&self) -> Result<Model, ModelError> {
        load(self.folder.path())
    }

    pub(crate) fn warnings(&self) -> String {
        let checkpoint = Checkpoint::open(self.folder.path()).expect("a whole checkpoint");
        self.without_path(&checkpoint.warnings().join("\n"))
    }

    /// Why it can't be loaded, with MODEL for the folder.
    pub(crate) fn message(&self) -> String {
        self.without_path(&self.load().expect_err("this must fail").to_string())
    }

    fn without_path(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "MODEL")
    }
}
