//! Tables.

/// A table with these columns.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut columns.iter().map(|name| (*name).to_owned()));
    text += &line(&mut columns.iter().map(|_| "---".to_owned()));
    for row in rows {
        text += &line(&mut row.iter().map(|cell| in_cell(cell)));
    }
    text
}

/// In one line, with bars that end no cell and, outside of code, angle brackets that begin no HTML.
fn in_cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let parts = line.split('`').enumerate();
    let parts =
        parts.map(|(i, part)| if i % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

/// Names as code, with commas between.
pub(super) fn names<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let code = |name: N| format!("`{}`", name.as_ref());
    names.into_iter().map(code).collect::<Vec<_>>().join(", ")
}
