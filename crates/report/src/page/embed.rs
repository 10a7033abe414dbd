//! Data and scripts within an HTML document.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::ReportError;

/// A script element of JSON, which a browser doesn't run. Whatever could end it, or begin markup,
/// is escaped.
pub(super) fn data(id: &str, value: &impl Serialize) -> Result<String, ReportError> {
    let json =
        serde_json::to_string(value).map_err(|error| ReportError::Data(error.to_string()))?;
    let mut script = format!("<script type=\"application/json\" id=\"{id}\">");
    script.reserve(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                script += &format!("\\u{:04x}", u32::from(c))
            }
            c => script.push(c),
        }
    }
    script += "</script>\n";
    Ok(script)
}

/// A Content-Security-Policy under which these scripts alone run and nothing is fetched. Plotly
/// writes styles into its elements, and draws PNGs by way of a blob.
pub(super) fn policy(scripts: &[&str]) -> String {
    let hash = |script: &&str| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    let scripts: String = scripts.iter().map(hash).collect();
    format!(
        "default-src 'none'; script-src{scripts}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; \
         form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_data_is_markup() {
        let text = "</script><script>alert(1)</script><!-- & \u{2028}\"\\";
        let script = data("x", &text).unwrap();
        let json = script.strip_prefix("<script type=\"application/json\" id=\"x\">").unwrap();
        let json = json.strip_suffix("</script>\n").unwrap();
        assert!(!json.contains(['<', '>', '&', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(json).unwrap(), text);
    }

    #[test]
    fn numbers_are_those_of_single_precision() {
        assert!(data("x", &[0.1f32, 1e-30]).unwrap().contains("[0.1,1e-30]"));
    }

    #[test]
    fn the_policy_names_each_scripts_digest() {
        let policy = policy(&["alert('Hello, world.');"]);
        // The example of the specification.
        assert!(
            policy.contains("'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"),
            "{policy}"
        );
    }
}
