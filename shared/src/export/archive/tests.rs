//! The writer against other people's readers, and the strict reader against what was tampered with.

use std::io::{Cursor, Read as _};

use super::*;
use crate::export::unzip::{ArchiveFault, Unzip};

/// Writes files, put down and taken up again after every `piece` bytes.
fn written(files: &[(&str, &[u8])], piece: usize) -> Vec<u8> {
    let mut archive = Archive::resume(ArchiveState::default(), Vec::new());
    let mut out = Vec::new();
    let mut listed = Vec::new();
    for (path, content) in files {
        archive.begin(path, Packing::of(path)).unwrap();
        for piece in content.chunks(piece) {
            archive.write(piece).unwrap();
            let state = serde_json::to_string(archive.pause().unwrap()).unwrap();
            assert!(state.len() < 1024, "a state is small: {}", state.len());
            out.extend(archive.take());
            archive = Archive::resume(serde_json::from_str(&state).unwrap(), Vec::new());
        }
        listed.push(archive.end().unwrap());
    }
    for file in &listed {
        archive.list(file).unwrap();
    }
    archive.finish().unwrap();
    out.extend(archive.take());
    assert_eq!(archive.state.bytes(), out.len() as u64);
    assert_eq!(archive.state.sha256(), Sum::of(&out).hex());
    out
}

fn read(bytes: &[u8]) -> Result<Vec<(WrittenFile, Vec<u8>)>, ArchiveFault> {
    let mut unzip = Unzip::new(bytes);
    let mut files = Vec::new();
    while let Some(path) = unzip.next_path()? {
        let mut content = Vec::new();
        let file = unzip.content(path, &mut |piece| content.extend_from_slice(piece))?;
        files.push((file, content));
    }
    let listed: Vec<WrittenFile> = files.iter().map(|(file, _)| file.clone()).collect();
    unzip.finish(&listed)?;
    Ok(files)
}

fn noise(length: u32) -> Vec<u8> {
    (0..length).flat_map(|number| Sum::of(&number.to_le_bytes()).bytes()[..1].to_vec()).collect()
}

#[test]
fn an_archive_reads_back_wherever_it_was_put_down() {
    let text = "行,row\r\n".repeat(1000);
    let noise = noise(5000);
    let files: [(&str, &[u8]); 4] =
        [("data/a.csv", text.as_bytes()), ("empty.json", b""), ("media/图片.png", &noise), ("b", b"x")];
    for piece in [1000, 4096, usize::MAX] {
        let bytes = written(&files, piece);
        assert_eq!(bytes, written(&files, piece), "the same every time");
        let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(zip.len(), files.len());
        for (number, (path, content)) in files.iter().enumerate() {
            let mut file = zip.by_index(number).unwrap();
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert_eq!((file.name().unwrap().as_ref(), found.as_slice()), (*path, *content));
        }
        let found = read(&bytes).unwrap();
        for ((file, content), (path, expected)) in found.iter().zip(files) {
            assert_eq!((file.path.as_str(), content.as_slice()), (path, expected));
            assert_eq!(file.sha256, Sum::of(expected).hex());
        }
    }
}

#[test]
fn more_files_than_the_old_format_holds_are_all_listed() {
    let paths: Vec<String> = (0..70_000).map(|number| format!("media/{number}")).collect();
    let files: Vec<(&str, &[u8])> = paths.iter().map(|path| (path.as_str(), b"".as_slice())).collect();
    let bytes = written(&files, 1);
    assert_eq!(zip::ZipArchive::new(Cursor::new(&bytes)).unwrap().len(), 70_000);
    assert_eq!(read(&bytes).unwrap().len(), 70_000);
}

/// The archive is taken up again as if five gigabytes had been written: what the old format has no room for must be where
/// ZIP64 wants it.
#[test]
fn sizes_and_places_beyond_four_gigabytes_are_in_the_long_form() {
    const LONG: u64 = 5 << 30;
    let mut archive = Archive::resume(ArchiveState::default(), Vec::new());
    archive.begin("long", Packing::Deflate).unwrap();
    archive.take();
    archive.state.bytes += LONG;
    let open = archive.state.file.as_mut().unwrap();
    (open.bytes, open.packed_bytes) = (LONG, LONG);
    let long = archive.end().unwrap();
    let descriptor = archive.take();
    assert_eq!(descriptor[10..18], (LONG + 2).to_le_bytes());
    assert_eq!(descriptor[18..26], LONG.to_le_bytes());
    archive.begin("behind", Packing::Deflate).unwrap();
    let behind = archive.end().unwrap();
    assert!(behind.offset > LONG);
    archive.take();
    let directory_at = archive.state.bytes();
    archive.list(&long).unwrap();
    let entry = archive.take();
    assert_eq!(entry[20..28], [0xff; 8], "sizes");
    assert_eq!(entry[42..46], [0; 4], "its place is at the start");
    assert_eq!(entry[50..54], [1, 0, 16, 0]);
    assert_eq!([&entry[54..62], &entry[62..70]], [LONG.to_le_bytes(), (LONG + 2).to_le_bytes()]);
    archive.list(&behind).unwrap();
    let entry = archive.take();
    assert_eq!(entry[42..46], [0xff; 4], "its place");
    assert_eq!(entry[52..56], [1, 0, 8, 0]);
    assert_eq!(entry[56..64], behind.offset.to_le_bytes());
    let end_at = archive.state.bytes();
    archive.finish().unwrap();
    let end = archive.take();
    assert_eq!(end[..4], END64.to_le_bytes());
    assert_eq!(end[40..48], (end_at - directory_at).to_le_bytes());
    assert_eq!(end[48..56], directory_at.to_le_bytes());
    assert_eq!(end[64..72], end_at.to_le_bytes());
    assert_eq!(end[92..96], [0xff; 4], "the directory's place in the short form");
}

#[test]
fn an_archive_that_was_touched_is_refused_wherever_it_was_touched() {
    let files: [(&str, &[u8]); 2] = [("a.json", b"[1,2,3]"), ("b.png", b"pixels")];
    let bytes = written(&files, usize::MAX);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_err(), "byte {at} of {}", bytes.len());
    }
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut off at {length}");
    }
    assert!(matches!(read(&[bytes.clone(), vec![0]].concat()), Err(ArchiveFault::Trailing)));
    assert!(matches!(read(&[vec![0], bytes].concat()), Err(ArchiveFault::NotOurs(4))));
}

#[test]
fn a_path_that_leads_out_of_the_folder_is_refused() {
    for path in ["../a", "/a", "a//b", "a/./b", "c:a", "a\\b", "a/../../b", ""] {
        assert!(matches!(read(&written(&[(path, b"x")], 9)), Err(ArchiveFault::NotOurs(_))), "{path}");
    }
    assert!(read(&written(&[("a/b..c/.d", b"x")], 9)).is_ok());
}
