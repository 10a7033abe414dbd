//! A safetensors file, read piece by piece.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use memmap2::Mmap;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{SafeTensorError, SafeTensors};

use tracewright_ir::Array;

use crate::error::ModelError;
use crate::weights::Weights;

/// A safetensors file with its checked header.
pub(crate) struct TensorFile {
    origin: String,
    bytes: Bytes,
    metadata: Metadata,
    data_start: usize,
}

/// What holds the bytes. A file is read, not mapped: to be cut short while it is mapped would be the end
/// of the process, and its pages would count as the process's memory.
enum Bytes {
    File { file: Mutex<File>, stamp: Stamp },
    Embedded(&'static [u8]),
}

impl TensorFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |error| ModelError::Unreadable { path: path.to_owned(), error };
        let file = File::open(path).map_err(unreadable)?;
        let origin = path.display().to_string();
        let about = file.metadata().map_err(unreadable)?;
        if about.len() == 0 {
            return Err(ModelError::BadWeights { origin, problem: "the file is empty".to_owned() });
        }
        // The header is compared with the length of what it stands in, so that has to be all of the file;
        // nothing but the header is touched.
        #[expect(unsafe_code, reason = "memory maps have no safe constructor")]
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let (data_start, metadata) = header(&origin, &map)?;
        let bytes = Bytes::File { file: Mutex::new(file), stamp: Stamp::of(&about) };
        Ok(Self { origin, bytes, metadata, data_start })
    }

    pub(crate) fn embedded(origin: &str, bytes: &'static [u8]) -> Result<Self, ModelError> {
        let (data_start, metadata) = header(origin, bytes)?;
        let bytes = Bytes::Embedded(bytes);
        Ok(Self { origin: origin.to_owned(), bytes, metadata, data_start })
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

    /// Some of a tensor's bytes as they are stored; the range lies within them. They may come to lie in
    /// `buffer`, which is used again for the next ones.
    ///
    /// # Errors
    ///
    /// A file that was changed since it was opened, or that can't be read any more.
    pub(crate) fn read<'a>(
        &'a self,
        info: &TensorInfo,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ModelError> {
        let start = self.data_start + info.data_offsets.0;
        self.bytes_of(start + range.start..start + range.end, buffer)
    }

    /// Some bytes of the whole file.
    fn bytes_of<'a>(
        &'a self,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ModelError> {
        let (file, stamp) = match &self.bytes {
            Bytes::Embedded(bytes) => return Ok(&bytes[range]),
            Bytes::File { file, stamp } => (file, *stamp),
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.resize(range.len(), 0);
        let about = file
            .seek(SeekFrom::Start(range.start as u64))
            .and_then(|_| file.read_exact(buffer))
            .and_then(|()| file.metadata());
        match about {
            Ok(about) if Stamp::of(&about) == stamp => Ok(buffer),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                Err(ModelError::Unreadable { path: self.origin.clone().into(), error })
            }
            _ => Err(changed(&self.origin)),
        }
    }

    /// The whole file, piece by piece.
    pub(crate) fn pieces(&self, mut each: impl FnMut(&[u8])) -> Result<(), ModelError> {
        let (end, mut buffer) = (self.data_start + self.metadata.data_len(), Vec::new());
        for start in (0..end).step_by(PIECE) {
            each(self.bytes_of(start..end.min(start + PIECE), &mut buffer)?);
        }
        Ok(())
    }
}

/// What shows that a file was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(about: &fs::Metadata) -> Self {
        Self { len: about.len(), modified: about.modified().ok() }
    }
}

/// The error of a file that was changed since it was opened.
pub(crate) fn changed(origin: &str) -> ModelError {
    ModelError::BadWeights {
        origin: origin.to_owned(),
        problem: "the file was changed or cut short while it was in use: wait until it is whole, and run again"
            .to_owned(),
    }
}

/// What is read at once.
pub(crate) const PIECE: usize = 4 << 20;

/// Where a file's data begin, and what its header says; the crate compares every offset with the file's
/// real length.
fn header(origin: &str, bytes: &[u8]) -> Result<(usize, Metadata), ModelError> {
    let bad = |problem| ModelError::BadWeights { origin: origin.to_owned(), problem };
    match SafeTensors::read_metadata(bytes) {
        Ok((header, metadata)) => Ok((header + size_of::<u64>(), metadata)),
        Err(SafeTensorError::MetadataIncompleteBuffer) => Err(bad(format!(
            "its header claims another size than the file's {} bytes: the download was cut off, or the file \
             is damaged; fetch it again",
            bytes.len()
        ))),
        Err(_) if bytes.starts_with(b"version https://git-lfs") => {
            Err(bad("it is a pointer of Git LFS: run `git lfs pull` in its folder".to_owned()))
        }
        Err(error) => {
            Err(bad(format!("{error}: the file is damaged or isn't safetensors; fetch it again")))
        }
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
