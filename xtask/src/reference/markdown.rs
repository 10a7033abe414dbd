//! Tables.

/// A table with these columns.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut columns.iter().map(|name| (*name).to_owned()));
    text += &line(&mut columns.iter().map(|_| "---".to_owned()));
    for row in rows {
        text += &line(&mut row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")));
    }
    text
}

/// Names as code, with commas between.
pub(super) fn names<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let code = |name: N| format!("`{}`", name.as_ref());
    names.into_iter().map(code).collect::<Vec<_>>().join(", ")
}
