//! Items from disk straight to JSON, without a value in between: most replies are nothing but that.

use super::encoding::{DEPTH_MAX, tag, take_size};
use super::json::{put_binary, put_number, put_text};
use crate::codec::varint;
use crate::dynamo::number::Number;
use crate::store::Error;

/// Appends an item as JSON.
pub fn put_item(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let (_, mut bytes) = take_size(bytes)?;
    let done = put_map(out, &mut bytes, 0);
    done.filter(|()| bytes.is_empty()).ok_or(Error::Damaged("an item"))
}

fn put_map(out: &mut Vec<u8>, bytes: &mut &[u8], depth: usize) -> Option<()> {
    let count = varint::take_u64(bytes)?;
    out.push(b'{');
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        put_text(out, take_text(bytes)?);
        out.push(b':');
        put_value(out, bytes, depth + 1)?;
    }
    out.push(b'}');
    Some(())
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    str::from_utf8(varint::take_bytes(bytes)?).ok()
}

fn put_value(out: &mut Vec<u8>, bytes: &mut &[u8], depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let one_text = |out: &mut Vec<u8>, bytes: &mut &[u8]| {
        put_text(out, take_text(bytes)?);
        Some(())
    };
    let one_number = |out: &mut Vec<u8>, bytes: &mut &[u8]| {
        put_number(out, Number::take(bytes)?);
        Some(())
    };
    let one_binary = |out: &mut Vec<u8>, bytes: &mut &[u8]| {
        put_binary(out, varint::take_bytes(bytes)?);
        Some(())
    };
    let begin = |out: &mut Vec<u8>, name: &str| {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    match *bytes.split_off_first()? {
        tag::S => {
            begin(out, "S");
            one_text(out, bytes)?;
        }
        tag::N => {
            begin(out, "N");
            one_number(out, bytes)?;
        }
        tag::B => {
            begin(out, "B");
            one_binary(out, bytes)?;
        }
        tag::FALSE => out.extend_from_slice(b"{\"BOOL\":false"),
        tag::TRUE => out.extend_from_slice(b"{\"BOOL\":true"),
        tag::NULL => out.extend_from_slice(b"{\"NULL\":true"),
        tag::SS => {
            begin(out, "SS");
            put_many(out, bytes, one_text)?;
        }
        tag::NS => {
            begin(out, "NS");
            put_many(out, bytes, one_number)?;
        }
        tag::BS => {
            begin(out, "BS");
            put_many(out, bytes, one_binary)?;
        }
        tag::L => {
            begin(out, "L");
            put_many(out, bytes, |out, bytes| put_value(out, bytes, depth + 1))?;
        }
        tag::M => {
            begin(out, "M");
            put_map(out, bytes, depth)?;
        }
        _ => return None,
    }
    out.push(b'}');
    Some(())
}

fn put_many(
    out: &mut Vec<u8>,
    bytes: &mut &[u8],
    one: impl Fn(&mut Vec<u8>, &mut &[u8]) -> Option<()>,
) -> Option<()> {
    let count = varint::take_u64(bytes)?;
    out.push(b'[');
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        one(out, bytes)?;
    }
    out.push(b']');
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encoding::encode;
    use super::super::json::put_attributes;
    use super::super::tests::any_item;
    use super::*;

    proptest! {
        #[test]
        fn it_is_what_the_item_would_be(item in any_item()) {
            let (mut straight, mut around) = (Vec::new(), Vec::new());
            put_item(&mut straight, &encode(&item)).unwrap();
            put_attributes(&mut around, &item);
            prop_assert_eq!(straight, around);
        }
    }
}
