//! Who may use the table API: a file as the AWS command line has one.
//!
//! ```text
//! [name]
//! aws_access_key_id = AKIDEXAMPLE
//! aws_secret_access_key = …
//! ```
//!
//! Other keys, empty lines and lines that begin with `#` or `;` are passed over.

use std::collections::HashMap;
use std::path::Path;

/// Key ids and their secrets.
#[derive(Default)]
pub(super) struct Credentials(HashMap<String, String>);

/// A section that is being read.
struct Section {
    name: String,
    id: Option<String>,
    secret: Option<String>,
}

impl Credentials {
    /// Those of a file; none, if the path is empty. An error says in one line what is wrong.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let read = std::fs::read_to_string(path);
        let content = read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&content).map_err(|(line, what)| match line {
            0 => format!("{}: {what}", path.display()),
            line => format!("{}:{line}: {what}", path.display()),
        })
    }

    /// Reads a file's content; an error names the line, or 0 if it is of the whole.
    fn parse(content: &str) -> Result<Self, (usize, String)> {
        let mut all = Self::default();
        let mut open: Option<Section> = None;
        let mut last = 0;
        for (line, text) in (1..).zip(content.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                if let Some(section) = open.take() {
                    all.add(section).map_err(|what| (last, what))?;
                }
                open = Some(Section { name: name.trim().to_owned(), id: None, secret: None });
                last = line;
                continue;
            }
            let Some((key, value)) = text.split_once('=') else {
                // Not the line itself: it may be a secret.
                return Err((line, "this is neither [name] nor a key and its value".to_owned()));
            };
            let Some(section) = &mut open else {
                return Err((line, "there is no [name] above this".to_owned()));
            };
            let value = Some(value.trim().to_owned());
            match key.trim() {
                "aws_access_key_id" => section.id = value,
                "aws_secret_access_key" => section.secret = value,
                _ => {}
            }
        }
        if let Some(section) = open {
            all.add(section).map_err(|what| (last, what))?;
        }
        // Else a file that was emptied by mistake would let everybody in.
        if all.is_empty() { Err((0, "it holds no credentials".to_owned())) } else { Ok(all) }
    }

    fn add(&mut self, section: Section) -> Result<(), String> {
        let Section { name, id, secret } = section;
        let filled = |value: Option<String>, key: &str| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("[{name}] has no {key}"))
        };
        let (id, secret) = (filled(id, "aws_access_key_id")?, filled(secret, "aws_secret_access_key")?);
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(format!("[{name}]: an aws_access_key_id is made of letters, digits and -_."));
        }
        match self.0.insert(id, secret.clone()) {
            Some(other) if other != secret => {
                Err(format!("[{name}]: another secret of the same aws_access_key_id"))
            }
            _ => Ok(()),
        }
    }

    /// The secret of a key id.
    pub(super) fn secret(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_people_have_it() {
        let content = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=a/b+c==\nregion = x\n\n\
                       [profile two]\r\naws_secret_access_key = s\r\naws_access_key_id = AKIA2\r\n; end";
        let credentials = Credentials::parse(content).unwrap_or_default();
        assert_eq!(credentials.secret("AKIA1"), Some("a/b+c=="));
        assert_eq!(credentials.secret("AKIA2"), Some("s"));
        assert_eq!(credentials.secret("AKIA3"), None);
        assert!(Credentials::load(Path::new("")).unwrap_or_default().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let wrong = |content: &str| Credentials::parse(content).err().unwrap_or_default();
        let two = "aws_access_key_id = A\naws_secret_access_key = s\n";
        assert_eq!(wrong(""), (0, "it holds no credentials".to_owned()));
        assert_eq!(wrong(two), (1, "there is no [name] above this".to_owned()));
        assert_eq!(wrong("[a]\nx\n"), (2, "this is neither [name] nor a key and its value".to_owned()));
        assert_eq!(
            wrong("\n[a]\naws_access_key_id = A\n[b]\n"),
            (2, "[a] has no aws_secret_access_key".to_owned())
        );
        assert_eq!(wrong("[a]\naws_secret_access_key = A\n"), (1, "[a] has no aws_access_key_id".to_owned()));
        let slash = two.replace("= A", "= A/B");
        assert!(wrong(&format!("[a]\n{slash}")).1.contains("letters, digits"));
        let other = two.replace("= s", "= t");
        assert!(wrong(&format!("[a]\n{two}[b]\n{other}")).1.starts_with("[b]: another secret"));
        assert_eq!(wrong(&format!("[a]\n{two}[b]\n{two}")), (0, String::new()), "the same again");
        let missing = Credentials::load(Path::new("missing")).err().unwrap_or_default();
        assert_eq!(missing, "missing cannot be read: No such file or directory (os error 2)");
    }
}
