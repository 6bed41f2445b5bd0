//! The settings file: TOML, one key a setting, below a line `[redis]` one key a parameter of Redis, and below a line
//! `[tables]` one key a limit of DynamoDB's API.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::{BadSetting, Config, Place, SETTINGS, Setting};

/// The name of the table of Redis's parameters.
const REDIS: &str = "redis";
/// The name of the table of the limits of tables.
const TABLES: &str = "tables";

/// One line of the file.
pub struct Entry {
    /// The key.
    pub name: String,
    /// The value, as text.
    pub value: String,
    line: usize,
    span: Range<usize>,
}

/// A file of settings.
pub struct File {
    path: PathBuf,
    content: String,
    /// The settings, in the file's order.
    pub settings: Vec<Entry>,
    /// Redis's parameters, likewise. Whoever knows them says whether they are good.
    pub redis: Vec<Entry>,
    /// The limits of tables, likewise.
    pub tables: Vec<Entry>,
    /// Where the first line `[…]` begins.
    header: Option<usize>,
    /// Where parameters of Redis are added, if there is a line `[redis]`: below the last one.
    redis_end: Option<usize>,
}

impl File {
    /// Reads a file's content.
    pub fn parse(path: &Path, content: &str) -> Result<Self, BadSetting> {
        let mut file = Self {
            path: path.to_owned(),
            content: content.to_owned(),
            settings: Vec::new(),
            redis: Vec::new(),
            tables: Vec::new(),
            header: None,
            redis_end: None,
        };
        let table = DeTable::parse(content).map_err(|error| {
            let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
            file.bad(error.span().map_or(0, |span| span.start), what)
        })?;
        for (name, value) in in_order(table.into_inner()) {
            let (at, span) = (name.span().start, value.span());
            let table = name.get_ref().as_str();
            if table != REDIS && table != TABLES {
                let entry = file.entry(&name, value, ",")?;
                file.settings.push(entry);
                continue;
            }
            let whats = if table == REDIS { "parameters" } else { "limits" };
            let DeValue::Table(below) = value.into_inner() else {
                return Err(file.bad(at, format!("`{table}` is not a setting, but a table: [{table}]")));
            };
            // Such a one can be added to, and everything else before it.
            if content.get(span.clone()).is_none_or(|text| !text.starts_with('[')) {
                let what = format!("write [{table}] as a line of its own, its {whats} below it");
                return Err(file.bad(at, what));
            }
            let header =
                content.get(..span.start).and_then(|above| above.rfind('\n')).map_or(0, |end| end + 1);
            file.header.get_or_insert(header);
            let mut read = Vec::new();
            for (name, value) in in_order(below) {
                read.push(file.entry(&name, value, " ")?);
            }
            if table == REDIS {
                let last = read.last().map_or(span.end, |last| last.span.end);
                file.redis_end = Some(file.line_end(last));
                file.redis = read;
            } else {
                file.tables = read;
            }
        }
        Ok(file)
    }

    /// Where the line after the one at an offset begins, or the content ends.
    fn line_end(&self, offset: usize) -> usize {
        let rest = self.content.get(offset..).unwrap_or_default();
        rest.find('\n').map_or(self.content.len(), |end| offset + end + 1)
    }

    fn entry(
        &self,
        name: &Spanned<String>,
        value: Spanned<DeValue<'_>>,
        between: &str,
    ) -> Result<Entry, BadSetting> {
        let (at, span) = (name.span().start, value.span());
        let value = Value::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.bad(at, error.message().to_owned()))?;
        let value = match value {
            Value::Array(items) => {
                items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(between))
            }
            value => plain(&value),
        };
        let name = name.get_ref().clone();
        match value {
            Some(value) => Ok(Entry { name, value, line: self.line(at), span }),
            None => Err(self.bad(at, format!("`{name}` is a table; settings stand alone, one a line"))),
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.content.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
    }

    fn bad(&self, offset: usize, what: String) -> BadSetting {
        BadSetting { place: Place::File(self.path.clone(), self.line(offset)), what }
    }

    /// Where an entry stands.
    pub fn place(&self, entry: &Entry) -> Place {
        Place::File(self.path.clone(), entry.line)
    }

    /// The content with what differs from it, and from the defaults, put in. Lines that say the same already, and
    /// comments, stay as they are. Of Redis's parameters, `changed` has for each entry what is to stand there instead, if
    /// anything, and `added` those to add.
    pub fn rewrite(&self, config: &Config, changed: &[Option<String>], added: &[(&str, String)]) -> String {
        // TOML has the tables behind everything that is in none.
        let (settings, tables) = self.content.split_at(self.header.unwrap_or(self.content.len()));
        let mut new = self.rewrite_settings(config, settings);
        let from = settings.len();
        let mut tables = tables.to_owned();
        let added: String = added.iter().map(|(name, value)| line(name, value)).collect();
        match self.redis_end {
            // From the back, so that the spans of what is still to do stay true.
            Some(end) if !added.is_empty() => {
                let rest = tables.split_off(end - from);
                end_line(&mut tables);
                tables = tables + &added + &rest;
            }
            None if !added.is_empty() => {
                let above = if tables.is_empty() { &mut new } else { &mut tables };
                end_line(above);
                let gap = if above.is_empty() { "" } else { "\n" };
                tables = format!("{tables}{gap}[{REDIS}]\n{added}");
            }
            _ => {}
        }
        for (entry, changed) in self.redis.iter().zip(changed).rev() {
            if let Some(value) = changed {
                tables.replace_range(entry.span.start - from..entry.span.end - from, &literal(value));
            }
        }
        new + &tables
    }

    fn rewrite_settings(&self, config: &Config, content: &str) -> String {
        let defaults = Config::default();
        let missing: String = SETTINGS
            .iter()
            .filter(|setting| self.settings.iter().all(|entry| entry.name != setting.name))
            .map(|setting| (setting.name, (setting.get)(config), (setting.get)(&defaults)))
            .filter(|(_, value, default)| value != default)
            .map(|(name, value, _)| line(name, &value))
            .collect();
        let mut new = content.to_owned();
        if !missing.is_empty() {
            // What stands right before the table may be a comment on it.
            let last = self
                .settings
                .last()
                .filter(|_| self.header.is_some())
                .map_or(new.len(), |last| last.span.end);
            let rest = content.get(last..).unwrap_or_default();
            let at = rest.find('\n').map_or(new.len(), |end| last + end + 1);
            if at == new.len() {
                end_line(&mut new);
                new.push_str(&missing);
            } else {
                new.insert_str(at, &missing);
            }
        }
        // From the back, so that the spans of what is still to do stay true.
        for entry in self.settings.iter().rev() {
            let Some(setting) = Setting::named(&entry.name) else { continue };
            let mut written = config.clone();
            if (setting.set)(&mut written, &entry.value).is_err() || written != *config {
                new.replace_range(entry.span.clone(), &literal(&(setting.get)(config)));
            }
        }
        new
    }
}

/// A table's keys and values as they stand in the file.
fn in_order(table: DeTable<'_>) -> Vec<(Spanned<String>, Spanned<DeValue<'_>>)> {
    let name = |name: Spanned<std::borrow::Cow<'_, str>>| {
        let span = name.span();
        Spanned::new(span, name.into_inner().into_owned())
    };
    let mut entries: Vec<_> = table.into_iter().map(|(key, value)| (name(key), value)).collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// A simple value as text; `None` for a table or list.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Boolean(is) => Some(if *is { "yes" } else { "no" }.to_owned()),
        Value::Array(_) | Value::Table(_) => None,
        value => Some(value.to_string()),
    }
}

/// A line of the file.
fn line(name: &str, value: &str) -> String {
    format!("{name} = {}\n", literal(value))
}

/// Completes the last line.
fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// A value as TOML writes it.
fn literal(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) if number.to_string() == value => value.to_owned(),
        _ => Value::String(value.to_owned()).to_string(),
    }
}
