//! The answers of the hub's API: the commit of a revision, and a page of its files.

use serde::Deserialize;

use crate::hub::checksum::Checksum;

/// A file as the hub lists it.
#[derive(Clone, Debug)]
pub(super) struct RemoteFile {
    /// Its path in the repository, as it came.
    pub(super) path: String,
    pub(super) size: u64,
    /// What the hub promises; nothing where it speaks of something else than we know.
    pub(super) checksum: Option<Checksum>,
}

/// The hub's words for an entry of a tree; it says more than we ask for.
#[derive(Deserialize)]
struct Entry {
    r#type: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

#[derive(Deserialize)]
struct Named {
    sha: String,
}

/// The commit that an answer about a revision names. It goes into addresses, so it is looked at.
pub(super) fn commit(answer: &[u8]) -> Option<String> {
    let named: Named = serde_json::from_slice(answer).ok()?;
    let hex = named.sha.chars().all(|digit| digit.is_ascii_hexdigit());
    (hex && (40..=64).contains(&named.sha.len())).then_some(named.sha)
}

/// The files of a page of a tree.
pub(super) fn files(page: &[u8]) -> Result<Vec<RemoteFile>, serde_json::Error> {
    let entries: Vec<Entry> = serde_json::from_slice(page)?;
    let files = entries.into_iter().filter(|entry| entry.r#type == "file");
    Ok(files.map(RemoteFile::from).collect())
}

impl From<Entry> for RemoteFile {
    fn from(entry: Entry) -> Self {
        // Of a large file, `oid` is the blob of the pointer that git holds in its stead.
        let (size, checksum) = match entry.lfs {
            Some(large) => (large.size, Checksum::sha256(large.oid.trim_start_matches("sha256:"))),
            None => (entry.size, Checksum::git_blob(&entry.oid)),
        };
        Self { path: entry.path, size, checksum }
    }
}

/// The address of the next page, out of a `Link` header (RFC 8288).
pub(super) fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|link| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| {
            matches!(parameter.trim().split_once('='), Some(("rel", rel)) if rel.trim_matches('"') == "next")
        };
        parameters.split(';').any(is_next).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::{commit, files, next_page};

    #[test]
    fn a_tree_is_read_with_the_checksums_of_the_files_not_of_their_pointers() {
        let page = br#"[
            {"type":"directory","oid":"aa","size":0,"path":"original"},
            {"type":"file","oid":"b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0","size":5,"path":"config.json"},
            {"type":"file","oid":"0000000000000000000000000000000000000000","size":5,"path":"model.safetensors",
             "lfs":{"oid":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","size":5,"pointerSize":134},
             "xetHash":"1f"},
            {"type":"file","oid":"?","size":1,"path":"odd"}
        ]"#;
        let files = files(page).unwrap();
        let read: Vec<String> = files
            .iter()
            .map(|file| {
                let checksum = file.checksum.map(|checksum| checksum.to_string());
                format!("{} {} {}", file.path, file.size, checksum.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            read,
            [
                "config.json 5 git-sha1:b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0",
                "model.safetensors 5 sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                "odd 1 -",
            ]
        );
    }

    #[test]
    fn a_commit_is_hex_and_nothing_else() {
        let sha = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        let answer = format!(r#"{{"id":"a/b","sha":"{sha}","gated":"manual"}}"#);
        assert_eq!(commit(answer.as_bytes()).as_deref(), Some(sha));
        for bad in [r#"{"sha":"../../x"}"#, r#"{"sha":"abc"}"#, "{}", "<html>"] {
            assert_eq!(commit(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_next_page_is_the_one_so_called() {
        let check = |link: &str, expected| assert_eq!(next_page(link), expected, "{link}");
        check(r#"<https://a/b?cursor=x%3D>; rel="next""#, Some("https://a/b?cursor=x%3D"));
        check(
            r#"<https://a/1>; rel="prev", <https://a/2>; title="t"; rel=next"#,
            Some("https://a/2"),
        );
        check(r#"<https://a/1>; rel="prev""#, None);
        check("", None);
    }
}
