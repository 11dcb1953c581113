//! A way to the server that can be cut at the worst moment.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// When and how the next connection that commits is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Not at all.
    Never,
    /// The commit does not reach the server.
    BeforeCommit,
    /// The commit reaches the server, and its answer does not come back.
    AfterCommit,
    /// The connection ends for the client at once, and the commit reaches the server so much later.
    LateCommit(Duration),
    /// The commit does not reach the server, nor does the end of the connection: both hear nothing.
    Silence,
    /// The transaction's first statements do not reach the server.
    AtBegin,
}

/// A way to the server over TCP.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    cut: Mutex<Cut>,
    open: Mutex<Vec<TcpStream>>,
    /// Whether anybody gets through.
    closed: Mutex<bool>,
}

impl Proxy {
    /// A way to the server behind this socket, over a port that nobody else has.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port");
        let shared = Arc::new(Shared {
            server: socket.to_owned(),
            cut: Mutex::new(Cut::Never),
            open: Mutex::default(),
            closed: Mutex::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                if *shared.closed.lock().expect("a lock") {
                    continue;
                }
                thread::spawn(move || serve(client, &shared));
            }
        });
        Self { address, shared }
    }

    /// The address of this database through it.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}", self.address)
    }

    /// Cuts the next connection that commits, and only that.
    ///
    /// # Panics
    /// When a thread has panicked.
    pub fn cut_next(&self, cut: Cut) {
        *self.shared.cut.lock().expect("a lock") = cut;
    }

    /// Whether the cut that was asked for has been made.
    ///
    /// # Panics
    /// When a thread has panicked.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        *self.shared.cut.lock().expect("a lock") == Cut::Never
    }

    /// Ends every connection, and lets nobody through until it is opened again.
    ///
    /// # Panics
    /// When a thread has panicked.
    pub fn close(&self) {
        *self.shared.closed.lock().expect("a lock") = true;
        self.drop_all();
    }

    /// Lets everybody through again.
    ///
    /// # Panics
    /// When a thread has panicked.
    pub fn open(&self) {
        *self.shared.closed.lock().expect("a lock") = false;
    }

    /// Ends every connection.
    ///
    /// # Panics
    /// When a thread has panicked.
    pub fn drop_all(&self) {
        for stream in self.shared.open.lock().expect("a lock").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(client: TcpStream, shared: &Shared) {
    let Ok(server) = UnixStream::connect(&shared.server) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let (Ok(to_client), Ok(from_server), Ok(kept)) =
        (client.try_clone(), server.try_clone(), client.try_clone())
    else {
        return;
    };
    shared.open.lock().expect("a lock").push(kept);
    let swallowed = Arc::new(Mutex::new(None));
    let mouth = Arc::clone(&swallowed);
    let back = thread::spawn(move || copy_back(from_server, to_client, &mouth));
    forward(client, server, shared, &swallowed);
    let _ = back.join();
}

/// What the server answered and the client does not get to hear, once it is cut.
type Swallowed = Mutex<Option<Vec<u8>>>;

fn copy_back(mut server: UnixStream, mut client: TcpStream, swallowed: &Swallowed) {
    let mut buffer = [0; 16_384];
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read) else {
            break;
        };
        if let Some(swallowed) = &mut *swallowed.lock().expect("a lock") {
            swallowed.extend_from_slice(bytes);
            continue;
        }
        if client.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn forward(mut client: TcpStream, mut server: UnixStream, shared: &Shared, swallowed: &Swallowed) {
    let mut buffer = [0; 65_536];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read) else {
            break;
        };
        if let Some((place, cut)) = cut_in(bytes, shared) {
            end(cut, bytes, place, client, server, swallowed);
            return;
        }
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// Where to cut these bytes, and how, if at all.
fn cut_in(bytes: &[u8], shared: &Shared) -> Option<(usize, Cut)> {
    let mut cut = shared.cut.lock().expect("a lock");
    let word: &[u8] = match *cut {
        Cut::Never => return None,
        Cut::AtBegin => b"BEGIN ISOLATION",
        _ => b"COMMIT\0",
    };
    let place = bytes.windows(word.len()).position(|part| part == word)?;
    // The message begins five bytes before its text.
    Some((
        place.saturating_sub(5),
        std::mem::replace(&mut *cut, Cut::Never),
    ))
}

fn end(
    cut: Cut,
    bytes: &[u8],
    place: usize,
    client: TcpStream,
    mut server: UnixStream,
    swallowed: &Swallowed,
) {
    let before = bytes.get(..place).unwrap_or_default();
    match cut {
        Cut::Never => {}
        Cut::BeforeCommit | Cut::AtBegin => {
            let _ = server.write_all(before);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
        Cut::AfterCommit => {
            *swallowed.lock().expect("a lock") = Some(Vec::new());
            let _ = server.write_all(bytes);
            let answered = || {
                let swallowed = swallowed.lock().expect("a lock");
                let mut parts = swallowed.as_deref().unwrap_or_default().windows(7);
                parts.any(|part| part == b"COMMIT\0")
            };
            while !answered() {
                thread::sleep(Duration::from_millis(1));
            }
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
        Cut::LateCommit(after) => {
            let _ = server.write_all(before);
            let _ = client.shutdown(Shutdown::Both);
            thread::sleep(after);
            let _ = server.write_all(bytes.get(place..).unwrap_or_default());
            thread::sleep(Duration::from_millis(300));
            let _ = server.shutdown(Shutdown::Both);
        }
        Cut::Silence => {
            let _ = server.write_all(before);
            thread::sleep(Duration::from_secs(3_600));
            drop(client);
        }
    }
}
