//! The description of requests, read from model.txt once: see its head for the grammar.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::dynamo::limits::Limits;

/// What a part of a request looks like.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the API's model.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What a shape is.
#[derive(Debug)]
pub enum Kind {
    /// Members by name, in the order in which they are checked.
    Structure(Vec<Member>),
    /// Elements.
    List(Bounds, Id),
    /// Values by key: the shapes of keys and values.
    Map(Bounds, Id, Id),
    /// Text.
    Text(Bounds, Letters),
    /// One of these words.
    Words(Vec<&'static str>),
    /// A number of 32 bits.
    Integer(Bounds),
    /// A number of 64 bits.
    Long(Bounds),
    /// True or false.
    Boolean,
    /// Seconds since 1970.
    Timestamp,
    /// An attribute's value, by type.
    AttributeValue,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// How it looks.
    pub shape: Id,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may be absent.
    Optional,
    /// Its absence is one violation among others.
    Required,
    /// Its absence is told before all others, and alone.
    First,
}

/// The least and the most, of a length or a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// At least.
    pub min: Option<i64>,
    /// At most.
    pub max: Option<i64>,
    /// The setting that says so instead.
    setting: Option<Setting>,
}

/// A limit that a setting can lift.
type Setting = fn(&Limits) -> usize;

/// What text may consist of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Letters {
    /// Only what names may consist of.
    pub name: bool,
    /// Nothing at all, too, as far as letters are concerned.
    pub empty: bool,
    /// Or it is an ARN.
    pub arn: bool,
}

/// Where a shape is in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

/// All shapes.
#[derive(Debug)]
struct Model {
    shapes: Vec<Shape>,
    operations: HashMap<&'static str, Id>,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    // model.txt is part of the program, and a test reads it: what is wrong with it, no user ever sees.
    Model::read(include_str!("model.txt")).unwrap_or_else(|wrong| panic!("model.txt: {wrong}"))
});

/// The input of an operation served, by its name, such as `PutItem`.
pub fn operation(name: &str) -> Option<&'static Shape> {
    MODEL.operations.get(name).map(|id| MODEL.get(*id))
}

/// The names of the operations served, in no order.
#[cfg(test)]
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    MODEL.operations.keys().copied()
}

impl Id {
    pub(super) fn shape(self) -> &'static Shape {
        MODEL.get(self)
    }
}

impl Bounds {
    fn read(text: &str) -> Option<Self> {
        let (min, max) = text.split_once("..")?;
        let bound = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        Some(Self { min: bound(min)?, max: bound(max)?, setting: None })
    }

    /// As settings have them.
    pub(super) fn with(self, limits: &Limits) -> Self {
        let max = self.setting.map_or(self.max, |setting| i64::try_from(setting(limits)).ok());
        Self { max, ..self }
    }

    /// Whether the value lies within.
    pub fn hold(&self, value: i64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

impl Model {
    fn get(&self, id: Id) -> &Shape {
        &self.shapes[id.0]
    }

    fn read(text: &'static str) -> Result<Self, String> {
        let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        // Names first, since shapes name each other in any order.
        let mut names = HashMap::from([("AttributeValue", Id(0))]);
        let mut operations = HashMap::new();
        for (at, line) in lines().filter(|line| !line.starts_with(' ')).enumerate() {
            let mut words = line.split_whitespace();
            let kind = words.next().ok_or(line)?;
            let name = words.next().ok_or(line)?;
            let place = if kind == "operation" { &mut operations } else { &mut names };
            if place.insert(name, Id(at + 1)).is_some() {
                return Err(format!("{name} twice"));
            }
        }
        let mut shapes = vec![Shape { name: "AttributeValue", kind: Kind::AttributeValue }];
        for line in lines() {
            if line.starts_with(' ') {
                let member = Member::read(line, &names)?;
                match shapes.last_mut() {
                    Some(Shape { kind: Kind::Structure(members), .. }) => members.push(member),
                    _ => return Err(format!("{line}: a member of what?")),
                }
            } else {
                shapes.push(Shape::read(line, &names)?);
            }
        }
        Ok(Self { shapes, operations })
    }
}

fn setting(name: &str) -> Option<Setting> {
    match name {
        "batch-get-items-max" => Some(|limits| limits.batch_get_items),
        "batch-write-items-max" => Some(|limits| limits.batch_write_items),
        "transact-items-max" => Some(|limits| limits.transact_items),
        _ => None,
    }
}

fn find(name: Option<&str>, names: &HashMap<&'static str, Id>) -> Result<Id, String> {
    let name = name.ok_or("a shape's name is missing")?;
    names.get(name).copied().ok_or_else(|| format!("there is no shape {name}"))
}

impl Member {
    fn read(line: &'static str, names: &HashMap<&'static str, Id>) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let marked = words.next().ok_or(line)?;
        let name = marked.trim_end_matches('!');
        let need = match marked.len() - name.len() {
            0 => Need::Optional,
            1 => Need::Required,
            _ => Need::First,
        };
        Ok(Self { name, shape: find(words.next(), names)?, need })
    }
}

impl Shape {
    fn read(line: &'static str, names: &HashMap<&'static str, Id>) -> Result<Self, String> {
        let mut words = line.split_whitespace().peekable();
        let (kind, name) = (words.next().ok_or(line)?, words.next().ok_or(line)?);
        if kind == "enum" {
            return Ok(Self { name, kind: Kind::Words(words.collect()) });
        }
        let bounds = words.peek().and_then(|word| Bounds::read(word));
        if bounds.is_some() {
            words.next();
        }
        let mut bounds = bounds.unwrap_or_default();
        let setting = words.peek().and_then(|word| setting(word));
        if setting.is_some() {
            words.next();
            bounds.setting = setting;
        }
        let kind = match kind {
            "operation" | "structure" => Kind::Structure(Vec::new()),
            "list" => Kind::List(bounds, find(words.next(), names)?),
            "map" => Kind::Map(bounds, find(words.next(), names)?, find(words.next(), names)?),
            "string" => {
                let mut letters = Letters::default();
                for word in words.by_ref() {
                    match word {
                        "name" => letters.name = true,
                        "empty-or-name" => (letters.name, letters.empty) = (true, true),
                        "arn" => letters.arn = true,
                        _ => return Err(line.to_owned()),
                    }
                }
                Kind::Text(bounds, letters)
            }
            "integer" => Kind::Integer(bounds),
            "long" => Kind::Long(bounds),
            "boolean" => Kind::Boolean,
            "timestamp" => Kind::Timestamp,
            _ => return Err(line.to_owned()),
        };
        if let Some(rest) = words.next() {
            return Err(format!("{line}: what is {rest}?"));
        }
        Ok(Self { name, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_read() {
        assert_eq!(operations().count(), 36);
        let Some(Shape { kind: Kind::Structure(members), .. }) = operation("CreateTable") else {
            panic!("no such operation")
        };
        assert!(members.iter().any(|member| member.name == "TableName" && member.need == Need::First));
        assert!(operation("Update").is_none(), "a structure is no operation");
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let wrong = |text| Model::read(text).unwrap_err();
        assert_eq!(wrong("list A B"), "there is no shape B");
        assert_eq!(wrong("boolean A\nboolean A"), "A twice");
        assert_eq!(wrong("boolean A\n  B A"), "  B A: a member of what?");
        assert_eq!(wrong("string A 1..2 odd"), "string A 1..2 odd");
    }
}
