//! Replies, written member by member.

use serde_json::Value as Json;

use super::attribute::Attributes;
use super::attribute::json::{put_attributes, put_text};

/// A JSON object that is being written.
pub struct Object(Vec<u8>);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// One without members.
    pub fn new() -> Self {
        Self(b"{".to_vec())
    }

    /// Begins a member: its value is appended next.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        put_text(&mut self.0, name);
        self.0.push(b':');
        &mut self.0
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        put_text(self.member(name), text);
    }

    /// Adds what is JSON already.
    pub fn raw(&mut self, name: &str, json: &[u8]) {
        self.member(name).extend_from_slice(json);
    }

    /// Adds any value.
    pub fn json(&mut self, name: &str, json: &Json) {
        self.raw(name, json.to_string().as_bytes());
    }

    /// Adds a value, if there is one.
    pub fn json_if(&mut self, name: &str, json: Option<Json>) {
        if let Some(json) = json {
            self.json(name, &json);
        }
    }

    /// Adds attributes.
    pub fn attributes(&mut self, name: &str, attributes: &Attributes) {
        put_attributes(self.member(name), attributes);
    }

    /// The object.
    pub fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
