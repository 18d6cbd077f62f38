//! The outside vectors: under `ledger/` of the folder that `$ANCHORLINE_CORPUS` names.
//!
//! Unset, each test says by name that it was skipped; set, the files must be there.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use crate::checkpoint::{Checkpoint, TrustedKeys};
use crate::note::{Algorithm, VerifierKey};
use crate::proof::{self, verify_consistency, verify_inclusion};
use crate::sign::{PublicKey, SigningKey};
use crate::text;
use crate::tile::{self, Kind, TileId};
use crate::tree::{self, Edge, Hash, Peaks};

#[cfg(feature = "ed25519")]
mod ed25519;

/// The corpus folder, or `None` after saying that `test` is skipped.
fn corpus(test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Not eprintln: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(folder).join("ledger"))
}

#[track_caller]
fn json<T: for<'de> Deserialize<'de>>(path: PathBuf) -> T {
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn exchange_leaf(index: u64) -> Vec<u8> {
    format!("exchange-{index}").into_bytes()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wycheproof {
    test_groups: Vec<WycheproofGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofGroup {
    public_key_pem: String,
    tests: Vec<WycheproofTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofTest {
    tc_id: u64,
    msg: String,
    sig: String,
    result: String,
}

#[test]
fn wycheproof_bitcoin_verdicts_hold() {
    let Some(corpus) = corpus("wycheproof_bitcoin_verdicts_hold") else { return };
    let set: Wycheproof = json(corpus.join("wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json"));
    let mut count = 0;
    for group in &set.test_groups {
        let key = PublicKey::from_pem(&group.public_key_pem).unwrap();
        for test in &group.tests {
            let verified = key.verifies(&bytes_of_hex(&test.msg), &bytes_of_hex(&test.sig));
            assert_eq!(verified, test.result == "valid", "tcId {}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 239);
}

#[test]
fn wycheproof_der_set_is_refused_where_invalid_and_where_s_is_high() {
    let Some(corpus) = corpus("wycheproof_der_set_is_refused_where_invalid_and_where_s_is_high") else { return };
    let set: Wycheproof = json(corpus.join("wycheproof/ecdsa_secp256k1_sha256_test.json"));
    let mut valid_but_high = 0;
    for group in &set.test_groups {
        let key = PublicKey::from_pem(&group.public_key_pem).unwrap();
        for test in &group.tests {
            let (message, der) = (bytes_of_hex(&test.msg), bytes_of_hex(&test.sig));
            let verified = key.verifies(&message, &der);
            assert!(!verified || test.result == "valid", "tcId {}", test.tc_id);
            if !verified && test.result == "valid" {
                let high = k256::ecdsa::Signature::from_der(&der).unwrap();
                assert_ne!(high.normalize_s(), high, "tcId {}", test.tc_id);
                assert!(key.verifies(&message, high.normalize_s().to_der().as_bytes()), "tcId {}", test.tc_id);
                valid_but_high += 1;
            }
        }
    }
    assert!(valid_but_high > 0);
}

#[derive(Deserialize)]
struct HmacSet {
    #[serde(rename = "testGroups")]
    groups: Vec<HmacGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HmacGroup {
    tag_size: usize,
    tests: Vec<HmacTest>,
}

#[derive(Deserialize)]
struct HmacTest {
    key: String,
    msg: String,
    tag: String,
    result: String,
}

#[test]
fn wycheproof_hmac_verdicts_hold_for_the_mac_commitments_use() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let Some(corpus) = corpus("wycheproof_hmac_verdicts_hold_for_the_mac_commitments_use") else { return };
    let set: HmacSet = json(corpus.join("wycheproof/hmac_sha256_test.json"));
    for group in set.groups {
        for test in group.tests {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&bytes_of_hex(&test.key)).unwrap();
            mac.update(&bytes_of_hex(&test.msg));
            let tag = mac.finalize().into_bytes();
            assert_eq!(tag[..group.tag_size / 8] == bytes_of_hex(&test.tag), test.result == "valid");
        }
    }
}

#[derive(Deserialize)]
struct CheckpointCases {
    public_key_sec1_compressed: String,
    secret_key_hex: String,
    cases: Vec<CheckpointCase>,
}

#[derive(Deserialize)]
struct CheckpointCase {
    case: String,
    body: String,
    der_hex: String,
    ecdsa_valid: bool,
    low_s: bool,
}

#[test]
fn secp256k1_checkpoints_verify_exactly_when_valid_with_low_s() {
    let Some(corpus) = corpus("secp256k1_checkpoints_verify_exactly_when_valid_with_low_s") else { return };
    let set: CheckpointCases = json(corpus.join("checkpoint-secp256k1/cases.json"));
    let secret: [u8; 32] = text::unhex(&set.secret_key_hex).unwrap();
    let signing = SigningKey::from_secret(&secret).unwrap();
    let pem = std::fs::read_to_string(corpus.join("checkpoint-secp256k1/key.pem")).unwrap();
    let key = PublicKey::from_pem(&pem).unwrap();
    assert_eq!(text::hex(&key.to_sec1()), set.public_key_sec1_compressed);
    assert_eq!(signing.public(), key);
    for case in &set.cases {
        let der = bytes_of_hex(&case.der_hex);
        let good = case.ecdsa_valid && case.low_s;
        assert_eq!(key.verifies(case.body.as_bytes(), &der), good, "{}", case.case);
        let checkpoint = Checkpoint::parse(&case.body).unwrap();
        let named = VerifierKey::new(&checkpoint.origin, Algorithm::Ecdsa(key)).unwrap();
        let note = format!("{}\n{}", case.body, crate::note::signature_line(named.name(), named.id(), &der));
        let mut keys = TrustedKeys::none();
        keys.add_file(&pem).unwrap();
        assert_eq!(keys.verify(note.as_bytes()).is_ok(), good, "{}", case.case);
        assert!(key.verifies(case.body.as_bytes(), &signing.sign(case.body.as_bytes())), "{}", case.case);
    }
    assert_eq!(set.cases.len(), 15);
}

fn hash_or_none(base64: &str) -> Option<Hash> {
    Hash::from_base64(base64)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InclusionProbe {
    name: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn inclusion_probes_are_judged_right() {
    let Some(corpus) = corpus("inclusion_probes_are_judged_right") else { return };
    let probes: Vec<InclusionProbe> = json(corpus.join("rfc6962/inclusion-probes.json"));
    for probe in &probes {
        // A hash of another length than 32 bytes cannot even be given to the verifier.
        let proof: Option<Vec<_>> = probe.proof.iter().flatten().map(|hash| hash_or_none(hash)).collect();
        let judged = match (hash_or_none(&probe.leaf_hash), hash_or_none(&probe.root), proof) {
            (Some(leaf), Some(root), Some(proof)) => {
                verify_inclusion(leaf, probe.leaf_idx, probe.tree_size, root, &proof)
            }
            _ => false,
        };
        assert_eq!(judged, !probe.want_err, "{}", probe.name);
    }
    assert_eq!(probes.len(), 46);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsistencyProbe {
    name: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn consistency_probes_are_judged_right() {
    let Some(corpus) = corpus("consistency_probes_are_judged_right") else { return };
    let probes: Vec<ConsistencyProbe> = json(corpus.join("rfc6962/consistency-probes.json"));
    for probe in &probes {
        let proof: Option<Vec<_>> = probe.proof.iter().flatten().map(|hash| hash_or_none(hash)).collect();
        // Some roots are words instead of hashes ("don't care"): any hash of them keeps equal equal.
        let root = |base64: &str| hash_or_none(base64).unwrap_or_else(|| Hash::of(base64.as_bytes()));
        let (old, new) = (root(&probe.root1), root(&probe.root2));
        let judged = proof.is_some_and(|proof| verify_consistency(probe.size1, old, probe.size2, new, &proof));
        assert_eq!(judged, !probe.want_err, "{}", probe.name);
    }
    assert_eq!(probes.len(), 49);
}

#[derive(Deserialize)]
struct ReferenceTree {
    leaves_hex: Vec<String>,
    roots_hex_by_size: Vec<String>,
    inclusion: Vec<InclusionRow>,
    consistency: Vec<ConsistencyRow>,
}

#[derive(Deserialize)]
struct InclusionRow {
    index: u64,
    size: u64,
    proof: Vec<String>,
}

#[derive(Deserialize)]
struct ConsistencyRow {
    size1: u64,
    size2: u64,
    proof: Vec<String>,
}

#[track_caller]
fn check_proofs(
    leaves: &[Hash],
    root: impl Fn(u64) -> Hash,
    inclusion: &[InclusionRow],
    consistency: &[ConsistencyRow],
) {
    let hashes = |proof: &[String]| proof.iter().map(|hash| Hash::from_hex(hash).unwrap()).collect::<Vec<_>>();
    for row in inclusion {
        let expected = hashes(&row.proof);
        let made = proof::inclusion(leaves, row.index, row.size).unwrap().unwrap();
        assert_eq!(made, expected, "inclusion of {} in {}", row.index, row.size);
        let leaf = leaves[usize::try_from(row.index).unwrap()];
        assert!(verify_inclusion(leaf, row.index, row.size, root(row.size), &expected));
    }
    for row in consistency {
        let expected = hashes(&row.proof);
        let made = proof::consistency(leaves, row.size1, row.size2).unwrap().unwrap();
        assert_eq!(made, expected, "consistency of {} and {}", row.size1, row.size2);
        assert!(verify_consistency(row.size1, root(row.size1), row.size2, root(row.size2), &expected));
    }
}

#[test]
fn the_reference_tree_has_its_well_known_roots_and_proofs() {
    let Some(corpus) = corpus("the_reference_tree_has_its_well_known_roots_and_proofs") else { return };
    let tree: ReferenceTree = json(corpus.join("rfc6962/ct-reference-tree.json"));
    let leaves: Vec<_> = tree.leaves_hex.iter().map(|leaf| Hash::leaf(&bytes_of_hex(leaf))).collect();
    let root = |size: u64| Hash::from_hex(&tree.roots_hex_by_size[usize::try_from(size).unwrap()]).unwrap();
    let mut peaks = Peaks::default();
    assert_eq!(peaks.root(), root(0));
    for (leaf, size) in leaves.iter().zip(1..) {
        peaks.push(*leaf);
        assert_eq!(peaks.root(), root(size));
    }
    check_proofs(&leaves, root, &tree.inclusion, &tree.consistency);
}

#[derive(Deserialize)]
struct Growth {
    roots: BTreeMap<u64, String>,
    inclusion: Vec<InclusionRow>,
    consistency: Vec<ConsistencyRow>,
}

#[test]
fn a_growing_tree_has_the_computed_roots_and_proofs() {
    let Some(corpus) = corpus("a_growing_tree_has_the_computed_roots_and_proofs") else { return };
    let growth: Growth = json(corpus.join("rfc6962/growth.json"));
    let largest = *growth.roots.keys().max().unwrap();
    let leaves: Vec<_> = (0..largest).map(|index| Hash::leaf(&exchange_leaf(index))).collect();
    let mut edge = Edge::default();
    assert_eq!(edge.root().to_hex(), growth.roots[&0]);
    for leaf in &leaves {
        edge.push(*leaf, &mut |_| ());
        if let Some(root) = growth.roots.get(&edge.size()) {
            assert_eq!(edge.root().to_hex(), *root, "size {}", edge.size());
        }
    }
    let root = |size: u64| tree::root_of(&leaves[..usize::try_from(size).unwrap()]).unwrap();
    check_proofs(&leaves, root, &growth.inclusion, &growth.consistency);
    assert_eq!((growth.inclusion.len(), growth.consistency.len()), (129, 329));
}

#[derive(Deserialize)]
struct TileDigests {
    trees: Vec<TileTree>,
}

#[derive(Deserialize)]
struct TileTree {
    size: u64,
    root: String,
    tiles_sha256: BTreeMap<String, String>,
}

#[test]
fn whole_trees_have_the_computed_tiles() {
    let Some(corpus) = corpus("whole_trees_have_the_computed_tiles") else { return };
    let set: TileDigests = json(corpus.join("tlog-tiles/tile-digests.json"));
    for tree in &set.trees {
        let mut files = BTreeMap::new();
        let mut bundle = Vec::new();
        let mut edge = Edge::default();
        for index in 0..tree.size {
            let entry = exchange_leaf(index);
            tile::push_entry(&mut bundle, &entry).unwrap();
            edge.push(Hash::leaf(&entry), &mut |full| {
                let tile = TileId::new(Kind::Hashes(full.level), full.index, 256).unwrap();
                files.insert(tile.to_string(), tile::hash_bytes(&full.hashes));
                if full.level == 0 {
                    let tile = TileId::new(Kind::Entries, full.index, 256).unwrap();
                    files.insert(tile.to_string(), std::mem::take(&mut bundle));
                }
            });
        }
        for tile in tile::tiles_of(tree.size).filter(|tile| !tile.is_full()) {
            let bytes = match tile.kind() {
                Kind::Entries => bundle.clone(),
                Kind::Hashes(level) => tile::hash_bytes(&edge.levels()[usize::from(level)]),
            };
            files.insert(tile.to_string(), bytes);
        }
        let named: Vec<_> = tile::tiles_of(tree.size).map(|tile| tile.to_string()).collect();
        assert_eq!(named.len(), tree.tiles_sha256.len(), "size {}", tree.size);
        let digests: BTreeMap<_, _> =
            files.iter().map(|(path, bytes)| (path.clone(), Hash::of(bytes).to_hex())).collect();
        assert_eq!(digests, tree.tiles_sha256, "size {}", tree.size);
        assert_eq!(edge.root().to_hex(), tree.root);
        for path in tree.tiles_sha256.keys() {
            assert_eq!(TileId::parse(path).unwrap().to_string(), *path);
        }
    }
    assert_eq!(tree::depth(70_000), 3);
}
