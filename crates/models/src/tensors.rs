//! A safetensors file, mapped.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{SafeTensorError, SafeTensors};

use tracewright_ir::Array;

use crate::error::ModelError;
use crate::weights::Weights;

/// The bytes of a safetensors file with its checked header.
pub(crate) struct TensorFile {
    origin: String,
    bytes: Bytes,
    metadata: Metadata,
    data_start: usize,
}

enum Bytes {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

impl TensorFile {
    pub(crate) fn map(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |error| ModelError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let origin = path.display().to_string();
        if file.metadata().map_err(unreadable)?.len() == 0 {
            return Err(ModelError::BadWeights { origin, problem: "the file is empty".to_owned() });
        }
        // A map is only sound while nobody shortens the file; that holds for a checkpoint, which
        // is written once. Reading it whole would need its size in memory a second time.
        #[expect(unsafe_code, reason = "memory maps have no safe constructor")]
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Self::check(origin, Bytes::Mapped(map))
    }

    pub(crate) fn embedded(origin: &str, bytes: &'static [u8]) -> Result<Self, ModelError> {
        Self::check(origin.to_owned(), Bytes::Embedded(bytes))
    }

    /// Reads the header; the crate compares every offset with the file's real length.
    fn check(origin: String, bytes: Bytes) -> Result<Self, ModelError> {
        let bad = |problem: String| ModelError::BadWeights { origin: origin.clone(), problem };
        match SafeTensors::read_metadata(bytes.as_slice()) {
            Ok((header, metadata)) => {
                Ok(Self { data_start: header + size_of::<u64>(), origin, bytes, metadata })
            }
            Err(SafeTensorError::MetadataIncompleteBuffer) => Err(bad(format!(
                "its header claims another size than the file's {} bytes: the download was cut \
                 off, or the file is damaged; fetch it again",
                bytes.as_slice().len()
            ))),
            Err(_) if bytes.as_slice().starts_with(b"version https://git-lfs") => {
                Err(bad("it is a pointer of Git LFS: run `git lfs pull` in its folder".to_owned()))
            }
            Err(error) => Err(bad(format!(
                "{error}: the file is damaged or isn't safetensors; fetch it again"
            ))),
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.metadata.tensors().into_keys().collect();
        names.sort();
        names
    }

    pub(crate) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// A tensor's bytes as they are stored; none where there is no such tensor.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let (start, end) = self.info(name)?.data_offsets;
        Some(&self.bytes.as_slice()[self.data_start..][start..end])
    }

    /// The whole file.
    pub(crate) fn content(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

/// Every array of a safetensors file, in the order of their names.
///
/// # Errors
///
/// A file that can't be read or isn't one, and numbers of a kind that isn't f32, f16 or bf16.
pub fn read_arrays(path: &Path) -> Result<Vec<(String, Array)>, ModelError> {
    let file = Weights::of_file(path)?;
    let read = |name: &String| {
        let data = file.read(name)?.into_iter().map(f64::from).collect();
        Ok((name.clone(), Array { shape: file.shape(name).unwrap_or_default(), data }))
    };
    file.names().iter().map(read).collect()
}
