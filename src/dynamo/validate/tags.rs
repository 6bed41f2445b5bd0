//! Tags, and the ARNs of what they are on.

use serde_json::Value as Json;

use super::{Result, duplicate, elements, invalid, member, parameter, texts};

/// How many a table may have.
pub const TAGS_MAX: usize = 50;
/// The longest key and value, in characters.
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// The tags that a TagResource sets: at least one.
pub fn to_set(request: &Json) -> Result<Vec<(&str, &str)>> {
    let Some(list) = member(request, "Tags") else { return Err(missing("tags")) };
    if elements(list).next().is_none() {
        return Err(invalid("Atleast one Tag needs to be provided as Input."));
    }
    tags(list)
}

/// The tags that a CreateTable gives, if any.
pub fn of_request(request: &Json) -> Result<Vec<(&str, &str)>> {
    member(request, "Tags").map_or(Ok(Vec::new()), tags)
}

/// The keys of the tags that an UntagResource takes away: at least one.
pub fn to_remove(request: &Json) -> Result<Vec<&str>> {
    let Some(list) = member(request, "TagKeys") else { return Err(missing("tagKeys")) };
    if elements(list).next().is_none() {
        return Err(invalid("Atleast one Tag Key needs to be provided as Input."));
    }
    texts(list).map(|key| check_key(Some(key))).collect()
}

/// Checks how many tags a table would have.
pub fn check_count(count: usize) -> Result<()> {
    if count > TAGS_MAX {
        return Err(invalid("Number of Tags exceed the current limit for the provided ResourceArn"));
    }
    Ok(())
}

fn missing(name: &str) -> crate::dynamo::error::Refusal {
    invalid(format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    ))
}

fn tags(list: &Json) -> Result<Vec<(&str, &str)>> {
    let tags: Vec<(&str, &str)> = elements(list).map(tag).collect::<Result<_>>()?;
    if let Some(key) = duplicate(tags.iter().map(|(key, _)| *key)) {
        return Err(invalid(format!("Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}")));
    }
    check_count(tags.len())?;
    Ok(tags)
}

fn tag(tag: &Json) -> Result<(&str, &str)> {
    let key = check_key(member(tag, "Key").and_then(Json::as_str))?;
    if key.starts_with("aws:") {
        return Err(invalid(format!("Tag Key cannot be prefixed with aws:, Key: {key}")));
    }
    match member(tag, "Value").and_then(Json::as_str) {
        Some(value) if value.chars().count() <= VALUE_LENGTH_MAX && value.chars().all(is_allowed) => {
            Ok((key, value))
        }
        value => Err(invalid(format!(
            "The Tag Value provided is invalid, Value: {}",
            shown(value, VALUE_LENGTH_MAX)
        ))),
    }
}

fn check_key(key: Option<&str>) -> Result<&str> {
    match key {
        Some(key) if (1..=KEY_LENGTH_MAX).contains(&key.chars().count()) && key.chars().all(is_allowed) => {
            Ok(key)
        }
        key => Err(invalid(format!("The Tag Key provided is invalid, Key: {}", shown(key, KEY_LENGTH_MAX)))),
    }
}

/// Letters, digits and spaces of any script, and these signs.
fn is_allowed(letter: char) -> bool {
    letter.is_alphanumeric() || letter.is_whitespace() || "+-=._:/@".contains(letter)
}

/// What was sent, or as much of it as says what is wrong.
fn shown(text: Option<&str>, length_max: usize) -> String {
    text.map_or_else(|| "null".to_owned(), |text| text.chars().take(2 * length_max).collect())
}

/// The name of the table that a request's ResourceArn is of.
pub fn table_of_resource(request: &Json) -> Result<&str> {
    let Some(arn) = member(request, "ResourceArn").and_then(Json::as_str) else {
        return Err(invalid("Invalid TableArn"));
    };
    let told = || arn.chars().take(1283).collect::<String>();
    let Some(rest) = arn.strip_prefix("arn:") else {
        return Err(parameter(format_args!("ARNs must start with 'arn:': {}", told())));
    };
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    let [_, "dynamodb", _, _, resource] = parts[..] else {
        return Err(parameter(format_args!("Provided Arn is not a DynamoDB resource arn: {}", told())));
    };
    match resource.strip_prefix("table/") {
        Some(name) if name.len() > 2 && !name.contains('/') => Ok(name),
        Some(name) if name.contains("/index/") => Err(parameter(format_args!(
            "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {}",
            told()
        ))),
        _ => Err(invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {}", told()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_are_on_tables() {
        let told = |arn: &str| {
            table_of_resource(&json!({"ResourceArn": arn}))
                .map_or_else(|refusal| refusal.message, str::to_owned)
        };
        assert_eq!(told("arn:aws:dynamodb:us-east-1:0:table/abc"), "abc");
        assert_eq!(
            told("abc"),
            "One or more parameter values were invalid: ARNs must start with 'arn:': abc"
        );
        assert!(told("arn:aws:s3:us-east-1:0:table/abc").contains("is not a DynamoDB resource arn"));
        assert!(told("arn:aws:dynamodb:us-east-1:0:table/abc/index/i").contains("only table or stream"));
        assert!(told("arn:aws:dynamodb:us-east-1:0:table/ab").starts_with("Invalid TableArn: Invalid"));
        assert_eq!(table_of_resource(&json!({})).unwrap_err().message, "Invalid TableArn");
    }
}
