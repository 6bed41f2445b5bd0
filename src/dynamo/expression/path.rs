//! Document paths: `name`, `name.member`, `name[3].member`.

use std::fmt::{self, Write as _};

use super::super::attribute::{Attributes, Value};
use super::super::error::{Result, invalid};
use super::super::validate::table::TableDefinition;

/// Where in an item a value is. Paths sort so that one comes right before those inside it, and elements of a list by
/// their index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The attribute.
    pub head: String,
    /// From it on.
    pub steps: Vec<Step>,
}

/// A step into a list or a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// To an element of a list, from 0.
    Index(u32),
    /// To a member of a map.
    Name(String),
}

impl Path {
    /// Whether it leads through an element of a list, or to one.
    pub(super) fn leads_into_list(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Index(_)))
    }
}

/// The place that a path leads to: whether there is a value or not, what it would be in is there.
pub(super) enum Place<'a> {
    Member(&'a mut Attributes, &'a str),
    Element(&'a mut Vec<Value>, usize),
}

/// What is wrong with two paths for which only one can be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// They are the same, or one leads into the other.
    Overlap,
    /// One takes for a list what the other one takes for a map.
    Conflict,
}

impl Clash {
    /// As the API tells of it.
    pub(super) fn message(self, one: &Path, two: &Path) -> String {
        let how = match self {
            Self::Overlap => "overlap",
            Self::Conflict => "conflict",
        };
        format!(
            "Two document paths {how} with each other; must remove or rewrite one of these paths; \
             path one: {one}, path two: {two}"
        )
    }
}

impl Path {
    /// To an attribute.
    pub fn to(head: impl Into<String>) -> Self {
        Self { head: head.into(), steps: Vec::new() }
    }

    /// Its last name, and the indexes after it: `b[0]` for `a.b[0]`.
    pub fn last_name(&self) -> String {
        let mut last = self.head.clone();
        for step in &self.steps {
            match step {
                Step::Name(name) => last.clone_from(name),
                Step::Index(index) => {
                    // A text takes all that is written.
                    let _ = write!(last, "[{index}]");
                }
            }
        }
        last
    }

    /// The value there, if there is one.
    pub fn get<'a>(&self, item: &'a Attributes) -> Option<&'a Value> {
        let mut value = item.get(&self.head)?;
        for step in &self.steps {
            value = match (value, step) {
                (Value::M(map), Step::Name(name)) => map.get(name)?,
                (Value::L(list), Step::Index(index)) => list.get(*index as usize)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The place there; `None` if the list or map that it would be in is not there.
    pub(super) fn place<'a>(&'a self, item: &'a mut Attributes) -> Option<Place<'a>> {
        let Some((last, between)) = self.steps.split_last() else {
            return Some(Place::Member(item, &self.head));
        };
        let mut value = item.get_mut(&self.head)?;
        for step in between {
            value = match (value, step) {
                (Value::M(map), Step::Name(name)) => map.get_mut(name)?,
                (Value::L(list), Step::Index(index)) => list.get_mut(*index as usize)?,
                _ => return None,
            };
        }
        match (value, last) {
            (Value::M(map), Step::Name(name)) => Some(Place::Member(map, name)),
            (Value::L(list), Step::Index(index)) => Some(Place::Element(list, *index as usize)),
            _ => None,
        }
    }

    /// Whether not both can be meant.
    pub(super) fn clash(&self, other: &Self) -> Option<Clash> {
        if self.head != other.head {
            return None;
        }
        for (step, others) in self.steps.iter().zip(&other.steps) {
            match (step, others) {
                (a, b) if a == b => {}
                (Step::Index(_), Step::Index(_)) | (Step::Name(_), Step::Name(_)) => return None,
                _ => return Some(Clash::Conflict),
            }
        }
        Some(Clash::Overlap)
    }
}

/// The first pair of paths, in their order, of which only one can be meant, and why.
///
/// Of sorted paths, those that clash with any clash with a neighbour.
pub(super) fn first_clash<'a>(
    paths: impl IntoIterator<Item = &'a Path>,
) -> Option<(Clash, &'a Path, &'a Path)> {
    let mut sorted: Vec<(&Path, usize)> =
        paths.into_iter().enumerate().map(|(at, path)| (path, at)).collect();
    sorted.sort_unstable();
    let clashes = sorted.windows(2).filter_map(|pair| match *pair {
        [a, b] => a.0.clash(b.0).map(|clash| (clash, a, b)),
        _ => None,
    });
    let (clash, a, b) = clashes.min_by_key(|(clash, a, b)| (*clash == Clash::Conflict, a.1.max(b.1)))?;
    let (one, two) = if a.1 < b.1 { (a, b) } else { (b, a) };
    Some((clash, one.0, two.0))
}

/// Refuses paths that lead into attributes of the keys of a table and of its indexes.
pub fn check_keys_are_whole<'a>(
    table: &TableDefinition,
    paths: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    for path in paths.into_iter().filter(|path| !path.steps.is_empty()) {
        let key = &path.head;
        let role = if table.key.names().any(|name| name == key) {
            "Key"
        } else if table.indexes().any(|index| index.key.names().any(|name| name == key)) {
            "IndexKey"
        } else {
            continue;
        };
        return Err(invalid(format!(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {role}: {key}"
        )));
    }
    Ok(())
}

/// As the API's messages show them: `[a, [0], b]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.head)?;
        for step in &self.steps {
            match step {
                Step::Index(index) => write!(f, ", [{index}]")?,
                Step::Name(name) => write!(f, ", {name}")?,
            }
        }
        f.write_str("]")
    }
}
