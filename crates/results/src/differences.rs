//! Where two JSON documents differ, in lines for a person.

use std::collections::BTreeSet;

use serde_json::Value;

/// More lines than this don't help anyone.
const MOST_LINES: usize = 8;
/// The width at which a value is cut.
const WIDTH: usize = 60;

/// One line for each place where `now` differs from `before`, at most eight and one that counts
/// the rest; empty if they are equal.
pub fn differences(before: &Value, now: &Value) -> String {
    let mut lines = Vec::new();
    compare("", Some(before), Some(now), &mut lines);
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("  … and {more} more"));
    }
    lines.join("\n")
}

fn compare(path: &str, before: Option<&Value>, now: Option<&Value>, lines: &mut Vec<String>) {
    match (before, now) {
        (before, now) if before == now => {}
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            for key in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, before.get(key), now.get(key), lines);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now))) if before.len() == now.len() => {
            for (index, (before, now)) in before.iter().zip(now).enumerate() {
                compare(&format!("{path}[{index}]"), Some(before), Some(now), lines);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now))) => {
            let (before, now) = (before.len(), now.len());
            lines.push(format!("  {path}: a list of {before} there, of {now} now"));
        }
        _ => {
            let path = if path.is_empty() { "the whole request" } else { path };
            lines.push(format!("  {path}: {} there, {} now", short(before), short(now)));
        }
    }
}

fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_documents_have_no_differences_whatever_their_order() {
        let now: Value = serde_json::from_str(r#"{"b": [1], "a": 0.1}"#).unwrap();
        assert_eq!(differences(&json!({"a": 0.1, "b": [1]}), &now), "");
    }

    #[test]
    fn differences_are_named_by_their_path() {
        let before = json!({"model": {"dtype": "f32"}, "sites": ["z", "q"], "seed": 1, "old": 2});
        let now = json!({"model": {"dtype": "bf16"}, "sites": ["z", "k"], "seed": 1, "new": null});
        insta::assert_snapshot!(differences(&before, &now), @r#"
        model.dtype: "f32" there, "bf16" now
        new: absent there, null now
        old: 2 there, absent now
        sites[1]: "q" there, "k" now
        "#);
    }

    #[test]
    fn many_differences_are_counted() {
        let before: Value = (0..20).map(|i| (i.to_string(), json!(0))).collect();
        let lines = differences(&before, &json!({}));
        assert_eq!(lines.lines().count(), 9);
        assert!(lines.ends_with("… and 12 more"), "{lines}");
    }
}
