//! `.npz` files: arrays with names, in a zip archive that `numpy.load` reads.
//!
//! The same arrays give the same bytes: entries are stored in the order given, with the zip
//! format's first date.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use crate::array::Array;
use crate::{ResultsError, npy, whole_file};

const ADVICE: &str = "Make it again: the same sweep command writes all .npz files anew";

/// Writes `arrays` under their names to `path`, whole or not at all.
///
/// # Errors
///
/// [`ResultsError::Unwritable`] for two arrays of one name; otherwise as
/// [`write_whole`](crate::write_whole).
pub fn write_npz(path: &Path, arrays: &[(&str, Array)]) -> Result<(), ResultsError> {
    whole_file::write_whole(path, &npz_bytes(path, arrays)?)
}

/// The bytes that [`write_npz`] writes; `path` is for messages.
pub(crate) fn npz_bytes(path: &Path, arrays: &[(&str, Array)]) -> Result<Vec<u8>, ResultsError> {
    let unwritable = |problem: String| {
        let path = path.to_path_buf();
        ResultsError::Unwritable { path, problem }
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o600);
    for (name, array) in arrays {
        let failed = |error: String| unwritable(format!("the array {name}: {error}"));
        let bytes = npy::encode(array).map_err(|error| failed(error.to_string()))?;
        zip.start_file(format!("{name}.npy"), options).map_err(|e| failed(e.to_string()))?;
        zip.write_all(&bytes).map_err(|error| failed(error.to_string()))?;
    }
    Ok(zip.finish().map_err(|error| unwritable(error.to_string()))?.into_inner())
}

/// Reads all arrays of `path` in the order of the file, ours and NumPy's.
///
/// `f4`, `f8`, `i4`, `i8`, `b1` and `U` arrays are read, in either byte order. Memory stays
/// within a small multiple of the file's size, whatever its headers promise.
///
/// # Errors
///
/// [`ResultsError::Read`] if there is no such file, [`ResultsError::Damaged`] for a truncated or
/// changed one, [`ResultsError::Unsupported`] for compressed entries.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, ResultsError> {
    let reading = |source| ResultsError::reading(path, source);
    let file = File::open(path).map_err(reading)?;
    let size = file.metadata().map_err(reading)?.len();
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(path, e))?;
    check_entries(path, &mut zip, size)?;
    let mut arrays = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| damaged(path, error))?;
        let name = entry.name().map_err(|error| damaged(path, error))?.into_owned();
        let mut bytes = Vec::new();
        // Reading to the end also checks the entry's checksum.
        let result = entry.read_to_end(&mut bytes).and_then(|_| npy::decode(&bytes));
        let array = result.map_err(|error| {
            let problem = format!("its entry {name}: {error}");
            match error.kind() {
                io::ErrorKind::Unsupported => unsupported(path, problem),
                _ => damaged(path, problem),
            }
        })?;
        arrays.push((name.strip_suffix(".npy").unwrap_or(&name).to_owned(), array));
    }
    Ok(arrays)
}

/// Refuses entries that are compressed, that overlap (small files that unpack to huge ones), or
/// that share a name.
fn check_entries<R: Read + io::Seek>(
    path: &Path,
    zip: &mut ZipArchive<R>,
    file_size: u64,
) -> Result<(), ResultsError> {
    let (mut total, mut names) = (0u64, BTreeSet::new());
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(|error| damaged(path, error))?;
        let name = entry.name().map_err(|error| damaged(path, error))?.into_owned();
        if entry.compression() != CompressionMethod::Stored {
            return Err(unsupported(path, format!("its entry {name} is compressed")));
        }
        total = total.saturating_add(entry.size());
        if total > file_size {
            let problem = format!("its entries promise {total} bytes, the file has {file_size}");
            return Err(damaged(path, problem));
        }
        if let Some(name) = names.replace(name) {
            return Err(damaged(path, format!("it has two entries {name}")));
        }
    }
    Ok(())
}

fn damaged(path: &Path, problem: impl ToString) -> ResultsError {
    let (path, problem) = (path.to_path_buf(), problem.to_string());
    ResultsError::Damaged { path, problem, advice: ADVICE }
}

fn unsupported(path: &Path, problem: String) -> ResultsError {
    let advice = "Save it with numpy.savez (not savez_compressed), from contiguous arrays of \
                  numbers, bools or strings";
    ResultsError::Unsupported { path: path.to_path_buf(), problem, advice }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::array::Data;

    const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/rome");

    fn owned(arrays: &[(&str, Array)]) -> Vec<(String, Array)> {
        arrays.iter().map(|(name, array)| ((*name).to_owned(), array.clone())).collect()
    }

    fn round_trip(arrays: &[(&str, Array)]) -> Vec<(String, Array)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        write_npz(&path, arrays).unwrap();
        read_npz(&path).unwrap()
    }

    #[test]
    fn files_of_rome_are_read_and_rewritten_equal_array_by_array() {
        for name in ["knowledge_0", "knowledge_0_mlp", "knowledge_2", "severed_attn_0"] {
            let path = Path::new(GOLDENS).join(format!("{name}.npz"));
            let golden = read_npz(&path).unwrap();
            let arrays: Vec<_> = golden.iter().map(|(n, a)| (n.as_str(), a.clone())).collect();
            assert_eq!(round_trip(&arrays), golden, "{name}");
        }
    }

    #[test]
    fn a_file_of_rome_holds_what_numpy_wrote() {
        let golden = read_npz(&Path::new(GOLDENS).join("knowledge_0.npz")).unwrap();
        let get = |name: &str| golden.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(get("scores").shape(), [12, 12]);
        assert_eq!(get("low_score"), Array::scalar(0.3212818503379822f64));
        assert_eq!(get("high_score"), Array::scalar(0.988_386_45_f32));
        assert_eq!(get("answer"), Array::text(" Antarctica"));
        assert_eq!(get("window"), Array::scalar(10i64));
        assert_eq!(get("correct_prediction"), Array::scalar(true));
        assert_eq!(get("kind"), Array::text(""));
        assert!(matches!(get("input_tokens").data(), Data::Str(v) if v.len() == 12));
    }

    #[test]
    fn the_same_arrays_give_the_same_bytes() {
        let arrays = [("a", Array::vector(vec![1i64, 2])), ("b", Array::text("x"))];
        let bytes = || npz_bytes(Path::new("a.npz"), &arrays).unwrap();
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn a_truncated_file_is_an_error_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let whole = npz_bytes(&path, &[("a", Array::vector(vec![1.5f32; 9]))]).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(read_npz(&path).unwrap_err().is_damage(), "{end} bytes");
        }
    }

    #[test]
    fn two_arrays_of_one_name_are_refused() {
        let arrays = [("a", Array::scalar(1i64)), ("a", Array::scalar(2i64))];
        let error = npz_bytes(Path::new("x.npz"), &arrays).unwrap_err();
        assert!(matches!(error, ResultsError::Unwritable { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            floats in proptest::collection::vec(-1e30f32..1e30, 12),
            doubles in proptest::collection::vec(any::<f64>().prop_filter("==", |f| !f.is_nan()), 0..9),
            ints in proptest::collection::vec(any::<i64>(), 0..9),
            bools in proptest::collection::vec(any::<bool>(), 0..9),
            // NumPy pads with NULs.
            strings in proptest::collection::vec("[^\0]{0,6}", 0..9),
        ) {
            let arrays = [
                ("floats", Array::new(&[3, 2, 2], floats).unwrap()),
                ("doubles", Array::vector(doubles)),
                ("ints", Array::vector(ints)),
                ("bools", Array::vector(bools)),
                ("strings", Array::vector(strings)),
            ];
            prop_assert_eq!(round_trip(&arrays), owned(&arrays));
        }

        #[test]
        fn one_changed_byte_never_panics(at in 0usize..700, to in any::<u8>()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.npz");
            let arrays = [("a", Array::vector(vec![1.5f32; 9])), ("b", Array::text("answer"))];
            let mut bytes = npz_bytes(&path, &arrays).unwrap();
            let at = at % bytes.len();
            bytes[at] = to;
            fs::write(&path, bytes).unwrap();
            let _ = read_npz(&path);
        }
    }
}
