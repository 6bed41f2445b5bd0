//! A request's members. That they are of the right types was checked before (`shape`); a hole in that check ends in a
//! refusal here as well.

use serde_json::{Map, Value as Json};

use super::attribute::Attributes;
use super::attribute::json::{Reading, parse_attributes};
use super::error::{Error, Kind, Result, refused};
use super::shape;

/// The members of a request, or of a structure in it, that nobody has taken yet. One that is null is absent.
pub struct Request(Json);

impl Request {
    /// The members of a structure.
    pub fn new(json: Json) -> Result<Self> {
        if json.is_object() { Ok(Self(json)) } else { Err(unexpected()) }
    }

    /// The members that nobody has taken.
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// Takes a member as it is.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.0.as_object_mut()?.remove(name).filter(|json| !json.is_null())
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|json| !json.is_null())
    }

    /// Takes a text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(unexpected()),
        }
    }

    /// Takes a text that has to be there.
    pub fn needed_text(&mut self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(unexpected)
    }

    /// Takes `TableName`: a name, or an ARN that ends in one.
    pub fn table_name(&mut self) -> Result<String> {
        table_name(&self.needed_text("TableName")?)
    }

    /// Takes a truth value.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(json) => shape::boolean(&json).map(Some).ok_or_else(unexpected),
        }
    }

    /// Takes an integer from 0.
    pub fn integer(&mut self, name: &str) -> Result<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(json) => {
                let integer = shape::integer(&json).and_then(|n| u64::try_from(n).ok());
                integer.map(Some).ok_or_else(unexpected)
            }
        }
    }

    /// Takes a list.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Json>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Array(list)) => Ok(Some(list)),
            Some(_) => Err(unexpected()),
        }
    }

    /// Takes a list of texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let text = |json| match json {
            Json::String(text) => Ok(text),
            _ => Err(unexpected()),
        };
        list.into_iter().map(text).collect::<Result<_>>().map(Some)
    }

    /// Takes a structure.
    pub fn structure(&mut self, name: &str) -> Result<Option<Self>> {
        self.take(name).map(Self::new).transpose()
    }

    /// Takes a map of structures or other things, by name.
    pub fn map(&mut self, name: &str) -> Result<Option<Map<String, Json>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(map)),
            Some(_) => Err(unexpected()),
        }
    }

    /// Takes a map of attribute values.
    pub fn attributes(&mut self, name: &str, reading: Reading) -> Result<Option<Attributes>> {
        self.take(name).map(|json| parse_attributes(json, reading)).transpose()
    }
}

/// The name of a table that is named by its name or by its ARN.
pub fn table_name(named: &str) -> Result<String> {
    Ok(shape::table_name(named)?.to_owned())
}

/// What a hole in the check of shapes ends in.
pub fn unexpected() -> Error {
    refused(Kind::Serialization, "Unexpected value type in payload")
}
