use std::fs::OpenOptions;

use super::*;

const SEGMENT: u64 = 8192;

struct Written {
    directory: tempfile::TempDir,
    frames: Vec<(u64, Vec<u8>)>,
}

/// Frames of growing length over several segments.
fn written(count: u64) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(directory.path(), SEGMENT).unwrap());
    let mut tail = journal.tail(journal.start(), 0).unwrap();
    let mut frames = Vec::new();
    for number in 0..count {
        let payload = vec![number as u8 + 1; 500 + number as usize * 37];
        let position = tail.payload_position(&journal, payload.len() as u64).unwrap();
        let mut buffer = vec![0; FRAME_HEADER as usize];
        buffer.extend_from_slice(&payload);
        tail.append(&journal, &mut buffer).unwrap();
        frames.push((position - FRAME_HEADER, payload));
    }
    Written { directory, frames }
}

fn read(directory: &Path) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let journal = Journal::open(directory, SEGMENT)?;
    let mut frames = journal.frames(journal.start(), 0);
    let mut all = Vec::new();
    while let Some(frame) = frames.next()? {
        all.push((frame.position, frame.payload.to_vec()));
    }
    Ok(all)
}

fn poke(directory: &Path, position: u64, byte: u8) {
    let path = directory.join(segment_name(position / SEGMENT));
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    file.write_all_at(&[byte], position % SEGMENT).unwrap();
}

#[test]
fn frames_are_read_back_over_segments() {
    let written = written(40);
    assert_eq!(read(written.directory.path()).unwrap(), written.frames);
    assert!(written.frames.last().unwrap().0 / SEGMENT > 3);
}

#[test]
fn a_torn_last_frame_ends_the_journal_and_is_wiped() {
    for offset in [0, 5, 9, 17, 24, 100] {
        let mut written = written(10);
        let (position, _) = written.frames.pop().unwrap();
        poke(written.directory.path(), position + offset, 0xee);
        assert_eq!(read(written.directory.path()).unwrap(), written.frames, "torn at {offset}");
        let journal = Arc::new(Journal::open(written.directory.path(), SEGMENT).unwrap());
        let mut tail = journal.tail(position, 9).unwrap();
        let mut buffer = vec![3; FRAME_HEADER as usize + 8];
        tail.append(&journal, &mut buffer).unwrap();
        written.frames.push((position, vec![3; 8]));
        assert_eq!(read(written.directory.path()).unwrap(), written.frames, "torn at {offset}");
    }
}

#[test]
fn damage_before_the_end_names_file_and_offset() {
    for victim in [0, 4, 20] {
        let written = written(30);
        let (position, _) = written.frames[victim];
        poke(written.directory.path(), position + 30, 0xee);
        let error = read(written.directory.path()).unwrap_err().to_string();
        let expected =
            format!("journal/{} is damaged at byte {}", segment_name(position / SEGMENT), position % SEGMENT);
        assert!(error.starts_with(&expected), "{error}, expected {expected}");
    }
}

#[test]
fn missing_and_short_segments_are_named() {
    let whole = written(30);
    std::fs::remove_file(whole.directory.path().join(segment_name(1))).unwrap();
    assert!(
        matches!(read(whole.directory.path()), Ok(frames) if frames.len() < 30),
        "later segments cannot be told from none"
    );
    let short = written(30);
    let file = OpenOptions::new().write(true).open(short.directory.path().join(segment_name(0))).unwrap();
    file.set_len(3000).unwrap();
    assert!(matches!(read(short.directory.path()), Err(Error::Damaged { .. })));
    let first = written(30);
    std::fs::remove_file(first.directory.path().join(segment_name(0))).unwrap();
    assert!(matches!(read(first.directory.path()), Err(Error::Damaged { .. })));
}

#[test]
fn items_are_read_alone_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(directory.path(), SEGMENT).unwrap());
    let mut tail = journal.tail(journal.start(), 0).unwrap();
    let position = tail.payload_position(&journal, 100).unwrap();
    let mut buffer = vec![0; FRAME_HEADER as usize];
    let pointer = put_item(&mut buffer, position, 7, |out| out.extend_from_slice(b"content"));
    tail.append(&journal, &mut buffer).unwrap();
    assert_eq!(journal.item(pointer).unwrap(), (7, Bytes::from_static(b"content")));
    poke(directory.path(), position + 12, b'?');
    assert!(matches!(journal.item(pointer), Err(Error::Damaged { .. })));
}
