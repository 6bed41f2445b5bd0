//! Tables are named by their names or by their ARNs: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.

use super::shown;
use crate::dynamo::error::{Kind, Refusal};

const LENGTH_MIN: usize = 3;
const LENGTH_MAX: usize = 255;

/// The name of the table that is meant. The region and the account are those of whoever asks, whatever they are.
pub fn table_name(name_or_arn: &str) -> Result<&str, Refusal> {
    let Some(rest) = name_or_arn.strip_prefix("arn:") else { return Ok(name_or_arn) };
    // After the partition, the service, the region and the account.
    let resource = rest.splitn(5, ':').nth(4).unwrap_or_default();
    match resource.split_once('/') {
        Some(("table", name)) if name.len() < LENGTH_MIN => {
            Err(wrong(name_or_arn, "Table name of ARN must have length greater than or equal to 3"))
        }
        Some(("table", name)) if name.len() <= LENGTH_MAX && name.bytes().all(is_of_names) => Ok(name),
        Some((kind, _)) if kind != "table" => Err(wrong(name_or_arn, "Invalid resource type")),
        _ => Err(wrong(
            name_or_arn,
            "Valid ARN format is 'arn:<awsPartition>:<vendor>:<region>:<subscriber>:resourceType/resourceName', where \
             Resource name must have length less than or equal to 255, Resource name must have length greater than or \
             equal to 3, Resource name must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        )),
    }
}

fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

fn wrong(arn: &str, what: &str) -> Refusal {
    let arn = shown::cut(arn);
    Refusal::new(
        Kind::Validation,
        format!(
            "1 validation error detected: Value '{arn}' at 'tableName' failed to satisfy constraint: {what}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_name_tables() {
        assert_eq!(table_name("music"), Ok("music"));
        assert_eq!(table_name("arn:aws:dynamodb:us-east-1:000000000000:table/mu.sic"), Ok("mu.sic"));
        let wrong = |arn| table_name(arn).unwrap_err().message;
        assert!(
            wrong("arn:aws:dynamodb:us-east-1:0:stream/music")
                .ends_with("satisfy constraint: Invalid resource type")
        );
        assert!(wrong("arn:aws:dynamodb:us-east-1:0:table/m").ends_with("length greater than or equal to 3"));
        for odd in [
            "arn:",
            "arn:aws:dynamodb",
            "arn:aws:dynamodb:r:0:table",
            "arn:aws:dynamodb:r:0:table/music/index/i",
        ] {
            assert!(wrong(odd).contains("Valid ARN format is"), "{odd}");
        }
    }
}
