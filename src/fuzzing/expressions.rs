//! Expressions of table requests, and the parameters in JSON that were before them.

use std::sync::LazyLock;

use crate::dynamo::attribute::json::Reading;
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::expression::{
    Condition, EXPRESSION_BYTES_MAX, ExpressionKind, ItemLimits, KeyCondition, Placeholders, Projection,
    Update, legacy,
};
use crate::dynamo::number::{Exponents, Number};
use crate::dynamo::schema::Keys;
use crate::dynamo::validate::table::KeyType;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::of(&[("pk", KeyType::S)], &[("sk", KeyType::N)]));

const LIMITS: ItemLimits = ItemLimits { bytes_max: 400 << 10, depth_max: 32 };
const READING: Reading = Reading { levels_max: 32, exponents: Exponents::Wide };

/// An expression of any kind, or one of the older parameters: is read or refused. What is read is applied to an item: a
/// projection returns no attribute that it does not name, an update changes none.
pub fn expressions(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let item = item();
    let bytes_max = EXPRESSION_BYTES_MAX;
    for kind in [ExpressionKind::Condition, ExpressionKind::Filter, ExpressionKind::KeyCondition] {
        if let Ok(condition) = Condition::parse(text, kind, &mut placeholders(), bytes_max) {
            condition.holds(&item);
            condition.paths();
        }
    }
    if let Ok(keys) = KeyCondition::parse(text, &mut placeholders(), bytes_max) {
        let _ = keys.resolve(&KEYS);
    }
    if let Ok(projection) = Projection::parse(text, &mut placeholders(), bytes_max) {
        project(&projection, &item);
    }
    if let Ok(changes) = Update::parse(text, &mut placeholders(), bytes_max) {
        update(&changes, &item);
    }
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        for condition in [
            legacy::expected(Some(json.clone()), None, READING),
            legacy::filter(Some(json.clone()), None, READING),
        ] {
            condition.ok().flatten().inspect(|condition| {
                condition.holds(&item);
            });
        }
        if let Ok(keys) = legacy::key_conditions(json.clone(), READING) {
            let _ = keys.resolve(&KEYS);
        }
        if let Ok(projection) = legacy::attributes_to_get(json.clone()) {
            project(&projection, &item);
        }
        if let Ok(changes) = legacy::attribute_updates(json, READING) {
            update(&changes, &item);
        }
    }
}

fn project(projection: &Projection, item: &Attributes) {
    for name in projection.project(item).keys() {
        assert!(projection.paths().iter().any(|path| path.head == *name), "{name} was not asked for");
    }
}

fn update(update: &Update, item: &Attributes) {
    let Ok(after) = update.apply(Some(item), item, &LIMITS) else { return };
    update.touched(&after);
    let changed = update.changed_attributes();
    for name in item.keys().chain(after.keys()) {
        assert!(item.get(name) == after.get(name) || changed.contains(name.as_str()), "{name} was changed");
    }
}

fn number(n: i64) -> Value {
    Value::N(Number::from(n))
}

fn text(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn set() -> Value {
    Value::Ss(["x".to_owned(), "y".to_owned()].into())
}

fn placeholders() -> Placeholders {
    let names = [("#n", "name"), ("#p", "pk")].map(|(key, name)| (key.to_owned(), name.to_owned()));
    let values = [(":s", text("x")), (":n", number(1)), (":l", Value::L(vec![number(1)])), (":set", set())];
    let values = values.map(|(key, value)| (key.to_owned(), value));
    Placeholders::new(Some(names.into()), Some(values.into())).unwrap_or_default()
}

fn item() -> Attributes {
    let map = Attributes::from([("k".to_owned(), Value::L(vec![number(1), text("x"), set()]))]);
    let attributes = [("pk", text("x")), ("sk", number(1)), ("name", set()), ("a", Value::M(map))];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Expressions of all kinds to begin with.
pub(super) fn expression_seeds() -> Vec<Vec<u8>> {
    [
        "attribute_exists(#p) AND NOT (#n = :set OR size(a.k[2]) >= :n)",
        "a.k[0] BETWEEN :n AND :n AND sk IN (:n, :s) AND begins_with(pk, :s) OR contains(#n, :s)",
        "attribute_not_exists(a.k[9].b) OR attribute_type(pk, :s) OR (pk) <> (:s)",
        "pk = :s AND sk BETWEEN :n AND :n",
        "#p = :s AND :n <= sk",
        "a.k[1], pk, #n, a.k[0]",
        "SET b = if_not_exists(b, :n) + :n, a.k[5] = list_append(:l, :l) REMOVE a.k[0], sk ADD c :n DELETE #n :set",
        r#"{"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}}"#,
        r#"{"pk": {"Exists": false}, "sk": {"Value": {"N": "1"}}}"#,
        r#"{"sk": {"Action": "ADD", "Value": {"N": "1"}}, "name": {"Action": "DELETE", "Value": {"SS": ["x"]}}}"#,
        r#"["pk", "sk"]"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_break_nothing() {
        super::expression_seeds().iter().for_each(|seed| super::expressions(seed));
    }
}
