//! `AttributeUpdates`: `{"attribute": {"Action": "PUT", "Value": {"S": "text"}}}`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{parameter, unexpected};
use crate::dynamo::attribute::Value;
use crate::dynamo::attribute::json::{Reading, parse_value};
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::path::Path;
use crate::dynamo::expression::update::{Action, Change, Source, Update};

/// Reads `AttributeUpdates`.
pub fn attribute_updates(json: Json, reading: Reading) -> Result<Update> {
    let Json::Object(map) = json else { return Err(unexpected()) };
    let actions = map
        .into_iter()
        .map(|(attribute, json)| {
            let change = change(&attribute, json, reading)?;
            Ok(Action { path: Path::to(attribute), change })
        })
        .collect::<Result<_>>()?;
    Ok(Update::of(actions, true))
}

fn change(attribute: &str, json: Json, reading: Reading) -> Result<Change> {
    let Json::Object(mut map) = json else { return Err(unexpected()) };
    let mut take = |member: &str| map.remove(member).filter(|json| !json.is_null());
    let value = take("Value").map(|json| parse_value(json, reading)).transpose()?;
    let action = match take("Action") {
        None => "PUT".to_owned(),
        Some(Json::String(action)) => action,
        Some(_) => return Err(unexpected()),
    };
    match (action.as_str(), value) {
        ("PUT", Some(value)) => Ok(Change::Set(Source::Value(Arc::new(value)))),
        ("DELETE", None) => Ok(Change::Remove),
        ("DELETE", Some(value @ (Value::Ss(_) | Value::Ns(_) | Value::Bs(_)))) => {
            Ok(Change::Delete(Arc::new(value)))
        }
        ("DELETE", Some(value)) => Err(parameter(&format!(
            "DELETE action with value is not supported for the type {}",
            value.type_name()
        ))),
        ("ADD", Some(value @ (Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_) | Value::L(_)))) => {
            Ok(Change::Add(Arc::new(value)))
        }
        ("ADD", Some(value)) => {
            Err(parameter(&format!("ADD action is not supported for the type {}", value.type_name())))
        }
        ("PUT" | "ADD", None) => {
            Err(parameter("Only DELETE action is allowed when no attribute value is specified"))
        }
        (action, _) => Err(invalid(format!(
            "1 validation error detected: Value '{action}' at 'attributeUpdates.{attribute}.member.action' failed to \
             satisfy constraint: Member must satisfy enum value set: [ADD, DELETE, PUT]"
        ))),
    }
}
