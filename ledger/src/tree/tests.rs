use proptest::prelude::*;

use super::*;

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| Hash::leaf(format!("leaf {index}").as_bytes())).collect()
}

/// MTH straight from the definition of RFC 6962, section 2.1.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => Hash::empty_root(),
        1 => leaves[0],
        n => {
            let k = (n - 1).next_power_of_two() >> usize::from(!(n - 1).is_power_of_two());
            Hash::node(&defined_root(&leaves[..k]), &defined_root(&leaves[k..]))
        }
    }
}

#[test]
fn hashes_have_one_hexadecimal_and_one_base64_form() {
    let hash = Hash::leaf(b"");
    assert_eq!(hash.to_hex(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
    assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
    assert_eq!(Hash::from_hex(&hash.to_hex().to_uppercase()), None);
    assert_eq!(Hash::from_hex("6e34"), None);
    assert_eq!(Hash::from_base64("bjQ="), None);
}

#[test]
fn an_edge_is_taken_up_again_from_its_levels() {
    let mut edge = Edge::default();
    let all = leaves(70_003);
    let mut full = Vec::new();
    all.iter().for_each(|leaf| edge.push(*leaf, &mut |tile| full.push((tile.level, tile.index))));
    assert_eq!(full.iter().filter(|(level, _)| *level == 0).count(), 273);
    assert_eq!(full.iter().filter(|(level, _)| *level == 1).collect::<Vec<_>>(), [&(1, 0)]);
    let again = Edge::from_levels(edge.size(), edge.levels().to_vec()).unwrap();
    assert_eq!(again.root(), root_of(&all).unwrap());
    assert_eq!(Edge::from_levels(edge.size() + 1, edge.levels().to_vec()), None);
}

proptest! {
    #[test]
    fn edge_and_peaks_have_the_defined_root(count in 0_usize..700) {
        let all = leaves(count);
        let mut edge = Edge::default();
        let mut peaks = Peaks::default();
        for leaf in &all {
            edge.push(*leaf, &mut |_| ());
            peaks.push(*leaf);
        }
        prop_assert_eq!(edge.root(), defined_root(&all));
        prop_assert_eq!(peaks.root(), defined_root(&all));
        prop_assert_eq!(peaks.count(), edge.size());
    }
}
