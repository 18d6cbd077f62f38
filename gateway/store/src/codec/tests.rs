use proptest::prelude::*;

use super::*;

fn check<T: Codec + PartialEq + std::fmt::Debug>(value: T) {
    let bytes = Bytes::from(value.encoded());
    for length in 0..bytes.len() {
        assert!(T::decoded(bytes.slice(..length)).is_err(), "{value:?} read from {length} of {} bytes", bytes.len());
    }
    assert_eq!(T::decoded(bytes), Ok(value));
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_no_prefix_is(number: u64, millis in -(1_i64 << 61)..(1_i64 << 61), text: String, list: Vec<Option<u32>>) {
        check(number);
        check(Instant::from_millis(millis));
        check((text, list));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = <(Vec<Option<String>>, Vec<Bytes>)>::decoded(Bytes::from(bytes));
    }
}

#[test]
fn a_number_of_more_than_64_bits_is_refused() {
    assert_eq!(u64::decoded(Bytes::from_static(&[0xff; 10])), Err(Malformed));
    check(u64::MAX);
}
