//! A receiver of webhooks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use super::coordinator::PATIENCE;

pub struct Webhook {
    pub at: SocketAddr,
    received: Receiver<(Vec<String>, Value)>,
}

impl Webhook {
    pub fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (sender, received) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut heads = Vec::new();
                let mut length = 0;
                for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                    let line = line.to_ascii_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    heads.push(line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                if sender.send((heads, serde_json::from_slice(&body).unwrap())).is_err() {
                    return;
                }
            }
        });
        Self { at, received }
    }

    /// The next call about this check of this instance: the head's lines in lower case, and the body.
    pub fn next_of(&self, instance_id: &str, check: &str) -> (Vec<String>, Value) {
        loop {
            let (heads, body) = self.next();
            if body["instance_id"] == instance_id && body["check"] == check {
                return (heads, body);
            }
        }
    }

    fn next(&self) -> (Vec<String>, Value) {
        self.received.recv_timeout(PATIENCE).expect("a webhook is called")
    }
}
