//! Which parts of items a read returns.

use super::super::attribute::{Attributes, Value};
use super::super::error::Result;
use super::ExpressionKind;
use super::parse::Parser;
use super::path::{Path, Step};
use super::placeholders::Placeholders;

/// The paths of what is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    paths: Vec<Path>,
    shape: Shape,
}

/// How what lies at the paths is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// In the lists and maps that it is in. The paths are ascending, and none leads into another one.
    Nested,
    /// Each under the last name of its path.
    Flat,
}

impl Projection {
    /// Parses a `ProjectionExpression`.
    pub fn parse(text: &str, placeholders: &mut Placeholders, bytes_max: usize) -> Result<Self> {
        let mut parser = Parser::new(text, ExpressionKind::Projection, placeholders, bytes_max)?;
        let paths = parser.list(Parser::path)?;
        parser.check_paths(&paths);
        parser.finish()?;
        Ok(Self::of(paths))
    }

    /// Of paths of which none leads into another one.
    pub(super) fn of(mut paths: Vec<Path>) -> Self {
        paths.sort_unstable();
        Self { paths, shape: Shape::Nested }
    }

    /// Of any paths, each returned under its last name with the indexes after it: `b[0]` for `a.b[0]`.
    pub fn flat(paths: Vec<Path>) -> Self {
        Self { paths, shape: Shape::Flat }
    }

    /// Its paths.
    pub fn paths(&self) -> Vec<&Path> {
        self.paths.iter().collect()
    }

    /// The parts of an item.
    pub fn project(&self, item: &Attributes) -> Attributes {
        match self.shape {
            Shape::Nested => project_sorted(self.paths.iter(), item),
            Shape::Flat => {
                let found =
                    self.paths.iter().filter_map(|path| Some((path.last_name(), path.get(item)?.clone())));
                found.collect()
            }
        }
    }
}

/// What an item has at paths, in the lists and maps that it is in; of lists only those elements, closed up. The paths
/// are ascending, and none leads into another one.
pub(super) fn project_sorted<'a>(paths: impl Iterator<Item = &'a Path>, item: &Attributes) -> Attributes {
    let mut projected = Attributes::new();
    let mut paths = paths.peekable();
    while let Some(path) = paths.next() {
        let mut into = vec![path.steps.as_slice()];
        while let Some(next) = paths.next_if(|next| next.head == path.head) {
            into.push(&next.steps);
        }
        if let Some(part) = item.get(&path.head).and_then(|value| part(value, &into)) {
            projected.insert(path.head.clone(), part);
        }
    }
    projected
}

/// What of a value lies at paths that begin at it; `None` if nothing does.
fn part(value: &Value, paths: &[&[Step]]) -> Option<Value> {
    if paths.iter().any(|steps| steps.is_empty()) {
        return Some(value.clone());
    }
    let groups = paths.chunk_by(|a, b| a.first() == b.first());
    let parts = groups.filter_map(|group| {
        let step = group.first()?.first()?;
        let inside = match (value, step) {
            (Value::M(map), Step::Name(name)) => map.get(name)?,
            (Value::L(list), Step::Index(index)) => list.get(*index as usize)?,
            _ => return None,
        };
        let rest: Vec<&[Step]> = group.iter().filter_map(|steps| steps.get(1..)).collect();
        Some((step, part(inside, &rest)?))
    });
    match value {
        Value::L(_) => {
            let list: Vec<Value> = parts.map(|(_, value)| value).collect();
            (!list.is_empty()).then_some(Value::L(list))
        }
        Value::M(_) => {
            let members = parts.filter_map(|(step, value)| match step {
                Step::Name(name) => Some((name.clone(), value)),
                Step::Index(_) => None,
            });
            let map: Attributes = members.collect();
            (!map.is_empty()).then_some(Value::M(map))
        }
        _ => None,
    }
}
