//! Clients that have said all that they have to say before servers change places, and read only then.

use tickwire::transport::LocalAddr;

use super::support::{Client, eventually};

/// Messages of one client. Their echoes are more than the kernel takes: most wait in the server.
const MESSAGE_COUNT: usize = 300;
const MESSAGE_LEN: usize = 16 * 1024;

/// Clients of which the server has everything, and which have nothing of it yet.
pub(crate) struct Letters {
    clients: Vec<Client>,
}

impl Letters {
    pub(crate) fn sent_to(address: &LocalAddr, client_count: usize) -> Self {
        let clients: Vec<_> = (0..client_count).map(|_| Client::connect(address)).collect();
        for number in 0..MESSAGE_COUNT {
            let message = message(number);
            clients.iter().for_each(|client| client.send_text(&message));
        }
        let LocalAddr::Tcp(address) = address else { panic!("not over TCP") };
        let connections = || Connection::at(address.port());
        // One after the other: what has left here may not be read there yet.
        eventually("all has left", || connections().all(|it| it.is_there || it.unsent_len == 0));
        eventually("all is read", || connections().all(|it| !it.is_there || it.unread_len == 0));
        Self { clients }
    }

    /// Reads: every message comes back to where it was sent, then the close frame, then the end.
    #[track_caller]
    pub(crate) fn expect_all_answered(self) {
        for mut client in self.clients {
            for number in 0..MESSAGE_COUNT {
                client.expect_text(&message(number));
            }
            client.expect_close(1001);
            client.close(1001, "");
            client.expect_end();
        }
    }
}

fn message(number: usize) -> String {
    format!("{number:0MESSAGE_LEN$}")
}

/// One side of a connection, as the kernel sees it.
struct Connection {
    /// The server's side.
    is_there: bool,
    /// Bytes that the other side's kernel has not taken yet.
    unsent_len: usize,
    /// Bytes that are here and not read yet.
    unread_len: usize,
}

impl Connection {
    /// Both sides of all connections to this port of the machine.
    fn at(port: u16) -> impl Iterator<Item = Self> {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's connections");
        let sides: Vec<_> =
            table.lines().skip(1).filter_map(|line| Self::read(line, port)).collect();
        sides.into_iter()
    }

    fn read(line: &str, port: u16) -> Option<Self> {
        const ESTABLISHED: &str = "01";
        let number = |digits: &str| usize::from_str_radix(digits, 16).expect("a number");
        let mut fields = line.split_whitespace().skip(1);
        let mut port_of_next = || {
            let (_, port) = fields.next()?.split_once(':')?;
            Some(number(port))
        };
        let (own, others) = (port_of_next()?, port_of_next()?);
        let (is_there, is_here) = (own == usize::from(port), others == usize::from(port));
        let is_open = fields.next()? == ESTABLISHED;
        let (unsent, unread) = fields.next()?.split_once(':')?;
        (is_open && (is_there || is_here)).then(|| Self {
            is_there,
            unsent_len: number(unsent),
            unread_len: number(unread),
        })
    }
}
