use proptest::prelude::*;

use super::*;

fn index(directory: &std::path::Path) -> Index {
    let opened = OpenIndex::open(directory, [7; 16], 1 << 20, Duration::from_secs(20)).unwrap();
    Index::new(Engine::new([7; 16], opened), 1 << 20, Rules::default())
}

fn applied(position: u64) -> Applied {
    Applied { position, sequence: 0, last: 0, at: model::time::Instant::from_millis(0) }
}

fn walked(index: &Index, prefix: &[u8], after: Option<&[u8]>, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    index
        .walk(prefix, after, direction, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(Flow::On)
        })
        .unwrap();
    rows
}

#[derive(Debug, Clone)]
enum Step {
    Put(u16, Option<u8>),
    MoveDown,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![30 => (0_u16..600, any::<Option<u8>>()).prop_map(|(key, value)| Step::Put(key, value)), 1 => Just(Step::MoveDown)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn layers_read_as_one_map(steps in proptest::collection::vec(step(), 1..1500), from in 0_u16..600) {
        let directory = tempfile::tempdir().unwrap();
        let index = index(directory.path());
        let mut map = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    let key = [b"a", &key.to_be_bytes()[..]].concat();
                    let row = value.map(|value| vec![value]);
                    index.put(Rows::from([(IVec::from(&key[..]), row.clone().map(IVec::from))]), applied(1));
                    match row {
                        Some(row) => map.insert(key, row),
                        None => map.remove(&key),
                    };
                }
                Step::MoveDown => index.move_down().unwrap(),
            }
        }
        let up: Vec<_> = map.clone().into_iter().collect();
        let mut down = up.clone();
        down.reverse();
        prop_assert_eq!(walked(&index, b"a", None, Direction::Up), up);
        prop_assert_eq!(&walked(&index, b"a", None, Direction::Down), &down);
        let from = [b"a", &from.to_be_bytes()[..]].concat();
        down.retain(|(key, _)| *key < from);
        prop_assert_eq!(walked(&index, b"a", Some(&from), Direction::Down), down);
        for (key, value) in &map {
            let row = index.get(key).unwrap();
            prop_assert_eq!(row.as_deref(), Some(&value[..]));
        }
    }
}

#[test]
fn an_index_of_another_journal_is_left_aside() {
    let directory = tempfile::tempdir().unwrap();
    let first = index(directory.path());
    first.put(Rows::from([(IVec::from(b"a"), Some(IVec::from(b"1")))]), applied(9));
    first.move_down().unwrap();
    drop(first);
    let same = OpenIndex::open(directory.path(), [7; 16], 1 << 20, Duration::from_secs(20)).unwrap();
    assert_eq!(same.applied, Some(applied(9)));
    drop(same);
    let other = OpenIndex::open(directory.path(), [8; 16], 1 << 20, Duration::from_secs(20)).unwrap();
    assert_eq!(other.applied, None);
}

#[test]
fn a_kept_list_is_dropped_by_what_is_written_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let index = index(directory.path());
    let list = keys::term_is("Basic", 7, b"a");
    let put = |position: u64, value: Option<&[u8]>| {
        let key = keys::posting("Basic", 7, b"a", position);
        index.put(Rows::from([(IVec::from(key), value.map(IVec::from))]), applied(position));
    };
    let read = || match index.listed(&list) {
        Listed::Whole(whole) => {
            Err(whole.rows().map(|(position, value)| (position, value.to_vec())).collect::<Vec<_>>())
        }
        Listed::Unknown(ticket) => Ok(ticket),
    };
    let whole = || {
        let mut whole = Whole::default();
        index
            .walk(&list, None, Direction::Down, &mut |key, value| {
                whole.push(key, value);
                Ok(Flow::On)
            })
            .unwrap();
        whole.reversed()
    };
    put(1, Some(b"one"));
    put(2, Some(b""));
    let ticket = read().unwrap();
    index.keep(&list, &ticket, whole());
    assert_eq!(read().err(), Some(vec![(1, b"one".to_vec()), (2, Vec::new())]));
    // Another list's row leaves it; its own drops it, be it put or deleted.
    index.put(Rows::from([(keys::posting("Basic", 7, b"ab", 3).into(), Some(IVec::default()))]), applied(3));
    assert!(read().is_err());
    put(1, None);
    let ticket = read().unwrap();
    let before = whole();
    // Read before, and written to meanwhile: not kept.
    put(4, Some(b"four"));
    index.keep(&list, &ticket, before);
    let ticket = read().unwrap();
    index.keep(&list, &ticket, whole());
    assert_eq!(read().err(), Some(vec![(2, Vec::new()), (4, b"four".to_vec())]));
    index.move_down().unwrap();
    assert!(read().is_err());
}

#[test]
fn lists_are_kept_within_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let index = index(directory.path());
    for number in 0..2_000_u32 {
        let list = keys::term_is("Basic", number, b"a");
        let Listed::Unknown(ticket) = index.listed(&list) else { panic!("never read before") };
        let mut whole = Whole::default();
        whole.push(&keys::posting("Basic", number, b"a", 1), &[0; 64]);
        index.keep(&list, &ticket, whole);
    }
    let kept = (0..2_000_u32)
        .filter(|number| matches!(index.listed(&keys::term_is("Basic", *number, b"a")), Listed::Whole(_)));
    // A quarter of a MiB at the least; one takes some 250 bytes.
    assert!((100..1_200).contains(&kept.count()));
}
