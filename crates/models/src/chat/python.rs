//! What transformers gives to chat templates beside Jinja's own functions.

use std::io;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Bytes that a template may write.
const LONGEST: usize = 16 << 20;

/// What `strftime_now` gives. The same prompt must give the same numbers on any day, so the clock
/// stands still at midnight of 26 July 2024: the date that Llama 3's templates take where there is
/// no clock. Other codes of strftime are an error.
const CLOCK: [(&str, &str); 17] = [
    ("%Y", "2024"),
    ("%y", "24"),
    ("%m", "07"),
    ("%-m", "7"),
    ("%B", "July"),
    ("%b", "Jul"),
    ("%d", "26"),
    ("%-d", "26"),
    ("%e", "26"),
    ("%j", "208"),
    ("%A", "Friday"),
    ("%a", "Fri"),
    ("%H", "00"),
    ("%I", "12"),
    ("%M", "00"),
    ("%S", "00"),
    ("%p", "AM"),
];

/// Today's date, by [`CLOCK`].
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    let dated = |part: &str| {
        CLOCK.iter().fold(part.to_owned(), |text, (code, value)| text.replace(code, value))
    };
    let text: Vec<String> = format.split("%%").map(dated).collect();
    if text.iter().any(|part| part.contains('%')) {
        let message = format!("strftime_now doesn't know all of '{format}'");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(text.join("%"))
}

/// JSON as transformers' own filter writes it: Python's spaces, and nothing escaped for HTML.
pub(super) fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    if ascii == Some(true) || value.is_undefined() {
        let message = "tojson of an undefined value, or with ensure_ascii";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let mut json = Limited::default();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut json, Spaced)),
        Some(width) => {
            let spaces = vec![b' '; width.min(80)];
            let style = PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut Serializer::with_formatter(&mut json, style))
        }
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(json.text())
}

/// `{"a": [1, 2]}`, as Python's json writes it.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

/// Text up to [`LONGEST`].
#[derive(Default)]
pub(super) struct Limited(Vec<u8>);

impl Limited {
    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
