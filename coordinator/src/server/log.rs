//! The coordinator's log: one line an event, on stderr.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::visible;
use serde_json::json;

use crate::store::Millis;

/// A sink of lines that any task may write to.
#[derive(Clone)]
pub struct Log {
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
    is_json: bool,
    now: fn() -> Millis,
}

impl Log {
    pub fn new(sink: Box<dyn Write + Send>, is_json: bool, now: fn() -> Millis) -> Self {
        Self { sink: Arc::new(Mutex::new(sink)), is_json, now }
    }

    /// One line; what comes from outside in it is made visible. That it cannot be written is no reason to stop.
    pub fn line(&self, message: &str) {
        let time = rfc3339((self.now)() / 1_000);
        let message = visible(message);
        let line = if self.is_json {
            json!({"time": time, "message": message}).to_string()
        } else {
            format!("{time} {message}")
        };
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(sink, "{line}");
    }
}
