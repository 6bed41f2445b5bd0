//! The settings file: TOML, flat, one key a setting.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::{Spanned, Value};

use super::{BadSetting, Config, Place, SETTINGS, Setting};

/// One line of the file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
    span: Range<usize>,
}

/// What the file sets, in its order.
pub(super) fn parse(path: &Path, content: &str) -> Result<Vec<Entry>, BadSetting> {
    let line = |offset: usize| content.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1;
    let bad = |offset, what: String| BadSetting { place: Place::File(path.to_owned(), line(offset)), what };
    let table: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(content).map_err(|error| {
        let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
        bad(error.span().map_or(0, |span| span.start), what)
    })?;
    let mut table: Vec<_> = table.into_iter().collect();
    table.sort_by_key(|(name, _)| name.span().start);
    let mut entries = Vec::new();
    for (name, value) in table {
        let (at, span) = (name.span().start, value.span());
        let name = name.into_inner();
        let value = match value.into_inner() {
            Value::Array(items) => {
                items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(","))
            }
            value => plain(&value),
        }
        .ok_or_else(|| bad(at, format!("`{name}` is a table; settings stand alone, one a line")))?;
        entries.push(Entry { name, value, line: line(at), span });
    }
    Ok(entries)
}

/// A simple value as text; `None` for a table or list.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Table(_) => None,
        value => Some(value.to_string()),
    }
}

/// The content with what differs from it, and from the defaults, put in.
pub(super) fn rewrite(config: &Config, path: &Path, content: &str) -> Result<String, BadSetting> {
    let entries = parse(path, content)?;
    let mut new = content.to_owned();
    // From the back, so that the spans of what is still to do stay true.
    for entry in entries.iter().rev() {
        let Some(setting) = Setting::named(&entry.name) else { continue };
        let mut written = config.clone();
        if (setting.set)(&mut written, &entry.value).is_err() || written != *config {
            new.replace_range(entry.span.clone(), &literal(&(setting.get)(config)));
        }
    }
    let defaults = Config::default();
    for setting in SETTINGS {
        let value = (setting.get)(config);
        if value != (setting.get)(&defaults) && entries.iter().all(|entry| entry.name != setting.name) {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.extend([setting.name, " = ", &literal(&value), "\n"]);
        }
    }
    Ok(new)
}

/// A value as TOML writes it.
fn literal(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => value.to_owned(),
        _ => Value::String(value.to_owned()).to_string(),
    }
}
