use std::io::IoSlice;

use bytes::Bytes;

use super::WriteQueue;
use super::queue::MAX_URGENT_LEN;

/// Units of the tests: a length byte (of the whole unit) and filler.
pub(super) fn unit(len: u8, filler: u8) -> Vec<u8> {
    let mut unit = vec![filler; usize::from(len)];
    unit[0] = len;
    unit
}

pub(super) fn find_boundary(units: &[u8], offset: usize) -> usize {
    let mut at = 0;
    while at < offset {
        at += usize::from(units[at]);
    }
    at
}

pub(super) fn queue() -> WriteQueue {
    WriteQueue::new(find_boundary)
}

fn publish(queue: &mut WriteQueue, units: &'static [u8], owner: u64, count: u32, at: u32) {
    queue.push_publication(&Bytes::from_static(units), 0, owner, count, at);
}

/// Writes up to `most` bytes, as a socket would that takes no more.
pub(super) fn send(queue: &mut WriteQueue, most: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 3];
    let count = queue.fill_slices(&mut slices);
    let offered = slices[..count].iter().flat_map(|slice| slice.iter().copied());
    let sent: Vec<u8> = offered.take(most).collect();
    queue.advance(sent.len());
    sent
}

pub(super) fn drain(queue: &mut WriteQueue, step: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while !queue.is_empty() {
        let sent = send(queue, step);
        assert!(!sent.is_empty(), "an unempty queue has bytes to send");
        out.extend(sent);
    }
    out
}

/// All that waits, in the order in which it would leave.
pub(super) fn contents(queue: &WriteQueue) -> Vec<u8> {
    let mut slices = vec![IoSlice::new(&[]); 1000];
    let count = queue.fill_slices(&mut slices);
    assert!(count < slices.len() && slices[..count].iter().all(|slice| !slice.is_empty()));
    slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
}

#[test]
fn keeps_order_over_every_kind_of_segment_and_step() {
    for step in 1..40 {
        let mut queue = queue();
        queue.push_opaque(b"HTTP/1.1 101\r\n\r\n".to_vec(), 0, 0);
        queue.push_direct(b"\x03ab", 0, 0);
        queue.push_direct(b"\x03cd", 0, 0);
        queue.push_direct_shared(&Bytes::from(unit(200, 7).repeat(6)), 0, 0);
        queue.push_split(b"\x06\x04", Bytes::from_static(b"1234"), 0, 0);
        queue.push_direct(b"\x02!", 0, 0);
        let shared = unit(200, 7).repeat(6);
        let expected =
            [b"HTTP/1.1 101\r\n\r\n\x03ab\x03cd", &shared[..], b"\x06\x041234\x02!"].concat();
        assert_eq!(queue.len(), expected.len());
        assert_eq!(drain(&mut queue, step), expected, "step {step}");
        assert_eq!(queue.len(), 0);
    }
}

#[test]
fn half_sent_pieces_continue_where_they_stopped() {
    let mut queue = queue();
    queue.push_direct(b"\x03ab\x03cd", 2, 0);
    assert_eq!(drain(&mut queue, 100), b"b\x03cd");
    queue.push_direct_shared(&Bytes::from_static(b"\x05wxyz"), 4, 0);
    assert_eq!(drain(&mut queue, 100), b"z");
    queue.push_split(b"\x06\x04", Bytes::from_static(b"1234"), 3, 0);
    assert_eq!(drain(&mut queue, 100), b"234");
    queue.push_opaque(b"HTTP".to_vec(), 3, 0);
    assert_eq!(drain(&mut queue, 100), b"P");
}

#[test]
fn urgent_units_go_in_at_the_next_boundary_in_order() {
    for written in 0..=9 {
        let mut queue = queue();
        queue.push_direct(b"\x03ab\x03cd\x03ef", 0, 0);
        let mut out = send(&mut queue, written);
        queue.push_urgent(b"\x02P", 0);
        queue.push_urgent(b"\x02Q", 0);
        out.extend(drain(&mut queue, 1000));
        let units: &[&[u8]] = &[b"\x03ab", b"\x03cd", b"\x03ef"];
        let before = written.div_ceil(3);
        let mut expected = units[..before].concat();
        expected.extend_from_slice(b"\x02P\x02Q");
        expected.extend(units[before..].concat());
        assert_eq!(out, expected, "after {written} bytes");
    }
}

#[test]
fn direct_units_go_in_between_publications_that_were_joined() {
    for written in 0..=9 {
        let mut queue = queue();
        publish(&mut queue, b"\x03ab\x03cd\x03ef", 1, 3, 0);
        let mut out = send(&mut queue, written);
        queue.push_direct(b"\x02D", 0, 0);
        queue.push_urgent(b"\x02P", 0);
        queue.push_direct(b"\x02E", 0, 0);
        out.extend(drain(&mut queue, 1000));
        let units: &[&[u8]] = &[b"\x03ab", b"\x03cd", b"\x03ef"];
        let before = written.div_ceil(3);
        let expected =
            [&units[..before].concat()[..], b"\x02P\x02D\x02E", &units[before..].concat()].concat();
        assert_eq!(out, expected, "after {written} bytes");
    }
}

#[test]
fn urgent_units_wait_for_the_end_of_one_that_has_no_inner_boundary() {
    let mut queue = queue();
    queue.push_split(b"\x05w", Bytes::from_static(b"xyz"), 2, 0);
    queue.push_direct(b"\x03ab", 0, 0);
    queue.push_urgent(b"\x02P", 0);
    assert_eq!(drain(&mut queue, 1), b"xyz\x02P\x03ab");
}

#[test]
fn no_control_frame_goes_before_the_response_that_opens_the_connection() {
    for written in 0..3 {
        let mut queue = queue();
        queue.push_opaque(b"HTTP".to_vec(), written, 0);
        queue.push_urgent(b"\x02P", 0);
        assert_eq!(drain(&mut queue, 1), [&b"HTTP"[written..], b"\x02P"].concat());
    }
}

#[test]
fn a_close_frame_goes_behind_everything_and_ends_the_queue() {
    let mut queue = queue();
    queue.push_direct(b"\x02D", 0, 0);
    publish(&mut queue, b"\x03ab", 1, 1, 0);
    queue.push_last(b"\x02E\x02C", 0, 0);
    assert_eq!(send(&mut queue, 6), b"\x02D\x03ab\x02");
    queue.push_urgent(b"\x02P", 0);
    assert_eq!(contents(&queue), b"E\x02P\x02C", "there is a boundary before the close frame");
    assert_eq!(send(&mut queue, 4), b"E\x02P\x02");
    queue.push_urgent(b"\x02Q", 0);
    assert_eq!(drain(&mut queue, 1), b"C", "nothing follows a close frame");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "only urgent units")]
fn nothing_but_urgent_units_is_pushed_once_there_is_a_close_frame() {
    let mut queue = queue();
    queue.push_last(b"\x02C", 0, 0);
    queue.push_direct(b"\x02D", 0, 0);
}

#[test]
fn a_flood_of_urgent_units_stays_bounded_and_keeps_the_latest() {
    let mut queue = queue();
    queue.push_direct_shared(&Bytes::from(unit(100, 1)), 1, 0);
    for i in 0..10_000_u32 {
        queue.push_urgent(&unit(100, i as u8), 0);
        assert!(queue.len() <= 99 + MAX_URGENT_LEN);
    }
    let out = drain(&mut queue, 4096);
    assert!(out.ends_with(&unit(100, 9_999_u32 as u8)));
}

#[test]
fn a_flood_behind_an_urgent_unit_that_is_leaving_stays_bounded_too() {
    let mut queue = queue();
    queue.push_urgent(&unit(100, 1), 0);
    for i in 0..10_000_u32 {
        if i % 7 == 0 {
            assert_eq!(send(&mut queue, 1).len(), 1);
        }
        queue.push_urgent(&unit(100, i as u8), 0);
        assert!(queue.len() <= 100 + MAX_URGENT_LEN);
    }
    assert!(drain(&mut queue, 4096).ends_with(&unit(100, 9_999_u32 as u8)));
}

#[test]
fn clearing_forgets_a_half_sent_unit_and_a_close_frame() {
    let mut queue = queue();
    queue.push_direct(b"\x03ab", 1, 0);
    queue.push_last(b"\x02C", 0, 0);
    queue.clear();
    assert!(queue.is_empty() && queue.oldest_at(0).is_none());
    queue.push_direct(b"\x02!", 0, 0);
    assert_eq!(drain(&mut queue, 10), b"\x02!");
}

#[test]
fn expired_publications_are_dropped_and_what_has_begun_is_not() {
    let mut queue = queue();
    publish(&mut queue, b"\x03ab\x03cd\x03ef", 7, 3, 10);
    publish(&mut queue, b"\x03gh", 8, 1, 10);
    publish(&mut queue, b"\x03ij", 7, 1, 11);
    queue.push_last(b"\x02C", 0, 12);
    assert_eq!(send(&mut queue, 4), b"\x03ab\x03");
    let mut counts = Vec::new();
    let old = |owner, at| owner == 7 && at == 10;
    let len = queue.drop_publications(old, |owner, count| counts.push((owner, count)));
    assert_eq!((len, queue.len()), (3, 10));
    assert_eq!(counts, [(7, 1)], "two of three are on their way");
    assert_eq!(drain(&mut queue, 1), b"cd\x03gh\x03ij\x02C");
}

#[test]
fn what_is_not_counted_is_not_packed_with_what_is() {
    let mut queue = queue();
    publish(&mut queue, b"\x03ab", 7, 1, 10);
    publish(&mut queue, b"\x02N", 7, 0, 10);
    publish(&mut queue, b"\x03cd", 7, 1, 10);
    let mut dropped = 0;
    assert_eq!(send(&mut queue, 1), b"\x03");
    assert_eq!(queue.drop_publications(|_, _| true, |_, count| dropped += count), 5);
    assert_eq!(dropped, 1);
}

#[test]
fn dropping_all_that_waits_leaves_an_empty_queue() {
    let mut queue = queue();
    for at in 0..1000 {
        publish(&mut queue, b"\x03ab", 7, 1, at);
    }
    assert_eq!(queue.drop_publications(|_, _| true, |_, _| {}), 3000);
    assert!(queue.is_empty());
    assert_eq!(contents(&queue), b"");
}

#[test]
fn dropping_the_rest_of_what_was_leaving_leaves_an_empty_queue() {
    let mut queue = queue();
    publish(&mut queue, b"\x03ab\x03cd", 7, 2, 5);
    assert_eq!(send(&mut queue, 3), b"\x03ab");
    assert_eq!(queue.drop_publications(|_, _| true, |_, count| assert_eq!(count, 1)), 3);
    assert!(queue.is_empty() && queue.oldest_at(9).is_none(), "nothing was half sent");
    queue.push_opaque(b"HTTP".to_vec(), 0, 9);
    queue.push_urgent(b"\x02P", 9);
    assert_eq!(drain(&mut queue, 1), b"HTTP\x02P");
}

#[test]
fn the_oldest_is_found_among_all_classes_and_over_the_wrap_of_the_clock() {
    let before_wrap = u32::MAX - 5;
    let mut queue = queue();
    assert_eq!(queue.oldest_at(3), None);
    publish(&mut queue, b"\x03ab", 1, 1, before_wrap);
    publish(&mut queue, b"\x03cd", 1, 1, before_wrap + 1);
    queue.push_direct(b"\x02D", 0, 1);
    queue.push_urgent(b"\x02P", 2);
    assert_eq!(queue.oldest_at(3), Some(before_wrap));
    send(&mut queue, 7);
    assert_eq!(queue.oldest_at(3), Some(before_wrap + 1));
    publish(&mut queue, b"\x03ef", 1, 1, 3);
    send(&mut queue, 1);
    assert_eq!(queue.oldest_at(3), Some(before_wrap + 1), "what is leaving counts");
    send(&mut queue, 2);
    assert_eq!(queue.oldest_at(3), Some(3));
}

#[test]
fn repeated_small_publications_share_a_slice() {
    let mut queue = queue();
    for _ in 0..100 {
        publish(&mut queue, b"\x03ab", 1, 1, 5);
    }
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(queue.fill_slices(&mut slices), 1);
    publish(&mut queue, b"\x03ab", 1, 1, 6);
    publish(&mut queue, b"\x03ab", 2, 1, 6);
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(queue.fill_slices(&mut slices), 3, "other times and owners are kept apart");
}

#[test]
fn an_adopted_buffer_is_written_in_its_place_and_given_back() {
    let mut queue = queue();
    assert_eq!(queue.adopt(vec![1]), Err(vec![1]), "nothing waits for it");
    queue.push_adopted(b"\x04", 2..5, 2, 0);
    queue.push_direct(b"\x02b", 0, 0);
    assert_eq!(queue.len(), 2 + 2);
    assert_eq!(queue.adopt(b"abcd".to_vec()), Err(b"abcd".to_vec()), "too short");
    assert_eq!(queue.adopt(b"abcdef".to_vec()), Ok(()));
    assert_eq!(send(&mut queue, 1), b"d");
    assert_eq!(queue.take_spent(), None);
    assert_eq!(send(&mut queue, 100), b"e\x02b");
    assert_eq!(queue.take_spent().as_deref(), Some(&b"abcdef"[..]));
    assert_eq!(queue.take_spent(), None);
}
