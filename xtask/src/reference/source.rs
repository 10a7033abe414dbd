//! What source files document: their items, with doc comments and messages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use quote::ToTokens;
use syn::{Attribute, Expr, ExprLit, Field, Fields, Item as Syntax, Lit, LitStr, Meta};

/// A source file.
pub(super) struct Source {
    /// Below the repository's root.
    pub(super) path: String,
    /// The comment at its beginning.
    pub(super) docs: String,
    pub(super) items: Vec<Item>,
}

/// A struct, enum or function, or a field or variant of one.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) docs: String,
    /// A field's type, as it is written.
    pub(super) of: String,
    /// What an error says: the template of `#[error("…")]`.
    pub(super) message: Option<String>,
    /// True where `serde` puts a field's own fields in its place.
    pub(super) flattened: bool,
    /// Fields and variants.
    pub(super) parts: Vec<Item>,
}

impl Source {
    /// Reads a file below the repository's root.
    pub(super) fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(crate::root().join(path)).with_context(|| path.to_owned())?;
        let file = syn::parse_file(&text).with_context(|| path.to_owned())?;
        let items = file.items.iter().filter_map(item).collect();
        Ok(Self { path: path.to_owned(), docs: docs(&file.attrs), items })
    }

    /// All files of a folder and those below it, in the order of their paths.
    pub(super) fn below(folder: &str) -> Result<Vec<Self>> {
        let root = crate::root();
        let mut paths = Vec::new();
        let mut waiting = vec![root.join(folder)];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path)?.collect::<Result<Vec<_>, _>>()?;
                waiting.extend(entries.iter().map(fs::DirEntry::path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::read(&relative(path, &root)?)).collect()
    }

    /// The item of a name.
    pub(super) fn item(&self, name: &str) -> Result<&Item> {
        let missing = || anyhow!("{} has no item '{name}'", self.path);
        self.items.iter().find(|item| item.name == name).ok_or_else(missing)
    }
}

impl Item {
    /// Fails where there is no doc comment to print.
    pub(super) fn documented(&self) -> Result<&Self> {
        if self.docs.is_empty() {
            bail!("'{}' has no doc comment", self.name);
        }
        Ok(self)
    }

    /// A table's rows of an enum's variants: their names, which are given in the same order, and comments.
    pub(super) fn variants(&self, names: &[&str]) -> Result<Vec<Vec<String>>> {
        if names.len() != self.parts.len() {
            bail!(
                "'{}' has {} variants and its ALL has {}",
                self.name,
                self.parts.len(),
                names.len()
            );
        }
        let row = |(name, variant): (&&str, &Self)| vec![format!("`{name}`"), variant.summary()];
        Ok(names.iter().zip(&self.parts).map(row).collect())
    }

    /// The first paragraph of the doc comment, in one line.
    pub(super) fn summary(&self) -> String {
        self.docs.split("\n\n").next().unwrap_or_default().replace('\n', " ")
    }
}

fn relative(path: &Path, root: &Path) -> Result<String> {
    let path: PathBuf = path.strip_prefix(root)?.components().collect();
    Ok(path.to_string_lossy().replace('\\', "/"))
}

fn item(syntax: &Syntax) -> Option<Item> {
    let (attributes, name, parts) = match syntax {
        Syntax::Struct(item) => (&item.attrs, item.ident.to_string(), fields(&item.fields)),
        Syntax::Enum(item) => {
            let variants = item.variants.iter().map(|variant| {
                named(&variant.attrs, variant.ident.to_string(), fields(&variant.fields))
            });
            (&item.attrs, item.ident.to_string(), variants.collect())
        }
        Syntax::Fn(item) => (&item.attrs, item.sig.ident.to_string(), Vec::new()),
        _ => return None,
    };
    Some(named(attributes, name, parts))
}

fn fields(fields: &Fields) -> Vec<Item> {
    let field = |field: &Field| Item {
        of: field.ty.to_token_stream().to_string().replace(' ', ""),
        ..named(
            &field.attrs,
            field.ident.as_ref().map(ToString::to_string).unwrap_or_default(),
            Vec::new(),
        )
    };
    fields.iter().map(field).collect()
}

fn named(attributes: &[Attribute], name: String, parts: Vec<Item>) -> Item {
    let is = |name: &str, word: &str| {
        let mut named = attributes.iter().filter(|attribute| attribute.path().is_ident(name));
        named.any(|attribute| attribute.meta.to_token_stream().to_string().contains(word))
    };
    Item {
        name,
        docs: docs(attributes),
        of: String::new(),
        message: attributes.iter().find_map(message),
        flattened: is("serde", "flatten"),
        parts,
    }
}

/// A doc comment as Markdown that isn't rustdoc's: links to items are their names.
fn docs(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| {
        let Meta::NameValue(pair) = &attribute.meta else { return None };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
        let text = text.value();
        let text = text.strip_prefix(' ').unwrap_or(&text).to_owned();
        attribute.path().is_ident("doc").then_some(text)
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    without_links(&lines.join("\n"))
}

/// `` [`Metric`](crate::Metric) `` and `` [`Metric`] `` become `` `Metric` ``.
pub(super) fn without_links(docs: &str) -> String {
    let mut plain = String::new();
    let mut rest = docs;
    while let Some((before, after)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, tail)) = after.split_once("`]") else {
            plain.push_str("[`");
            rest = after;
            continue;
        };
        plain.push_str(&format!("`{name}`"));
        let target = tail.strip_prefix('(').and_then(|tail| tail.split_once(')'));
        rest = target.map_or(tail, |(_, tail)| tail);
    }
    plain + rest
}

/// The template of `#[error("…")]`, in one line; what is put into it by position is `…`.
fn message(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("error") {
        return None;
    }
    let Meta::List(list) = &attribute.meta else { return None };
    // What comes after the template is put into it.
    let first = list.tokens.clone().into_iter().next()?.to_string();
    let Ok(template) = syn::parse_str::<LitStr>(&first) else {
        // `transparent`
        return Some(String::new());
    };
    let text = template.value().replace("{}", "…").replace(":?}", "}").replace("{0}", "…");
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
