//! One array as the bytes of a `.npy` file.
//!
//! The format is written and read by `npyz`; what is done here is to look at a header before it
//! is trusted.

use std::io;

use npyz::{DType, Endianness, NpyFile, Order, TypeChar, WriterBuilder};

use crate::array::{Array, Data};

/// No header of a plain array comes near this; parsing is recursive, so length is danger.
const LONGEST_HEADER: usize = 8192;
/// `{'shape': (3, 4)}` is two brackets deep.
const DEEPEST_HEADER: usize = 4;

/// The `.npy` file that holds `array`.
pub(crate) fn encode(array: &Array) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shape: Vec<u64> = array.shape().iter().map(|&d| d as u64).collect();
    match array.data() {
        Data::F32(v) => encode_plain(&mut bytes, &shape, "<f4", v)?,
        Data::F64(v) => encode_plain(&mut bytes, &shape, "<f8", v)?,
        Data::I64(v) => encode_plain(&mut bytes, &shape, "<i8", v)?,
        Data::Bool(v) => encode_plain(&mut bytes, &shape, "|b1", v)?,
        Data::Str(v) => {
            // NumPy has no strings of width 0 in files: an empty one is `<U1`.
            let width = v.iter().map(|s| s.chars().count()).max().unwrap_or(1).max(1);
            encode_plain(&mut bytes, &shape, &format!("<U{width}"), v)?;
        }
    }
    Ok(bytes)
}

fn encode_plain<T: npyz::Serialize>(
    bytes: &mut Vec<u8>,
    shape: &[u64],
    dtype: &str,
    values: &[T],
) -> io::Result<()> {
    let dtype = DType::Plain(dtype.parse().map_err(invalid)?);
    let mut writer =
        npyz::WriteOptions::new().dtype(dtype).shape(shape).writer(bytes).begin_nd()?;
    values.iter().try_for_each(|value| writer.push(value))?;
    writer.finish()
}

/// The array in the `.npy` file `bytes`; what can't be read is said in the error.
pub(crate) fn decode(bytes: &[u8]) -> io::Result<Array> {
    check_header(bytes)?;
    let file = NpyFile::new(bytes)?;
    let DType::Plain(dtype) = file.dtype() else {
        return Err(unsupported("it has fields (a structured array), not numbers or strings"));
    };
    if file.order() == Order::Fortran && file.shape().len() > 1 {
        return Err(unsupported("it is in Fortran order, C order is read"));
    }
    let size = dtype.num_bytes().filter(|&size| size > 0);
    let Some(size) = size else {
        return Err(invalid(format!("its elements of type {dtype} have no size")));
    };
    let shape: Option<Vec<usize>> = file.shape().iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| invalid("its shape is too large for this machine"))?;
    let expected = shape.iter().try_fold(size, |n, &d| n.checked_mul(d));
    let found = bytes.len() - header_end(bytes)?;
    if expected != Some(found) {
        let shape = file.shape();
        return Err(invalid(format!("shape {shape:?} of {dtype} doesn't fit its {found} bytes")));
    }
    let data = match (dtype.type_char(), size) {
        (TypeChar::Float, 4) => Data::F32(file.into_vec()?),
        (TypeChar::Float, 8) => Data::F64(file.into_vec()?),
        (TypeChar::Int, 8) => Data::I64(file.into_vec()?),
        (TypeChar::Int, 4) => {
            Data::I64(file.into_vec::<i32>()?.into_iter().map(i64::from).collect())
        }
        (TypeChar::Bool, 1) => Data::Bool(file.into_vec()?),
        (TypeChar::UnicodeStr, _) if dtype.endianness() != Endianness::Irrelevant => {
            Data::Str(file.into_vec()?)
        }
        _ => {
            let known = "f4, f8, i4, i8, b1 and U are read";
            return Err(unsupported(format!("it has elements of type {dtype}; {known}")));
        }
    };
    Array::new(&shape, data).map_err(invalid)
}

/// Where the data starts: right after the header.
fn header_end(bytes: &[u8]) -> io::Result<usize> {
    let short = || invalid("it ends within its header");
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(invalid("it doesn't start like a .npy file"));
    }
    let (start, length) = match bytes.get(6).ok_or_else(short)? {
        1 => {
            let length = bytes.get(8..10).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes(length)))
        }
        _ => {
            let length = bytes.get(8..12).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (12, u32::from_le_bytes(length) as usize)
        }
    };
    if length > LONGEST_HEADER {
        return Err(invalid(format!("its header is {length} bytes long")));
    }
    if start + length > bytes.len() {
        return Err(short());
    }
    Ok(start + length)
}

/// Refuses headers that would make the parser recurse deeply, multiply beyond 64 bits or
/// allocate more than the file holds.
fn check_header(bytes: &[u8]) -> io::Result<()> {
    let end = header_end(bytes)?;
    let header = &bytes[10.min(end)..end];
    let (mut depth, mut product, mut number) = (0usize, 1u64, None::<u64>);
    for &byte in header.iter().chain(b" ") {
        if byte.is_ascii_digit() {
            let digit = u64::from(byte - b'0');
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            continue;
        }
        // An empty dimension must not hide how large the others are.
        product = product.saturating_mul(number.take().unwrap_or(1).max(1));
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST_HEADER {
            return Err(invalid("its header is nested too deeply for a plain array"));
        }
    }
    // All numbers of a header, the shape's and the element's width, multiply to at most the
    // number of bytes; small empty arrays are why there is a floor.
    if product > (bytes.len() as u64).max(1 << 20) {
        return Err(invalid("its header promises more elements than the file holds"));
    }
    Ok(())
}

fn invalid(problem: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_string())
}

/// A sound array of a kind that isn't read, which the caller tells from a damaged one.
fn unsupported(problem: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(text: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([0; 16]);
        bytes
    }

    fn check(header: &str, problem: &str) {
        let error = decode(&with_header(header)).unwrap_err().to_string();
        assert!(error.contains(problem), "{header}: {error}");
    }

    #[test]
    fn headers_that_promise_too_much_are_refused() {
        let plain = |shape| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        check(&plain("(99999999999999999999999999,)"), "promises more");
        check(&plain("(4294967296, 4294967296, 4294967296)"), "promises more");
        check(&plain("(0, 9999999999999)"), "promises more");
        check(&plain("(3,)"), "doesn't fit its 16 bytes");
        check(&plain(&"(".repeat(5000)), "nested too deeply");
        check("{'descr': '<U0', 'fortran_order': False, 'shape': (9,)}", "have no size");
        check("{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}", "are read");
        check("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "");
        check("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}", "structured");
        check("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", "Fortran");
    }

    #[test]
    fn every_prefix_of_a_file_is_an_error() {
        let array = Array::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let bytes = encode(&array).unwrap();
        assert_eq!(decode(&bytes).unwrap(), array);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end} bytes");
        }
    }
}
