//! A request's members. That they are of the right types was checked before (`shape`); a hole in that check ends in a
//! refusal here as well.

use serde_json::{Map, Value as Json};

use super::attribute::Attributes;
use super::attribute::json::parse_attributes;
use super::error::{Error, Kind, Result, refused};
use super::limits::Limits;

/// The members of a request, or of a structure in it, that nobody has taken yet. One that is null is absent.
pub struct Request(Map<String, Json>);

impl Request {
    /// The members of a structure.
    pub fn new(json: Json) -> Result<Self> {
        match json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(unexpected()),
        }
    }

    /// Takes a member as it is.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|json| !json.is_null())
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
        Ok(table_name(&self.needed_text("TableName")?))
    }

    /// The members that nobody has taken.
    pub fn others(&self) -> Map<String, Json> {
        self.0.clone()
    }

    /// The same, as one value.
    pub fn whole(&self) -> Json {
        Json::Object(self.0.clone())
    }

    /// Takes a truth value.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(is_true)) => Ok(Some(is_true)),
            Some(_) => Err(unexpected()),
        }
    }

    /// Takes an integer from 0.
    pub fn integer(&mut self, name: &str) -> Result<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(json) => integer(&json).map(Some).ok_or_else(unexpected),
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
        Ok(self.structure(name)?.map(|request| request.0))
    }

    /// Takes a map of attribute values.
    pub fn attributes(&mut self, name: &str, limits: &Limits) -> Result<Option<Attributes>> {
        self.take(name).map(|json| parse_attributes(json, limits.nesting_levels)).transpose()
    }
}

/// The name of a table that is named by its name or by its ARN.
pub fn table_name(named: &str) -> String {
    named.rsplit_once(":table/").map_or(named, |(_, name)| name).to_owned()
}

/// An integer from 0; fractions are cut off, as the service does.
fn integer(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

/// What a hole in the check of shapes ends in.
pub fn unexpected() -> Error {
    refused(Kind::Serialization, "Unexpected value type in payload")
}
