//! Which constraints of its shapes a request violates, all of them, in the order and the words of the service.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::model::{Bounds, Kind, Letters, Member, Need, Shape};
use super::shown;
use crate::dynamo::error::{Kind as Exception, Refusal};
use crate::dynamo::limits::Limits;

/// How many are told.
const TOLD_MAX: usize = 10;
/// What names may consist of, as the service writes it.
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";
/// The longest ARN of a table.
const ARN_LENGTH_MAX: usize = 1024;

/// Where a value is in the request, from the inside out. It lies on the stack, so that good requests cost no memory.
#[derive(Clone, Copy)]
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
    Key(&'a str),
}

/// What has been found.
struct Violations<'a> {
    texts: Vec<String>,
    limits: &'a Limits,
}

/// Checks a request, whose types are right.
pub(super) fn check(operation: &Shape, request: &Json, limits: &Limits) -> Result<(), Refusal> {
    let Kind::Structure(members) = &operation.kind else { return Ok(()) };
    for member in members.iter().filter(|member| member.need == Need::First) {
        check_first(operation, member, request)?;
    }
    let mut violations = Violations { texts: Vec::new(), limits };
    violations.check_members(members, request, None);
    match violations.texts.len() {
        0 => Ok(()),
        count => Err(Refusal::new(
            Exception::Validation,
            format!(
                "{count} validation error{} detected: {}",
                if count == 1 { "" } else { "s" },
                violations.texts.join("; ")
            ),
        )),
    }
}

/// What is told alone, before all others.
fn check_first(operation: &Shape, member: &Member, request: &Json) -> Result<(), Refusal> {
    let name = member.name;
    let is_missing = match request.get(name) {
        None | Some(Json::Null) => true,
        Some(Json::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    if !is_missing {
        return Ok(());
    }
    let message = match member.shape.shape().kind {
        Kind::Map(..) => format!("The {} parameter is required for {}", lower_first(name), operation.name),
        _ => format!("The parameter '{name}' is required but was not present in the request"),
    };
    Err(Refusal::new(Exception::Validation, message))
}

impl Violations<'_> {
    fn is_full(&self) -> bool {
        self.texts.len() >= TOLD_MAX
    }

    fn check_members(&mut self, members: &[Member], value: &Json, above: Option<&Path<'_>>) {
        for member in members {
            if self.is_full() {
                return;
            }
            let path = Path { above, step: Step::Member(member.name) };
            match value.get(member.name) {
                None | Some(Json::Null) if member.need == Need::Optional => {}
                None | Some(Json::Null) => self.add_missing(&path),
                Some(value) => self.check_value(member.shape.shape(), value, &path),
            }
        }
    }

    fn check_value(&mut self, shape: &Shape, value: &Json, path: &Path<'_>) {
        match &shape.kind {
            Kind::Structure(members) => self.check_members(members, value, Some(path)),
            Kind::List(bounds, of) => {
                let Json::Array(list) = value else { return };
                self.check_length(*bounds, list.len(), shape, value, path);
                // Nothing in a list of plain values can violate anything, and items have long ones.
                if !matches!(of.shape().kind, Kind::AttributeValue) {
                    for (at, one) in list.iter().enumerate() {
                        self.check_element(
                            of.shape(),
                            one,
                            &Path { above: Some(path), step: Step::Element(at + 1) },
                        );
                    }
                }
            }
            Kind::Map(bounds, key, of) => {
                let Json::Object(map) = value else { return };
                self.check_length(*bounds, map.len(), shape, value, path);
                self.check_keys(key.shape(), shape, value, path);
                if !matches!(of.shape().kind, Kind::AttributeValue) {
                    self.check_lists_within(of.shape(), shape, value, path);
                    for (name, one) in map {
                        self.check_element(
                            of.shape(),
                            one,
                            &Path { above: Some(path), step: Step::Key(name) },
                        );
                    }
                }
            }
            Kind::Text(bounds, letters) => {
                if let Json::String(text) = value {
                    self.check_text(*bounds, *letters, text, path);
                }
            }
            Kind::Words(words) => {
                if let Json::String(text) = value
                    && !words.contains(&&text[..])
                {
                    let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
                    self.add(&format!("'{}'", shown::cut(text)), path, &constraint);
                }
            }
            Kind::Integer(bounds) | Kind::Long(bounds) => self.check_number(*bounds, value, path),
            Kind::Boolean | Kind::Timestamp | Kind::AttributeValue => {}
        }
    }

    /// An element of a list or a value of a map. Nothing below has to think of nulls among them.
    fn check_element(&mut self, shape: &Shape, value: &Json, path: &Path<'_>) {
        if self.is_full() {
            return;
        }
        match (value, &shape.kind) {
            (Json::Null, _) => self.add_missing(path),
            // Its length was checked as a map's value.
            (Json::Array(list), Kind::List(_, of)) if matches!(path.step, Step::Key(_)) => {
                for (at, one) in list.iter().enumerate() {
                    self.check_element(
                        of.shape(),
                        one,
                        &Path { above: Some(path), step: Step::Element(at + 1) },
                    );
                }
            }
            _ => self.check_value(shape, value, path),
        }
    }

    fn check_text(&mut self, bounds: Bounds, letters: Letters, text: &str, path: &Path<'_>) {
        if letters.arn && is_arn(text) {
            return;
        }
        let shown = || format!("'{}'", shown::cut(text));
        if letters.name && !is_name(text) && !(letters.empty && text.is_empty()) {
            let constraint = format!("Member must satisfy regular expression pattern: {NAME_PATTERN}");
            self.add(&shown(), path, &constraint);
        }
        if let Some(constraint) = length_violated(bounds, || units(text), text.len()) {
            self.add(&shown(), path, &constraint);
        }
    }

    fn check_number(&mut self, bounds: Bounds, value: &Json, path: &Path<'_>) {
        let Some(number) = super::integer(value) else { return };
        let least =
            bounds.min.filter(|min| number < *min).map(|min| format!("greater than or equal to {min}"));
        let most = bounds.max.filter(|max| number > *max).map(|max| format!("less than or equal to {max}"));
        if let Some(violated) = least.or(most) {
            self.add(&format!("'{number}'"), path, &format!("Member must have value {violated}"));
        }
    }

    fn check_length(&mut self, bounds: Bounds, length: usize, shape: &Shape, value: &Json, path: &Path<'_>) {
        if let Some(constraint) = length_violated(bounds.with(self.limits), || length, length) {
            self.add(&format!("'{}'", shown::value(shape, value)), path, &constraint);
        }
    }

    /// The keys of a map; one complaint for each that is wrong, which names all that is asked of keys.
    fn check_keys(&mut self, key: &Shape, shape: &Shape, value: &Json, path: &Path<'_>) {
        let (Kind::Text(bounds, letters), Json::Object(map)) = (&key.kind, value) else { return };
        for name in map.keys() {
            let is_good = letters.arn && is_arn(name)
                || length_violated(*bounds, || units(name), name.len()).is_none()
                    && (!letters.name || is_name(name));
            if !is_good && !self.is_full() {
                let pattern = letters
                    .name
                    .then(|| format!("Member must satisfy regular expression pattern: {NAME_PATTERN}"));
                let all = lengths(*bounds).chain(pattern).collect::<Vec<_>>().join(", ");
                let shown = format!("'{}'", shown::value(shape, value));
                self.add(&shown, path, &format!("Map keys must satisfy constraint: [{all}]"));
            }
        }
    }

    /// The lengths of lists that are a map's values.
    fn check_lists_within(&mut self, of: &Shape, shape: &Shape, value: &Json, path: &Path<'_>) {
        let (Kind::List(bounds, _), Json::Object(map)) = (&of.kind, value) else { return };
        let bounds = bounds.with(self.limits);
        for one in map.values() {
            let Json::Array(list) = one else { continue };
            if length_violated(bounds, || list.len(), list.len()).is_some() && !self.is_full() {
                let all = lengths(bounds).collect::<Vec<_>>().join(", ");
                let shown = format!("'{}'", shown::value(shape, value));
                self.add(&shown, path, &format!("Map value must satisfy constraint: [{all}]"));
            }
        }
    }

    fn add_missing(&mut self, path: &Path<'_>) {
        self.add("null", path, "Member must not be null");
    }

    fn add(&mut self, value: &str, path: &Path<'_>, constraint: &str) {
        if !self.is_full() {
            self.texts.push(format!(
                "Value {value} at '{}' failed to satisfy constraint: {constraint}",
                path.text()
            ));
        }
    }
}

impl Path<'_> {
    fn text(&self) -> String {
        let mut text = self.above.map(Path::text).unwrap_or_default();
        if !text.is_empty() {
            text.push('.');
        }
        match self.step {
            Step::Member(name) => text.push_str(&lower_first(name)),
            // Nothing is lost: a string can always be written to.
            Step::Element(at) => drop(write!(text, "{at}.member")),
            Step::Key(name) => drop(write!(text, "{}.member", shown::cut(name))),
        }
        text
    }
}

/// The constraints on a length, as they are listed for keys and values of maps.
fn lengths(bounds: Bounds) -> impl Iterator<Item = String> {
    let most = bounds.max.map(|max| format!("Member must have length less than or equal to {max}"));
    let least = bounds.min.map(|min| format!("Member must have length greater than or equal to {min}"));
    most.into_iter().chain(least)
}

/// Which constraint a length violates. Counting text costs, so its length in bytes, never less, comes first.
fn length_violated(bounds: Bounds, length: impl Fn() -> usize, at_most: usize) -> Option<String> {
    if bounds.min.is_none_or(|min| min <= i64::from(at_most > 0))
        && bounds.max.is_none_or(|max| at_most as i64 <= max)
    {
        return None;
    }
    let length = length() as i64;
    let least = bounds.min.filter(|min| length < *min).map(|min| format!("greater than or equal to {min}"));
    let most = bounds.max.filter(|max| length > *max).map(|max| format!("less than or equal to {max}"));
    least.or(most).map(|violated| format!("Member must have length {violated}"))
}

/// The length of text as the service counts it: in units of UTF-16.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.len() <= ARN_LENGTH_MAX
}

pub(super) fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
