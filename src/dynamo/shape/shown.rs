//! Values as the service shows them in its complaints.
//!
//! ```text
//! text | [one, other] | {key=value, other=value} | Structure(member=value, other=value)
//! ```

use serde_json::Value as Json;

use super::model::{Kind, Shape};
use super::violations::lower_first;

/// How much of a value is shown, in bytes: a request can be large, and be wrong in ten places.
const LENGTH_MAX: usize = 8 << 10;

/// A value as its shape has it.
pub(super) fn value(shape: &Shape, value: &Json) -> String {
    let mut text = String::new();
    put(&mut text, shape, value);
    cut(&text).to_owned()
}

/// As much of a text as is shown.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(LENGTH_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn put(text: &mut String, shape: &Shape, value: &Json) {
    if text.len() > LENGTH_MAX {
        return;
    }
    match (&shape.kind, value) {
        (_, Json::Null) => text.push_str("null"),
        (_, Json::String(content)) => text.push_str(cut(content)),
        (Kind::List(_, of), Json::Array(list)) => {
            put_all(text, "[", list, "]", |text, one| put(text, of.shape(), one));
        }
        (Kind::Map(_, _, of), Json::Object(map)) => put_all(text, "{", map, "}", |text, (name, one)| {
            text.push_str(cut(name));
            text.push('=');
            put(text, of.shape(), one);
        }),
        (Kind::Structure(members), Json::Object(map)) => {
            text.push_str(shape.name);
            let present =
                members.iter().filter_map(|member| map.get(member.name).map(|value| (member, value)));
            put_all(text, "(", present, ")", |text, (member, value)| {
                text.push_str(&lower_first(member.name));
                text.push('=');
                put(text, member.shape.shape(), value);
            });
        }
        // Attribute values are shown as they were sent: the service's own form names classes and their addresses.
        _ => text.push_str(cut(&value.to_string())),
    }
}

fn put_all<T>(
    text: &mut String,
    open: &str,
    all: impl IntoIterator<Item = T>,
    close: &str,
    mut put: impl FnMut(&mut String, T),
) {
    text.push_str(open);
    for (at, one) in all.into_iter().enumerate() {
        if text.len() > LENGTH_MAX {
            return;
        }
        if at > 0 {
            text.push_str(", ");
        }
        put(text, one);
    }
    text.push_str(close);
}
