//! Opens a package as a person would, checks it against its own manifest, and compares it with what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::DriveError;
use crate::sample::expected::canonical;

/// Files of a package beside what the manifest lists: itself, and its signature.
const UNLISTED: [&str; 2] = ["manifest.json", "manifest.sig.json"];
const MANIFEST: &str = "opening the package";
/// A package larger than this is not one of sample data.
const FILE_BYTES_MOST: u64 = 1 << 30;

/// `manifest.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// The request that it answers.
    pub request_id: String,
    /// Whether everything is in it.
    pub complete: bool,
    /// The files.
    pub files: Vec<File>,
}

/// One file of a package.
#[derive(Clone, Debug, Deserialize)]
pub struct File {
    /// Its path in the archive.
    pub path: String,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// How many records it has, if it is a list of them.
    #[serde(default)]
    pub records: Option<u64>,
}

/// An opened package.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its manifest.
    pub manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// Reads an archive into memory.
    pub fn open(bytes: &[u8]) -> Result<Self, DriveError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        let mut files = BTreeMap::new();
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at)?;
            if entry.is_dir() {
                continue;
            }
            // An entry that points out of the package is not unpacked.
            let path = entry.enclosed_name().and_then(|path| path.to_str().map(ToOwned::to_owned));
            let path = path.ok_or(DriveError::Incomplete { action: MANIFEST.to_owned(), missing: "a safe path" })?;
            let mut content = Vec::new();
            entry.by_ref().take(FILE_BYTES_MOST).read_to_end(&mut content).map_err(DriveError::call(MANIFEST))?;
            files.insert(path, content);
        }
        let manifest = files
            .get("manifest.json")
            .ok_or(DriveError::Incomplete { action: MANIFEST.to_owned(), missing: "a manifest" })?;
        let manifest = serde_json::from_slice(manifest).map_err(DriveError::call(MANIFEST))?;
        Ok(Self { manifest, files })
    }

    /// Writes the files below a folder.
    pub fn unpack(&self, folder: &Path) -> Result<(), DriveError> {
        for (path, content) in &self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(DriveError::file(parent))?;
            }
            fs::write(&path, content).map_err(DriveError::file(&path))?;
        }
        Ok(())
    }

    /// What does not fit between the manifest and the files; empty if all does.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.manifest.complete {
            problems.push("the manifest says that the package is not complete".to_owned());
        }
        for file in &self.manifest.files {
            let Some(content) = self.files.get(&file.path) else {
                problems.push(format!("{} is listed and not there", file.path));
                continue;
            };
            if hex::encode(Sha256::digest(content)) != file.sha256 || content.len() as u64 != file.bytes {
                problems.push(format!("{} has other bytes than the manifest says", file.path));
            }
            let is_list = is_list(&file.path);
            let records = self.records(&file.path).map(|records| records.len() as u64);
            if is_list && records != file.records {
                problems.push(format!("{} has {records:?} records, the manifest says {:?}", file.path, file.records));
            }
        }
        let listed: BTreeSet<&str> = self.manifest.files.iter().map(|file| file.path.as_str()).collect();
        let unlisted = self.files.keys().filter(|path| !listed.contains(path.as_str()));
        problems.extend(
            unlisted.filter(|path| !UNLISTED.contains(&path.as_str())).map(|path| format!("{path} is not listed")),
        );
        problems
    }

    /// How many records there are. Each is in a list and in a table.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.manifest.files.iter().filter(|file| is_list(&file.path)).filter_map(|file| file.records).sum()
    }

    /// How many bytes of files there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.manifest.files.iter().map(|file| file.bytes).sum()
    }

    /// What differs between the package and [`crate::sample::expected()`], record for record, in whatever order; names
    /// collections and counts, no values. Empty if nothing does.
    #[must_use]
    pub fn differences(&self, expected: &BTreeMap<String, Vec<Value>>) -> Vec<String> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in self.files.keys() {
            let Some(name) = path.strip_prefix("data/").and_then(|path| path.strip_suffix(".json")) else {
                continue;
            };
            let records = self.records(path).unwrap_or_default();
            let mut lines: Vec<String> = records.iter().map(|record| canonical(&self.comparable(record))).collect();
            lines.sort();
            found.insert(name.replace('/', "."), lines);
        }
        let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
        let mut differences = Vec::new();
        for name in names {
            let mut wanted: Vec<String> = expected.get(name).into_iter().flatten().map(canonical).collect();
            wanted.sort();
            let there = found.get(name).map_or(&[][..], Vec::as_slice);
            if wanted != there {
                let (missing, surplus) = (lacking(&wanted, there), lacking(there, &wanted));
                differences.push(format!(
                    "{name}: {} records expected, {} there, {missing} missing, {surplus} too many",
                    wanted.len(),
                    there.len()
                ));
            }
        }
        differences
    }

    fn records(&self, path: &str) -> Option<Vec<Value>> {
        serde_json::from_slice(self.files.get(path)?).ok()
    }

    /// A record as the expectation has it: when an object was stored is not known there, and its file is its content.
    fn comparable(&self, record: &Value) -> Value {
        let is_object = record.get("last_modified").is_some() && record.get("content_type").is_some();
        if !is_object {
            return record.clone();
        }
        let mut shown = json!({
            "key": record["key"],
            "bytes": record["bytes"],
            "content_type": record["content_type"],
        });
        if let Some(file) = record.get("file").and_then(Value::as_str) {
            let content = self.files.get(file);
            shown["sha256"] = content.map_or(Value::Null, |content| hex::encode(Sha256::digest(content)).into());
        }
        shown
    }
}

/// Whether a file is a list of records.
fn is_list(path: &str) -> bool {
    path.starts_with("data/") && matches!(path.rsplit_once('.'), Some((_, "json")))
}

/// How many lines of the first sorted list are not in the second.
fn lacking(lines: &[String], among: &[String]) -> usize {
    lines.iter().filter(|line| among.binary_search(line).is_err()).count()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in files {
            writer.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn manifest(data: &str, media: &str) -> String {
        let file = |path: &str, content: &str, records: Option<u64>| {
            let sha256 = hex::encode(Sha256::digest(content));
            json!({"path": path, "sha256": sha256, "bytes": content.len(), "records": records})
        };
        let files = [file("data/app/posts.json", data, Some(1)), file("media/app/photos/a.gif", media, None)];
        json!({"request_id": "r", "complete": true, "files": files}).to_string()
    }

    #[test]
    fn a_whole_package_has_no_problems_and_a_changed_one_has() {
        let manifest = manifest(r#"[{"a":1}]"#, "GIF");
        let files = [
            ("manifest.sig.json", "x"),
            ("manifest.json", manifest.as_str()),
            ("data/app/posts.json", r#"[{"a":1}]"#),
            ("media/app/photos/a.gif", "GIF"),
        ];
        let package = Package::open(&archive(&files)).unwrap();
        assert_eq!(package.problems(), Vec::<String>::new());
        assert_eq!(package.differences(&BTreeMap::from([("app.posts".to_owned(), vec![json!({"a": 1})])])).len(), 0);
        assert_eq!(package.differences(&BTreeMap::from([("app.posts".to_owned(), vec![json!({"a": 2})])])).len(), 1);
        let mut changed = files;
        changed[3].1 = "JIF";
        assert_eq!(Package::open(&archive(&changed)).unwrap().problems().len(), 1);
        let more = [files.as_slice(), &[("stray.txt", "x")]].concat();
        assert_eq!(Package::open(&archive(&more)).unwrap().problems(), ["stray.txt is not listed"]);
    }
}
