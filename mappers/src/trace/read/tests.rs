use formats::hl7v2::{Message, Place};

use super::push_piece;

#[test]
fn places_are_written_as_they_print() {
    let text = "MSH|^~\\&|A^B&C\rPID|||1^^^X&Y~2||N^M\rOBX|1\rOBX|2||a&b\r";
    let message = Message::parse(text.as_bytes()).unwrap().message;
    let places: Vec<Place> =
        message.segments().flat_map(|s| s.leaves().map(|leaf| leaf.place).collect::<Vec<_>>()).collect();
    assert!(places.len() > 10);
    for place in message.segments().map(|segment| segment.place()).chain(places) {
        let mut out = String::new();
        push_piece(&mut out, &place);
        assert_eq!(out, place.to_string());
    }
}
