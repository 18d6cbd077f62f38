use proptest::prelude::*;

use super::*;
use crate::tree::root_of;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| Hash::leaf(&index.to_be_bytes())).collect()
}

fn root(leaves: &[Hash]) -> Hash {
    root_of(leaves).unwrap_or_else(Hash::empty_root)
}

#[test]
fn a_leaf_beyond_the_tree_has_no_proof() {
    let all = leaves(5);
    assert_eq!(inclusion(all.as_slice(), 5, 5).unwrap(), None);
    assert_eq!(consistency(all.as_slice(), 6, 5).unwrap(), None);
    assert_eq!(consistency(all.as_slice(), 0, 5).unwrap(), Some(Vec::new()));
    assert!(!verify_inclusion(all[0], 0, 0, Hash::empty_root(), &[]));
}

proptest! {
    #[test]
    fn an_inclusion_proof_verifies_iff_the_leaf_is_there(
        (size, index, other) in (1_u64..600).prop_flat_map(|size| (Just(size), 0..size, 0..size)),
    ) {
        let all = leaves(size);
        let proof = inclusion(all.as_slice(), index, size).unwrap().unwrap();
        let leaf = |index: u64| all[usize::try_from(index).unwrap()];
        prop_assert!(verify_inclusion(leaf(index), index, size, root(&all), &proof));
        prop_assert_eq!(verify_inclusion(leaf(other), index, size, root(&all), &proof), other == index);
        prop_assert_eq!(verify_inclusion(leaf(index), other, size, root(&all), &proof), other == index);
        prop_assert!(!verify_inclusion(Hash::leaf(b"not there"), index, size, root(&all), &proof));
        prop_assert!(!verify_inclusion(leaf(index), index, size + 1, root(&leaves(size + 1)), &proof));
    }

    #[test]
    fn a_changed_proof_does_not_verify(
        (size, index) in (2_u64..600).prop_flat_map(|size| (Just(size), 0..size)), at: prop::sample::Index, byte in 0_usize..32, bit in 0_u8..8,
    ) {
        let all = leaves(size);
        let leaf = all[usize::try_from(index).unwrap()];
        let mut proof = inclusion(all.as_slice(), index, size).unwrap().unwrap();
        let at = at.index(proof.len());
        let mut bytes = *proof[at].as_bytes();
        bytes[byte] ^= 1 << bit;
        let good = std::mem::replace(&mut proof[at], Hash::new(bytes));
        prop_assert!(!verify_inclusion(leaf, index, size, root(&all), &proof));
        proof[at] = good;
        proof.push(Hash::empty_root());
        prop_assert!(!verify_inclusion(leaf, index, size, root(&all), &proof));
        proof.truncate(proof.len() - 2);
        prop_assert!(!verify_inclusion(leaf, index, size, root(&all), &proof));
    }

    #[test]
    fn a_consistency_proof_verifies_iff_the_tree_grew(
        (new, old) in (1_u64..600).prop_flat_map(|new| (Just(new), 1..=new)), changed: prop::sample::Index,
    ) {
        let all = leaves(new);
        let before = root(&all[..usize::try_from(old).unwrap()]);
        let proof = consistency(all.as_slice(), old, new).unwrap().unwrap();
        prop_assert!(verify_consistency(old, before, new, root(&all), &proof));
        let mut rewritten = all.clone();
        let at = changed.index(usize::try_from(old).unwrap());
        rewritten[at] = Hash::leaf(b"rewritten");
        let other = consistency(rewritten.as_slice(), old, new).unwrap().unwrap();
        prop_assert!(!verify_consistency(old, before, new, root(&rewritten), &other));
        prop_assert!(!verify_consistency(old, before, new, root(&rewritten), &proof));
    }

    #[test]
    fn any_proof_is_answered(index: u64, old: u64, size: u64, count in 0_u64..70) {
        let proof = leaves(count);
        let hash = Hash::empty_root();
        let _ = verify_inclusion(hash, index, size, hash, &proof);
        let _ = verify_consistency(old, hash, size, hash, &proof);
    }
}
