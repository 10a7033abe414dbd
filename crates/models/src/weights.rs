//! A checkpoint's tensors, wherever they stand: one file or several, safetensors or PyTorch's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::tensor::Dtype;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::ModelError;
use crate::quantised::{Packed, Quantisation};
use crate::tensors::{PIECE, Stamp, TensorFile, changed};

/// The tensors of one or several files.
///
/// Numbers come in ranges of rows: of what a tensor has along its first axis.
pub(crate) struct Weights {
    origin: String,
    files: Vec<File>,
    /// The bytes of all tensors that have been read, as they are stored.
    bytes_read: AtomicU64,
    /// Every tensor that a model can have, with the file that holds it, by name.
    held: BTreeMap<String, usize>,
    names: Vec<String>,
    quantisation: Option<Quantisation>,
}

enum File {
    Safetensors(TensorFile),
    PyTorch { path: PathBuf, reader: PytorchReader, stamp: Stamp },
}

/// The files that are looked for in a checkpoint's folder, in this order, and the indices of those that
/// stand in several parts.
const FILES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Which file holds which tensor, as Hugging Face's index says.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// The weights in a checkpoint's folder.
    ///
    /// # Errors
    ///
    /// No weights there, files that can't be read or that their index doesn't fit.
    pub(crate) fn of_folder(
        folder: &Path,
        quantisation: Option<Quantisation>,
    ) -> Result<Self, ModelError> {
        let there = |name: &&&str| folder.join(name).is_file();
        let Some(name) = FILES.iter().find(there) else {
            let (path, known) = (folder.to_owned(), FILES.to_vec());
            return Err(ModelError::NoWeights { path, known });
        };
        let path = folder.join(name);
        let origin = path.display().to_string();
        let files = match name.ends_with(".json") {
            true => parts(folder, &path)?,
            false => vec![File::open(&path)?],
        };
        Self::new(origin, files, quantisation)
    }

    /// A single safetensors file.
    pub(crate) fn of_file(path: &Path) -> Result<Self, ModelError> {
        let file = File::Safetensors(TensorFile::open(path)?);
        Self::new(path.display().to_string(), vec![file], None)
    }

    /// A safetensors file within the program.
    pub(crate) fn embedded(origin: &str, bytes: &'static [u8]) -> Result<Self, ModelError> {
        let file = File::Safetensors(TensorFile::embedded(origin, bytes)?);
        Self::new(origin.to_owned(), vec![file], None)
    }

    fn new(
        origin: String,
        files: Vec<File>,
        quantisation: Option<Quantisation>,
    ) -> Result<Self, ModelError> {
        let mut held = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            for name in file.names() {
                if held.insert(name.clone(), index).is_some() {
                    let problem = format!("tensor '{name}' stands in two of its files");
                    return Err(ModelError::BadWeights { origin, problem });
                }
            }
        }
        let part_of_another = |name: &str| {
            quantisation.is_some()
                && Packed::whole(name).is_some_and(|name| held.contains_key(&name))
        };
        let names = held.keys().filter(|name| !part_of_another(name)).cloned().collect();
        Ok(Self { origin, files, bytes_read: AtomicU64::new(0), held, names, quantisation })
    }

    /// What the weights are called in messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The names of all tensors, in their order; a quantised one has one name.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.held.contains_key(name)
    }

    fn file(&self, name: &str) -> Result<&File, ModelError> {
        let missing = || ModelError::BadWeights {
            origin: self.origin.clone(),
            problem: format!("there is no tensor '{name}'"),
        };
        self.held.get(name).map(|file| &self.files[*file]).ok_or_else(missing)
    }

    /// A tensor's shape, as its numbers are read.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let stored = self.stored_shape(name)?;
        match self.packed(name) {
            Some(packed) => packed.shape(&stored, &self.stored_shape(&packed.scales)?),
            None => Some(stored),
        }
    }

    fn stored_shape(&self, name: &str) -> Option<Vec<usize>> {
        self.file(name).ok()?.shape(name)
    }

    /// How a tensor is quantised; none where it isn't.
    fn packed(&self, name: &str) -> Option<Packed> {
        let packed = self.quantisation.as_ref()?.packed(name)?;
        self.has(&packed.scales).then_some(packed)
    }

    /// What a tensor's numbers are stored in.
    pub(crate) fn stored_as(&self, name: &str) -> String {
        if let Some(packed) = self.packed(name) {
            return packed.stored_as();
        }
        let dtype = self.file(name).ok().and_then(|file| file.dtype(name));
        dtype.map_or_else(String::new, |dtype| format!("{dtype:?}").to_lowercase())
    }

    /// The bytes that a tensor takes in its file.
    pub(crate) fn stored_bytes(&self, name: &str) -> u64 {
        let bytes = |name: &str| self.file(name).ok().and_then(|file| file.stored(name));
        let parts = self.packed(name).map(|packed| [packed.scales, packed.biases]);
        let parts = parts.iter().flatten().map(String::as_str).chain([name]);
        parts.filter_map(bytes).map(|bytes| bytes as u64).sum()
    }

    /// The bytes that have been read of tensors.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Whether ranges of a tensor can be read without reading all of it.
    pub(crate) fn has_ranges(&self, name: &str) -> bool {
        matches!(self.file(name), Ok(File::Safetensors(_)))
    }

    /// Whether two tensors are stored as the same bytes.
    pub(crate) fn same(&self, a: &str, b: &str) -> bool {
        let equal = |a: &str, b: &str| {
            let (Ok(of_a), Ok(of_b)) = (self.file(a), self.file(b)) else { return false };
            let Some(len) = of_a.stored(a).filter(|len| of_b.stored(b) == Some(*len)) else {
                return false;
            };
            let piece = if self.has_ranges(a) && self.has_ranges(b) { PIECE } else { len.max(1) };
            let (mut buffer_a, mut buffer_b) = (Vec::new(), Vec::new());
            (0..len).step_by(piece).all(|start| {
                let range = start..len.min(start + piece);
                match (
                    of_a.bytes(a, range.clone(), &mut buffer_a),
                    of_b.bytes(b, range, &mut buffer_b),
                ) {
                    (Ok(a), Ok(b)) => a == b,
                    _ => false,
                }
            })
        };
        let packed = match (self.packed(a), self.packed(b)) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                a.is_like(&b) && equal(&a.scales, &b.scales) && equal(&a.biases, &b.biases)
            }
            _ => false,
        };
        packed && self.shape(a) == self.shape(b) && equal(a, b)
    }

    /// A tensor's numbers as f32, in C order.
    ///
    /// # Errors
    ///
    /// A dtype other than f32, f16 and bf16 (and what quantised weights are packed in), and numbers that
    /// are infinite or not numbers.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let rows = self.stored_shape(name).and_then(|shape| shape.first().copied());
        self.read_rows(name, 0..rows.unwrap_or(1))
    }

    /// The numbers of some rows of a tensor; they lie within it.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::read`].
    pub(crate) fn read_rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, ModelError> {
        let (first, count) = (rows.start, rows.len());
        let values = match self.packed(name) {
            None => self.file(name)?.floats(name, rows, &self.bytes_read)?,
            Some(packed) => {
                let words = self.file(name)?.words(name, rows.clone(), &self.bytes_read)?;
                let [scales, biases] = [&packed.scales, &packed.biases]
                    .map(|part| self.file(part)?.floats(part, rows.clone(), &self.bytes_read));
                let problem = || ModelError::BadWeights {
                    origin: self.origin.clone(),
                    problem: format!(
                        "the parts of the quantised tensor '{name}' don't fit together"
                    ),
                };
                packed.unpack(&words, &scales?, &biases?).ok_or_else(problem)?
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ModelError::NotFinite {
                origin: self.file(name)?.origin(),
                tensor: name.to_owned(),
                index: first * (values.len() / count.max(1)) + index,
                value: values[index],
            }),
            None => Ok(values),
        }
    }

    /// The SHA-256 of the files' own, in hexadecimal digits; of a single file its own.
    ///
    /// # Errors
    ///
    /// A file that can't be read.
    pub(crate) fn sha256(&self) -> Result<String, ModelError> {
        let digests: Vec<String> = self.files.iter().map(File::sha256).collect::<Result<_, _>>()?;
        match digests.as_slice() {
            [digest] => Ok(digest.clone()),
            digests => Ok(hex(&Sha256::digest(digests.concat()))),
        }
    }
}

/// A digest in hexadecimal digits.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files that an index names.
fn parts(folder: &Path, index: &Path) -> Result<Vec<File>, ModelError> {
    let origin = index.display().to_string();
    let bad = |problem: String| ModelError::BadWeights { origin: origin.clone(), problem };
    let unreadable = |error| ModelError::Unreadable { path: index.to_owned(), error };
    let text = fs::read(index).map_err(unreadable)?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|error| bad(format!("it isn't an index of weights: {error}")))?;
    let mut files: BTreeMap<&str, File> = BTreeMap::new();
    for (tensor, name) in &index.weight_map {
        // A file beside the index, not anywhere else on the machine.
        if Path::new(name).components().count() != 1 || name.contains(['/', '\\']) {
            return Err(bad(format!("it names '{name}', which isn't a file beside it")));
        }
        let path = folder.join(name);
        if !path.is_file() {
            return Err(bad(format!("it names '{name}', which isn't there: fetch it")));
        }
        if !files.contains_key(name.as_str()) {
            files.insert(name, File::open(&path)?);
        }
        if files.get(name.as_str()).is_some_and(|file| file.shape(tensor).is_none()) {
            return Err(bad(format!("it says that '{name}' holds '{tensor}', which it doesn't")));
        }
    }
    Ok(files.into_values().collect())
}

impl File {
    fn open(path: &Path) -> Result<Self, ModelError> {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            return Ok(Self::Safetensors(TensorFile::open(path)?));
        }
        let unreadable = |error| ModelError::Unreadable { path: path.to_owned(), error };
        let stamp = Stamp::of(&fs::metadata(path).map_err(unreadable)?);
        let reader = PytorchReader::new(path).map_err(|error| ModelError::BadWeights {
            origin: path.display().to_string(),
            problem: format!("{error}: the file is damaged or isn't PyTorch's; fetch it again"),
        })?;
        Ok(Self::PyTorch { path: path.to_owned(), reader, stamp })
    }

    fn origin(&self) -> String {
        match self {
            Self::Safetensors(file) => file.origin().to_owned(),
            Self::PyTorch { path, .. } => path.display().to_string(),
        }
    }

    fn bad(&self, problem: String) -> ModelError {
        ModelError::BadWeights { origin: self.origin(), problem }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors(file) => file.names(),
            Self::PyTorch { reader, .. } => reader.keys(),
        }
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Safetensors(file) => Some(file.info(name)?.shape.clone()),
            Self::PyTorch { reader, .. } => Some(reader.get(name)?.shape().to_vec()),
        }
    }

    /// The bytes that a tensor takes.
    fn stored(&self, name: &str) -> Option<usize> {
        match self {
            Self::Safetensors(file) => {
                let (start, end) = file.info(name)?.data_offsets;
                Some(end - start)
            }
            Self::PyTorch { reader, .. } => Some(reader.get(name)?.byte_len()),
        }
    }

    /// Some of a tensor's bytes as they are stored; the range lies within them. They may come to lie in
    /// `buffer`, which is used again for the next ones.
    fn bytes<'a>(
        &'a self,
        name: &str,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ModelError> {
        let missing = || self.bad(format!("there is no tensor '{name}'"));
        match self {
            Self::Safetensors(file) => {
                file.read(file.info(name).ok_or_else(missing)?, range, buffer)
            }
            Self::PyTorch { path, reader, stamp } => {
                let tensor = reader.get(name).ok_or_else(missing)?;
                let read = tensor.read();
                if fs::metadata(path).ok().map(|about| Stamp::of(&about)) != Some(*stamp) {
                    return Err(changed(&path.display().to_string()));
                }
                *buffer =
                    read.map_err(|error| self.bad(format!("{error}: the file is damaged")))?;
                Ok(&buffer[range])
            }
        }
    }

    /// The numbers of some rows of a tensor, read piece by piece where that can be.
    fn numbers<const N: usize, T>(
        &self,
        name: &str,
        rows: Range<usize>,
        (bytes_read, read): (&AtomicU64, impl Fn([u8; N]) -> T),
    ) -> Result<Vec<T>, ModelError> {
        let shape = self.shape(name).unwrap_or_default();
        let row = N * shape.iter().skip(1).product::<usize>();
        let range = rows.start * row..rows.end * row;
        let piece = match self {
            Self::Safetensors(_) => PIECE,
            Self::PyTorch { .. } => range.len().max(1),
        };
        let (mut numbers, mut buffer) = (Vec::with_capacity(range.len() / N), Vec::new());
        for start in range.clone().step_by(piece) {
            let bytes = self.bytes(name, start..range.end.min(start + piece), &mut buffer)?;
            numbers.extend(bytes.as_chunks().0.iter().map(|chunk| read(*chunk)));
        }
        bytes_read.fetch_add(range.len() as u64, Ordering::Relaxed);
        Ok(numbers)
    }

    /// The kind of a tensor's numbers, in safetensors' words.
    fn dtype(&self, name: &str) -> Option<Dtype> {
        match self {
            Self::Safetensors(file) => Some(file.info(name)?.dtype),
            Self::PyTorch { reader, .. } => Some(match reader.get(name)?.dtype() {
                DType::F32 => Dtype::F32,
                DType::F16 => Dtype::F16,
                DType::BF16 => Dtype::BF16,
                DType::F64 => Dtype::F64,
                DType::U8 => Dtype::U8,
                DType::Bool => Dtype::BOOL,
                _ => Dtype::I64,
            }),
        }
    }

    fn floats(
        &self,
        name: &str,
        rows: Range<usize>,
        bytes_read: &AtomicU64,
    ) -> Result<Vec<f32>, ModelError> {
        match self.dtype(name) {
            Some(Dtype::F32) => self.numbers(name, rows, (bytes_read, f32::from_le_bytes)),
            Some(Dtype::F16) => {
                self.numbers(name, rows, (bytes_read, |b| f16::from_le_bytes(b).to_f32()))
            }
            Some(Dtype::BF16) => {
                self.numbers(name, rows, (bytes_read, |b| bf16::from_le_bytes(b).to_f32()))
            }
            other => Err(self.bad(format!(
                "tensor '{name}' is stored as {}; f32, f16 and bf16 can be read",
                other.map_or_else(String::new, |dtype| format!("{dtype:?}"))
            ))),
        }
    }

    /// What quantised numbers are packed in.
    fn words(
        &self,
        name: &str,
        rows: Range<usize>,
        bytes_read: &AtomicU64,
    ) -> Result<Vec<u32>, ModelError> {
        match self.dtype(name) {
            Some(Dtype::U32) => self.numbers(name, rows, (bytes_read, u32::from_le_bytes)),
            other => Err(self.bad(format!(
                "the quantised tensor '{name}' is stored as {other:?}, expected U32"
            ))),
        }
    }

    fn sha256(&self) -> Result<String, ModelError> {
        let mut digest = Sha256::new();
        match self {
            Self::Safetensors(file) => file.pieces(|piece| digest.update(piece))?,
            Self::PyTorch { path, .. } => {
                let unreadable = |error| ModelError::Unreadable { path: path.clone(), error };
                let mut file = fs::File::open(path).map_err(unreadable)?;
                let mut piece = vec![0; PIECE];
                loop {
                    match file.read(&mut piece).map_err(unreadable)? {
                        0 => break,
                        read => digest.update(&piece[..read]),
                    }
                }
            }
        }
        Ok(hex(&digest.finalize()))
    }
}
