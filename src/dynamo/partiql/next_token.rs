//! Where the next page of a statement goes on, as a text that says nothing to its reader.
//!
//! ```text
//! token := base64(version(1) ‖ digest of the statement (16 bytes) ‖ range (4 bytes, big-endian) ‖ place)
//! place := empty | the keys of the last row, JSON                       empty: from the range's first row on
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::codec::digest::digest;
use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::json::{Reading, parse_attributes, put_attributes};
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::number::Exponents;

/// The version of tokens that this program writes.
const VERSION: u8 = 1;

/// What a statement's tokens are told by.
pub(super) type Binding = [u8; 16];

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// In which of the statement's ranges.
    pub(super) range: u32,
    /// After which row of it.
    pub(super) after: Option<Attributes>,
}

/// What the tokens of a statement with these parameters are told by.
pub(super) fn binding(statement: &str, parameters: &str) -> Binding {
    digest(format!("{}:{statement}{parameters}", statement.len()).as_bytes())
}

/// The token of a place.
pub(super) fn token(binding: Binding, place: &Place) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&binding);
    bytes.extend_from_slice(&place.range.to_be_bytes());
    if let Some(after) = &place.after {
        put_attributes(&mut bytes, after);
    }
    BASE64.encode(bytes)
}

/// The place of a token.
pub(super) fn place(token: &str, expected: Binding) -> Result<Place> {
    let wrong = || invalid("Invalid NextToken");
    let bytes = BASE64.decode(token).map_err(|_| wrong())?;
    let (binding, rest) =
        bytes.strip_prefix(&[VERSION]).and_then(|rest| rest.split_first_chunk::<16>()).ok_or_else(wrong)?;
    let (range, json) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
    if *binding != expected {
        return Err(invalid("NextToken does not match request"));
    }
    let after = if json.is_empty() {
        None
    } else {
        let json = serde_json::from_slice(json).map_err(|_| wrong())?;
        // Keys are no lists and no maps.
        let reading = Reading { levels_max: 1, exponents: Exponents::Wide };
        Some(parse_attributes(json, reading).map_err(|_| wrong())?)
    };
    Ok(Place { range: u32::from_be_bytes(*range), after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::attribute::Value;

    #[test]
    fn places_come_back() {
        let mine = binding("SELECT 1", "[]");
        let after = Attributes::from([("k".to_owned(), Value::S("é".to_owned()))]);
        for place_now in [Place::default(), Place { range: 7, after: Some(after) }] {
            let text = token(mine, &place_now);
            assert_eq!(place(&text, mine).unwrap(), place_now);
            assert!(place(&text, binding("SELECT 1[", "]")).is_err());
            for cut in 0..text.len() {
                let _ = place(&text[..cut], mine);
            }
        }
        assert!(place("", mine).is_err() && place("*", mine).is_err());
    }
}
