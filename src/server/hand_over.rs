//! How a server is succeeded by another process: settings, and the successor's side.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Error, Result};
use crate::transport::{Inherited, Relief, receive_listeners, relieve};

/// How long the other process may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Successors that may wait at once.
const BACKLOG: i32 = 128;

/// How a server is replaced while its clients stay served; see
/// [`Builder::hand_over`](super::Builder::hand_over).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    pub(super) path: PathBuf,
    pub(super) window: Duration,
    pub(super) deadline: Duration,
    pub(super) patience: Duration,
}

impl HandOver {
    /// Successors come to the Unix-domain socket at `path`. It is made for this user alone, and should
    /// lie in a directory that nobody else can write to: whoever answers there hands sockets over.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            path,
            window: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            patience: Duration::from_secs(60),
        }
    }

    /// Once succeeded, the server closes its connections with 1001 one after another, spread over this
    /// time: so the successor gets its clients bit by bit. Default: 10 s.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// How long clients may take then to answer the close frame and to read what waits for them.
    /// Default: 30 s.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How long a successor may take from when it has the sockets to when it accepts connections. Beyond, the
    /// server goes on as if nobody had come, and the successor, which is told so, does not start. Default: 60 s.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

/// The server that is to be succeeded.
#[derive(Debug)]
pub(super) struct Predecessor {
    path: PathBuf,
    stream: UnixStream,
    /// Where it waits for successors: this server does so from now on.
    pub(super) listener: UnixListener,
}

impl Predecessor {
    /// Gets the listeners of the server that runs, if there is one.
    pub(super) fn find(path: &Path, inherited: &mut Inherited) -> Result<Option<Self>> {
        let wrong = |error| Error::hand_over(path, error);
        let start = Instant::now();
        loop {
            let stream = match UnixStream::connect(path) {
                // There is none, or none any more.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    ) =>
                {
                    return Ok(None);
                }
                stream => stream.map_err(wrong)?,
            };
            stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
            if let Some(listeners) = receive_listeners(&stream).map_err(wrong)? {
                // Until it accepts no more they are its own.
                inherited.files().share();
                let mut listeners = listeners.into_iter();
                let listener = listeners.next().map(UnixListener::from);
                listeners
                    .try_for_each(|listener| inherited.add_with_file(listener))
                    .map_err(wrong)?;
                let none = || io::Error::other("the predecessor has handed nothing over");
                return Ok(Some(Self {
                    path: path.to_owned(),
                    stream,
                    listener: listener.ok_or_else(none).map_err(wrong)?,
                }));
            }
            // It ends, or another successor was quicker.
            if start.elapsed() > PATIENCE {
                return Err(wrong(ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Connections are accepted here: it can go.
    pub(super) fn relieve(self) -> Result<()> {
        match relieve(&self.stream) {
            Ok(Relief::Done) => {}
            Ok(Relief::TooLate) => {
                let message = "the predecessor has waited for too long and goes on: start again";
                return Err(Error::hand_over(
                    &self.path,
                    io::Error::new(ErrorKind::TimedOut, message),
                ));
            }
            Err(error) => log::warn!("the predecessor has gone before it was relieved: {error}"),
        }
        Ok(())
    }
}

/// Where the first of a line of servers waits for its successor.
pub(super) fn wait_for_successors(path: &Path) -> Result<UnixListener> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let listen = || {
        let _ = std::fs::remove_file(&unfinished);
        let socket = bind(&unfinished)?;
        let listener = listen_for_this_user(socket, &unfinished)?;
        std::fs::rename(&unfinished, path)?;
        Ok(listener)
    };
    listen().map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        Error::hand_over(path, error)
    })
}

/// Nobody can connect yet, whatever the permissions are that the file gets.
fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

fn listen_for_this_user(socket: Socket, path: &Path) -> io::Result<UnixListener> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_connect_before_the_permissions_are_set() {
        let path = std::env::temp_dir().join(format!("tickwire-deaf-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mode = || std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let socket = bind(&path).expect("bind");
        let early = UnixStream::connect(&path).map_err(|error| error.kind());
        assert_eq!(early.map(|_| ()), Err(ErrorKind::ConnectionRefused));
        let listener = listen_for_this_user(socket, &path).expect("it listens");
        assert_eq!(mode(), 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        drop(listener);
        std::fs::remove_file(&path).expect("its file");
    }
}
