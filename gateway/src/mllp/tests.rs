mod conversations;

use std::sync::Arc;
use std::time::Duration;

use super::places::Places;
use super::shelf::{Shelf, ShelfError};
use super::turns::Turns;

#[tokio::test]
async fn a_shelf_keeps_what_was_put_and_forgets_what_was_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let shelf = Shelf::<i64>::open(Some(file.clone()), 10).unwrap();
    shelf.put("a", 1).await.unwrap();
    shelf.put("b", 2).await.unwrap();
    shelf.put("a", 3).await.unwrap();
    shelf.remove("b").await.unwrap();
    drop(shelf);
    let shelf = Shelf::<i64>::open(Some(file.clone()), 10).unwrap();
    assert_eq!((shelf.get("a"), shelf.get("b")), (Some(3), None));
    // The rest of a line that a power cut left, and then more.
    drop(shelf);
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"key\":\"c\",\"val");
    std::fs::write(&file, text).unwrap();
    let shelf = Shelf::<i64>::open(Some(file.clone()), 10).unwrap();
    shelf.put("d", 4).await.unwrap();
    drop(shelf);
    let shelf = Shelf::<i64>::open(Some(file), 10).unwrap();
    assert_eq!((shelf.get("a"), shelf.get("c"), shelf.get("d")), (Some(3), None, Some(4)));
}

#[tokio::test]
async fn a_shelf_is_bounded_and_its_file_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let shelf = Shelf::<i64>::open(Some(file.clone()), 2).unwrap();
    shelf.put("a", 0).await.unwrap();
    shelf.put("b", 0).await.unwrap();
    assert!(matches!(shelf.put("c", 0).await, Err(ShelfError::Full)));
    for number in 0..1100 {
        shelf.put("a", number).await.unwrap();
    }
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    assert!(lines < 1100, "{lines}");
    assert_eq!(Shelf::<i64>::open(Some(file), 2).unwrap().get("a"), Some(1099));
}

#[tokio::test]
async fn a_sender_is_served_in_the_order_of_asking_and_waits_no_longer_than_it_may() {
    let turns = Arc::new(Turns::default());
    let first = turns.hold("a", Duration::from_secs(5)).await.unwrap();
    let (said, mut heard) = tokio::sync::mpsc::channel(10);
    for number in 0..5 {
        let (waiting, said) = (turns.clone(), said.clone());
        tokio::spawn(async move {
            let turn = waiting.hold("a", Duration::from_secs(5)).await;
            said.send(number).await.unwrap();
            drop(turn);
        });
        // Asked, before the next one asks.
        tokio::task::yield_now().await;
    }
    assert!(turns.hold("b", Duration::from_millis(1)).await.is_some());
    assert!(turns.hold("a", Duration::from_millis(1)).await.is_none());
    drop(first);
    for number in 0..5 {
        assert_eq!(heard.recv().await, Some(number));
    }
}

#[test]
fn a_place_is_free_again_when_it_is_left() {
    let places = Places::default();
    let (one, two) = (places.take("a", 2), places.take("a", 2));
    assert!(one.is_some() && two.is_some() && places.take("a", 2).is_none());
    assert!(places.take("b", 1).is_some());
    drop(one);
    assert!(places.take("a", 2).is_some());
}
