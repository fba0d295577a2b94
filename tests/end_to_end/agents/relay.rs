//! A port inside an instance's VPC that leads to a coordinator on this machine's loopback, and that can be cut.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Where agents find it in their own network.
pub const PORT: u16 = 7443;

pub struct Relay {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// `None`: the network is cut.
    to: Option<SocketAddr>,
    open: Vec<TcpStream>,
}

impl Relay {
    /// Listens on `address` in the network namespace at `network`.
    pub fn begin(network: &str, address: Ipv4Addr, to: SocketAddr) -> Self {
        let namespace = std::fs::File::open(network).expect("the network namespace is there");
        // A socket stays in the namespace that its thread was in; so the thread is thrown away, and the socket kept.
        let listening = thread::spawn(move || {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the network namespace");
            TcpListener::bind((address, PORT)).expect("listen in the network namespace")
        });
        let listener = listening.join().expect("the thread that listens");
        let inner = Arc::new(Mutex::new(Inner { to: Some(to), open: Vec::new() }));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for incoming in listener.incoming() {
                // The machine is gone, and the test with it.
                let Ok(incoming) = incoming else { return };
                // A connection that cannot be led on is closed: so an instance sees a coordinator that is away.
                let _ = lead(incoming, &shared);
            }
        });
        Self { inner }
    }

    /// Ends what is open, and leads nothing on from now.
    pub fn cut(&self) {
        self.lead_to(None);
    }

    /// From now on to this coordinator; what is open is ended.
    pub fn join(&self, to: SocketAddr) {
        self.lead_to(Some(to));
    }

    fn lead_to(&self, to: Option<SocketAddr>) {
        let mut inner = self.inner.lock().unwrap();
        inner.to = to;
        for stream in inner.open.drain(..) {
            // One that has ended already is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lead(incoming: TcpStream, shared: &Mutex<Inner>) -> io::Result<()> {
    let mut inner = shared.lock().unwrap();
    let to = inner.to.ok_or(io::ErrorKind::ConnectionRefused)?;
    let outgoing = TcpStream::connect(to)?;
    inner.open.extend([incoming.try_clone()?, outgoing.try_clone()?]);
    for (mut from, mut into) in [(incoming.try_clone()?, outgoing.try_clone()?), (outgoing, incoming)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut into);
            let _ = into.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
