use super::*;
use crate::entry::Origin;
use crate::sign::SigningKey;

const MS: Duration = Duration::from_millis(1);

fn key() -> LogKey {
    LogKey::new(Origin::parse("log.example").unwrap(), SigningKey::from_secret(&[1; 32]).unwrap()).unwrap()
}

fn record(index: u64) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

fn with_records(max_records: usize, count: u64) -> Sequencer {
    let mut sequencer = Sequencer::new(Policy { max_records, interval: 50 * MS });
    (0..count).for_each(|index| sequencer.push(index, record(index), 10 * MS).unwrap());
    sequencer
}

fn seal(sequencer: &mut Sequencer) -> Option<SignedCheckpoint> {
    let sealing = sequencer.begin().unwrap().unwrap();
    let sealed = sequencer.sign(sealing.confirm_durable(), &key()).unwrap();
    let checkpoint = sealed.checkpoint().cloned();
    sequencer.commit(sealed, 20 * MS);
    checkpoint
}

#[test]
fn indices_are_dense() {
    let mut sequencer = with_records(10, 3);
    let gap = sequencer.push(4, record(4), MS).unwrap_err();
    assert!(matches!(gap, Error::Gap { expected: 3, found: 4 }), "{gap}");
    assert!(sequencer.push(2, record(2), MS).is_err());
    assert!(sequencer.push(3, Vec::new(), MS).is_err());
    assert!(sequencer.push(3, vec![0; 65_536], MS).is_err());
    sequencer.push(3, record(3), MS).unwrap();
    assert_eq!((sequencer.size(), sequencer.next_index()), (0, 4));
}

#[test]
fn a_seal_is_due_by_count_or_by_age() {
    assert_eq!(with_records(10, 0).due(MS), Due::Idle);
    assert_eq!(with_records(10, 1).due(11 * MS), Due::At(60 * MS));
    assert_eq!(with_records(10, 1).due(60 * MS), Due::Now);
    assert_eq!(with_records(3, 3).due(11 * MS), Due::Now);
}

#[test]
fn a_seal_takes_no_more_than_its_policy_says_and_the_rest_waits_on() {
    let mut sequencer = with_records(300, 700);
    let sizes: Vec<_> = (0..3).map(|_| seal(&mut sequencer).unwrap().size()).collect();
    assert_eq!(sizes, [300, 600, 700]);
    assert!(sequencer.begin().unwrap().is_none());
    assert_eq!(sequencer.due(Duration::MAX), Due::Idle);
}

#[test]
fn dropping_a_seal_at_any_step_leaves_everything_as_it_was() {
    let mut sequencer = with_records(300, 300);
    let first = sequencer.begin().unwrap().unwrap();
    let files = first.files().to_vec();
    drop(first);
    drop(sequencer.begin().unwrap().unwrap().confirm_durable());
    let sealing = sequencer.begin().unwrap().unwrap();
    assert_eq!(sealing.files(), files);
    let signed = sequencer.sign(sealing.confirm_durable(), &key()).unwrap();
    let note = signed.checkpoint().unwrap().note().to_owned();
    drop(signed);
    assert_eq!((sequencer.size(), sequencer.next_index()), (0, 300));
    assert_eq!(seal(&mut sequencer).unwrap().note(), note);
}

#[test]
fn a_seal_writes_the_tiles_that_changed_and_names_those_it_replaces() {
    let mut sequencer = with_records(250, 600);
    seal(&mut sequencer);
    let sealing = sequencer.begin().unwrap().unwrap();
    let paths: Vec<_> = sealing.files().iter().map(|file| file.tile.to_string()).collect();
    let written = ["tile/entries/000", "tile/0/000", "tile/0/001.p/244", "tile/1/000.p/1", "tile/entries/001.p/244"];
    assert_eq!(paths, written);
    let sealed = sequencer.sign(sealing.confirm_durable(), &key()).unwrap();
    let replaced: Vec<_> = sequencer.commit(sealed, MS).iter().map(ToString::to_string).collect();
    assert_eq!(replaced, ["tile/0/000.p/250", "tile/entries/000.p/250"]);
}

#[test]
fn records_fed_again_are_compared_and_not_signed_again() {
    let mut whole = with_records(1000, 300);
    let last = seal(&mut whole).unwrap();
    let mut again =
        Sequencer::resume(Policy { max_records: 200, interval: MS }, Edge::default(), Vec::new(), Some(last.clone()));
    assert!(again.is_catching_up());
    (0..310).for_each(|index| again.push(index, record(index), MS).unwrap());
    assert_eq!(again.due(Duration::ZERO), Due::Now);
    assert_eq!(seal(&mut again), None);
    assert_eq!(seal(&mut again), None);
    // The seal ended where the checkpoint does, so the rest is a new one.
    assert_eq!((again.size(), again.is_catching_up()), (300, false));
    assert_eq!(again.last(), Some(&last));
    assert_eq!(seal(&mut again).unwrap().size(), 310);
}

#[test]
fn other_records_than_those_sealed_are_not_signed() {
    let mut whole = with_records(1000, 3);
    let last = seal(&mut whole);
    let mut again = Sequencer::resume(Policy::default(), Edge::default(), Vec::new(), last);
    [1, 0, 2].iter().zip(0..).for_each(|(other, index)| again.push(index, record(*other), MS).unwrap());
    let sealing = again.begin().unwrap().unwrap();
    let refused = again.sign(sealing.confirm_durable(), &key()).unwrap_err();
    assert!(matches!(refused, Error::Disagrees(Refusal::Checkpoint { .. })), "{refused}");
}
