//! Conditions against a model, and any text.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::dynamo::number::Number;

/// A condition over the numbers `a0` to `a3`, of which `a3` is not there.
#[derive(Clone, Debug)]
enum Model {
    Compare(usize, usize, Comparator),
    Between(usize, i64, i64),
    Exists(usize),
    And(Vec<Model>),
    Or(Vec<Model>),
    Not(Box<Model>),
}

const COMPARATORS: [Comparator; 6] = [
    Comparator::Equal,
    Comparator::NotEqual,
    Comparator::Less,
    Comparator::LessOrEqual,
    Comparator::Greater,
    Comparator::GreaterOrEqual,
];

fn any_model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        (0..4_usize, 1..4_usize, prop::sample::select(&COMPARATORS[..]))
            .prop_map(|(a, more, comparator)| Model::Compare(a, (a + more) % 4, comparator)),
        (0..4_usize, 0..3_i64, 0..3_i64).prop_map(|(a, low, more)| Model::Between(
            a,
            low,
            (low + more).min(3)
        )),
        (0..4_usize).prop_map(Model::Exists),
    ];
    leaf.prop_recursive(4, 24, 3, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 2..4).prop_map(Model::And),
            prop::collection::vec(inside.clone(), 2..4).prop_map(Model::Or),
            inside.prop_map(|one| Model::Not(Box::new(one))),
        ]
    })
}

impl Model {
    fn holds(&self, numbers: &[Option<i64>]) -> bool {
        let get = |at: usize| numbers.get(at).copied().flatten();
        match self {
            Self::Compare(a, b, comparator) => match (get(*a), get(*b)) {
                (Some(a), Some(b)) => match comparator {
                    Comparator::Equal => a == b,
                    Comparator::NotEqual => a != b,
                    Comparator::Less => a < b,
                    Comparator::LessOrEqual => a <= b,
                    Comparator::Greater => a > b,
                    Comparator::GreaterOrEqual => a >= b,
                },
                _ => *comparator == Comparator::NotEqual,
            },
            Self::Between(a, low, high) => get(*a).is_some_and(|a| (*low..=*high).contains(&a)),
            Self::Exists(a) => get(*a).is_some(),
            Self::And(all) => all.iter().all(|one| one.holds(numbers)),
            Self::Or(all) => all.iter().any(|one| one.holds(numbers)),
            Self::Not(one) => !one.holds(numbers),
        }
    }

    /// As text, with parentheses only where they are needed in something that binds as tightly as `tightness`.
    fn write(&self, out: &mut String, tightness: u8) {
        let own = match self {
            Self::Or(_) => 1,
            Self::And(_) => 2,
            Self::Not(_) => 3,
            _ => 4,
        };
        if own <= tightness {
            out.push('(');
        }
        let join = |all: &[Self], out: &mut String, word: &str| {
            for (at, one) in all.iter().enumerate() {
                if at > 0 {
                    out.push_str(word);
                }
                one.write(out, own);
            }
        };
        match self {
            Self::Compare(a, b, comparator) => write!(out, "a{a}{}a{b}", comparator.symbol()).unwrap(),
            Self::Between(a, low, high) => write!(out, "a{a} between :v{low} and :v{high}").unwrap(),
            Self::Exists(a) => write!(out, "attribute_exists(a{a})").unwrap(),
            Self::And(all) => join(all, out, " AND "),
            Self::Or(all) => join(all, out, "\tor\n"),
            Self::Not(one) => {
                out.push_str("NOT ");
                one.write(out, own);
            }
        }
        if own <= tightness {
            out.push(')');
        }
    }
}

fn number(n: i64) -> Value {
    Value::N(Number::from(n))
}

/// Texts out of what expressions are made of.
fn any_soup() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        ".",
        "[0]",
        "[1]",
        "#n",
        "#o",
        ":s",
        ":n",
        ":l",
        ":ss",
        "(",
        ")",
        ",",
        "=",
        "<",
        "<>",
        "+",
        "-",
        " AND ",
        " OR ",
        " NOT ",
        " BETWEEN ",
        " IN ",
        "SET ",
        " REMOVE ",
        " ADD ",
        " DELETE ",
        "size(",
        "contains(",
        "attribute_exists(",
        "if_not_exists(",
        "list_append(",
        "begins_with(",
        "attribute_type(",
        "status",
        "é",
        "_",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..14).prop_map(|words| words.concat())
}

/// Whatever is parsed can be applied; nothing panics.
fn exercise(text: &str, item: &Attributes) {
    let bytes_max = EXPRESSION_BYTES_MAX;
    for kind in [ExpressionKind::Condition, ExpressionKind::KeyCondition] {
        if let Ok(condition) = Condition::parse(text, kind, &mut placeholders(), bytes_max) {
            condition.holds(item);
        }
    }
    let _ = KeyCondition::parse(text, &mut placeholders(), bytes_max);
    if let Ok(projection) = Projection::parse(text, &mut placeholders(), bytes_max) {
        let projected = projection.project(item);
        assert!(projected.keys().all(|name| item.contains_key(name)));
    }
    if let Ok(update) = Update::parse(text, &mut placeholders(), bytes_max)
        && let Ok(after) = update.apply(Some(item), &Attributes::new(), &LIMITS)
    {
        update.touched(&after);
        let untouched = |map: &Attributes| {
            let mut map = map.clone();
            map.retain(|name, _| !update.changed_attributes().contains(name.as_str()));
            map
        };
        assert_eq!(untouched(item), untouched(&after));
    }
}

proptest! {
    #[test]
    fn conditions_mean_what_the_model_does(model in any_model(), numbers in [0..4_i64, 0..4_i64, 0..4_i64]) {
        let names = ["a0", "a1", "a2"];
        let item: Attributes = names.iter().zip(numbers).map(|(name, n)| ((*name).to_owned(), number(n))).collect();
        let values = (0..4).map(|n| (format!(":v{n}"), number(n))).collect();
        let mut text = String::new();
        model.write(&mut text, 0);
        let mut placeholders = Placeholders::new(None, Some(values)).unwrap();
        let condition = Condition::parse(&text, ExpressionKind::Filter, &mut placeholders, EXPRESSION_BYTES_MAX);
        let condition = condition.map_err(|error| TestCaseError::fail(format!("{text}: {error:?}")))?;
        let numbers: Vec<Option<i64>> = numbers.into_iter().map(Some).chain([None]).collect();
        prop_assert_eq!(condition.holds(&item), model.holds(&numbers), "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}", soup in any_soup()) {
        let item = attributes(
            r#"{"a": {"L": [{"N": "1"}, {"L": []}]}, "b": {"SS": ["a"]}, "name": {"N": "1"}, "other.name": {"M": {}}}"#,
        );
        exercise(&text, &item);
        exercise(&soup, &item);
        exercise(&format!("SET {soup}"), &item);
    }
}
