//! Metrics, corruptions and families: doc comments with fixed headings.

use anyhow::{Result, bail};

/// What each of them says of itself, in this order.
const HEADINGS: [&str; 4] = ["What", "Formula", "Reference", "Fails when"];

/// A doc comment, taken apart.
pub(super) struct Unit {
    /// What stands before the headings.
    pub(super) summary: String,
    /// The texts under [`HEADINGS`].
    texts: [String; 4],
}

impl Unit {
    /// Reads `**What**: …` and so on.
    pub(super) fn read(of: &str, docs: &str) -> Result<Self> {
        let mut unit = Self { summary: String::new(), texts: Default::default() };
        let mut under = None;
        for paragraph in docs.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")) {
            let begins = |heading: &&str| paragraph.starts_with(&format!("**{heading}**: "));
            let begun = HEADINGS.iter().position(begins);
            under = begun.or(under);
            let text = match under {
                Some(heading) => &mut unit.texts[heading],
                None => &mut unit.summary,
            };
            let own = match begun {
                Some(heading) => &paragraph[HEADINGS[heading].len() + "****: ".len()..],
                None => &paragraph,
            };
            *text = format!("{text} {own}").trim().to_owned();
        }
        let missing = HEADINGS.iter().zip(&unit.texts).find(|(_, text)| text.is_empty());
        if let Some((heading, _)) = missing {
            bail!("{of}: its doc comment has no paragraph that begins with '**{heading}**: '");
        }
        Ok(unit)
    }

    /// The texts as a list.
    pub(super) fn list(&self) -> String {
        let line = |(heading, text): (&&str, &String)| format!("- **{heading}**: {}\n", text);
        HEADINGS.iter().zip(&self.texts).map(line).collect()
    }

    /// What it does.
    pub(super) fn what(&self) -> &str {
        &self.texts[0]
    }
}
