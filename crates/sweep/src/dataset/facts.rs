//! Facts: ROME's known facts and CounterFact.
//!
//! Reference: Meng et al., *Locating and Editing Factual Associations in GPT* (arXiv 2202.05262): the
//! files `known_1000.json` and `counterfact.json` that come with it.
//!
//! | field of a [`Fact`] | known facts | CounterFact |
//! | --- | --- | --- |
//! | `id` | `known_id` | `case_id` |
//! | `prompt` | `prompt` | `requested_rewrite.prompt` with the subject in place of `{}` |
//! | `subject` | `subject` | `requested_rewrite.subject` |
//! | `attribute` | `attribute` | `requested_rewrite.target_true.str` |
//! | `columns` | all other scalars | all other scalars, of the record and of `requested_rewrite`; `template`; `target_new` (its `str`) |

use std::collections::BTreeMap;

use super::fields::{Look, columns, scalar, short};
use super::records::{Checked, Fields, Place, Records};

/// The field that tells CounterFact from known facts.
const REWRITE: &str = "requested_rewrite";

/// A fact, which a prompt asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Where it stands in its file.
    pub place: Place,
    /// Its id, which no other of the file has.
    pub id: u64,
    /// The prompt, which the answer completes.
    pub prompt: String,
    /// What the prompt is about; a part of it.
    pub subject: String,
    /// The expected answer, without its leading space.
    pub attribute: String,
    /// What else the file says of it, such as its `relation_id`.
    pub columns: BTreeMap<String, String>,
}

impl Checked<Fact> {
    /// The facts among records, each told by its own fields to be one of ROME's known facts or of
    /// CounterFact.
    ///
    /// Bad are those without a whole number as id or with another's, with texts that are missing or empty,
    /// and with a subject that isn't in the prompt.
    pub fn facts(records: &Records) -> Self {
        let mut ids: BTreeMap<u64, Place> = BTreeMap::new();
        records.check(|record| {
            let mut look = Look::at(&record.fields);
            let rewrite = record.fields.contains_key(REWRITE);
            let fact = if rewrite { counterfact(&mut look) } else { known(&mut look) };
            let Some(parts) = fact else { return Err(look.problems) };
            look.is_part(&parts.subject, &parts.prompt);
            if let Some(place) = ids.get(&parts.id) {
                look.note(format!("its id {} is that of {place} already", parts.id));
            }
            if !look.problems.is_empty() {
                return Err(look.problems);
            }
            ids.insert(parts.id, record.place);
            let Parts { id, prompt, subject, attribute } = parts;
            let columns = if rewrite {
                counterfact_columns(&record.fields)
            } else {
                known_columns(&record.fields)
            };
            Ok(Fact { place: record.place, id, prompt, subject, attribute, columns })
        })
    }
}

/// What both formats have.
struct Parts {
    id: u64,
    prompt: String,
    subject: String,
    attribute: String,
}

fn known(look: &mut Look<'_>) -> Option<Parts> {
    let (id, prompt) = (look.id("known_id"), look.text("prompt"));
    let (subject, attribute) = (look.text("subject"), look.text("attribute"));
    // What the model says is compared without the space before it.
    let attribute = attribute?.trim().to_owned();
    Some(Parts { id: id?, prompt: prompt?, subject: subject?, attribute })
}

fn known_columns(fields: &Fields) -> BTreeMap<String, String> {
    columns(fields, &["known_id", "prompt", "subject", "attribute"])
}

fn counterfact(look: &mut Look<'_>) -> Option<Parts> {
    let id = look.id("case_id");
    let template = look.text("requested_rewrite.prompt");
    let subject = look.text("requested_rewrite.subject");
    let attribute = look.text("requested_rewrite.target_true.str");
    let (template, subject) = (template?, subject?);
    if template.matches("{}").count() != 1 {
        let template = short(&template);
        look.note(format!(
            "'requested_rewrite.prompt' is '{template}', without {{}} once, where the subject belongs"
        ));
    }
    Some(Parts {
        id: id?,
        prompt: template.replace("{}", &subject),
        subject,
        attribute: attribute?.trim().to_owned(),
    })
}

fn counterfact_columns(fields: &Fields) -> BTreeMap<String, String> {
    let mut found = columns(fields, &["case_id"]);
    if let Some(rewrite) = fields.get(REWRITE).and_then(|rewrite| rewrite.as_object()) {
        found.extend(columns(rewrite, &["prompt", "subject"]));
        let renamed = [("template", "/prompt"), ("target_new", "/target_new/str")];
        let rewrite = &fields[REWRITE];
        let texts = renamed.map(|(name, path)| (name, rewrite.pointer(path).and_then(scalar)));
        found.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))));
    }
    found
}
