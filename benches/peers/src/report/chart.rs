//! Pictures, as SVG.

use crate::measure::Spread;
use crate::peer::Peer;

pub(crate) struct Chart {
    title: String,
    peers: Vec<Peer>,
    groups: Vec<(String, Vec<(Peer, Spread)>)>,
}

impl Chart {
    /// Bars of each peer, in groups.
    pub(crate) fn bars(title: &str, peers: &[Peer]) -> Self {
        Self { title: title.to_owned(), peers: peers.to_vec(), groups: Vec::new() }
    }

    pub(crate) fn add(&mut self, group: &str, peer: Peer, value: Spread) {
        match self.groups.last_mut().filter(|(name, _)| name == group) {
            Some((_, bars)) => bars.push((peer, value)),
            None => self.groups.push((group.to_owned(), vec![(peer, value)])),
        }
    }

    pub(crate) fn to_svg(&self) -> String {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title></svg>\n", self.title)
    }
}
