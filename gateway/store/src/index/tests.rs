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
