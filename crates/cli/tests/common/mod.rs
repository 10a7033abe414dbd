//! The program in a folder of its own, with paths in its messages made equal.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod page;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tracewright");

/// A fixture's path from the top of the workspace.
pub(crate) fn fixture(path: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let fixtures = fixtures.canonicalize().expect("the fixtures");
    fixtures.join(path).into_os_string().into_string().expect("a path in UTF-8")
}

/// A temporary folder in which the program runs.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room for a folder");
        fs::write(path, content).expect("room for a file");
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect(name)
    }

    /// Copies a model's folder to `name`.
    pub(crate) fn copy_model(&self, model: &str, name: &str) -> &Self {
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            let content = fs::read(Path::new(&fixture(model)).join(file)).expect(file);
            self.write(&format!("{name}/{file}"), content);
        }
        self
    }

    /// The program, run here and without the user's hub cache.
    pub(crate) fn tracewright(&self, args: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(args);
        command
    }

    /// A script, in which `tracewright` is the program and `fixtures` this workspace's; it ends with its
    /// first command that fails.
    #[cfg(unix)]
    pub(crate) fn bash(&self, script: &str) -> Command {
        let fixtures = self.path("fixtures");
        if !fixtures.exists() {
            std::os::unix::fs::symlink(fixture(""), fixtures).expect("room for a link");
        }
        let program = Path::new(PROGRAM).parent().expect("a folder").to_owned();
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([program].into_iter().chain(env::split_paths(&others)));
        let mut command = self.command("bash");
        command.env("PATH", path.expect("folders")).args(["-euo", "pipefail", "-c", script]);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        for name in ["HF_HUB_CACHE", "NO_COLOR", "COLORTERM", "RUST_BACKTRACE", "COLUMNS"] {
            command.env_remove(name);
        }
        command.env("HF_HOME", self.path("no-cache")).env("HF_HUB_OFFLINE", "1");
        command
    }

    /// Standard output of a run that ends well and without warnings.
    pub(crate) fn output(&self, args: &[&str]) -> String {
        let output = self.tracewright(args).output().expect("a run");
        let (out, err) = (self.text(&output.stdout), self.text(&output.stderr));
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{args:?}\n{out}");
        out
    }

    /// Standard output and standard error of a run that ends well.
    pub(crate) fn warned(&self, args: &[&str]) -> (String, String) {
        let output = self.tracewright(args).output().expect("a run");
        let (out, err) = (self.text(&output.stdout), self.text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{err}");
        (out, err)
    }

    /// The one JSON document that a run prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.output(&args)).expect("one JSON document")
    }

    /// What a refused request is told: the exit code is 2 and standard output is empty.
    pub(crate) fn message(&self, args: &[&str]) -> String {
        let output = self.tracewright(args).output().expect("a run");
        let (out, err) = (self.text(&output.stdout), self.text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}\n{err}");
        assert!(!err.contains("panicked") && !err.contains("backtrace"), "{err}");
        err.trim_end().to_owned()
    }

    /// As [`Place::message`], of `trace` with few cells and the results in `out`.
    pub(crate) fn trace_message(&self, args: &[&str]) -> String {
        self.message(&[&["trace", "--out", "out"], args].concat())
    }

    /// Every file in a folder by its path below it.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(folder);
        let (mut files, mut waiting) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let name = path.strip_prefix(&root).expect("a path below");
                    let name = name.to_string_lossy().replace('\\', "/");
                    files.insert(name, fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    pub(crate) fn text(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        text.replace(&self.folder.path().display().to_string(), "DIR")
            .replace(&fixture(""), "FIXTURES/")
    }
}
