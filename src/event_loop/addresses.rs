//! How many connections come from where, counted over all loops.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

/// A connection that is counted: until this is dropped, or for as long as it [stays](Visit::stay).
#[derive(Debug)]
#[must_use = "a visit ends when it is dropped"]
pub(crate) struct Visit {
    addresses: Arc<Addresses>,
    place: Option<Place>,
}

/// Where a connection is counted, in four bytes. Give it back to [`Addresses::leave`].
#[derive(Debug)]
#[must_use = "whoever stays has to leave"]
pub(super) struct Place(NonZeroU32);

/// There are as many connections from there as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// The connections of each address. A lock, for a connection enters once and leaves once, on whatever
/// loop that is.
#[derive(Debug)]
pub(crate) struct Addresses {
    max_count: Option<u32>,
    counts_loopback: bool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Where each network is in `entries`. The hash is keyed: nobody can choose addresses that collide.
    slots: HashMap<Network, usize>,
    entries: Slab<Entry>,
}

#[derive(Debug)]
struct Entry {
    network: Network,
    count: u32,
}

/// What one client has for its own: an IPv4 address, or an IPv6 network of 64 bits, of which it can
/// take any address that it likes (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Addresses {
    pub(crate) fn new(max_count: Option<u32>, counts_loopback: bool) -> Self {
        Self { max_count, counts_loopback, table: Mutex::default() }
    }

    /// Counts a connection from `ip`, to be called once the client's address is known: at `accept`, or
    /// when a proxy has told it.
    pub(super) fn enter(self: &Arc<Self>, ip: Option<IpAddr>) -> Result<Visit, TooMany> {
        Ok(Visit { place: self.count(ip)?, addresses: self.clone() })
    }

    /// `None`: this one is not counted.
    fn count(&self, ip: Option<IpAddr>) -> Result<Option<Place>, TooMany> {
        let (Some(max_count), Some(ip)) = (self.max_count, ip.map(|ip| ip.to_canonical())) else {
            return Ok(None);
        };
        if ip.is_loopback() && !self.counts_loopback {
            return Ok(None);
        }
        let table = &mut *self.lock();
        let network = Network::of(ip);
        let slot = *table
            .slots
            .entry(network)
            .or_insert_with(|| table.entries.insert(Entry { network, count: 0 }));
        let entry = &mut table.entries[slot];
        // There are no more entries than connections, whose number 32 bits hold.
        let place = u32::try_from(slot).ok().and_then(|slot| NonZeroU32::new(slot + 1));
        if entry.count >= max_count {
            return Err(TooMany);
        }
        entry.count += u32::from(place.is_some());
        Ok(place.map(Place))
    }

    /// A connection is over that had stayed.
    pub(super) fn leave(&self, Place(place): Place) {
        let table = &mut *self.lock();
        let slot = place.get() as usize - 1;
        let Some(entry) = table.entries.get_mut(slot) else { return };
        entry.count -= 1;
        if entry.count == 0 {
            table.slots.remove(&table.entries.remove(slot).network);
        }
    }

    /// Networks that connections are counted of.
    pub(crate) fn network_count(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing here panics halfway.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// The connection has been taken in: whoever has it sees to it that it leaves.
    pub(super) fn stay(mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.addresses.leave(place);
        }
    }
}

impl Network {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(addresses: &Addresses, ip: &str) -> Result<Option<Place>, TooMany> {
        addresses.count(Some(ip.parse().expect("an address")))
    }

    /// Whether there is room for one more from `ip`, which stays.
    fn has_room(addresses: &Addresses, ip: &str) -> bool {
        enter(addresses, ip).is_ok()
    }

    #[test]
    fn each_address_has_its_own_count_and_each_ipv6_network() {
        let addresses = Addresses::new(Some(2), false);
        let cases = [
            ("192.0.2.1", [true, true, false]),
            ("192.0.2.2", [true, true, false]),
            ("::ffff:192.0.2.2", [false; 3]),
            ("2001:db8:1:2::1", [true, true, false]),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", [false; 3]),
            ("2001:db8:1:3::1", [true, true, false]),
        ];
        for (ip, expected) in cases {
            assert_eq!(expected.map(|_| has_room(&addresses, ip)), expected, "{ip}");
        }
        assert_eq!(addresses.network_count(), 4);
    }

    #[test]
    fn who_leaves_makes_room_and_leaves_nothing_behind() {
        let addresses = Addresses::new(Some(1), false);
        for ip in ["192.0.2.1", "2001:db8::1"] {
            let place = enter(&addresses, ip).expect("room").expect("is counted");
            assert_eq!(enter(&addresses, ip).unwrap_err(), TooMany);
            addresses.leave(place);
            let place = enter(&addresses, ip).expect("room again").expect("is counted");
            addresses.leave(place);
        }
        assert_eq!(addresses.network_count(), 0);
    }

    #[test]
    fn a_visit_ends_when_nobody_takes_it_in() {
        let addresses = Arc::new(Addresses::new(Some(1), false));
        let ip = "192.0.2.1".parse().ok();
        let visit = addresses.enter(ip).expect("room");
        assert!(addresses.enter(ip).is_err());
        drop(visit);
        let place = addresses.enter(ip).expect("room again").stay().expect("is counted");
        assert!(addresses.enter(ip).is_err());
        addresses.leave(place);
        assert_eq!(addresses.network_count(), 0);
    }

    #[test]
    fn who_is_not_counted() {
        let addresses = Addresses::new(Some(1), false);
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(matches!(enter(&addresses, ip), Ok(None)), "{ip}");
        }
        assert!(matches!(addresses.count(None), Ok(None)), "a Unix-domain socket");
        let unlimited = Addresses::new(None, true);
        assert!(matches!(enter(&unlimited, "192.0.2.1"), Ok(None)));
        let strict = Addresses::new(Some(1), true);
        assert!(has_room(&strict, "127.0.0.1") && !has_room(&strict, "127.0.0.1"));
        assert!(has_room(&strict, "127.0.0.2"));
    }
}
