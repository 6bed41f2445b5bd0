//! Whether the JSON of a request has the types that its shapes ask for, in the words of the service.
//!
//! What it says depends on the shape, on what is there instead, and on whether it is a structure's member or an element of
//! a list or map. Members that no shape knows are ignored; null is as good as absent.

use serde_json::Value as Json;

use super::model::{Kind, Shape};

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A member of a structure.
    Member,
    /// An element of a list, or a value of a map.
    Element,
}

/// The outcome: what is wrong, for the reply.
pub(super) type Result = std::result::Result<(), String>;

/// The package of the service's classes, which it names.
const PACKAGE: &str = "com.amazonaws.dynamodb.v20120810.";
const STRUCTURE_UNEXPECTED: &str = "Start of structure or map found where not expected";
const MEMBER_UNEXPECTED: &str = "Unexpected field type";
const ELEMENT_UNEXPECTED: &str = "Unexpected value type in payload";
/// What is told of scalars where a list or map is an element of another.
const NO_CLASS: &str = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
    java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module \
    java.base of loader 'bootstrap')";

/// Checks a value. It may lie no deeper than its reader's own limit, which bounds the recursion.
pub(super) fn check(shape: &Shape, value: &Json, place: Place) -> Result {
    if value.is_null() {
        return Ok(());
    }
    match &shape.kind {
        Kind::Structure(members) => {
            let Json::Object(map) = value else { return Err(no_structure(shape.name, value, place)) };
            for (name, value) in map {
                if let Some(member) = members.iter().find(|member| member.name == name) {
                    check(member.shape.shape(), value, Place::Member)?;
                }
            }
            Ok(())
        }
        Kind::List(_, of) => {
            let Json::Array(list) = value else { return Err(no_list(value, place)) };
            list.iter().try_for_each(|one| check(of.shape(), one, Place::Element))
        }
        Kind::Map(_, _, of) => {
            let Json::Object(map) = value else { return Err(no_map(of.shape(), value, place)) };
            map.values().try_for_each(|one| check(of.shape(), one, Place::Element))
        }
        Kind::Text(..) | Kind::Words(_) => check_text(value),
        Kind::Integer(_) => check_number(value, "Integer"),
        Kind::Long(_) => check_number(value, "Long"),
        Kind::Timestamp => check_number(value, "Date"),
        Kind::Boolean => check_boolean(value),
        Kind::AttributeValue => check_attribute(value, place),
    }
}

fn no_structure(name: &str, value: &Json, place: Place) -> String {
    match (value, place) {
        (Json::Array(_), _) => format!("Unrecognized collection type class {PACKAGE}{name}"),
        (_, Place::Member) => MEMBER_UNEXPECTED.to_owned(),
        (_, Place::Element) => ELEMENT_UNEXPECTED.to_owned(),
    }
}

fn no_list(value: &Json, place: Place) -> String {
    match (value, place) {
        (Json::Object(_), _) => STRUCTURE_UNEXPECTED,
        (_, Place::Member) => MEMBER_UNEXPECTED,
        (_, Place::Element) => NO_CLASS,
    }
    .to_owned()
}

fn no_map(of: &Shape, value: &Json, place: Place) -> String {
    match (value, place) {
        (Json::Array(_), _) => {
            format!("Unrecognized collection type java.util.Map<java.lang.String, {}>", class(of))
        }
        (_, Place::Member) => MEMBER_UNEXPECTED.to_owned(),
        (_, Place::Element) => NO_CLASS.to_owned(),
    }
}

/// The class that the service has for a shape.
fn class(shape: &Shape) -> String {
    match &shape.kind {
        Kind::Structure(_) | Kind::AttributeValue => format!("{PACKAGE}{}", shape.name),
        Kind::List(_, of) => format!("java.util.List<{}>", class(of.shape())),
        Kind::Map(_, _, of) => format!("java.util.Map<java.lang.String, {}>", class(of.shape())),
        Kind::Text(..) | Kind::Words(_) => "java.lang.String".to_owned(),
        Kind::Integer(_) => "java.lang.Integer".to_owned(),
        Kind::Long(_) => "java.lang.Long".to_owned(),
        Kind::Timestamp => "java.util.Date".to_owned(),
        Kind::Boolean => "java.lang.Boolean".to_owned(),
    }
}

/// The service's name for a scalar in JSON.
fn token(value: &Json) -> &'static str {
    match value {
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        _ => "STRING_VALUE",
    }
}

fn no_scalar(value: &Json, class: &str) -> String {
    match value {
        Json::Array(_) => format!("Unrecognized collection type class java.lang.{class}"),
        Json::Object(_) => STRUCTURE_UNEXPECTED.to_owned(),
        _ => format!("{} cannot be converted to {class}", token(value)),
    }
}

fn check_text(value: &Json) -> Result {
    if value.is_string() { Ok(()) } else { Err(no_scalar(value, "String")) }
}

fn check_number(value: &Json, class: &str) -> Result {
    if value.is_number() { Ok(()) } else { Err(no_scalar(value, class)) }
}

fn check_boolean(value: &Json) -> Result {
    match value {
        Json::Bool(_) => Ok(()),
        Json::String(_) if super::boolean(value).is_some() => Ok(()),
        Json::String(_) => Err("Unexpected token received from parser".to_owned()),
        _ => Err(no_scalar(value, "Boolean")),
    }
}

fn check_binary(value: &Json) -> Result {
    match value {
        Json::String(_) => Ok(()),
        Json::Array(_) => Err("Unrecognized collection type class java.nio.ByteBuffer".to_owned()),
        Json::Object(_) => Err(STRUCTURE_UNEXPECTED.to_owned()),
        _ => Err("only base-64-encoded strings are convertible to bytes".to_owned()),
    }
}

/// Only the types: what is in the strings, and how many members there are, [`crate::dynamo::attribute::json`] checks.
fn check_attribute(value: &Json, place: Place) -> Result {
    let Json::Object(map) = value else { return Err(no_structure("AttributeValue", value, place)) };
    for (name, content) in map.iter().filter(|(_, content)| !content.is_null()) {
        match name.as_str() {
            "S" | "N" => check_text(content)?,
            "B" => check_binary(content)?,
            "BOOL" | "NULL" => check_boolean(content)?,
            "SS" | "NS" => check_elements(content, check_text)?,
            "BS" => check_elements(content, check_binary)?,
            "L" => check_elements(content, |one| check_attribute(one, Place::Element))?,
            "M" => {
                let Json::Object(map) = content else { return Err(no_attributes(content)) };
                map.values()
                    .filter(|one| !one.is_null())
                    .try_for_each(|one| check_attribute(one, Place::Element))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_elements(value: &Json, check: impl Fn(&Json) -> Result) -> Result {
    let Json::Array(list) = value else { return Err(no_list(value, Place::Member)) };
    list.iter().filter(|one| !one.is_null()).try_for_each(check)
}

fn no_attributes(value: &Json) -> String {
    match value {
        Json::Array(_) => {
            format!("Unrecognized collection type java.util.Map<java.lang.String, {PACKAGE}AttributeValue>")
        }
        _ => MEMBER_UNEXPECTED.to_owned(),
    }
}
