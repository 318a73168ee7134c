use proptest::prelude::*;

use super::{apply_mask, rotate_key, scalar};

fn oracle(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut expected = payload.to_vec();
    scalar::apply_mask(&mut expected, key);
    expected
}

#[test]
fn rfc_6455_sample_hello() {
    // RFC 6455 §5.7: a single-frame masked text message that contains "Hello".
    let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    apply_mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
    assert_eq!(&payload, b"Hello");
}

#[test]
fn every_length_and_alignment_agrees_with_the_oracle() {
    let bytes: Vec<u8> = (0..700_u32).map(|i| (i * 7 % 251) as u8).collect();
    let key = [0xa1, 0x02, 0xff, 0x5c];
    for start in 0..33 {
        for len in 0..=600 {
            let mut payload = bytes.clone();
            apply_mask(&mut payload[start..start + len], key);
            assert_eq!(payload[..start], bytes[..start], "bytes before are untouched");
            assert_eq!(payload[start..start + len], oracle(&bytes[start..start + len], key)[..]);
            assert_eq!(payload[start + len..], bytes[start + len..], "bytes after are untouched");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_vector_path_agrees_below_the_dispatch_threshold_too() {
    let Some(avx2) = super::avx2::Avx2::detect() else { return };
    for len in 0..300 {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut payload = bytes.clone();
        avx2.apply_mask(&mut payload, [9, 8, 7, 6]);
        assert_eq!(payload, oracle(&bytes, [9, 8, 7, 6]));
    }
}

proptest! {
    #[test]
    fn any_payload_agrees_with_the_oracle(
        bytes in proptest::collection::vec(any::<u8>(), 0..5000),
        key in any::<[u8; 4]>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let expected = oracle(&bytes, key);

        let mut whole = bytes.clone();
        apply_mask(&mut whole, key);
        prop_assert_eq!(&whole, &expected);

        let mut words = bytes.clone();
        scalar::apply_mask_by_words(&mut words, key);
        prop_assert_eq!(&words, &expected);

        let mut pieces = bytes.clone();
        let cut = cut.index(bytes.len() + 1);
        let (first, second) = pieces.split_at_mut(cut);
        apply_mask(first, key);
        apply_mask(second, rotate_key(key, cut));
        prop_assert_eq!(&pieces, &expected);

        apply_mask(&mut whole, key);
        prop_assert_eq!(whole, bytes, "masking twice gives the payload back");
    }
}
